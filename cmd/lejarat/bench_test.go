package main

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/intake"
)

var benchStart = event.NewDate(2031, 1, 10)

func benchStage(b testing.TB, people int) *stage {
	s, err := openStage(context.Background(), stageOptions{Seed: 1, People: people, Start: benchStart, Churn: 1,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	return s
}

// decoding takes source records of documents from their bytes to their journal records, and to what the intake store keeps
// of their rows, as in a first load.
type decoding struct {
	core    *intake.Core
	decoder processor.Decoder
	records []event.Record
	bytes   int
	kept    []byte // of the last row
}

func newDecoding(t testing.TB) *decoding {
	s := benchStage(t, 10)
	d := &decoding{core: s.intakeCore(0)}
	d.core.Partitions, d.core.Journal = 8, "journal"
	enc := registry.NewEncoder(registry.EncoderOptions{SnapshotAt: time.Unix(1, 0)})
	enc.Snapshot(registry.People(registry.Options{Seed: 1, People: 2000, Start: benchStart, Zone: s.zone}), func(topic string, key, value []byte) bool {
		if topic == d.core.Source.Topic {
			d.records = append(d.records, event.Record{Topic: topic, Offset: int64(len(d.records)), Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)})
			d.bytes += len(key) + len(value)
		}
		return true
	})
	ec, err := engineConfig(s.cfg, s.k, s.clock, s.log, nil, s.shared)
	if err == nil {
		d.decoder, err = ec.Sources[0].NewDecoder()
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *decoding) take(t testing.TB, i int) {
	r := &d.records[i%len(d.records)]
	change, err := d.decoder.Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	out := d.core.Step(&intake.Input{Change: change, Record: r, First: true}, nil)
	d.kept = out.Row.Append(d.kept[:0])
}

// BenchmarkDecodeMapFingerprint takes one record of about 1 KB through intake.
func BenchmarkDecodeMapFingerprint(b *testing.B) {
	d := newDecoding(b)
	b.SetBytes(int64(d.bytes / len(d.records)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.take(b, i)
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
