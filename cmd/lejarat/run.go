package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/console"
	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/watch"
	"lejarat/state"
)

// dryRunCache is the block cache of a dry run's throw-away stores.
const dryRunCache = 64 << 20

func runCommand(o *options) *cobra.Command {
	var clk clockFlags
	var once, dry bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "run",
		Short: "The processor: reads the sources, joins, fires the daily run",
		Long: "Reads the sources, joins documents and registrations by identity, and fires the daily run.\n" +
			"With --once it catches up, finishes the date's run where it is due, prints the figures and ends: 0 done, 1 with the reason.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			switch {
			case once && dry:
				return usage("--once and --dry-run do not go together")
			case dry:
				return dryRun(cmd.Context(), cfg, clock, o.json, cmd.OutOrStdout())
			}
			return run(cmd.Context(), cfg, clock, once, wait, o.json, cmd.OutOrStdout())
		},
	}
	clk.add(c)
	c.Flags().BoolVar(&once, "once", false, "catch up, fire what is due now, print the figures, end")
	c.Flags().DurationVar(&wait, "wait", 5*time.Minute, "with --once: give up after this time")
	c.Flags().BoolVar(&dry, "dry-run", false, "print what would go out now; write nothing")
	return c
}

// run is the processor's life: each line of the list needs the ones above it, and they end in the opposite order.
func run(ctx context.Context, cfg *config.Config, clk timepiece, once bool, wait time.Duration, asJSON bool, out io.Writer) (err error) {
	terminal := &screen{out: os.Stderr}
	log := loggerTo(cfg, terminal)
	registry := newRegistry()
	// The state directory first: without it nothing is worth connecting for.
	dir, err := openStateDir(cfg)
	if err != nil {
		return err
	}
	defer dir.close()
	// Also for one pass: under the name of the service that was stopped its partitions are there at once.
	if cfg.Kafka.InstanceID == "" {
		if cfg.Kafka.InstanceID, err = dir.instance(); err != nil {
			return err
		}
	}
	k, err := openKafka(ctx, cfg, log, registry, func(o *kafka.Options) { o.Leave = once })
	if err != nil {
		return err
	}
	defer k.Close()
	shared := state.NewShared(int64(cfg.State.Cache), false)
	defer shared.Close()
	shared.Fatal = endAtOnce
	metrics := newMetrics(registry)
	ec, err := engineConfig(cfg, k, clk, log, metrics, shared)
	if err != nil {
		return err
	}
	if once {
		// Whoever waits at the prompt waits for watermarks.
		ec.Limits.WatermarkIdle, ec.Limits.WatermarkBusy = 50*time.Millisecond, 50*time.Millisecond
	}
	engine, err := processor.New(ctx, ec)
	if err != nil {
		return err
	}
	metrics.watch(registry, engine, clk)
	// The port before the tasks: a restore can be watched.
	if cfg.HTTP.Listen != "" && !once {
		server, err := console.Start(console.Options{Listen: cfg.HTTP.Listen, Logger: log, Gatherer: registry,
			Live: func() error { return nil }, Ready: func() (bool, any) { ready, tasks := engine.Status(); return ready, tasks },
			Explain: answer(cfg, engine, log)})
		if err != nil {
			return err
		}
		defer server.Close(context.WithoutCancel(ctx))
		log.Info("listening", "address", server.Addr())
	}
	log.Info("started", "instance", cfg.Kafka.InstanceID, "generation", cfg.State.Generation, "topic_prefix", cfg.Kafka.TopicPrefix, "clock", map[bool]string{true: "virtual", false: "real"}[clk.Virtual()])
	if term.IsTerminal(int(os.Stderr.Fd())) {
		var bars sync.WaitGroup
		following, stop := context.WithCancel(ctx)
		defer bars.Wait()
		defer stop()
		bars.Go(func() { terminal.follow(following, func() []progress { return restores(engine.Restores()) }) })
	}
	if !once {
		return engine.Run(ctx)
	}
	outcome, err := engine.Once(ctx, wait)
	if err != nil {
		return err
	}
	if asJSON {
		if err := printJSON(out, outcome); err != nil {
			return err
		}
	} else {
		printOutcome(out, outcome)
	}
	if len(outcome.Unfinished) > 0 {
		return errors.New("not finished: " + strings.Join(outcome.Unfinished, "; "))
	}
	return ctx.Err()
}

func printOutcome(out io.Writer, o processor.Outcome) {
	if !o.Due {
		fmt.Fprintf(out, "The run of %s is not due yet; the sources are joined.\n", o.Date)
		return
	}
	fmt.Fprintf(out, "Run of %s\n", o.Date)
	printCounts(out, o.Counts)
}

func printCounts(out io.Writer, counts []processor.RunCount) {
	if len(counts) == 0 {
		fmt.Fprintln(out, "nothing was due")
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "kind\tdocument\tthreshold\tdecision\treason\tnumber")
	for _, c := range counts {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", c.Kind, c.Type, c.Threshold, c.Decision, c.Reason, c.Number)
	}
	w.Flush()
}

// dryNotice is a notice that would go out. References only: it may end in a log.
type dryNotice struct {
	Kind         string `json:"kind"`
	Decision     string `json:"decision"`
	Reason       string `json:"reason,omitempty"`
	Type         string `json:"document_type,omitempty"`
	Threshold    string `json:"threshold,omitempty"`
	Expires      string `json:"expires,omitempty"`
	Due          string `json:"due,omitempty"`
	Registration string `json:"registration_ref"`
}

func dryRun(ctx context.Context, cfg *config.Config, clk timepiece, asJSON bool, out io.Writer) error {
	log := newLogger(cfg)
	k, err := openKafka(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	defer k.Close()
	dir, err := os.MkdirTemp("", "lejarat-dry-run-")
	if err != nil {
		return fmt.Errorf("making a directory for the dry run: %w", err)
	}
	defer os.RemoveAll(dir)
	shared := state.NewShared(dryRunCache, false)
	shared.Fatal = endAtOnce
	defer shared.Close()
	ec, err := engineConfig(cfg, k, clk, log, nil, shared)
	if err != nil {
		return err
	}
	ec.Dir, ec.Look = dir, true
	var notices []dryNotice
	counts, err := processor.DryRun(ctx, ec, func(n watch.Notice) { notices = append(notices, showNotice(n)) })
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, map[string]any{"date": dateOf(clk, cfg), "counts": counts, "notices": notices})
	}
	fmt.Fprintf(out, "Would go out on %s, judged from what the journal holds, the fuse aside (nothing was written)\n", dateOf(clk, cfg))
	printCounts(out, counts)
	return nil
}

func showNotice(n watch.Notice) dryNotice {
	v := dryNotice{Kind: n.Kind, Decision: "emitted", Reason: n.Reason, Registration: fmt.Sprintf("%x", n.To.Ref)}
	if n.Reason != "" {
		v.Decision = "skipped"
	}
	if n.Document != nil {
		v.Type, v.Threshold, v.Expires, v.Due = n.Document.Type, n.Due.Label, n.Expires.String(), n.Due.Date.String()
	}
	return v
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	registerRuntime(r)
	return r
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
