package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
)

// patience is how long a look into the queue waits for new records.
const patience = time.Second

// polled is what a look into the queue brought.
type polled struct {
	records []event.Record
	lag     int64 // -1: not asked for
	err     error
}

// look looks into the queue where there is room for more.
func (r *run) look(ctx context.Context) {
	if r.once && (r.past() || r.drained()) { // what came later is for the next run
		return
	}
	if r.polling || r.brokers.pausing() || len(r.fresh)+len(r.ready) > r.options.Limits.Batch/2 || len(r.waiting) >= r.options.Limits.Deferred {
		return
	}
	r.polling = true
	wait := patience
	if r.once {
		wait = patience / 5
	}
	go func() {
		p := polled{lag: -1}
		p.records, p.err = r.queue.Poll(ctx, r.options.Limits.Batch, wait)
		if p.err == nil && len(p.records) == 0 && r.once {
			p.lag, p.err = r.queue.Lag(ctx)
		}
		r.polls <- p
	}()
}

// take takes in what a look into the queue brought.
func (r *run) take(p polled) error {
	r.polling = false
	r.lag = p.lag
	if len(p.records) > 0 {
		r.fresh = append(r.fresh, p.records...)
		r.next.look = true
	}
	if lost := (*event.Lost)(nil); errors.As(p.err, &lost) {
		r.lost(lost)
		return nil
	}
	switch {
	case p.err == nil && r.under == nil && len(r.next.entries) == 0:
		r.brokers.over(r.options.Logger)
		return nil
	case p.err == nil, errors.Is(p.err, context.Canceled):
		return nil
	case errors.Is(p.err, event.ErrTopic), errors.Is(p.err, event.ErrAccess):
		return fmt.Errorf("reading the mail queue: %w", p.err)
	}
	r.brokers.note(fmt.Errorf("reading the mail queue: %w", p.err), r.options.Logger)
	return nil
}

// lost says that mails are gone from the queue that nobody was done with: it kept them for too short a time, or nobody sent.
// Which of them were to go, lejarat report --undelivered tells.
func (r *run) lost(l *event.Lost) {
	for _, g := range l.Gaps {
		r.options.Logger.Error("mails are gone from the queue that may not have been sent: lejarat report --undelivered lists those that were not",
			"topic", g.Topic, "partition", g.Partition, "from", g.From, "to", g.To)
		r.sum.Lost += g.To - g.From
	}
	r.options.Lost(l)
}

// accept takes a record in hand.
func (r *run) accept(rec event.Record) {
	tp := event.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}
	r.last[tp] = max(r.last[tp], rec.Offset)
	if !r.lanes.add(rec) {
		return
	}
	if rec.Control || rec.Value == nil {
		r.lanes.done(rec)
		return
	}
	j, ok := decode(rec, r.options)
	if !ok || j.faulty {
		r.sum.Undecodable++
		r.options.Logger.Warn("mail record cannot be used", "partition", rec.Partition, "offset", rec.Offset)
	}
	switch {
	case !ok:
		r.options.Observer(Outcome{Status: event.DeliveryRejected, Reason: reasonUndecodable})
		r.lanes.done(rec)
		r.progress = time.Now()
	case r.inHand[j.id] != nil: // the same notice twice in the queue: the first decides
		r.skip(j)
	default:
		r.inHand[j.id] = j
		r.ready = append(r.ready, j)
	}
}

// giveBack lets go of what no connection has: it stays queued.
func (r *run) giveBack() { r.fresh, r.ready, r.waiting, r.next.woken = nil, nil, nil, nil }

// past reports whether every partition has been read past its end of the run's beginning.
func (r *run) past() bool {
	for tp, span := range r.ends {
		if last, taken := r.last[tp]; span.End > span.Start && (!taken || last < span.End-1) {
			return false
		}
	}
	return true
}
