// Command lejarat tells people by e-mail, ahead of time and exactly once, that an official document of theirs is about
// to expire. One file a command; this package is wiring and life cycle only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // Europe/Budapest must be known on any machine

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/processor"
)

// Exit statuses (SPEC 4).
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a wrong use of the command line.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// shutdownLimit is how long a command may take to end after SIGTERM.
const shutdownLimit = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends at once
		time.Sleep(shutdownLimit)
		fmt.Fprintln(os.Stderr, "lejarat: draining took too long, ending now; nothing is lost")
		os.Exit(exitFailed)
	}()
	root := newRoot()
	err := root.ExecuteContext(ctx)
	stopProfile()
	os.Exit(exitStatus(err))
}

// endAtOnce ends the process where it stands, as a crash would; what it was writing is read again at the next start.
func endAtOnce(text string) {
	fmt.Fprintln(os.Stderr, "lejarat:", text)
	os.Exit(exitFailed)
}

func exitStatus(err error) int {
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(os.Stderr, "lejarat:", err)
	var wrong usageError
	var refused *processor.Refused
	if errors.As(err, &wrong) || errors.As(err, &refused) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitFailed
}

// options are the flags that every command has.
type options struct {
	config  string
	json    bool
	profile string
}

func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:           "lejarat",
		Short:         "Tells citizens by e-mail, once and in time, that a document of theirs is about to expire",
		SilenceUsage:  true,
		SilenceErrors: true,

		PersistentPreRunE: func(*cobra.Command, []string) error { return startProfile(o.profile) },
	}
	root.PersistentFlags().StringVar(&o.config, "config", "lejarat.yaml", "configuration file; LEJARAT_… variables override it")
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print results as JSON")
	root.PersistentFlags().StringVar(&o.profile, "cpu-profile", "", "write a CPU profile to this file, for go tool pprof")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(runCommand(o), mailCommand(o), demoCommand(o), topicsCommand(o), generateCommand(o), checkCommand(o),
		configCommand(o), rebuildCommand(o), sweepCommand(o), fuseCommand(o, processor.CommandRelease), fuseCommand(o, processor.CommandSkip),
		explainCommand(o), suppressCommand(o), reportCommand(o))
	root.CompletionOptions.HiddenDefaultCmd = true
	wrongUse(root)
	return root
}

// wrongUse makes wrong arguments a wrong use: exit status 2.
func wrongUse(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, a []string) error {
			if err := args(c, a); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrongUse(sub)
	}
}

func (o *options) load() (*config.Config, error) {
	cfg, err := config.Load(o.config, os.Environ())
	if err != nil {
		return nil, usageError{err}
	}
	return cfg, nil
}

// loadWithClock is load for a command that acts, with the clock that it acts by.
func (o *options) loadWithClock(f *clockFlags) (*config.Config, *clock, error) {
	cfg, err := o.load()
	if err != nil {
		return nil, nil, err
	}
	clk, err := f.clock()
	return cfg, clk, err
}
