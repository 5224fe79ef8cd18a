package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"lejarat/processor/event"
)

// maxNote bounds what an operator says about a pause, in characters: it is one line of a log.
const maxNote = 200

func mailPauseCommand(o *options) *cobra.Command {
	return pauseCommand(o, &cobra.Command{
		Use:   "pause REASON",
		Short: "Hold sending everywhere, until mail resume",
		Long: "No instance hands over a mail any more, from within two seconds on, also after a restart. Notices are decided as before\n" +
			"and wait in the queue; what is switched off, or too late, meanwhile is recorded as such. REASON is for other operators:\n" +
			"it stands in the log, in /readyz and in the topic, so no names and addresses.",
		Args: cobra.ExactArgs(1),
	}, true)
}

func mailResumeCommand(o *options) *cobra.Command {
	return pauseCommand(o, &cobra.Command{
		Use:   "resume",
		Short: "Let sending go on after mail pause",
		Args:  cobra.NoArgs,
	}, false)
}

func pauseCommand(o *options, c *cobra.Command, pause bool) *cobra.Command {
	var f clockFlags
	c.RunE = func(cmd *cobra.Command, args []string) error {
		note := strings.Join(args, "")
		if pause && (strings.TrimSpace(note) == "" || utf8.RuneCountInString(note) > maxNote || strings.ContainsAny(note, "\r\n")) {
			return usage("say why, in one line of at most %d characters", maxNote)
		}
		cfg, clk, err := o.loadWithClock(&f)
		if err != nil {
			return err
		}
		k, err := openActing(cmd.Context(), cfg, clk, newLogger(cfg), nil)
		if err != nil {
			return err
		}
		defer k.Close()
		topic, at := cfg.Kafka.Topics().Suppressions, clk.Now().In(cfg.Calendar.Location()).Format(event.TimeFormat)
		record := event.Record{Topic: topic, Partition: event.AnyPartition, Key: []byte(event.PauseKey)} // a tombstone lifts it
		if pause {
			record = event.Message(topic, event.PauseKey, event.PauseKey+"@"+at, "suppression", at, event.Suppression{Since: at, Note: note})
		}
		if err := k.Produce(cmd.Context(), []event.Record{record}); err != nil {
			return err
		}
		if o.json {
			return printJSON(cmd.OutOrStdout(), map[string]any{"paused": pause, "at": at, "reason": note})
		}
		said := "sending goes on"
		if pause {
			said = "sending is paused; `lejarat mail resume` lets it go on"
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
		return err
	}
	f.add(c)
	return c
}
