package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// generateFlags say what is invented and where it goes.
type generateFlags struct {
	seed    uint64
	people  int
	start   string
	days    int
	brokers []string
	sql     bool
	schemas bool
	// partitions of each table's topic; heartbeat topics have one.
	partitions int32
	// due notices fall due on dueOn, none on idleOn; "" for no such day.
	due           int
	dueOn, idleOn string
}

func generateCommand(o *options) *cobra.Command {
	var f generateFlags
	c := &cobra.Command{
		Use:   "generate",
		Short: "An invented registry, the same for the same seed: as Debezium records into Kafka, or as SQL",
		Long: "Invents a document registry and a registration store, the same for the same seed, and --days of life in them.\n" +
			"With --brokers it writes Debezium records to okmany.public.document and ugyfelkapu.public.registration;\n" +
			"with --sql it prints tables, rows and changes for PostgreSQL.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start, err := f.startDate()
			if err != nil {
				return err
			}
			w := registry.Options{Seed: f.seed, People: f.people, Start: start}
			if w.Due, err = f.dueDays(start); err != nil {
				return err
			}
			switch {
			case f.sql == (len(f.brokers) > 0):
				return usage("say where it goes: --brokers or --sql")
			case f.people < 1:
				return usage("--people must be above 0")
			case f.partitions < 1:
				return usage("--partitions must be above 0")
			case f.sql:
				return f.printSQL(cmd.OutOrStdout(), w)
			}
			return f.produce(cmd.Context(), w, o.json, cmd.OutOrStdout())
		},
	}
	c.Flags().Uint64Var(&f.seed, "seed", 1, "what is invented follows from it")
	c.Flags().IntVar(&f.people, "people", 1000, "how many people")
	c.Flags().StringVar(&f.start, "start", "", "the day of the snapshot, 2026-12-01; today by default")
	c.Flags().IntVar(&f.days, "days", 0, "how many days of life after the snapshot")
	c.Flags().StringSliceVar(&f.brokers, "brokers", nil, "write Debezium records to these brokers")
	c.Flags().BoolVar(&f.sql, "sql", false, "print SQL for PostgreSQL")
	c.Flags().Int32Var(&f.partitions, "partitions", 1, "partitions of the tables' topics, where they are made now")
	c.Flags().IntVar(&f.due, "due", 0, "with --due-on: exactly so many notices fall due on that day, whatever the size")
	c.Flags().StringVar(&f.dueOn, "due-on", "", "a day after the snapshot on which what --due says falls due, and nothing else")
	c.Flags().StringVar(&f.idleOn, "idle-on", "", "a day after the snapshot on which nothing falls due")
	c.Flags().BoolVar(&f.schemas, "schemas", false, "messages with their schema")
	return c
}

func (f *generateFlags) startDate() (event.Date, error) {
	if f.start == "" {
		return event.DateOf(time.Now(), time.Local), nil
	}
	d, err := event.ParseDate(f.start)
	if err != nil {
		return 0, usageError{err}
	}
	return d, nil
}

// dueDays are the days whose notices are counted out.
func (f *generateFlags) dueDays(start event.Date) (due registry.Due, err error) {
	for _, day := range []struct {
		flag, value string
		into        *event.Date
	}{{"--due-on", f.dueOn, &due.On}, {"--idle-on", f.idleOn, &due.Idle}} {
		if day.value == "" {
			continue
		}
		if *day.into, err = event.ParseDate(day.value); err != nil {
			return due, usageError{err}
		}
		if *day.into <= start {
			return due, usage("%s must be after --start", day.flag)
		}
	}
	if f.due < 0 || f.due > 0 && due.On == 0 {
		return due, usage("--due is a number of notices and goes with --due-on")
	}
	due.Count = f.due
	return due, nil
}

// counted counts on the way.
func (g *generated) counted(people iter.Seq[*registry.Person], day event.Date) iter.Seq[*registry.Person] {
	return func(yield func(*registry.Person) bool) {
		for p := range people {
			g.Documents += len(p.Documents)
			for i := range p.Documents {
				if day != 0 && registry.DueOn(&p.Documents[i], day) {
					g.Due++
				}
			}
			if !yield(p) {
				return
			}
		}
	}
}

func (f *generateFlags) printSQL(out io.Writer, o registry.Options) error {
	w := bufio.NewWriterSize(out, 1<<20)
	fmt.Fprintln(w, registry.SchemaSQL())
	if f.days == 0 {
		if err := registry.SnapshotSQL(w, registry.People(o)); err != nil {
			return fmt.Errorf("writing SQL: %w", err)
		}
	} else {
		world := registry.New(o)
		if err := registry.SnapshotSQL(w, world.People()); err != nil {
			return fmt.Errorf("writing SQL: %w", err)
		}
		for range f.days {
			fmt.Fprintf(w, "-- %s\n", world.Day())
			for _, c := range world.Advance() {
				fmt.Fprintln(w, registry.ChangeSQL(c))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing SQL: %w", err)
	}
	return nil
}

// generated is what produce has written.
type generated struct {
	People    int     `json:"people"`
	Documents int     `json:"documents"`
	Records   int     `json:"records"`
	Due       int     `json:"due"` // on the day of --due-on
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`
}

func (f *generateFlags) produce(ctx context.Context, o registry.Options, asJSON bool, out io.Writer) error {
	k, err := kafka.Open(ctx, kafka.Options{Brokers: f.brokers})
	if err != nil {
		return err
	}
	defer k.Close()
	began := time.Now()
	world := registry.People(o)
	var life *registry.World
	if f.days > 0 {
		life = registry.New(o)
		world = life.People()
	}
	result := generated{People: f.people}
	at := o.Start.At(registry.SnapshotHour, 0, time.Local)
	enc := registry.NewEncoder(registry.EncoderOptions{Schemas: f.schemas, SnapshotAt: at})
	if err := makeSources(ctx, k, enc.Topics(), f.partitions); err != nil {
		return err
	}
	s := newSourceWriter(ctx, k)
	enc.Snapshot(result.counted(world, o.Due.On), s.snapshot)
	for range f.days {
		for _, c := range life.Advance() {
			s.messages(enc.Change(c))
		}
	}
	if err := s.close(); err != nil {
		return err
	}
	if result.Due != o.Due.Count {
		return fmt.Errorf("only %d of %d people can be told something on %s: raise --people or lower --due", result.Due, f.people, o.Due.On)
	}
	result.Records, result.Bytes, result.Seconds = s.records, s.bytes, time.Since(began).Seconds()
	if asJSON {
		return printJSON(out, result)
	}
	fmt.Fprintf(out, "%d people, %d documents, %d records, %d bytes in %.1f s (%.0f records/s)\n", result.People, result.Documents, result.Records, result.Bytes,
		result.Seconds, float64(result.Records)/result.Seconds)
	return nil
}

// makeSources makes source topics as a connector would: those of the two tables, which come first, with some partitions.
func makeSources(ctx context.Context, k *kafka.Client, topics []string, partitions int32) error {
	specs := make([]kafka.TopicSpec, len(topics))
	for i, t := range topics {
		specs[i] = kafka.TopicSpec{Name: t, Partitions: 1, Replication: -1, Configs: map[string]string{"retention.ms": "-1"}}
		if i < 2 {
			specs[i].Partitions = partitions
		}
	}
	_, err := k.CreateTopics(ctx, specs)
	return err
}
