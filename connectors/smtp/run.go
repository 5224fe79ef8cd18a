package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lejarat/processor/event"
)

// run is one Run. Its goroutine owns everything here and decides everything; others do what takes time and report:
// a carrier for each connection to a relay (carrier.go), one round of writing and reading the topics at a time
// (round.go), one look into each queue at a time (feed.go).
type run struct {
	*Connector
	once    bool
	sending context.Context // outlives the caller's by Limits.Drain
	work    context.Context // outlives sending by recordGrace: for recording and committing
	owner   string          // of this run's claims

	standing *standing
	feeds    []*feed
	inHand   map[markID]*job
	ready    ready
	waiting  []*job // for their next attempt

	routes   []*route
	busy     map[*carrier]*job
	reports  chan report
	carriers sync.WaitGroup

	next   round       // what the next round is to do
	under  *round      // the round under way; nil: none
	rounds chan error  // its end
	looked time.Time   // when the last look at the standing began
	polls  chan polled // the ends of looks into the queues

	counting  bool // the length of the queue is being asked for
	counts    chan int64
	counted   time.Time
	queued    int64 // the answer; -1: not known
	countedAt int64 // what was settled by then
	published time.Time
	swept     time.Time // when mails that only wait were last looked through
	settled   int64
	out       int64 // mails that count against the day's cap before they are recorded

	ends      map[event.TopicPartition]event.Span // of the queue when a run with once began
	brokers   trouble
	lastRetry error // why the last mail that waits does
	begun     time.Time
	progress  time.Time
	sum       Summary
	failed    error  // why the run ends before it is told to
	stop      func() // ends it
}

// loop turns until ctx ends, the queue is drained (once) or nothing can be done about an error. What is under way then
// ends first, within the time that Limits.Drain gives it.
func (r *run) loop(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	told := ctx.Done()
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		stopping := ctx.Err() != nil
		if !stopping {
			r.wake()
			r.handOut()
			r.look(ctx)
			r.count(ctx, time.Now())
			r.next.look = r.next.look || r.under == nil && !time.Now().Before(r.lookDue())
		}
		r.beginRound(stopping)
		if now := time.Now(); now.Sub(r.published) >= statusEvery {
			r.publish(now)
		}
		if r.quiet() && (stopping || r.done()) {
			return r.failed
		}
		wait.Reset(r.untilNext(stopping))
		var err error
		select {
		case rep := <-r.reports:
			r.report(rep)
		case err = <-r.rounds:
			err = r.endRound(err)
		case p := <-r.polls:
			err = r.take(p)
		case r.queued = <-r.counts:
			r.counting, r.countedAt = false, r.settled
		case <-wait.C:
			if !stopping {
				err = r.spent()
			}
		case <-told:
			told = nil
			r.giveBack()
		}
		if err != nil && (r.failed == nil || errors.Is(err, errUnrecorded)) {
			r.failed = err
			r.stop()
		}
	}
}

// begin looks at everything once, and again until that succeeds.
func (r *run) begin(ctx context.Context) error {
	for ctx.Err() == nil {
		var err error
		if r.once && r.ends == nil {
			if r.ends, err = r.topics.Spans(ctx, r.options.Prefix+"mail-sink"); err != nil {
				err = fmt.Errorf("asking for the end of the mail queue: %w", err)
			}
		}
		if err == nil {
			r.looked = time.Now()
			err = r.standing.refresh(ctx)
		}
		switch {
		case err == nil:
			r.brokers.over(r.options.Logger)
			r.begun = time.Now()
			return nil
		case errors.Is(err, event.ErrTopic), errors.Is(err, event.ErrAccess):
			return err
		}
		r.brokers.note(err, r.options.Logger)
		if err := r.spent(); err != nil {
			return err
		}
		sleep(ctx, min(time.Until(r.brokers.until), r.untilNext(false)))
	}
	return nil
}

// quiet reports whether nothing is under way and nothing waits to be written.
func (r *run) quiet() bool {
	return len(r.busy) == 0 && r.under == nil && !r.counting && len(r.next.entries) == 0 &&
		!slices.ContainsFunc(r.feeds, func(f *feed) bool { return f.polling })
}

// done reports whether a run with once has nothing left to do.
func (r *run) done() bool {
	return r.once && r.ready.len()+len(r.waiting)+len(r.next.woken) == 0 &&
		!slices.ContainsFunc(r.feeds, func(f *feed) bool { return !r.drained(f) })
}

// untilNext is how long nothing needs to be done unless something is reported.
func (r *run) untilNext(stopping bool) time.Duration {
	wait := time.Minute
	at := func(t time.Time) { wait = max(0, min(wait, time.Until(t))) }
	if r.brokers.pausing() {
		at(r.brokers.until)
	}
	if stopping {
		return wait
	}
	for _, j := range r.waiting {
		at(j.due)
	}
	if r.under == nil && !r.brokers.pausing() {
		at(r.lookDue())
	}
	if r.ready.len() > 0 && !r.brokers.pausing() && r.errPaused() == nil && r.errCapped() == nil {
		now := time.Now()
		for _, w := range r.routes {
			if d, open := w.wait(now); open {
				at(now.Add(d))
			}
		}
	}
	if r.once && len(r.busy) == 0 {
		at(r.progress.Add(r.budget() + time.Millisecond))
	}
	return max(wait, time.Millisecond)
}

// finish takes leave.
func (r *run) finish(err error) (Summary, error) {
	for _, w := range r.routes {
		for _, c := range w.idle {
			close(c.orders)
		}
	}
	r.carriers.Wait()
	for _, f := range r.feeds {
		if records := f.lanes.committable(); len(records) > 0 && err == nil {
			if cerr := f.queue.Commit(r.work, records); cerr != nil {
				r.options.Logger.Warn("last commit failed; its mails are settled and will be skipped", "error", cerr)
			}
		}
	}
	r.publish(time.Now())
	r.standing.close()
	r.sum.Left = r.left()
	return r.sum, err
}
