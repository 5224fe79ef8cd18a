package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lejarat/connectors/console"
	"lejarat/processor/event"
)

// Defaults of the demo: half a year that fits into a minute on a terminal, and into 20 s without one.
const (
	demoPeople       = 4000
	demoDays         = 182
	demoTerminalRate = 3.5 // days a second
	demoChurn        = 4   // life is livelier than life
)

// demoFlags are what can be changed about the demo.
type demoFlags struct {
	seed   uint64
	people int
	days   int
	rate   float64
	listen string
	until  time.Time // no day begins after it; zero: no such limit
}

// demoPatience is how long the days may take without a terminal: whoever waits there is a script.
const demoPatience = 19 * time.Second

func demoCommand(o *options) *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "Everything in one process on an embedded broker, with an invented registry and a local mailbox",
		Long: "Plays half a year of an invented registry on an embedded broker: documents expire, people renew, move, marry,\n" +
			"switch the service off, mistype their names; the service tells whom it must. Ends in a summary that balances.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.people < 1 || f.days < 1 || f.rate < 0 {
				return usage("--people and --days must be above 0, --rate not below 0")
			}
			terminal := term.IsTerminal(int(os.Stdout.Fd()))
			if terminal && !cmd.Flags().Changed("rate") {
				f.rate = demoTerminalRate
			}
			if !terminal && !cmd.Flags().Changed("days") && !cmd.Flags().Changed("rate") {
				f.until = started.Add(demoPatience)
			}
			return demo(cmd.Context(), f, terminal, cmd.OutOrStdout())
		},
	}
	c.Flags().Uint64Var(&f.seed, "seed", 1, "what is invented follows from it")
	c.Flags().IntVar(&f.people, "people", demoPeople, "how many people")
	c.Flags().IntVar(&f.days, "days", demoDays, "how many days")
	c.Flags().Float64Var(&f.rate, "rate", 0, "days a second; 0 is as fast as it goes (on a terminal: 3.5)")
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "host:port of the page; port 0 takes a free one")
	return c
}

// demo plays the days and tells their story.
func demo(ctx context.Context, f demoFlags, terminal bool, out io.Writer) error {
	box, err := console.NewMailbox("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer box.Close()
	story := newStory(out, terminal, f.days)
	box.OnMail(story.arrived)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	// The calendar starts today: brokers stamp records with real time, and a source from the past would count as late.
	start := event.DateOf(time.Now(), time.UTC)
	story.opening(f, start)
	s, err := openStage(ctx, stageOptions{Seed: f.seed, People: f.people, Start: start, Churn: demoChurn, Relay: box.Addr(), Log: log, Report: story.outcome})
	if err != nil {
		return err
	}
	defer s.close()
	server, err := console.Start(console.Options{Listen: f.listen, Logger: log, Gatherer: newRegistry(), Mailbox: box, Live: func() error { return nil },
		Ready: func() (bool, any) { ready, tasks := s.engine.Status(); return ready, tasks }, Story: story.page,
		Explain: answer(s.cfg, s.engine, log)})
	if err != nil {
		return err
	}
	defer server.Close(context.WithoutCancel(ctx))
	story.address("http://" + server.Addr())
	if err := play(ctx, s, f, story); err != nil {
		if ctx.Err() != nil {
			story.say("Stopped on %s.", s.world.Day())
			return nil
		}
		return err
	}
	if err := story.summary(s, box); err != nil {
		return err
	}
	if terminal {
		fmt.Fprintf(out, "\nThe mailbox stays open at http://%s — Ctrl-C ends the demo.\n", server.Addr())
		<-ctx.Done()
	}
	return nil
}

// play lets the days pass: at six the day's run, then the day's life.
func play(ctx context.Context, s *stage, f demoFlags, story *story) error {
	records, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	story.census(s, records)
	first := s.world.Day()
	for day := first; day < first+event.Date(f.days); day++ {
		began := time.Now()
		if !f.until.IsZero() && began.After(f.until) {
			story.say("Without a terminal the demo ends here, after %d days; --days plays as many as you like.", day-first)
			break
		}
		expected, err := s.run(ctx, day)
		if err != nil {
			return err
		}
		if s.released {
			story.say("The fuse held the run of %s: it is larger than usual. An operator looked and released it (lejarat release %s).", day, day)
		}
		story.ran(day, s.engine.Figures(day), expected)
		if err := s.await(ctx, story.delivered); err != nil {
			return err
		}
		story.oneMail()
		changes, err := s.live(ctx)
		if err != nil {
			return err
		}
		story.lived(day, changes)
		if f.rate > 0 {
			if rest := time.Duration(float64(time.Second)/f.rate) - time.Since(began); rest > 0 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(rest):
				}
			}
		}
	}
	return nil
}
