package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/state"
)

func rebuildCommand(o *options) *cobra.Command {
	var clk clockFlags
	var sources bool
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Rebuild the state of this instance from lejarat's topics, or a new generation from the sources",
		Long: "Restores the stores in state.dir from the journal and the notifications, to the end, and ends: `lejarat run` is ready at once then.\n" +
			"With --from-sources it makes the generation that state.generation names, one above the live one, from the first record of\n" +
			"the sources on, and makes it live. Nobody is mailed again: the notifications are common to all generations. `lejarat run` and\n" +
			"`lejarat mail` must be stopped. Stopped itself, it goes on where it was when it is called again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			return rebuild(cmd.Context(), cfg, clock, sources, o.json, cmd.OutOrStdout())
		},
	}
	clk.add(c)
	c.Flags().BoolVar(&sources, "from-sources", false, "make a new generation from the first record of the sources on, and make it live")
	return c
}

func rebuild(ctx context.Context, cfg *config.Config, clk timepiece, sources, asJSON bool, out io.Writer) error {
	log := newLogger(cfg)
	dir, err := openStateDir(cfg)
	if err != nil {
		return err
	}
	defer dir.close()
	k, err := openKafka(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	defer k.Close()
	shared := state.NewShared(int64(cfg.State.Cache), false)
	shared.Fatal = endAtOnce
	defer shared.Close()
	ec, err := engineConfig(cfg, k, clk, log, nil, shared)
	if err != nil {
		return err
	}
	if sources {
		if err := readyToRebuild(ctx, cfg, k, log); err != nil {
			return err
		}
	}
	meter := newMeter(log, os.Stderr)
	work := processor.RestoreAll
	if sources {
		work = processor.Rebuild
	}
	done, err := work(ctx, ec, meter.follow)
	meter.stop()
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, done)
	}
	printRebuilt(out, done)
	return nil
}

// readyToRebuild wants a state of affairs in which nobody decides or sends anything, and makes the new journal.
func readyToRebuild(ctx context.Context, cfg *config.Config, k *kafka.Client, log *slog.Logger) error {
	live, err := processor.LiveGeneration(ctx, k, &clock{}, cfg.Kafka.TopicPrefix)
	if err != nil {
		return err
	}
	if live >= cfg.State.Generation {
		return refused("generation %d is live, state.generation is %d: set state.generation: %d to make a new one from the sources", live, cfg.State.Generation, live+1)
	}
	// A mail must not be judged by suppressions that are being written anew from the first record on.
	if err := nobodyRuns(ctx, cfg, k, log, append(processor.Groups(cfg.Kafka.TopicPrefix, live), mailGroups(cfg)...)...); err != nil {
		return err
	}
	_, err = k.CreateTopics(ctx, topicSpecs(cfg))
	return err
}

// nobodyRuns refuses while a group has members. An instance that was stopped keeps its membership until the session
// times out, so that a restart moves no partition: that long it is waited for.
func nobodyRuns(ctx context.Context, cfg *config.Config, k *kafka.Client, log *slog.Logger, groups ...string) error {
	patience := cfg.Kafka.SessionTimeout + 5*time.Second
	for began := time.Now(); ; {
		members, err := k.Members(ctx, groups...)
		if err != nil {
			return err
		}
		if len(members) == 0 {
			return nil
		}
		var who []string
		for _, group := range sortedKeys(members) {
			who = append(who, fmt.Sprintf("%d in %s", members[group], group))
		}
		if time.Since(began) >= patience {
			return refused("the service is running (members: %s): stop every `lejarat run` and `lejarat mail`", strings.Join(who, ", "))
		}
		if time.Since(began) < time.Second {
			log.Info("waiting for the groups to be empty: who was stopped keeps its membership until the session times out", "members", strings.Join(who, ", "), "at_most", patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func refused(format string, args ...any) error {
	return &processor.Refused{Text: fmt.Sprintf(format, args...)}
}

func printRebuilt(out io.Writer, r processor.Rebuilt) {
	fmt.Fprintf(out, "Generation %d: %d records in %.1f s, %.0f a second\n", r.Generation, r.Records, r.Seconds, r.PerSecond)
	if r.Live {
		fmt.Fprintf(out, "It is live, in place of generation %d; %d rows keep the effective time they had there\n", r.Former, r.TakenOver)
		fmt.Fprintln(out, "Start lejarat run and lejarat mail; lejarat topics drop-former deletes the journals before it")
	}
}

// meter shows how far a long piece of work is: a bar on a terminal, else a line in the log now and then.
type meter struct {
	log  *slog.Logger
	all  *mpb.Progress // nil without a terminal
	quit chan struct{}
	wg   sync.WaitGroup
}

func newMeter(log *slog.Logger, out *os.File) *meter {
	m := &meter{log: log}
	if term.IsTerminal(int(out.Fd())) {
		m.all = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	}
	return m
}

// How often the meter moves, on a terminal and in the log.
const (
	barEvery = 200 * time.Millisecond
	logEvery = 5 * time.Second
)

// follow shows one part of the work after another.
func (m *meter) follow(what string, p *processor.Progress) {
	m.end()
	m.quit = make(chan struct{})
	quit := m.quit
	m.wg.Go(func() {
		if m.all != nil {
			m.bar(what, p, quit)
		} else {
			m.lines(what, p, quit)
		}
	})
}

func (m *meter) bar(what string, p *processor.Progress, quit chan struct{}) {
	bar := m.all.AddBar(0, mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			done, total, rate, left := p.Read(time.Now())
			return fmt.Sprintf(" %d of %d, %.0f/s, %s left", done, total, rate, left.Round(time.Second))
		})))
	for ended := false; !ended; {
		select {
		case <-quit:
			ended = true
		case <-time.After(barEvery):
		}
		done, total, _, _ := p.Read(time.Now())
		bar.SetTotal(total, false)
		bar.SetCurrent(done)
	}
	bar.SetTotal(-1, true)
}

func (m *meter) lines(what string, p *processor.Progress, quit chan struct{}) {
	for {
		select {
		case <-quit:
			return
		case <-time.After(logEvery):
		}
		done, total, rate, left := p.Read(time.Now())
		m.log.Info(what, "done", done, "total", total, "per_second", int64(rate), "seconds_left", int64(left.Seconds()))
	}
}

func (m *meter) end() {
	if m.quit != nil {
		close(m.quit)
		m.wg.Wait()
		m.quit = nil
	}
}

func (m *meter) stop() {
	m.end()
	if m.all != nil {
		m.all.Wait()
	}
}
