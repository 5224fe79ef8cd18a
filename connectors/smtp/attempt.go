package smtp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
)

// next is what becomes of a job after an attempt.
type next uint8

const (
	gone  next = iota // settled
	aside             // waits for its own next attempt
	again             // at once
)

// Reasons in deliveries beside those of addresses and suppressions.
const (
	reasonUndecodable = "undecodable"
	reasonParked      = "parked" // in doubt, and Options.InDoubt is Park
)

// attempt brings a job one step further. An error says that the relay or the brokers are away: the job stays where it is.
func (r *run) attempt(ctx context.Context, j *job) (next, error) {
	if !j.admitted {
		if !r.admit(j) {
			r.skip(j)
			return gone, nil
		}
		if j.faulty {
			return gone, r.end(j, event.DeliveryRejected, reasonUndecodable, result{})
		}
	}
	if stopped, err := r.stopped(ctx, j); stopped || err != nil {
		return gone, err
	}
	if j.envelope == nil {
		e, err := r.composer.compose(j.mail, j.emitted)
		if err != nil {
			return gone, r.end(j, event.DeliveryRejected, err.Error(), result{})
		}
		j.envelope = &e
	}
	dialled, err := r.connect(ctx)
	if err != nil {
		r.options.Observer(j.outcome(StatusRetry, "", asResult(err)))
		return gone, err
	}
	if dialled { // that may have taken a while
		if stopped, err := r.stopped(ctx, j); stopped || err != nil {
			return gone, err
		}
	}
	if j.doubt && !j.resent {
		// Before the second attempt, so that there is never a third.
		if err := r.record(j, event.DeliveryInDoubt, reasonResent, result{}); err != nil {
			return gone, err
		}
		j.resent = true
	}
	j.attempts++
	res := r.conn.send(r.sending, *j.envelope, func() bool { return r.mayGo(j) })
	return r.judge(j, res)
}

// admit compares a job with what deliveries says about its id. False: it is settled.
func (r *run) admit(j *job) bool {
	m := r.standing.mark(j.id)
	switch m.state {
	case settled, doubtfulEnd:
		return false
	case doubtful:
		if r.options.InDoubt == Park {
			return false
		}
		j.doubt, j.attempts = true, int(m.attempts)
	}
	j.admitted = true
	return true
}

// stopped ends a job that must not go: settled by another instance meanwhile, too late, or suppressed.
func (r *run) stopped(ctx context.Context, j *job) (bool, error) {
	if err := r.standing.drain(ctx); err != nil {
		return false, err
	}
	if r.standing.mark(j.id).state == settled {
		r.skip(j)
		return true, nil
	}
	status, reason := r.verdict(j)
	if status == "" {
		return false, nil
	}
	return true, r.end(j, status, reason, result{})
}

// verdict says why a job must not go; "" when it may.
func (r *run) verdict(j *job) (status, reason string) {
	if !j.notAfter.IsZero() && !r.options.Now().Before(j.notAfter) {
		return event.DeliveryExpired, ""
	}
	if reason := r.standing.suppresses(&j.mail); reason != "" {
		return event.DeliverySuppressed, reason
	}
	return "", ""
}

// mayGo is asked before the final dot: the transaction may have been slow.
func (r *run) mayGo(j *job) bool {
	if r.standing.drain(r.sending) != nil {
		return false
	}
	status, _ := r.verdict(j)
	return status == ""
}

// connect makes sure of a usable connection.
func (r *run) connect(ctx context.Context) (dialled bool, err error) {
	if r.conn != nil && r.conn.worn(r.options.Limits) {
		r.hangUp()
	}
	if r.conn != nil {
		return false, nil
	}
	c, err := r.relay.dial(ctx)
	if err != nil {
		return false, fmt.Errorf("connecting to the relay %s: %w", r.options.Relay.Address, err)
	}
	c.used = time.Now()
	r.conn = c
	return true, nil
}

// judge acts on the end of a transaction.
func (r *run) judge(j *job, res result) (next, error) {
	stale := res.class == relayAway && res.phase == PhaseMail && r.conn.mails > 1 && r.conn.broken.Load()
	if res.class != relayAway && res.class != inDoubt && res.class != deferred && res.class != calledOff {
		r.recovered()
	}
	switch res.class {
	case accepted:
		return gone, r.end(j, event.DeliveryAccepted, "", res)
	case refused:
		return gone, r.end(j, event.DeliveryRejected, res.cause, res)
	case calledOff:
		return again, r.unclaim(j)
	case inDoubt:
		return r.doubt(j, res)
	}
	r.sum.Retries++
	r.options.Observer(j.outcome(StatusRetry, "", res))
	if err := r.unclaim(j); err != nil {
		return gone, err
	}
	switch {
	case stale: // the relay closed a connection that had been idle: no reason to wait
		return again, nil
	case res.class == deferred:
		r.deferrals++
		r.putOff = res
		j.due = time.Now().Add(j.pause.next())
		return aside, nil
	}
	return gone, fmt.Errorf("handing a mail to the relay %s: %w", r.options.Relay.Address, res)
}

