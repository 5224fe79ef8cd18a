package processor

import (
	"context"
	"fmt"
	"testing"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// benchPeople fills the source topics with people who each own a document that expires on one day.
func benchPeople(b *testing.B, people int) *harness {
	h := newHarness(b)
	h.begin(b)
	for i := range people {
		h.record(b, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01", i, i, i))
		h.record(b, fmt.Sprintf("document %d type=passport expires=2026-08-31 issued=2016-08-31 holder=p%d", i, i))
	}
	return h
}

// BenchmarkApply takes journal records into a watch store.
func BenchmarkApply(b *testing.B) {
	h := benchPeople(b, 5000)
	ctx := context.Background()
	for range 20 {
		if err := h.intake[0].step(ctx, 0); err != nil {
			b.Fatal(err)
		}
		if err := h.intake[1].step(ctx, 0); err != nil {
			b.Fatal(err)
		}
	}
	applied := 0
	b.ReportAllocs()
	for b.Loop() {
		w := newWatchTask(&h.cfg, 0, h.ledger, h.runs)
		w.store = h.watch[0].store
		var err error
		if w.reader, err = h.log.Read(ctx, map[event.TopicPartition]int64{w.tp: 0}); err != nil {
			b.Fatal(err)
		}
		w.bulk = true
		for {
			if err := w.apply(ctx, 0); err != nil {
				b.Fatal(err)
			}
			if w.applied == 0 {
				break
			}
			applied += w.applied
		}
	}
	b.ReportMetric(float64(applied)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkFire fires a day on which every document is due.
func BenchmarkFire(b *testing.B) {
	const people = 5000
	ctx := context.Background()
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		h := benchPeople(b, people)
		h.settle(b)
		h.clock.set(mustDate(b, "2026-02-28").At(6, 0, h.zone))
		b.StartTimer()
		for day := mustDate(b, "2026-02-28"); !h.runs.Complete(day, 0) || !h.runs.Complete(day, 1); {
			h.stepAll(b, ctx)
		}
		b.StopTimer()
		h.halt()
	}
	b.ReportMetric(float64(people*b.N)/b.Elapsed().Seconds(), "notices/s")
}

// BenchmarkScan looks for one row in a journal of many, as lejarat explain does without an instance.
func BenchmarkScan(b *testing.B) {
	const rows = 200_000
	h := newHarness(b)
	h.begin(b)
	for i := range rows {
		k := journal.RowKey{Fingerprint: journal.Fingerprint{byte(i), byte(i >> 8), byte(i >> 16), 1}, List: 31,
			Source: journal.SourceID(documentTopic), Row: fmt.Sprintf("id=%d", i)}
		d := journal.Document{Meta: journal.Meta{Offset: int64(i), Effective: journal.SinceBefore}, Type: "passport", Ref: journal.Ref{1}, Valid: true, Expires: event.NoExpiry}
		h.log.Append(event.Record{Topic: h.cfg.journal(), Partition: journal.Partition(&k.Fingerprint, h.cfg.Partitions), Key: k.Encode(), Value: d.Append(nil)})
	}
	q := question("document", fmt.Sprint(rows/2))
	q.Value = "=" + q.Row
	for b.Loop() {
		if s, err := findRow(context.Background(), &h.cfg, &q); err != nil || s.row != "id=100000" {
			b.Fatal(s, err)
		}
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
