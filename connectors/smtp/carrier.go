package smtp

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lejarat/connectors/smtp/letter"
)

// carrier is one connection to a relay, or the place for one, with the goroutine that owns it.
type carrier struct {
	run    *run   // what never changes of it
	route  *route // of it, the relay
	conn   *conn
	orders chan *job
	// ahead is the mail that is to follow the one under way without waiting for its answer. The run puts it there when that one's
	// dot may be written, the carrier takes it with the dot, and what it has not taken the run takes back.
	ahead atomic.Pointer[job]
	next  *mailing // what was taken
	body  []byte   // of the last mail composed
	spare []byte   // of the one before: room for the next
}

// report is what a carrier has to say about the mail that it has.
type report struct {
	carrier *carrier
	job     *job
	// ask asks until when the mail's final dot may be written; zero: not at all. Where there is a next it asks that about it.
	ask chan time.Time
	// The rest is about a mail that it is done with.
	next    *job // the mail that the carrier goes on with: its envelope is open
	back    *job // the mail that was to follow and does not: the relay has seen its envelope at most
	res     result
	dialled error // a connection could not be made, with the reason for people
	stale   bool  // a connection used before was found closed: no reason to wait
}

// hire adds a carrier to a route.
func (r *run) hire(w *route) {
	c := &carrier{run: r, route: w, orders: make(chan *job, 1)}
	w.idle = append(w.idle, c)
	r.carriers.Go(c.serve)
}

// serve carries mails until there are no more orders, and closes a connection that nobody needs.
func (c *carrier) serve() {
	defer c.hangUp()
	unused := time.NewTimer(c.run.options.Limits.Idle)
	defer unused.Stop()
	for {
		select {
		case j, ok := <-c.orders:
			if !ok {
				return
			}
			for m := c.compose(j); m != nil; m, c.next = c.next, nil {
				c.run.reports <- c.carry(m)
			}
			unused.Reset(c.run.options.Limits.Idle)
		case <-unused.C:
			c.hangUp()
		}
	}
}

// mailing is a job with its mail.
type mailing struct {
	letter.Envelope // its dots doubled

	job   *job
	err   error          // it could not be composed
	asked chan time.Time // leave for its dot is asked for with the report on the mail before it; nil: it follows none
}

// compose writes the mail of a job.
func (c *carrier) compose(j *job) *mailing {
	m := &mailing{job: j}
	if m.Envelope, m.err = c.run.composer.Compose(c.spare, j.mail, j.emitted); m.err != nil {
		return m
	}
	m.Body = stuffed(m.Body)
	c.body, c.spare = m.Body, c.body
	if sender := c.run.options.Sender; sender != nil {
		m.From = sender(j.mail.ID, j.record.Partition, j.record.Offset)
	}
	return m
}

// carry brings a mail to its end at this connection. The next to be carried is the mail whose envelope is open then; one that was
// to follow and does not is given back.
func (c *carrier) carry(m *mailing) report {
	rep := report{carrier: c, job: m.job}
	if m.err != nil {
		rep.res = result{class: refused, phase: PhaseNone, cause: m.err.Error()}
		return rep
	}
	if c.conn != nil && !c.conn.opened && c.conn.worn(c.run.options.Limits) {
		c.hangUp()
	}
	if c.conn == nil {
		var err error
		if c.conn, err = c.route.relay.dial(c.run.sending); err != nil {
			errors.As(err, &rep.res)
			rep.dialled = fmt.Errorf("connecting to the relay %s: %w", c.route.relay.options.Address, err)
			c.conn = nil
			return rep
		}
	}
	ahead := m.asked != nil
	m.job.attempts++
	rep.res = c.conn.send(c.run.sending, m.Envelope, leave{
		given: func() time.Time { return c.permitted(m.job) }, ask: func() time.Time { return c.await(m) },
		soon: ahead, next: c.follow,
	})
	if ahead && c.run.sending.Err() == nil && c.route.relay.learn(rep.res) {
		c.run.options.Logger.Warn("the relay does not take an envelope behind a message, though it offers PIPELINING: mails go one by one",
			"relay", c.route.relay.options.Address, "answer", rep.res.Error())
	}
	rep.stale = (rep.res.class == relayAway || rep.res.class == slowed) && rep.res.phase == PhaseMail && c.conn.mails > 1 && c.conn.broken.Load()
	switch {
	case c.next == nil:
	case rep.res.class == accepted && c.conn.opened:
		rep.next, rep.ask = c.next.job, c.next.asked
	default:
		rep.back, c.next = c.next.job, nil
	}
	return rep
}

// follow is the mail whose envelope goes out behind the dot of the one under way; false: there is none, or it cannot.
func (c *carrier) follow() (letter.Envelope, bool) {
	if c.conn.worn(c.run.options.Limits) {
		return letter.Envelope{}, false
	}
	j := c.ahead.Swap(nil)
	if j == nil {
		return letter.Envelope{}, false
	}
	c.next = c.compose(j)
	c.next.asked = make(chan time.Time, 1)
	return c.next.Envelope, c.next.err == nil && c.conn.fits(c.next.Envelope)
}

// permitted says until when the final dot may be written without asking; zero: ask. One that was tried before goes the way on
// which the claim is renewed where the relay takes long to read it.
func (c *carrier) permitted(j *job) (until time.Time) {
	p := j.permit.Load()
	switch {
	case p == nil, j.attempts > 1, time.Since(p.looked) > c.run.options.Limits.Freshness:
		return time.Time{}
	case !j.notAfter.IsZero() && !c.run.options.Now().Before(j.notAfter):
		return time.Time{}
	}
	return p.until
}

// await asks until when the final dot may be written; zero: not at all. A relay does not wait for ever: neither does this.
func (c *carrier) await(m *mailing) (until time.Time) {
	limit := time.NewTimer(c.run.options.Limits.Claim)
	defer limit.Stop()
	for {
		ask := m.asked
		if m.asked = nil; ask == nil {
			ask = make(chan time.Time, 1)
			c.run.reports <- report{carrier: c, job: m.job, ask: ask}
		}
		select {
		case until := <-ask:
			if until.IsZero() || time.Now().Before(until) {
				return until
			}
		case <-limit.C:
			return time.Time{}
		case <-c.run.sending.Done():
			return time.Time{}
		}
	}
}

func (c *carrier) hangUp() {
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
}
