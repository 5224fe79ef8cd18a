package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
)

// round is what is written to and read from the topics at a time: deliveries, then the offsets that they let go, then a
// look at what has come. What comes up meanwhile waits for the next: so one write carries the results and the claims of
// all connections.
type round struct {
	entries []entry
	claims  []claimed // to be looked after
	look    bool      // read deliveries and suppressions up to their ends
	fresh   map[*feed][]event.Record
	woken   []*job
	commit  map[*feed][]event.Record

	// How far it came.
	written, committed, seen bool
	looked                   time.Time
}

// entry is a record for deliveries, and what follows once it is there.
type entry struct {
	record   event.Record
	id       markID
	delivery *event.Delivery // what it says; nil: a claim
	durable  func()          // may be nil
	// outcome: without this record somebody could think that the mail was never sent.
	outcome bool
}

// claimed is one claim of a job.
type claimed struct {
	job *job
	n   int
}

// errUnrecorded says that a mail went out, or may have, and deliveries has no more than its claim.
var errUnrecorded = errors.New("the outcome of a mail could not be recorded; deliveries holds its claim, and the mail may be sent again")

// beginRound starts a round where there is something to do and none under way.
func (r *run) beginRound(stopping bool) {
	if r.under != nil || r.brokers.pausing() {
		return
	}
	w := r.next
	w.look = w.look || len(w.claims) > 0
	if stopping {
		w.woken = nil
		if len(r.busy) == 0 { // else a mail under way may still need its claim seen
			w.look, w.claims = false, nil
		}
	} else {
		w.commit, w.fresh = map[*feed][]event.Record{}, map[*feed][]event.Record{}
		for _, f := range r.feeds {
			if records := f.lanes.committable(); len(records) > 0 {
				w.commit[f] = records
			}
			w.fresh[f], f.fresh = f.fresh, nil
		}
	}
	// Offsets go with the next outcome, or at the latest with the next look; by themselves where nothing is under way.
	if len(w.entries) == 0 && !w.look && (len(w.commit) == 0 || len(r.busy) > 0) {
		return
	}
	r.next = round{}
	r.under = &w
	go func() { r.rounds <- r.perform(r.work, &w) }()
}

// perform does a round.
func (r *run) perform(ctx context.Context, w *round) error {
	if len(w.entries) > 0 {
		records := make([]event.Record, len(w.entries))
		for i := range w.entries {
			records[i] = w.entries[i].record
		}
		if err := r.topics.Produce(ctx, records); err != nil {
			return fmt.Errorf("recording deliveries: %w", err)
		}
		for _, e := range w.entries { // before what follows them is read
			if e.delivery != nil {
				r.standing.note(e.id, written{e.record.Value, *e.delivery})
			}
		}
	}
	w.written = true
	for f, records := range w.commit {
		if err := f.queue.Commit(ctx, records); err != nil {
			return fmt.Errorf("committing the mail queue: %w", err)
		}
	}
	w.committed = true
	if w.look {
		w.looked = time.Now()
		if err := r.standing.refresh(ctx); err != nil {
			return err
		}
	}
	w.seen = true
	return nil
}

// endRound takes a round in, as far as it came; the rest goes into the next.
func (r *run) endRound(err error) error {
	w := r.under
	r.under = nil
	if w.written {
		for _, e := range w.entries {
			if e.durable != nil {
				e.durable()
			}
		}
		w.entries = nil
	}
	if w.committed {
		for f, records := range w.commit {
			f.lanes.committed(records)
		}
	}
	if w.seen && w.look {
		r.looked = w.looked
		for _, c := range w.claims {
			c.job.durable = c.job.durable || c.job.claims == c.n
		}
		for _, f := range r.feeds {
			for _, rec := range w.fresh[f] {
				r.accept(f, rec)
			}
			r.found(f, r.once && r.past(f))
		}
		r.ready.back(w.woken)
		r.sweep()
		for c, j := range r.busy {
			r.permit(c, j)
		}
	} else {
		r.next.claims = append(w.claims, r.next.claims...)
		r.next.look = r.next.look || w.look
		for f, records := range w.fresh {
			f.fresh = append(records, f.fresh...)
		}
		r.next.woken = append(w.woken, r.next.woken...)
	}
	r.next.entries = append(w.entries, r.next.entries...)
	if err == nil {
		r.brokers.over(r.options.Logger)
		return nil
	}
	hopeless := r.work.Err() != nil || r.failed != nil || errors.Is(err, event.ErrTopic) || errors.Is(err, event.ErrAccess)
	if !hopeless {
		r.brokers.note(err, r.options.Logger)
		return nil
	}
	err = r.unrecorded(err)
	r.next = round{}
	return err
}

// unrecorded makes the error of entries that will not be written.
func (r *run) unrecorded(err error) error {
	lost := false
	for _, e := range r.next.entries {
		if e.outcome {
			lost = true
			r.options.Logger.Error("outcome not recorded", "id", string(e.record.Key))
		}
	}
	switch {
	case lost:
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	case r.work.Err() != nil: // told to stop
		return nil
	}
	return err
}
