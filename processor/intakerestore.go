package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
)

// intakeRestore brings the stores of several intake tasks up to the end of the journal in one pass.
type intakeRestore struct {
	cfg      *Config
	shares   []*share                    // one for each task
	of       map[uint32]map[int32]*share // by source and source partition
	control  []bool                      // journal partitions whose control record stands, or need not
	reader   event.Reader
	ends     map[event.TopicPartition]event.Span
	progress *Progress
	at       map[event.TopicPartition]int64 // how far it is, for the progress
}

// share is what the records under way say of one task's rows.
type share struct {
	task *intakeTask
	said []said
}

// said is what one journal record says of a row.
type said struct {
	key  journal.RowKey
	head journal.Head
}

// restoreIntake must be called after all tasks are fenced: nobody can write for their source partitions any more, so
// the end of the journal is the end of what was said of them. It waits until every journal partition has its control
// record: before that, intake may not write. Tasks without a writer only have their stores brought up to the journal.
// Without any task there is nothing to restore.
func restoreIntake(ctx context.Context, cfg *Config, tasks []*intakeTask, progress *Progress) error {
	if len(tasks) == 0 {
		return nil
	}
	r := &intakeRestore{cfg: cfg, of: map[uint32]map[int32]*share{}, control: make([]bool, cfg.Partitions), progress: progress}
	for _, t := range tasks {
		if r.of[t.src.ID] == nil {
			r.of[t.src.ID] = map[int32]*share{}
		}
		s := &share{task: t}
		r.shares = append(r.shares, s)
		r.of[t.src.ID][t.tp.Partition] = s
	}
	if err := r.open(ctx, tasks); err != nil {
		return err
	}
	defer r.reader.Close()
	for !r.done() {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	for _, t := range tasks {
		if err := t.settle(); err != nil {
			return err
		}
	}
	return nil
}

func (r *intakeRestore) open(ctx context.Context, tasks []*intakeTask) (err error) {
	if r.ends, err = r.cfg.Log.Spans(ctx, r.cfg.journal()); err != nil {
		return err
	}
	r.at = map[event.TopicPartition]int64{}
	total := int64(0)
	for tp, span := range r.ends {
		at := span.End
		for _, t := range tasks {
			at = min(at, t.journalAt[tp.Partition])
		}
		r.at[tp] = max(at, span.Start)
		r.control[tp.Partition] = at > 0 || tasks[0].writer == nil // whoever read or wrote here before has seen it
		r.progress.expect(span.End - r.at[tp])
		total += span.End - r.at[tp]
	}
	for _, t := range tasks {
		// A source may have twice its share of the journal; of one that has more, some rows are looked up in vain.
		if err := t.expectRows(2 * total / int64(len(tasks))); err != nil {
			return err
		}
	}
	r.reader, err = r.cfg.Log.Read(ctx, maps.Clone(r.at))
	return err
}

func (r *intakeRestore) done() bool {
	for tp, span := range r.ends {
		if r.reader.Position(tp) < span.End || !r.control[tp.Partition] {
			return false
		}
	}
	return true
}

func (r *intakeRestore) step(ctx context.Context) error {
	records, err := r.reader.Poll(ctx, r.cfg.Limits.BatchRecords, 100*time.Millisecond)
	if err != nil {
		return fmt.Errorf("reading %s: %w", r.cfg.journal(), err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for tp := range r.ends {
		r.progress.add(r.reader.Position(tp) - r.at[tp])
		r.at[tp] = r.reader.Position(tp)
	}
	for _, s := range r.shares {
		s.said = s.said[:0]
	}
	for i := range records {
		rec := &records[i]
		err := r.read(rec)
		var bad *poison
		switch {
		case errors.As(err, &bad):
			// What it said of its row is not known here either. It stands in a partition that does not fire, which is where
			// the row would be told of by it; its next version is written as if it had not been there.
			r.cfg.Logger.Error("journal record cannot be read, passing over it: its partition does not fire; make a new generation (state.generation) from the sources",
				"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "error", err)
		case err != nil:
			return fmt.Errorf("reading %s/%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
	}
	return r.commit()
}

// poison is a journal record that cannot be read, as opposed to a store that cannot.
type poison struct{ error }

func (p *poison) Unwrap() error { return p.error }

// commit brings every task's store to what was read, several at once: they have nothing in common.
func (r *intakeRestore) commit() error {
	var all errgroup.Group
	all.SetLimit(r.cfg.Limits.RestoredAtOnce)
	for _, s := range r.shares {
		all.Go(func() error {
			t := s.task
			b, err := s.rows()
			if err != nil {
				return err
			}
			for tp := range r.ends {
				t.journalAt[tp.Partition] = max(t.journalAt[tp.Partition], r.reader.Position(tp))
			}
			if err := t.put(b); err != nil {
				return err
			}
			return t.store.Maintain(r.cfg.Clock.Real(), r.cfg.Limits.FlushEvery)
		})
	}
	return all.Wait()
}

// rows applies what was said to the rows.
func (s *share) rows() (*intakeBatch, error) {
	t, under := s.task, s.task.begin()
	t.names = t.names[:0]
	for i := range s.said {
		t.names = append(t.names, rowName{row: s.said[i].key.Row, met: true})
	}
	t.load.meet(t.names)
	for i := range s.said {
		key := &s.said[i].key
		row, err := t.row(under, key.Row, t.names[i].met)
		if err != nil {
			return nil, err
		}
		if row == nil {
			row = &intake.Row{Meta: journal.Meta{Offset: -1}}
		}
		t.held -= heldNow(row)
		intake.Restore(row, key, &s.said[i].head)
		t.keep(under, key.Row, nil, row)
	}
	return under, nil
}

func (r *intakeRestore) read(rec *event.Record) error {
	if rec.Control {
		return nil
	}
	key, err := journal.ParseKey(rec.Key)
	if err != nil {
		return &poison{err}
	}
	switch {
	case key.Control:
		err := checkControl(r.cfg, rec.Value)
		if errors.Is(err, journal.ErrFormat) {
			return &poison{err}
		}
		r.control[rec.Partition] = true
		return err
	case key.Watermark:
		if s := r.of[key.Source][key.Partition]; s != nil {
			w, err := journal.DecodeWatermark(rec.Value)
			if err != nil {
				return &poison{err}
			}
			if w.Next >= s.task.mark.Next {
				s.task.mark = w
			}
		}
		return nil
	}
	byPartition := r.of[key.Row.Source]
	if byPartition == nil {
		return nil
	}
	head, err := journal.DecodeHead(rec.Value, rec.HeaderValue(journal.Header))
	if err != nil {
		return &poison{err}
	}
	if s := byPartition[head.Partition]; s != nil && rec.Offset >= s.task.journalAt[rec.Partition] {
		s.said = append(s.said, said{key.Row, head})
	}
	return nil
}

// checkControl refuses to work on a journal that was made with something else.
func checkControl(cfg *Config, value []byte) error {
	var c journal.Control
	if err := json.Unmarshal(value, &c); err != nil {
		return fmt.Errorf("reading the control record: %w", journal.ErrFormat)
	}
	topic := cfg.journal()
	by := "by " + whose(c.Instance, c.Started)
	switch {
	case c.Format != journal.Format:
		return refuse("%s has format %d, this program writes format %d: run the version that made it, or %s", topic, c.Format, journal.Format, newGeneration)
	case c.ReferenceKeyID != cfg.Watch.ReferenceKeyID:
		return checkReference(cfg, topic, c.ReferenceKeyID, " "+by)
	case c.IdentityKeyID != cfg.Watch.IdentityKeyID:
		return refuse("%s was made with identity key %s %s, the configured one is %s: %s",
			topic, c.IdentityKeyID, by, cfg.Watch.IdentityKeyID, refusals[stampIdentity])
	case c.Virtual != cfg.Virtual && !cfg.Look:
		return checkClock(topic, c.Virtual, cfg.Virtual)
	case c.Mapping != cfg.Mapping:
		return refuse("%s was made with other sources, columns or identity lists %s: undo the change, or %s", topic, by, newGeneration)
	}
	if err := cfg.madeAnew(c.TopicIDs, cfg.TopicIDs); err != nil {
		return err
	}
	return samePartitions(c.Partitions, cfg.SourcePartitions)
}

func clockName(virtual bool) string {
	if virtual {
		return "virtual"
	}
	return "real"
}

func withWithout(with bool) string {
	if with {
		return "with"
	}
	return "without"
}