// unclaim takes "resent" back where the second attempt provably delivered nothing.
func (r *run) unclaim(j *job) error {
	if !j.resent {
		return nil
	}
	j.resent = false
	return r.record(j, event.DeliveryInDoubt, "", result{})
}

// doubt reports a mail whose answer was never seen, and leaves it for one more attempt where that is allowed.
func (r *run) doubt(j *job, res result) (next, error) {
	r.options.Logger.Warn("mail in doubt: the relay's answer was not seen", "id", j.mail.ID, "cause", res.Error(), "resent", j.resent)
	if !j.doubt {
		r.sum.InDoubt++
	}
	switch {
	case j.resent:
		return gone, r.end(j, event.DeliveryInDoubt, reasonResent, res)
	case r.options.InDoubt == Park:
		return gone, r.end(j, event.DeliveryInDoubt, reasonParked, res)
	}
	j.doubt = true
	if err := r.record(j, event.DeliveryInDoubt, "", res); err != nil {
		return gone, err
	}
	r.options.Observer(j.outcome(event.DeliveryInDoubt, "", res))
	// A pause, and this mail again before any other: a relay that has stopped answering must not get one mail after
	// another into doubt.
	return gone, fmt.Errorf("handing a mail to the relay %s: %w", r.options.Relay.Address, res)
}

// end settles a job: recorded first, then counted and let go. What was once in doubt is never called undelivered.
func (r *run) end(j *job, status, reason string, res result) error {
	if j.doubt && status != event.DeliveryAccepted && status != event.DeliveryInDoubt {
		status, reason = event.DeliveryInDoubt, status
	}
	if err := r.record(j, status, reason, res); err != nil {
		return err
	}
	switch status {
	case event.DeliveryAccepted:
		r.sum.Accepted++
	case event.DeliveryRejected:
		r.sum.Rejected++
	case event.DeliveryExpired:
		r.sum.Expired++
	case event.DeliverySuppressed:
		r.sum.Suppressed++
	}
	r.options.Observer(j.outcome(status, reason, res))
	r.release(j)
	return nil
}

// skip lets go of a job that is settled already.
func (r *run) skip(j *job) {
	r.sum.Skipped++
	r.options.Observer(j.outcome(StatusSkipped, "", result{}))
	r.release(j)
}

func (r *run) release(j *job) {
	r.lanes.done(j.record)
	if r.inHand[j.id] == j {
		delete(r.inHand, j.id)
	}
	r.progress = time.Now()
}

// record writes the job's state to deliveries and waits for it, as long as it takes: nothing else is sent meanwhile.
func (r *run) record(j *job, status, reason string, res result) error {
	d := j.delivery(status, reason, r.options.Relay.Address, res, r.options.Now())
	value, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("writing a delivery: %w", err)
	}
	rec := event.Record{
		Topic: r.options.Prefix + "deliveries", Partition: event.AnyPartition, Key: []byte(d.ID), Value: value,
		Headers: event.CloudEvent(fmt.Sprintf("%s/%d/%s", d.ID, d.Attempts, d.Status), "delivery", d.At),
	}
	pause := backoff{min: r.options.Retry.Min, max: r.options.Retry.Max}
	for begun := time.Now(); ; {
		err := r.topics.Produce(r.work, []event.Record{rec})
		if err == nil {
			r.standing.set(j.id, d, time.Now())
			return nil
		}
		err = fmt.Errorf("recording a delivery: %w", err)
		hopeless := r.work.Err() != nil || errors.Is(err, event.ErrTopic) || errors.Is(err, event.ErrAccess) ||
			r.once && time.Since(begun) > r.options.Retry.Budget
		if hopeless && (res.class == accepted || res.class == inDoubt) && res.phase == PhaseDot {
			r.options.Logger.Error("outcome not recorded", "id", d.ID, "status", d.Status)
			return fmt.Errorf("%w: %w", errUnrecorded, err)
		}
		if hopeless {
			return err
		}
		r.stumble(err)
		sleep(r.work, pause.next())
	}
}

// asResult finds the result that an error of dial is.
func asResult(err error) result {
	var res result
	errors.As(err, &res)
	return res
}
