package smtp

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// leave is what a mail's final dot needs. Without it the mail is called off.
type leave struct {
	given func() time.Time // until when the dot may be written, as far as is known; zero: ask
	ask   func() bool      // waits for the answer
}

// send hands one mail over. When ctx ends, the connection is cut: before the dot that is a retry, after it the mail is in
// doubt.
func (c *conn) send(ctx context.Context, e envelope, l leave) result {
	cut := context.AfterFunc(ctx, func() {
		c.broken.Store(true)
		_ = c.raw.Close()
	})
	defer cut()
	if e.utf8 && !c.offers.utf8 {
		// The code of RFC 6531 4.2 for an answer that the relay need not be asked for.
		return result{class: unfit, phase: PhaseMail, reply: reply{enhanced: "5.6.7"}, cause: errNeedsSMTPUTF8.Error()}
	}
	c.mails++
	if !oneLine(e.from) || !oneLine(e.to) || !oneLine(e.id) {
		return result{class: refused, phase: PhaseNone, cause: errAddressMalformed.Error()}
	}
	if c.text.R.Buffered() > 0 {
		// Nothing was asked: a goodbye, or an answer too many, which would be taken for the next one.
		return c.lost(relayAway, PhaseMail, errNotReply)
	}
	res := c.transaction(e, l)
	switch res.class {
	case accepted:
		c.rejections = 0
	case deferred, slowed, refused, relayAway:
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

func (c *conn) transaction(e envelope, l leave) result {
	commands := [...]string{c.mailCommand(e), "RCPT TO:<" + e.to + ">", "DATA"}
	envelope := c.lockStep
	if c.offers.pipelining {
		envelope = c.pipelined
	}
	if res, failed := envelope(commands); failed {
		return res
	}
	if c.text.R.Buffered() > 0 { // an answer before the mail: the answers are out of step
		return c.lost(relayAway, PhaseBody, errNotReply)
	}
	if res, failed := c.message(e.body, l); failed {
		return res
	}
	a, err := c.answer(c.options.DataTimeout)
	if err != nil {
		return c.lost(inDoubt, PhaseDot, err)
	}
	return c.answered(PhaseDot, a)
}

// message sends the message and its final dot: in one write where leave for the dot is given already, and then nothing of
// either is written after the time that the leave is good for. failed says that it did not get out.
func (c *conn) message(body []byte, l leave) (res result, failed bool) {
	whole, timeout := body, c.options.CommandTimeout
	left := time.Until(l.given())
	if left > 0 {
		whole, timeout = append(body, finalDot...), min(timeout, left)
	}
	out, err := c.write(whole, timeout)
	switch {
	case err != nil && out > len(body): // some of the dot may have got there
		return c.lost(inDoubt, PhaseDot, err), true
	case err != nil:
		return c.lost(relayAway, PhaseBody, err), true
	case left > 0:
		return result{}, false
	case !l.ask():
		c.broken.Store(true)
		return result{class: calledOff, phase: PhaseBody}, true
	}
	if _, err := c.write(finalDot, c.options.CommandTimeout); err != nil {
		return c.lost(inDoubt, PhaseDot, err), true
	}
	return result{}, false
}

// The envelope is three commands; these are their phases and the first digits that let the mail go on.
var (
	envelopePhases = [...]Phase{PhaseMail, PhaseRcpt, PhaseData}
	envelopeDigits = [...]int{2, 2, 3}
)

// lockStep sends the envelope command by command. ok says that it failed, and how.
func (c *conn) lockStep(commands [3]string) (res result, ok bool) {
	for i, command := range commands {
		a, err := c.command(command)
		if err != nil {
			return c.lost(relayAway, envelopePhases[i], err), true
		}
		if a.code/100 != envelopeDigits[i] {
			return c.answered(envelopePhases[i], a), true
		}
	}
	return result{}, false
}

// pipelined sends the envelope at once (RFC 2920). Of several refusals the first is the mail's: the others follow from
// it. ok says that there was one.
func (c *conn) pipelined(commands [3]string) (res result, ok bool) {
	if _, err := c.write([]byte(strings.Join(commands[:], "\r\n")+"\r\n"), c.options.CommandTimeout); err != nil {
		return c.lost(relayAway, PhaseMail, err), true
	}
	var last reply
	for i, phase := range envelopePhases {
		a, err := c.answer(c.options.CommandTimeout)
		switch {
		case err != nil && ok: // the mail has its answer; only the connection is lost
			c.broken.Store(true)
			return res, true
		case err != nil:
			return c.lost(relayAway, phase, err), true
		case a.code == 421: // nothing more will come
			c.broken.Store(true)
			if !ok {
				res = c.answered(phase, a)
			}
			return res, true
		case a.code/100 != envelopeDigits[i] && !ok:
			res, ok = c.answered(phase, a), true
		}
		last = a
	}
	if ok && last.code/100 == 3 {
		// Refused, and the relay waits for a message all the same. It gets none, not even an empty one: the connection ends.
		c.broken.Store(true)
	}
	return res, ok
}

// mailCommand opens the envelope with what the relay offers to take.
func (c *conn) mailCommand(e envelope) string {
	command := "MAIL FROM:<" + e.from + ">"
	if e.utf8 { // then the header is not ASCII
		command += " BODY=8BITMIME SMTPUTF8"
	}
	if c.offers.size {
		command += " SIZE=" + strconv.Itoa(len(e.body))
	}
	if c.offers.dsn {
		// A bounce then names the notice, and carries headers alone: the letter is about a person.
		command += " RET=HDRS ENVID=" + e.id
	}
	return command
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
	if _, err := c.write([]byte(line+"\r\n"), c.options.CommandTimeout); err != nil {
		return reply{}, err
	}
	return c.answer(c.options.CommandTimeout)
}

// answer waits for one answer.
func (c *conn) answer(timeout time.Duration) (reply, error) {
	if err := c.session.UpdateDeadline(timeout); err != nil {
		return reply{}, err
	}
	return readReply(c.text.R)
}

// write writes all of b out, or as much of it as it says.
func (c *conn) write(b []byte, timeout time.Duration) (out int, err error) {
	if err := c.session.UpdateDeadline(timeout); err != nil {
		return 0, err
	}
	n, err := c.text.W.Write(b)
	if err == nil {
		err = c.text.W.Flush()
	}
	return n - c.text.W.Buffered(), err
}

func (c *conn) reset() bool {
	a, err := c.command("RSET")
	return err == nil && a.code == 250
}

// worn says that the connection should be made anew before the next mail.
func (c *conn) worn(l Limits) bool {
	return c.broken.Load() || c.mails >= l.MailsPerConnection || c.rejections >= l.RejectionsPerConnection ||
		time.Since(c.began) >= l.ConnectionAge
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
