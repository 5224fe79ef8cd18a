package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/processor"
	"lejarat/state"
)

func sweepCommand(o *options) *cobra.Command {
	var clk clockFlags
	var source string
	var so processor.SweepOptions
	c := &cobra.Command{
		Use:   "sweep --source S",
		Short: "After a new complete snapshot: retire the rows of a source that are not in it",
		Long: "Rows that were deleted while the connector was down, or whose deletes are lost, are in no record: a new complete snapshot\n" +
			"shows by what it lacks that they are gone. This reads the source from the snapshot's first row on and retires what is in\n" +
			"neither the snapshot nor what came after it, as a delete would. `lejarat run` must be stopped. --dry-run first.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			for _, s := range cfg.Sources {
				if s.Name == source || s.Topic == source {
					return sweep(cmd.Context(), cfg, clock, s.Topic, so, o.json, cmd.OutOrStdout())
				}
			}
			return usage("--source %q: want the name or topic of a source of the configuration", source)
		},
	}
	clk.add(c)
	c.Flags().StringVar(&source, "source", "", "name or topic of the source")
	c.Flags().BoolVar(&so.DryRun, "dry-run", false, "count what would be retired; retire nothing")
	c.Flags().BoolVar(&so.Force, "force", false, "also where more than 5 % of the rows would be retired")
	return c
}

func sweep(ctx context.Context, cfg *config.Config, clk timepiece, topic string, so processor.SweepOptions, asJSON bool, out io.Writer) error {
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
	if err := nobodyRuns(ctx, cfg, k, log, processor.Groups(cfg.Kafka.TopicPrefix, cfg.State.Generation)...); err != nil {
		return err
	}
	shared := state.NewShared(int64(cfg.State.Cache), false)
	shared.Fatal = endAtOnce
	defer shared.Close()
	ec, err := engineConfig(cfg, k, clk, log, nil, shared)
	if err != nil {
		return err
	}
	meter := newMeter(log, os.Stderr)
	done, err := processor.Sweep(ctx, ec, topic, so, meter.follow)
	meter.stop()
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, done)
	}
	fmt.Fprintf(out, "%s: %d rows, %d of them not in the snapshot of %s\n", done.Source, done.Rows, done.Missing, done.Snapshot)
	if so.DryRun {
		fmt.Fprintln(out, "Nothing was retired (--dry-run)")
	} else {
		fmt.Fprintf(out, "%d rows are retired\n", done.Retired)
	}
	return nil
}
