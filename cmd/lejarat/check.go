package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/state"
)

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, reach the brokers, show how one record of each source maps",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
}

// sourceCheck is what check says of a source.
type sourceCheck struct {
	Topic   string         `json:"topic"`
	Kind    string         `json:"kind"`
	Records int64          `json:"records"`
	Columns []intake.Shown `json:"columns,omitempty"`
	Verdict string         `json:"verdict"`
	failed  bool
}

func check(ctx context.Context, o *options, out io.Writer) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	log := newLogger(cfg)
	shared := state.NewShared(1<<20, true)
	defer shared.Close()
	ec, err := engineConfig(cfg, nil, &clock{}, log, nil, shared)
	if err != nil {
		return err
	}
	if !o.json {
		fmt.Fprintf(out, "%s: the configuration is valid\n", o.config)
	}
	k, err := openKafka(ctx, cfg, log, nil)
	if err != nil {
		return err
	}
	defer k.Close()
	if !o.json {
		fmt.Fprintf(out, "the brokers answer (%v)\n", cfg.Kafka.Brokers)
	}
	var checks []sourceCheck
	failed := false
	for i := range ec.Sources {
		c := checkSource(ctx, k, &ec, i)
		failed = failed || c.failed
		checks = append(checks, c)
	}
	if o.json {
		err = printJSON(out, map[string]any{"sources": checks})
	} else {
		printChecks(out, checks)
	}
	if err == nil && failed {
		err = errors.New("not every source can be used")
	}
	return err
}

func checkSource(ctx context.Context, k *kafka.Client, ec *processor.Config, i int) sourceCheck {
	src := &ec.Sources[i]
	c := sourceCheck{Topic: src.Topic, Kind: [...]string{"documents", "registrations", "heartbeats"}[src.Kind]}
	spans, err := k.Spans(ctx, src.Topic)
	if err != nil {
		c.Verdict, c.failed = err.Error(), true
		return c
	}
	for _, span := range spans {
		c.Records += span.End - span.Start
	}
	decoder, err := src.NewDecoder()
	if err != nil {
		c.Verdict, c.failed = err.Error(), true
		return c
	}
	record, change, err := sample(ctx, k, spans, decoder)
	switch {
	case err != nil:
		c.Verdict, c.failed = err.Error(), true
	case record == nil:
		c.Verdict = "the topic holds no row yet"
	default:
		core := ec.Intake
		core.Source = src.Source
		var reject *event.Reject
		c.Columns, reject = core.Show(&intake.Input{Change: change, Record: record})
		c.Verdict = fmt.Sprintf("offset %d of partition %d can be used", record.Offset, record.Partition)
		if reject != nil {
			c.Verdict, c.failed = fmt.Sprintf("offset %d of partition %d is rejected: %v", record.Offset, record.Partition, reject), true
		}
	}
	return c
}

// sampleTries is how many records are looked at for one that carries a row.
const sampleTries = 500

// sample returns the first record that carries a row's values.
func sample(ctx context.Context, k *kafka.Client, spans map[event.TopicPartition]event.Span, d processor.Decoder) (*event.Record, event.Change, error) {
	for tp, span := range spans {
		if span.End == span.Start {
			continue
		}
		r, err := k.Read(ctx, map[event.TopicPartition]int64{tp: span.Start})
		if err != nil {
			return nil, event.Change{}, err
		}
		record, change, err := sampleOf(ctx, r, tp, span, d)
		r.Close()
		if record != nil || err != nil {
			return record, change, err
		}
	}
	return nil, event.Change{}, nil
}

func sampleOf(ctx context.Context, r event.Reader, tp event.TopicPartition, span event.Span, d processor.Decoder) (*event.Record, event.Change, error) {
	for tries := 0; tries < sampleTries && r.Position(tp) < span.End; {
		records, err := r.Poll(ctx, sampleTries, 2*time.Second)
		if err != nil || len(records) == 0 {
			return nil, event.Change{}, err
		}
		for i := range records {
			tries++
			if records[i].Control {
				continue
			}
			change, err := d.Decode(&records[i])
			if err != nil {
				return nil, change, fmt.Errorf("offset %d of partition %d: %w", records[i].Offset, tp.Partition, err)
			}
			if change.Op == event.Upsert {
				return &records[i], change, nil
			}
		}
	}
	return nil, event.Change{}, nil
}

func printChecks(out io.Writer, checks []sourceCheck) {
	for _, c := range checks {
		fmt.Fprintf(out, "\n%s (%s, %d offsets)\n", c.Topic, c.Kind, c.Records)
		for _, col := range c.Columns {
			fmt.Fprintf(out, "  %-24s %s\n", col.Column, col.Value)
		}
		fmt.Fprintf(out, "  %s\n", c.Verdict)
	}
}
