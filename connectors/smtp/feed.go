package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
)

// feed is a queue as a run reads it. With two, one brings the mails of the last day alone and the other all the rest: so a
// mail that is good for today only is found however many others are queued before it.
type feed struct {
	queue   Queue
	all     bool // it brings both
	lastDay bool // it brings the mails of the last day; else the rest
	lanes   *lanes

	fresh   []event.Record                 // they wait for a look at what stands against them
	polling bool                           // a look into the queue is under way
	last    map[event.TopicPartition]int64 // the newest offset taken
	lag     int64                          // where the last look asked for it; else -1
	through bool                           // it was read to its end once
}

// feeds are those of a run.
func (c *Connector) feeds() []*feed {
	one := func(q Queue, all, lastDay bool) *feed {
		return &feed{queue: q, all: all, lastDay: lastDay, lanes: newLanes(), last: map[event.TopicPartition]int64{}, lag: -1}
	}
	if c.options.LastDay == nil {
		return []*feed{one(c.queue, true, false)}
	}
	return []*feed{one(c.options.LastDay, false, true), one(c.queue, false, false)}
}

func (f *feed) takes(j *job) bool { return f.all || j.lastDay == f.lastDay }

// patience is how long a look into the queue waits for new records.
const patience = time.Second

// polled is what a look into the queue brought.
type polled struct {
	feed    *feed
	records []event.Record
	lag     int64 // -1: not asked for
	unread  int64 // -1: not asked for
	err     error
}

// look looks into the queues where there is room for more.
func (r *run) look(ctx context.Context) {
	if r.brokers.pausing() {
		return
	}
	for _, f := range r.feeds {
		if f.polling || r.full(f) || r.once && (r.past(f) || r.drained(f)) { // what came later is for the next run
			continue
		}
		f.polling = true
		wait := patience
		if r.once {
			wait = patience / 5
		}
		searching := f.lastDay && r.searching()
		go func() {
			p := polled{feed: f, lag: -1, unread: -1}
			p.records, p.err = f.queue.Poll(ctx, r.options.Limits.Batch, wait)
			if p.err == nil && len(p.records) == 0 && r.once {
				p.lag, p.err = f.queue.Lag(ctx)
			}
			if p.err == nil && len(p.records) == 0 && searching {
				p.unread, p.err = f.queue.Unread(ctx)
			}
			r.polls <- p
		}()
	}
}

// full says whether there is enough of a queue in hand.
func (r *run) full(f *feed) bool {
	ready := len(f.fresh)
	switch {
	case f.all:
		ready += r.ready.len()
	case f.lastDay:
		ready += len(r.ready.lastDay)
	default:
		ready += len(r.ready.rest)
	}
	if ready > r.options.Limits.Batch/2 {
		return true
	}
	if len(r.waiting) < r.options.Limits.Deferred {
		return false
	}
	waiting := 0
	for _, j := range r.waiting {
		if j.feed == f {
			waiting++
		}
	}
	return waiting >= r.options.Limits.Deferred
}

// take takes in what a look into a queue brought.
func (r *run) take(p polled) error {
	f := p.feed
	f.polling, f.lag = false, p.lag
	if len(p.records) > 0 {
		f.fresh = append(f.fresh, p.records...)
		r.next.look = true
	}
	r.found(f, p.unread == 0)
	if lost := (*event.Lost)(nil); errors.As(p.err, &lost) {
		if !f.lastDay { // the other group has lost the same; what it takes is settled within a day
			r.lost(lost)
		}
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
func (r *run) accept(f *feed, rec event.Record) {
	tp := event.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}
	f.last[tp] = max(f.last[tp], rec.Offset)
	if !f.lanes.add(rec) {
		return
	}
	if rec.Control || rec.Value == nil {
		f.lanes.done(rec)
		return
	}
	j, ok := decode(rec, r.options)
	if !f.takes(j) {
		f.lanes.done(rec)
		r.progress = time.Now()
		return
	}
	j.feed = f
	if !ok || j.faulty {
		r.sum.Undecodable++
		r.options.Logger.Warn("mail record cannot be used", "partition", rec.Partition, "offset", rec.Offset)
	}
	switch {
	case !ok:
		r.options.Observer(Outcome{Status: event.DeliveryRejected, Reason: reasonUndecodable})
		f.lanes.done(rec)
		r.progress = time.Now()
	case r.inHand[j.id] != nil: // the same notice twice in the queue: the first decides
		r.skip(j)
	default:
		r.inHand[j.id] = j
		r.ready.push(j)
	}
}

// giveBack lets go of what no connection has: it stays queued.
func (r *run) giveBack() {
	r.recall()
	for _, f := range r.feeds {
		f.fresh = nil
	}
	r.ready, r.waiting, r.next.woken = ready{}, nil, nil
}

// drained reports whether, with once, all that was queued when the run began is settled: nothing is left, or every
// partition has been read past its end of then.
func (r *run) drained(f *feed) bool {
	return len(f.fresh) == 0 && len(f.lanes.ready) == 0 && (f.lag == 0 || r.past(f))
}

// past reports whether every partition has been read past its end of the run's beginning.
func (r *run) past(f *feed) bool {
	for tp, span := range r.ends {
		if last, taken := f.last[tp]; span.End > span.Start && (!taken || last < span.End-1) {
			return false
		}
	}
	return true
}
