package main

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
	"lejarat/processor/intake"
)

var benchStart = event.NewDate(2031, 1, 10)

func benchStage(b *testing.B, people int) *stage {
	s, err := openStage(context.Background(), stageOptions{Seed: 1, People: people, Start: benchStart, Churn: 1,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	return s
}

// BenchmarkDecodeMapFingerprint takes one record of about 1 KB from its bytes to its journal records.
func BenchmarkDecodeMapFingerprint(b *testing.B) {
	s := benchStage(b, 10)
	core := s.intakeCore(0)
	core.Partitions, core.Journal = 8, "journal"
	var records []event.Record
	enc := registry.NewEncoder(registry.EncoderOptions{SnapshotAt: time.Unix(1, 0)})
	bytes := 0
	enc.Snapshot(registry.People(registry.Options{Seed: 1, People: 2000, Start: benchStart, Zone: s.zone}), func(topic string, key, value []byte) bool {
		if topic == core.Source.Topic {
			records = append(records, event.Record{Topic: topic, Offset: int64(len(records)), Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)})
			bytes += len(key) + len(value)
		}
		return true
	})
	ec, err := engineConfig(s.cfg, s.k, s.clock, s.log, nil, s.shared)
	if err != nil {
		b.Fatal(err)
	}
	d, err := ec.Sources[0].NewDecoder()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(bytes / len(records)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := &records[i%len(records)]
		change, err := d.Decode(r)
		if err != nil {
			b.Fatal(err)
		}
		core.Step(&intake.Input{Change: change, Record: r, First: true}, nil)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkPipeline takes a first snapshot from the source topics through intake, journal and watch, on the embedded broker.
func BenchmarkPipeline(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		s := benchStage(b, 20000)
		w := newSourceWriter(ctx, s.k)
		s.enc.Snapshot(s.world.People(), w.snapshot)
		if err := w.close(); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := s.await(ctx, func() (bool, error) { return s.engine.Joined(ctx) }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(w.records)/time.Since(began).Seconds(), "records/s-after-the-last-was-written")
		began = time.Now()
		if _, err := s.run(ctx, s.world.Day()); err != nil {
			b.Fatal(err)
		}
		sum := 0
		for _, c := range s.engine.Figures(s.world.Day()) {
			if c.Decision != "none" {
				sum += c.Number
			}
		}
		b.ReportMetric(float64(sum)/time.Since(began).Seconds(), "notices/s")
		b.ReportMetric(0, "ns/op")
	}
}
