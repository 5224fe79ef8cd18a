package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/story"
	"lejarat/processor/watch"
	"lejarat/state"
)

// Explain tells the story of a row from the stores of this instance, or ErrNotHere where they do not hold the row, or not
// all that stands under its identities: the topics can then tell it. It takes a few point reads, and one question to the
// brokers: what they have of decisions must be in the ledger, also what a run wrote a moment ago.
func (e *Engine) Explain(ctx context.Context, q Question) (*story.Story, error) {
	s, err := e.sight(&q)
	if err != nil {
		return nil, err
	}
	var failed error
	t := &teller{cfg: &e.cfg, runs: e.runs, ledger: e.ledger, record: func(id journal.Ref) record {
		r, err := e.ledger.record(id)
		failed = errors.Join(failed, err)
		return r
	}}
	t.plan(s)
	ctx, cancel := context.WithTimeout(ctx, explainPatience)
	defer cancel()
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.notifications())
	for err == nil && !e.ledger.reached(ends) {
		err = sleep(ctx, time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the ledger does not follow (%v)", ErrNotHere, err)
	}
	e.mu.Lock() // the ledger stays open
	defer e.mu.Unlock()
	if e.ended {
		return nil, ErrNotHere
	}
	var out *story.Story
	if err := asking(func() error { out = t.tell(s); return nil }); err != nil {
		return nil, err
	}
	out.ToldFrom = story.FromInstance
	out.Tell()
	return out, failed
}

// explainPatience is how long an instance waits for its ledger before it leaves the story to the topics.
const explainPatience = 3 * time.Second

// sight finds the row in an intake store of this instance, and what stands under its identities in the watch stores.
func (e *Engine) sight(q *Question) (*sighting, error) {
	e.mu.Lock() // no partition comes or goes
	defer e.mu.Unlock()
	var s *sighting
	for tp, h := range e.intake {
		src, ok := e.cfg.source(tp.Topic)
		if !ok || src.Kind != q.Kind || !slices.Contains(q.Topics, tp.Topic) {
			continue
		}
		name, row, err := h.lookUp(q)
		switch {
		case err != nil:
			return nil, err
		case row == nil:
			continue
		case s != nil || row.Deleted:
			return nil, ErrNotHere // in several sources, or gone: the topics tell
		}
		s = &sighting{src: src, row: name, versions: []story.Version{}}
		for _, place := range row.IDs {
			s.groups = append(s.groups, group{place: place})
		}
	}
	if s == nil {
		return nil, ErrNotHere
	}
	for i := range s.groups {
		if err := e.gather(s, &s.groups[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// gather reads everything under one identity; ErrNotHere where its partition is another instance's, or has not applied
// the row yet.
func (e *Engine) gather(s *sighting, g *group) error {
	h := e.watch[event.TopicPartition{Topic: e.cfg.journal(), Partition: journal.Partition(&g.place.Fingerprint, e.cfg.Partitions)}]
	if h == nil {
		return ErrNotHere
	}
	err := h.reading(func(store *state.Store) (err error) {
		cur, err := store.Cursor([]byte{watchPeople}, []byte{watchPeople + 1})
		if err != nil {
			return err
		}
		g.rows, err = readRows(nil, cur, append(slices.Clone(g.place.Fingerprint[:]), byte(g.place.List)))
		return errors.Join(err, cur.Close())
	})
	if err == nil && !slices.ContainsFunc(g.rows, func(r watch.Row) bool { return r.Key.Source == s.src.ID && r.Key.Row == s.row }) {
		return ErrNotHere
	}
	return err
}

// reading lets f read the task's store. Whoever closes it says so first (set), and waits here.
func (h *handle) reading(f func(*state.Store) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.store == nil {
		return ErrNotHere // it is being restored
	}
	return f(h.store)
}

// lookUp returns what an intake task knows of the row asked for, nil for nothing.
func (h *handle) lookUp(q *Question) (name string, row *intake.Row, err error) {
	err = h.reading(func(store *state.Store) error {
		for _, name = range []string{q.Row, keyColumn(store) + q.Value} {
			v, found, err := store.Get(rowStoreKey(name))
			if err != nil {
				return err
			}
			if found {
				row, err = intake.DecodeRow(v)
				return err
			}
			if q.Value == "" {
				return nil
			}
		}
		return nil
	})
	return name, row, err
}

// keyColumn is the name of the key's column, as the store's first row has it; all rows of a source have the same.
func keyColumn(store *state.Store) string {
	cur, err := store.Cursor([]byte{intakeRow}, []byte{intakeRow + 1})
	if err != nil {
		return ""
	}
	defer cur.Close()
	if !cur.Seek([]byte{intakeRow}) {
		return ""
	}
	row := cur.Key()[1:]
	if at := bytes.IndexByte(row, '='); at > 0 && oneName(row[:at]) {
		return string(row[:at])
	}
	return ""
}
