package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lejarat/processor"
	"lejarat/processor/event"
)

// commandDays is how far ahead an operator may release or skip a date.
const commandDays = 31

func fuseCommand(o *options, command string) *cobra.Command {
	short := map[string]string{
		processor.CommandRelease: "Let the run of a date go that the fuse holds",
		processor.CommandSkip:    "Record every notice of a date's run as skipped; none of them is sent later",
	}[command]
	var f clockFlags
	c := &cobra.Command{
		Use:   command + " DATE",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			date, err := event.ParseDate(args[0])
			if err != nil {
				return usageError{err}
			}
			clk, err := f.clock()
			if err != nil {
				return err
			}
			today := event.DateOf(clk.Now(), cfg.Calendar.Location())
			if date < today || date > today+commandDays {
				return usage("%s is not a date whose run can be spoken of: today is %s, at most %d days ahead", date, today, commandDays)
			}
			k, err := openActing(cmd.Context(), cfg, clk, newLogger(cfg), nil)
			if err != nil {
				return err
			}
			defer k.Close()
			if err := k.Produce(cmd.Context(), []event.Record{processor.CommandMessage(cfg.Kafka.TopicPrefix, date, command, clk.Now())}); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"date": date.String(), "command": command})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s recorded; a running service acts on it at once, a run --once with its next start\n", date, command)
			return nil
		},
	}
	f.add(c)
	return c
}
