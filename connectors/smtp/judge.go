package smtp

import (
	"strconv"
	"time"

	"lejarat/processor/event"
)

// Reasons in deliveries beside those of addresses, suppressions and claims.
const reasonUndecodable = "undecodable"

// admit says whether a job may be given to a carrier now. If not, it is done with, or waits.
func (r *run) admit(j *job) bool {
	if m := r.standing.mark(j.id); m.state == claimedState && !r.takeOver(j, m) {
		return false
	}
	if r.ended(j) {
		return false
	}
	j.tries, j.undecided = j.attempts+1, nil
	return true
}

// ended is done with a job that is settled, or must not be sent.
func (r *run) ended(j *job) bool {
	switch m := r.standing.mark(j.id); m.state {
	case settled, doubtfulEnd:
		r.skip(j)
		return true
	case doubtful:
		if r.options.InDoubt == Park {
			r.skip(j)
			return true
		}
		j.doubt, j.attempts = true, max(j.attempts, int(m.attempts))
	}
	if j.faulty {
		r.end(j, event.DeliveryRejected, reasonUndecodable, result{})
		return true
	}
	switch status, reason := r.verdict(j); {
	case j.refused(r.options.Limits), status == event.DeliveryExpired && j.refusal != nil:
		r.end(j, event.DeliveryRejected, j.refusal.cause, *j.refusal)
		return true
	case status != "":
		r.end(j, status, reason, result{})
		return true
	}
	return false
}

