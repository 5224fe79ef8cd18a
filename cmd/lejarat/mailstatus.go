package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/connectors/smtp"
	"lejarat/processor/event"
)

// mailState is what the topics say about sending, whether an instance runs or not.
type mailState struct {
	Paused *smtp.Pause `json:"paused"` // null: no
	// QueuedAtMost counts from the first mail of each partition without an outcome: some behind it may have one.
	QueuedAtMost int64 `json:"queued_at_most"`
}

func mailStatusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Whether sending is paused, and how much is queued",
		Long:  "Reads the topics. How an instance stands (relays, retries, the day's cap) it says itself: mail --listen, /readyz.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			k, err := openKafka(cmd.Context(), cfg, newLogger(cfg), nil)
			if err != nil {
				return err
			}
			defer k.Close()
			state, err := readMailState(cmd.Context(), cfg, k)
			if err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), state)
			}
			return state.print(cmd.OutOrStdout())
		},
	}
}

func readMailState(ctx context.Context, cfg *config.Config, k *kafka.Client) (state mailState, err error) {
	topics := cfg.Kafka.Topics()
	if state.Paused, err = readPause(ctx, k, topics.Suppressions); err != nil {
		return state, err
	}
	spans, err := k.Spans(ctx, topics.MailSink)
	if err != nil {
		return state, err
	}
	done := map[event.TopicPartition]int64{} // how far all groups are
	for tp, span := range spans {
		done[tp] = span.End
	}
	for _, group := range mailGroups(cfg) {
		committed, err := k.Committed(ctx, group, topics.MailSink)
		if err != nil {
			return state, err
		}
		for tp, span := range spans {
			done[tp] = min(done[tp], max(span.Start, committed[tp]))
		}
	}
	for tp, span := range spans {
		state.QueuedAtMost += span.End - done[tp]
	}
	return state, nil
}

// readPause reads an operator's pause; nil: there is none.
func readPause(ctx context.Context, k *kafka.Client, topic string) (p *smtp.Pause, err error) {
	spans, err := k.Spans(ctx, topic)
	if err != nil {
		return nil, err
	}
	err = event.Scan(ctx, k, spans, func(r *event.Record) error {
		if string(r.Key) != event.PauseKey {
			return nil
		}
		if p = nil; r.Value != nil {
			var s event.Suppression
			_ = json.Unmarshal(r.Value, &s) // the connector takes it for a pause, whatever it says
			p = &smtp.Pause{Since: s.Since, Reason: s.Note}
		}
		return nil
	})
	return p, err
}

func (s mailState) print(out io.Writer) error {
	said := "sending is not paused"
	if s.Paused != nil {
		said = fmt.Sprintf("paused since %s: %s", s.Paused.Since, s.Paused.Reason)
	}
	_, err := fmt.Fprintf(out, "%s\nat most %d mails are queued\n", said, s.QueuedAtMost)
	return err
}
