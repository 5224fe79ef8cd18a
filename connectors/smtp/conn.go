package smtp

import (
	"context"
	"errors"
	"io"
	"time"
)

// send hands one mail over, command by command. ready is asked right before the final dot; false calls the mail off.
// When ctx ends, the connection is cut: before the dot that is a retry, after it the mail is in doubt.
func (c *conn) send(ctx context.Context, e envelope, ready func() bool) result {
	cut := context.AfterFunc(ctx, func() {
		c.broken.Store(true)
		_ = c.raw.Close()
	})
	defer cut()
	c.mails++
	defer func() { c.used = time.Now() }()
	if !oneLine(e.from) || !oneLine(e.to) {
		return result{class: refused, phase: PhaseNone, cause: errAddressMalformed.Error()}
	}
	if c.text.R.Buffered() > 0 {
		// Nothing was asked: a goodbye, or an answer too many, which would be taken for the next one.
		return c.lost(relayAway, PhaseMail, errNotReply)
	}
	res := c.transaction(e, ready)
	switch res.class {
	case accepted:
		c.rejections = 0
	case deferred, refused, relayAway:
		c.rejections++
		// RSET, or the next mail would meet this one's leftovers and be refused for them.
		if !c.broken.Load() && !c.reset() {
			c.broken.Store(true)
		}
	default:
		c.broken.Store(true)
	}
	return res
}

func (c *conn) transaction(e envelope, ready func() bool) result {
	steps := [...]struct {
		phase   Phase
		command string
		expect  int // the first digit
	}{
		{PhaseMail, "MAIL FROM:<" + e.from + ">", 2},
		{PhaseRcpt, "RCPT TO:<" + e.to + ">", 2},
		{PhaseData, "DATA", 3},
	}
	for _, s := range steps {
		a, err := c.command(s.command)
		if err != nil {
			return c.lost(relayAway, s.phase, err)
		}
		if a.code/100 != s.expect {
			return c.answered(s.phase, a)
		}
	}
	if err := c.write(e.body, c.options.CommandTimeout); err != nil {
		return c.lost(relayAway, PhaseBody, err)
	}
	if c.text.R.Buffered() > 0 { // an answer before the mail is complete: the answers are out of step
		return c.lost(relayAway, PhaseBody, errNotReply)
	}
	if !ready() {
		c.broken.Store(true)
		return result{class: calledOff, phase: PhaseBody}
	}
	if err := c.write(finalDot, c.options.CommandTimeout); err != nil {
		return c.lost(inDoubt, PhaseDot, err)
	}
	if err := c.session.UpdateDeadline(c.options.DataTimeout); err != nil {
		return c.lost(inDoubt, PhaseDot, err)
	}
	a, err := readReply(c.text.R)
	if err != nil {
		return c.lost(inDoubt, PhaseDot, err)
	}
	return c.answered(PhaseDot, a)
}

func (c *conn) answered(phase Phase, a reply) result {
	cl, bad := classify(phase, a)
	if bad {
		c.broken.Store(true)
	}
	return result{class: cl, phase: phase, reply: a}
}

func (c *conn) lost(cl class, phase Phase, err error) result {
	c.broken.Store(true)
	return result{class: cl, phase: phase, cause: ioCause(err)}
}

// command sends one line and reads its answer.
func (c *conn) command(line string) (reply, error) {
	if err := c.write([]byte(line+"\r\n"), c.options.CommandTimeout); err != nil {
		return reply{}, err
	}
	return readReply(c.text.R)
}

// write writes all of b out, under a new deadline, which also holds for the answer.
func (c *conn) write(b []byte, timeout time.Duration) error {
	if err := c.session.UpdateDeadline(timeout); err != nil {
		return err
	}
	if _, err := c.text.W.Write(b); err != nil {
		return err
	}
	return c.text.W.Flush()
}

func (c *conn) reset() bool {
	a, err := c.command("RSET")
	return err == nil && a.code == 250
}

// worn says that the connection should be made anew before the next mail.
func (c *conn) worn(l Limits) bool {
	return c.broken.Load() || c.mails >= l.MailsPerConnection || c.rejections >= l.RejectionsPerConnection
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
