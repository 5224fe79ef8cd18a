package processor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/state"
)

// Swept are the figures of a sweep. They name no row.
type Swept struct {
	Source   string `json:"source"` // topic
	Snapshot string `json:"snapshot"`
	Rows     int64  `json:"rows"`    // that the service held for there
	Missing  int64  `json:"missing"` // of them, in neither the snapshot nor what came after it
	Retired  int64  `json:"retired"`
}

// SweepOptions say how far a sweep may go.
type SweepOptions struct {
	DryRun bool // count only
	Force  bool // also where more than sweepShare of the rows are missing
}

// sweepShare of a source's rows may be missing without anybody saying that this is as it should be.
const sweepShare = 0.05

// sweep retires the rows of one source that its newest complete snapshot lacks: deleted while the connector was down, or
// in records that are lost. It owns the fences of all the source's partitions.
type sweep struct {
	e      *Engine
	source *Source
	tasks  []*intakeTask
	spans  map[event.TopicPartition]event.Span
	at     int64  // source time of the snapshot
	order  uint64 // of its rows
	seen   *state.Store
	dir    string
	out    Swept
}

// Sweep retires rows of the source with this topic. The caller has seen to it that no instance runs.
//
// What is missing is found by reading the source again from the snapshot's first row on: rows that are as they were
// before leave no trace in the journal.
func Sweep(ctx context.Context, cfg Config, topic string, o SweepOptions, show func(what string, p *Progress)) (out Swept, err error) {
	e, err := open(ctx, cfg)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.runs.readAll(ctx); err != nil {
		return out, err
	}
	if live := e.runs.Live(); live != cfg.Generation {
		return out, refuse("generation %d is live, state.generation is %d: set state.generation: %d", live, cfg.Generation, live)
	}
	s := &sweep{e: e, dir: e.cfg.storeDir("sweep", cfg.Generation)}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx, topic, show); err != nil {
		return out, err
	}
	if err := s.run(ctx, o, show); err != nil {
		return s.out, err
	}
	return s.out, nil
}

// start fences the source's partitions, restores them, and reads the source to its end.
func (s *sweep) start(ctx context.Context, topic string, show func(string, *Progress)) (err error) {
	var ok bool
	if s.source, ok = s.e.cfg.source(topic); !ok || s.source.Kind == intake.Heartbeats {
		return refuse("%s is not the topic of a configured source", topic)
	}
	for p := range s.e.inputs[topic] {
		t, err := s.e.openIntake(ctx, event.TopicPartition{Topic: topic, Partition: p})
		if err != nil {
			return err
		}
		s.tasks = append(s.tasks, t)
	}
	if err := s.e.runs.readAll(ctx); err != nil { // nothing newer went live before the fences
		return err
	}
	progress := newProgress(s.e.cfg.Clock.Real())
	show("restoring", progress)
	if err := restoreIntake(ctx, &s.e.cfg, s.tasks, progress); err != nil {
		return err
	}
	if s.spans, err = s.e.cfg.Log.Spans(ctx, topic); err != nil {
		return err
	}
	progress = newProgress(s.e.cfg.Clock.Real())
	for _, t := range s.tasks {
		if err := t.follow(ctx); err != nil {
			return err
		}
		progress.expect(s.spans[t.tp].End - t.mark.Next)
	}
	show("reading the source to its end", progress)
	for _, t := range s.tasks {
		for t.mark.Next < s.spans[t.tp].End && t.mark.Held == journal.SourceRuns {
			before := t.mark.Next
			if err := errors.Join(t.step(ctx, 100*time.Millisecond), ctx.Err()); err != nil {
				return err
			}
			progress.add(t.mark.Next - before)
		}
	}
	return nil
}

