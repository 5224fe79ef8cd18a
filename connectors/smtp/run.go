package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lejarat/processor/event"
)

// run is one Run: its goroutine owns everything here.
type run struct {
	*Connector
	once    bool
	sending context.Context // outlives the caller's by Limits.Drain
	work    context.Context // outlives sending by recordGrace: for recording and committing

	standing *standing
	lanes    *lanes
	conn     *conn // nil: none
	ready    []*job
	waiting  []*job // for their next attempt
	inHand   map[markID]*job

	ends      map[event.TopicPartition]event.Span // of the queue when a run with once began
	last      map[event.TopicPartition]int64      // the newest offset taken
	away      backoff
	trouble   error // why nothing goes on; nil when it does
	deferrals int   // in a row
	putOff    error // the answer to the last of them
	progress  time.Time
	sum       Summary
}

// patience is how long a turn waits for new records.
const patience = time.Second

// loop turns until ctx ends, the queue is drained (once) or nothing can be done about an error.
func (r *run) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		drained, err := r.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return unrecorded(err)
		case err == nil && drained:
			return nil
		case err == nil:
			r.calm()
		case errors.Is(err, event.ErrTopic), errors.Is(err, event.ErrAccess), errors.Is(err, errUnrecorded):
			return err
		case err != nil:
			r.stumble(err)
			r.sleep(ctx, r.away.next())
		}
		if r.once && time.Since(r.progress) > r.options.Retry.Budget {
			return r.spent()
		}
	}
	return nil
}

// errUnrecorded is the one failure that may lead to a second mail: it is never passed over.
var errUnrecorded = errors.New("the outcome of a mail could not be recorded; the mail may be sent again")

// unrecorded passes on of an error at the end of ctx only what is more than this end.
func unrecorded(err error) error {
	if errors.Is(err, errUnrecorded) {
		return err
	}
	return nil
}

// turn takes what is due, settles what can be settled and commits it.
func (r *run) turn(ctx context.Context) (drained bool, err error) {
	if r.once && r.ends == nil {
		if r.ends, err = r.topics.Spans(ctx, r.options.Prefix+"mail-sink"); err != nil {
			return false, fmt.Errorf("asking for the end of the mail queue: %w", err)
		}
	}
	if r.standing.reader == nil {
		if err := r.standing.refresh(ctx); err != nil {
			return false, err
		}
	}
	r.wake()
	if len(r.ready) == 0 {
		if err := r.take(ctx); err != nil {
			return false, err
		}
	}
	if len(r.ready) > 0 {
		// What was recorded or suppressed before these records could be taken is known before they are sent.
		if err := r.standing.refresh(ctx); err != nil {
			return false, err
		}
		if err := r.settle(ctx); err != nil {
			return false, errors.Join(err, r.commit(r.work))
		}
	}
	if err := r.commit(r.work); err != nil {
		return false, err
	}
	if !r.once || len(r.ready)+len(r.waiting) > 0 {
		return false, nil
	}
	return r.drained(ctx)
}

// settle attempts what is ready, in order, until it is done or the relay is away.
func (r *run) settle(ctx context.Context) error {
	for len(r.ready) > 0 && ctx.Err() == nil {
		j := r.ready[0]
		next, err := r.attempt(ctx, j)
		if err != nil {
			return err
		}
		switch next {
		case gone:
			r.ready = r.ready[1:]
		case aside:
			r.ready = r.ready[1:]
			r.waiting = append(r.waiting, j)
			if r.deferrals < r.options.Limits.RejectionsPerConnection {
				continue
			}
			// It is the relay, not these mails: one try a pause is enough.
			return fmt.Errorf("%d mails in a row were put off by the relay, the last with: %w", r.deferrals, r.putOff)
		case again:
		}
	}
	return nil
}

// wake moves mails whose pause is over to the front, the longest waiting first.
func (r *run) wake() {
	now := time.Now()
	var due, rest []*job
	for _, j := range r.waiting {
		if j.due.After(now) {
			rest = append(rest, j)
		} else {
			due = append(due, j)
		}
	}
	r.waiting = rest
	r.ready = append(due, r.ready...)
}

// take gets records from the queue, or waits for the next retry.
func (r *run) take(ctx context.Context) error {
	wait := patience
	if r.once {
		wait = patience / 5
	}
	if len(r.waiting) > 0 {
		next := slices.MinFunc(r.waiting, func(a, b *job) int { return a.due.Compare(b.due) })
		wait = max(0, min(wait, time.Until(next.due)))
	}
	if len(r.waiting) >= r.options.Limits.Deferred {
		r.sleep(ctx, wait)
		return nil
	}
	records, err := r.queue.Poll(ctx, r.options.Limits.Batch, wait)
	if err != nil {
		return fmt.Errorf("reading the mail queue: %w", err)
	}
	for _, rec := range records {
		r.accept(rec)
	}
	if r.conn != nil && len(r.ready) == 0 && time.Since(r.conn.used) > r.options.Limits.Idle {
		r.hangUp()
	}
	return nil
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

func (r *run) commit(ctx context.Context) error {
	records := r.lanes.committable()
	if len(records) == 0 {
		return nil
	}
	if err := r.queue.Commit(ctx, records); err != nil {
		return fmt.Errorf("committing the mail queue: %w", err)
	}
	r.lanes.committed()
	return nil
}

// drained reports whether all that was queued when the run began is settled: nothing is left, or every partition has
// been read past its end of then.
func (r *run) drained(ctx context.Context) (bool, error) {
	past := true
	for tp, span := range r.ends {
		if last, taken := r.last[tp]; span.End > span.Start && (!taken || last < span.End-1) {
			past = false
		}
	}
	if past {
		return true, nil
	}
	lag, err := r.queue.Lag(ctx)
	if err != nil {
		return false, fmt.Errorf("asking for the lag of the mail queue: %w", err)
	}
	return lag == 0, nil
}

// finish commits and takes leave.
func (r *run) finish(err error) (Summary, error) {
	if cerr := r.commit(r.work); cerr != nil && err == nil {
		r.options.Logger.Warn("last commit failed; its mails are settled and will be skipped", "error", cerr)
	}
	r.hangUp()
	r.standing.close()
	r.sum.Left = r.left()
	return r.sum, err
}

func (r *run) hangUp() {
	if r.conn != nil {
		r.conn.close()
		r.conn = nil
	}
}
