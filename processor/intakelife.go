package processor

import (
	"context"
	"encoding/binary"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/state"
)

// see notes what a record tells of its source's life: snapshot, commit times, heartbeat, delay.
func (t *intakeTask) see(in *intake.Input, r *event.Record) {
	w, ch := &t.mark, &in.Change
	at := ch.Committed.UnixMilli()
	if in.Reject != nil {
		return
	}
	switch ch.Snapshot {
	case event.SnapshotRow, event.SnapshotLast:
		t.seeSnapshot(ch, r)
	case event.Streamed:
		if ch.Committed.IsZero() {
			return
		}
		w.Committed = max(w.Committed, at)
		w.SnapshotEnded = max(w.SnapshotEnded, at)
		if t.src.Kind == intake.Heartbeats {
			w.Heartbeat = max(w.Heartbeat, at)
		}
		if t.src.DelayLimit > 0 && r.Time.Sub(ch.Committed) > t.src.DelayLimit {
			w.Delayed = max(w.Delayed, r.Time.UnixMilli())
		}
	}
}

// seeSnapshot follows a snapshot from its first row to its last. All its rows of one table carry one source time, by which
// partitions that are read apart know that they tell of the same one; without such a time it ends, but makes up for nothing.
func (t *intakeTask) seeSnapshot(ch *event.Change, r *event.Record) {
	w, at := &t.mark, ch.Committed.UnixMilli()
	if ch.Committed.IsZero() {
		at = r.Time.UnixMilli()
	}
	if at > w.Snapshot {
		w.Snapshot, w.From = at, r.Offset
	}
	if t.src.Kind == intake.Heartbeats {
		w.Heartbeat = max(w.Heartbeat, at)
	}
	if ch.Snapshot == event.SnapshotLast {
		w.SnapshotEnded = max(w.SnapshotEnded, w.Snapshot)
		if !ch.Committed.IsZero() {
			w.Complete = max(w.Complete, at)
		}
	}
}

// seeTruncate: rows of one partition can be deleted in order; over several partitions nobody knows which rows came
// before the truncate.
func (t *intakeTask) seeTruncate(b *intakeBatch, in *intake.Input) {
	if t.partitions > 1 {
		at := in.Change.Committed
		if at.IsZero() {
			at = in.Record.Time
		}
		t.mark.Lost, t.mark.LostBy = max(t.mark.Lost, at.UnixMilli()), journal.SourceTruncate
		t.cfg.Logger.Error("source is held: its table was truncated and its topic has several partitions; take a new complete snapshot",
			"topic", t.tp.Topic, "partition", t.tp.Partition)
		return
	}
	kept := *in
	b.truncate = &kept
}

// truncate deletes every row, in transactions of bounded size. Until the last the position stays before the truncate:
// a crash begins it again, and rows that are gone already are passed over.
func (t *intakeTask) truncate(ctx context.Context, b *intakeBatch) error {
	next := t.mark.Next
	t.mark.Next = b.truncate.Record.Offset
	if err := t.commit(ctx, b); err != nil {
		return err
	}
	del := *b.truncate
	del.Change.Op = event.Delete
	for from := []byte{intakeRow}; from != nil; {
		part := t.begin()
		var err error
		if from, err = t.truncatePart(part, &del, from); err != nil {
			return err
		}
		if err := t.commit(ctx, part); err != nil {
			return err
		}
	}
	t.mark.Next = next
	return nil
}

// truncatePart deletes rows from the given key on and returns where to go on, nil at the end.
func (t *intakeTask) truncatePart(b *intakeBatch, del *intake.Input, from []byte) (next []byte, err error) {
	if err := t.settle(); err != nil {
		return nil, err
	}
	cur, err := t.store.Cursor(from, []byte{intakeRow + 1})
	if err != nil {
		return nil, err
	}
	for ok := cur.Seek(from); ok; ok = cur.Next() {
		if len(b.rows) >= t.cfg.Limits.BatchRecords {
			next = append([]byte(nil), cur.Key()...)
			break
		}
		row, err := intake.DecodeRow(cur.Value())
		if err != nil {
			cur.Close()
			return nil, err
		}
		name := string(cur.Key()[1:])
		del.Change.Row = name
		out := t.core.Step(del, row)
		b.records = append(b.records, out.Records...)
		if out.Row != nil {
			t.keep(b, name, row, out.Row)
		}
	}
	return next, cur.Close()
}

func (t *intakeTask) loadPositions() error {
	for p := range t.journalAt {
		v, found, err := t.store.Get(journalAtKey(int32(p)))
		if err != nil {
			return err
		}
		if found && len(v) == 8 {
			t.journalAt[p] = int64(binary.BigEndian.Uint64(v))
		}
	}
	if v, found, err := t.store.Get([]byte{intakeHeld}); err != nil {
		return err
	} else if found && len(v) == 8 {
		t.held = int64(binary.BigEndian.Uint64(v))
	}
	v, found, err := t.store.Get([]byte{intakePosition})
	if err != nil || !found {
		return err
	}
	t.mark, err = journal.DecodeWatermark(v)
	return err
}

func journalAtKey(p int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{intakeJournal}, uint32(p))
}

func (t *intakeTask) setPositions(b *state.Batch, mark *journal.Watermark, held int64) {
	for p, at := range t.journalAt {
		b.Set(journalAtKey(int32(p)), binary.BigEndian.AppendUint64(nil, uint64(at)))
	}
	b.Set([]byte{intakePosition}, mark.Encode())
	b.Set([]byte{intakeHeld}, binary.BigEndian.AppendUint64(nil, uint64(held)))
	alive(t.cfg, b)
}

// rejectShare watches how many of the last records were rejected (SPEC 1.6).
type rejectShare struct {
	share    float64
	last     [rejectWindow]bool
	at, seen int
	rejected int
}

const (
	rejectWindow = 1000
	rejectLeast  = 50
)

// add takes one verdict in and says whether the source must stop.
func (s *rejectShare) add(rejected bool) bool {
	if s.last[s.at] {
		s.rejected--
	}
	s.last[s.at] = rejected
	if rejected {
		s.rejected++
	}
	s.at = (s.at + 1) % rejectWindow
	s.seen = min(s.seen+1, rejectWindow)
	return rejected && s.rejected >= rejectLeast && float64(s.rejected) > s.share*float64(s.seen)
}