// takeOver makes a mail that somebody else has claimed this run's, once the other can write its dot no more.
func (r *run) takeOver(j *job, m mark) bool {
	c, held := r.standing.claimOn(j.id)
	if !held || c.owner == r.owner || c.owner == j.over {
		return true
	}
	if free := c.seen.Add(2 * r.options.Limits.Claim); time.Now().Before(free) {
		j.due = free
		r.waiting = append(r.waiting, j)
		return false
	}
	r.options.Logger.Warn("mail in doubt: it was claimed by an instance that ended", "id", j.mail.ID, "resent", c.doubt)
	if !j.doubt {
		r.sum.InDoubt++
	}
	j.doubt, j.attempts, j.over = true, max(j.attempts, int(m.attempts)), c.owner
	if r.options.InDoubt == Park {
		r.end(j, event.DeliveryInDoubt, reasonParked, result{})
		return false
	}
	r.options.Observer(j.outcome(event.DeliveryInDoubt, "", result{}))
	return true
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

// report takes in what a carrier says: a question about its mail, or that it is done with that, and maybe goes on with the next.
func (r *run) report(rep report) {
	c := rep.carrier
	if rep.ask != nil && rep.next == nil {
		rep.job.ask, rep.job.askedAt = rep.ask, time.Now()
		r.permit(c, rep.job)
		return
	}
	rep.job.ask = nil
	if rep.next == nil {
		delete(r.busy, c)
		c.route.back(c)
		r.takeBack(c.ahead.Swap(nil))
		r.takeBack(rep.back)
	}
	r.judge(rep)
	if j := rep.next; j != nil {
		r.busy[c] = j
		j.ask, j.askedAt = rep.ask, time.Now()
		if r.standing.mark(j.id).state == settled { // elsewhere, since it was put ahead: a claim would be written over that
			j.answer(time.Time{})
		} else {
			r.claim(j)
		}
	}
}

// judge acts on the end of a transaction.
func (r *run) judge(rep report) {
	j, w, res := rep.job, rep.carrier.route, rep.res
	switch res.class {
	case accepted:
		r.took(w)
		reason := ""
		if j.doubt {
			reason = reasonResent
		}
		r.end(j, event.DeliveryAccepted, reason, res)
		return
	case inDoubt:
		r.doubt(j, w, res)
		return
	case refused:
		if !res.aboutRelay() {
			r.took(w)
			r.end(j, event.DeliveryRejected, res.cause, res)
			return
		}
	case unfit:
		if j.unfit = append(j.unfit, w); len(j.unfit) == len(r.routes) {
			r.end(j, event.DeliveryRejected, res.cause, res)
			return
		}
	}
	r.unclaim(j)
	switch {
	case res.class == unfit:
		r.ready.front(j)
	case res.class == calledOff:
		r.ready.front(j)
	case res.class == refused:
		r.suspect(w, j, res)
	case rep.dialled != nil && res.reply.code/100 == 4:
		w.slow(j.handed, rep.dialled)
		r.atOnce(j, res)
	case rep.dialled != nil:
		w.hinder(rep.dialled)
		r.atOnce(j, res)
	case rep.stale:
		r.sum.Retries++
		r.atOnce(j, res)
	default:
		r.retry(j, w, res)
	}
}

// retry leaves a mail that was not delivered waiting, by itself: whatever it is that the relay cannot stand may be in it,
// and the next mail is another one.
func (r *run) retry(j *job, w *route, res result) {
	j.blamed, j.refusal = res.class != deferred, nil
	switch res.class {
	case deferred:
		w.answers()
	case slowed:
		w.slow(j.handed, w.failure(res))
	case relayAway:
		w.hinder(w.failure(res))
	}
	r.again(j, res)
	r.putOff(j)
}

// again reports an attempt after which there will be another.
func (r *run) again(j *job, res result) {
	r.options.Observer(j.outcome(StatusRetry, "", res))
	r.sum.Retries++
	r.lastRetry = res
}

// putOff makes a mail wait for its next attempt.
func (r *run) putOff(j *job) {
	j.due = time.Now().Add(j.pause.next())
	r.waiting = append(r.waiting, j)
}

// atOnce leaves a mail that no relay has seen to the next connection that is free.
func (r *run) atOnce(j *job, res result) {
	r.options.Observer(j.outcome(StatusRetry, "", res))
	r.ready.front(j)
}

// doubt reports a mail whose answer was never seen, and leaves it for one more attempt where that is allowed.
func (r *run) doubt(j *job, w *route, res result) {
	r.options.Logger.Warn("mail in doubt: the relay's answer was not seen", "id", j.mail.ID, "cause", res.Error(), "resent", j.doubt)
	again := j.doubt
	if !again {
		r.sum.InDoubt++
	}
	j.doubt = true
	// A pause, and this mail again before any other: a relay that has stopped answering must not get one mail after
	// another into doubt.
	w.hinder(w.failure(res))
	switch {
	case again:
		r.end(j, event.DeliveryInDoubt, reasonResent, res)
	case r.options.InDoubt == Park:
		r.end(j, event.DeliveryInDoubt, reasonParked, res)
	default:
		r.put(j, event.DeliveryInDoubt, "", res, func() { r.setOut(j, false) })
		r.options.Observer(j.outcome(event.DeliveryInDoubt, "", res))
		r.ready.front(j)
	}
}

// end settles a job: recorded first, then counted and let go. What was once in doubt is never called undelivered.
func (r *run) end(j *job, status, reason string, res result) {
	if j.doubt && status != event.DeliveryAccepted && status != event.DeliveryInDoubt {
		status, reason = event.DeliveryInDoubt, status
	}
	o := j.outcome(status, reason, res)
	r.put(j, status, reason, res, func() {
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
		r.options.Observer(o)
		r.release(j)
	})
}

// put queues a job's state for deliveries.
func (r *run) put(j *job, status, reason string, res result, durable func()) {
	j.tries = j.attempts
	d := j.delivery(status, reason, res, r.options.Now())
	r.next.entries = append(r.next.entries, entry{
		record: r.record(&d), id: j.id, delivery: &d, durable: durable,
		outcome: res.phase == PhaseDot && (res.class == accepted || res.class == inDoubt),
	})
}

// record is a delivery as it goes into the topic.
func (r *run) record(d *event.Delivery) event.Record {
	return event.Message(r.options.Prefix+"deliveries", d.ID, d.ID+"/"+strconv.Itoa(d.Attempts)+"/"+d.Status, "delivery", d.At, d)
}

// skip lets go of a job that is settled already.
func (r *run) skip(j *job) {
	r.sum.Skipped++
	r.options.Observer(j.outcome(StatusSkipped, "", result{}))
	r.release(j)
}

func (r *run) release(j *job) {
	r.settled++
	r.setOut(j, false)
	j.feed.lanes.done(j.record)
	if r.inHand[j.id] == j {
		delete(r.inHand, j.id)
	}
	r.progress = time.Now()
}
