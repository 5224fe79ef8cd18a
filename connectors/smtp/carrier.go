package smtp

import (
	"errors"
	"fmt"
	"time"
)

// carrier is one connection to a relay, or the place for one, with the goroutine that owns it.
type carrier struct {
	run    *run   // what never changes of it
	route  *route // of it, the relay
	conn   *conn
	orders chan *job
	body   []byte // of the last mail: room for the next
}

// report is what a carrier has to say about the mail that it has.
type report struct {
	carrier *carrier
	job     *job
	// ask is set where all but the final dot is written: the answer says until when it may be; zero: not at all.
	ask chan time.Time
	// The rest is about a mail that it is done with.
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
			c.run.reports <- c.carry(j)
			unused.Reset(c.run.options.Limits.Idle)
		case <-unused.C:
			c.hangUp()
		}
	}
}

// carry brings a mail to its end at this connection.
func (c *carrier) carry(j *job) report {
	rep := report{carrier: c, job: j}
	e, err := c.run.composer.composeInto(c.body, j.mail, j.emitted)
	if err != nil {
		rep.res = result{class: refused, phase: PhaseNone, cause: err.Error()}
		return rep
	}
	c.body = e.body
	if sender := c.run.options.Sender; sender != nil {
		e.from = sender(j.mail.ID, j.record.Partition, j.record.Offset)
	}
	if c.conn != nil && c.conn.worn(c.run.options.Limits) {
		c.hangUp()
	}
	if c.conn == nil {
		if c.conn, err = c.route.relay.dial(c.run.sending); err != nil {
			errors.As(err, &rep.res)
			rep.dialled = fmt.Errorf("connecting to the relay %s: %w", c.route.relay.options.Address, err)
			c.conn = nil
			return rep
		}
	}
	j.attempts++
	rep.res = c.conn.send(c.run.sending, e, leave{given: func() time.Time { return c.permitted(j) }, ask: func() bool { return c.await(j) }})
	rep.stale = (rep.res.class == relayAway || rep.res.class == slowed) && rep.res.phase == PhaseMail && c.conn.mails > 1 && c.conn.broken.Load()
	return rep
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

// await asks whether the final dot may be written. A relay does not wait for ever: neither does this.
func (c *carrier) await(j *job) bool {
	limit := time.NewTimer(c.run.options.Limits.Claim)
	defer limit.Stop()
	for {
		ask := make(chan time.Time, 1)
		c.run.reports <- report{carrier: c, job: j, ask: ask}
		select {
		case until := <-ask:
			if until.IsZero() {
				return false
			}
			if time.Now().Before(until) {
				return true
			}
		case <-limit.C:
			return false
		case <-c.run.sending.Done():
			return false
		}
	}
}

func (c *carrier) hangUp() {
	if c.conn != nil {
		c.conn.close()
		c.conn = nil
	}
}