// run finds what is missing and retires it.
func (s *sweep) run(ctx context.Context, o SweepOptions, show func(string, *Progress)) error {
	if err := s.snapshot(); err != nil {
		return err
	}
	s.out.Source, s.out.Snapshot = s.source.Topic, time.UnixMilli(s.at).UTC().Format(event.TimeFormat)
	if err := s.look(ctx, show); err != nil {
		return err
	}
	for _, t := range s.tasks {
		if err := s.missing(t, nil, func(string, *intake.Row) (bool, error) { s.out.Missing++; return true, nil }); err != nil {
			return err
		}
	}
	if share := float64(s.out.Missing) / max(1, float64(s.out.Rows)); share > sweepShare && !o.Force && !o.DryRun {
		return refuse("%d of %d rows of %s are not in the snapshot, which is more than %.0f %%: look into it; --force retires them all the same",
			s.out.Missing, s.out.Rows, s.source.Topic, 100*sweepShare)
	}
	if o.DryRun {
		return nil
	}
	progress := newProgress(s.e.cfg.Clock.Real())
	progress.expect(s.out.Missing)
	show("retiring rows", progress)
	for _, t := range s.tasks {
		if err := s.retire(ctx, t, progress); err != nil {
			return err
		}
	}
	for _, t := range s.tasks {
		t.mark.Swept, t.marked.Next = s.at, -1 // to every partition of the journal
		if err := t.commit(ctx, &intakeBatch{}); err != nil {
			return err
		}
	}
	return nil
}

// snapshot finds the newest complete snapshot, and refuses where there is none or it is not in the topic from its first
// row on: every row would count as missing whose image is lost.
func (s *sweep) snapshot() error {
	marks := map[event.TopicPartition]journal.Watermark{}
	newest := int64(0)
	for _, t := range s.tasks {
		marks[t.tp] = t.mark
		s.at, newest = max(s.at, t.mark.Complete), max(newest, t.mark.Snapshot)
	}
	again := "take a new complete snapshot (a connector under a new name and slot), then sweep"
	for _, t := range s.tasks {
		switch m := &t.mark; {
		case m.Held != journal.SourceRuns, m.LostBy != journal.SourceRuns && s.at <= m.Lost:
			return refuse("%s", incomplete(marks, s.source.Topic))
		case s.at == 0:
			return refuse("no complete snapshot of %s is known: %s", s.source.Topic, again)
		case newest > s.at:
			return refuse("a snapshot of %s has begun and not ended: wait for its end, or %s", s.source.Topic, again)
		case m.Snapshot == s.at && m.From < s.spans[t.tp].Start:
			return refuse("the beginning of the newest snapshot is not in %s/%d any more: %s", s.source.Topic, t.tp.Partition, again)
		}
	}
	return nil
}

