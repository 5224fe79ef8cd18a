package processor

import (
	"context"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/simtest"
)

// Deliberate bugs of intake that take more than a line.

// unordered hides the source's order.
type unordered struct{ Decoder }

func (d unordered) DecodeRow(r *event.Record, row, reason string) (event.Change, error) {
	ch, err := d.Decoder.DecodeRow(r, row, reason)
	ch.Order = 0
	return ch, err
}

// earlyClock is a day slow.
type earlyClock struct{ *manualClock }

func (c earlyClock) Now() time.Time { return c.now.Add(-24 * time.Hour) }

// beforeDecoder believes what a record says of the row as it was: where the record says nothing, as in a snapshot, the row
// was nowhere. It takes records one by one.
type beforeDecoder struct {
	Decoder
	s *sim
	t *intakeTask
}

func (d beforeDecoder) DecodeRow(r *event.Record, row, reason string) (event.Change, error) {
	ch, err := d.Decoder.DecodeRow(r, row, reason)
	if err != nil || ch.Op != event.Upsert || ch.Snapshot == event.Streamed {
		return ch, err
	}
	old, err := d.t.row(&intakeBatch{}, ch.Row, true)
	d.s.check(err)
	if old != nil {
		old.IDs = nil
		b := d.t.store.Batch()
		b.Set(rowStoreKey(ch.Row), old.Append(nil))
		d.s.check(b.Commit())
	}
	return ch, nil
}

// rereadSource fills an intake store from what compaction has left of its source.
func (s *sim) rereadSource(t *intakeTask) {
	s.wipe(t.store, intakeRow)
	mark, held := t.mark, t.held
	spans, err := s.log.Spans(s.ctx, t.tp.Topic)
	s.check(err)
	reader, err := s.log.Read(s.ctx, map[event.TopicPartition]int64{t.tp: spans[t.tp].Start})
	s.check(err)
	b := t.begin()
	t.taken, t.mark = map[intake.Verdict]int{}, journal.Watermark{}
	for reader.Position(t.tp) < mark.Next {
		records, err := reader.Poll(s.ctx, 1, 0)
		s.check(err)
		if len(records) > 0 && records[0].Offset < mark.Next {
			t.nameRows(records)
			s.check(t.take(b, &records[0], &t.names[0]))
		}
	}
	t.mark, t.held = mark, held
	s.check(t.apply(b, nil, nil))
}

// stableEnds takes the last stable offset for the end of a topic.
type stableEnds struct{ *simtest.Log }

func (l stableEnds) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	l.Flaws.StableEnd = true
	defer func() { l.Flaws.StableEnd = false }()
	return l.Log.Spans(ctx, topics...)
}

// byRow is the key of a journal record without the fingerprint.
func byRow(r *event.Record) string {
	key, err := journal.ParseKey(r.Key)
	if err != nil || key.Control || key.Watermark {
		return string(r.Key)
	}
	return fmt.Sprint("row ", key.Row.Kind, key.Row.List, key.Row.Source, key.Row.Row)
}