// look notes the rows of every record from the snapshot's first on. A partition in which it has no row is looked at as a
// whole, for what came later.
func (s *sweep) look(ctx context.Context, show func(string, *Progress)) (err error) {
	if err := state.Remove(s.dir, s.e.cfg.Shared); err != nil {
		return err
	}
	if s.seen, err = openStore(&s.e.cfg, s.dir, state.Stamp{}); err != nil {
		return err
	}
	progress := newProgress(s.e.cfg.Clock.Real())
	from := map[event.TopicPartition]int64{}
	for _, t := range s.tasks {
		from[t.tp] = s.spans[t.tp].Start
		if t.mark.Snapshot == s.at {
			from[t.tp] = t.mark.From
		}
		progress.expect(t.mark.Next - from[t.tp])
	}
	show("reading the source from the snapshot on", progress)
	reader, err := s.e.cfg.Log.Read(ctx, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	for _, t := range s.tasks {
		for reader.Position(t.tp) < t.mark.Next {
			records, err := reader.Poll(ctx, s.e.cfg.Limits.BatchRecords, 100*time.Millisecond)
			if err := errors.Join(err, ctx.Err()); err != nil {
				return fmt.Errorf("reading %s: %w", s.source.Topic, err)
			}
			progress.add(int64(len(records)))
			if err := s.note(records); err != nil {
				return err
			}
		}
	}
	return nil
}

// note takes in records: also one that cannot be used shows that its row is there.
func (s *sweep) note(records []event.Record) error {
	b := s.seen.Batch()
	for i := range records {
		r := &records[i]
		if r.Control {
			continue
		}
		t := s.tasks[r.Partition]
		change, err := t.dec.Decode(r)
		var reject *event.Reject
		if err != nil && !errors.As(err, &reject) {
			return fmt.Errorf("decoding %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		row := change.Row
		if reject != nil {
			row = reject.Row
		}
		if t.mark.Snapshot == s.at && change.Committed.UnixMilli() == s.at && change.Snapshot != event.Streamed {
			s.order = max(s.order, change.Order)
		}
		if row != "" && (t.mark.Snapshot == s.at || max(change.Committed.UnixMilli(), r.Time.UnixMilli()) >= s.at) {
			b.Set(seenKey(r.Partition, row), nil)
		}
	}
	return b.Commit()
}

// seenRow is the key prefix of the rows seen: s partition[4] row → nothing.
const seenRow = 's'

func seenKey(partition int32, row string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{seenRow}, uint32(partition)), row...)
}

// missing walks the rows that the partition holds, beginning at from, beside those that were seen, both in order, and shows
// what was not seen. It counts rows on a walk from the start. A later image of a row proves that it is there, also where
// the record is not in the topic any more.
func (s *sweep) missing(t *intakeTask, from []byte, show func(name string, row *intake.Row) (more bool, err error)) (err error) {
	count := from == nil
	if count {
		from = []byte{intakeRow}
	}
	rows, err := t.store.Cursor(from, []byte{intakeRow + 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	head := seenKey(t.tp.Partition, "")
	seen, err := s.seen.Cursor(head, seenKey(t.tp.Partition+1, ""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seen.Close()) }()
	at := seen.Seek(append(head[:len(head):len(head)], from[1:]...))
	for ok := rows.Seek(from); ok; ok = rows.Next() {
		row, err := intake.DecodeRow(rows.Value())
		if err != nil {
			return err
		}
		if row.Deleted {
			continue
		}
		if count {
			s.out.Rows++
		}
		name := string(rows.Key()[1:])
		for at && strings.Compare(string(seen.Key()[len(head):]), name) < 0 {
			at = seen.Next()
		}
		if at && string(seen.Key()[len(head):]) == name || t.mark.Snapshot != s.at && row.Committed >= s.at {
			continue
		}
		if more, err := show(name, row); !more || err != nil {
			return err
		}
	}
	return nil
}

// retire deletes what is missing, as a delete record would that stands where the source is read to, in transactions of
// bounded size. A crash leaves the rest to the next sweep.
func (s *sweep) retire(ctx context.Context, t *intakeTask, progress *Progress) error {
	del := intake.Input{Record: &event.Record{Topic: t.tp.Topic, Partition: t.tp.Partition, Offset: t.mark.Next - 1}, Now: s.e.cfg.Clock.Now(),
		Change: event.Change{Op: event.Delete, Order: s.order, Committed: time.UnixMilli(s.at).UTC()}}
	for from := []byte{intakeRow}; from != nil; {
		b := t.begin()
		next := []byte(nil)
		err := s.missing(t, from, func(name string, row *intake.Row) (bool, error) {
			if len(b.rows) == s.e.cfg.Limits.BatchRecords {
				next = rowStoreKey(name)
				return false, nil
			}
			del.Change.Row = name
			out := t.core.Step(&del, row)
			b.records = append(b.records, out.Records...)
			if out.Row != nil {
				t.keep(b, name, row, out.Row)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		if err := t.commit(ctx, b); err != nil {
			return err
		}
		s.out.Retired += int64(len(b.rows))
		progress.add(int64(len(b.rows)))
		from = next
	}
	return nil
}

func (s *sweep) close() (err error) {
	for _, t := range s.tasks {
		err = errors.Join(err, t.close())
	}
	if s.seen != nil {
		err = errors.Join(err, s.seen.Close(), state.Remove(s.dir, s.e.cfg.Shared))
	}
	return err
}
