package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"lejarat/connectors/smtp/letter"
)

// leave is what a mail's final dot needs. Without it the mail is called off.
type leave struct {
	given func() time.Time // until when the dot may be written, as far as is known; zero: ask
	ask   func() time.Time // waits for the answer; zero: not at all
	soon  bool             // the answer comes soon, for it is asked for already: the message waits for it too
	// next is the mail that follows at once, whose envelope goes out behind the dot; false: there is none, or it has to wait.
	next func() (letter.Envelope, bool)
}

// send hands one mail over. When ctx ends, the connection is cut: before the dot that is a retry, after it the mail is in
// doubt.
func (c *conn) send(ctx context.Context, e letter.Envelope, l leave) result {
	cut := context.AfterFunc(ctx, func() {
		c.broken.Store(true)
		_ = c.raw.Close()
	})
	defer cut()
	if e.UTF8 && !c.offers.utf8 {
		// The code of RFC 6531 4.2 for an answer that the relay need not be asked for.
		return result{class: unfit, phase: PhaseMail, reply: reply{enhanced: "5.6.7"}, cause: errNeedsSMTPUTF8.Error()}
	}
	c.mails++
	if !oneLine(e) {
		return result{class: refused, phase: PhaseNone, cause: letter.ErrAddressMalformed.Error()}
	}
	if !c.opened && c.text.R.Buffered() > 0 {
		// Nothing was asked: a goodbye, or an answer too many, which would be taken for the next one.
		return c.lost(relayAway, PhaseMail, errNotReply)
	}
	res := c.transaction(e, l)
	if c.opened && res.class != accepted { // whatever is said now could be taken for the next mail's message
		c.broken.Store(true)
		c.opened = false
	}
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

func (c *conn) transaction(e letter.Envelope, l leave) result {
	open := c.lockStep
	switch {
	case c.opened:
		open = c.openedAhead
	case c.offers.pipelining:
		open = c.pipelined
	}
	if res, failed := open(e); failed {
		return res
	}
	if c.text.R.Buffered() > 0 { // an answer before the mail: the answers are out of step
		return c.lost(relayAway, PhaseBody, errNotReply)
	}
	if res, failed := c.message(e.Body, l); failed {
		return res
	}
	a, err := c.answer(c.options.DataTimeout)
	if err != nil {
		return c.lost(inDoubt, PhaseDot, err)
	}
	res := c.answered(PhaseDot, a)
	if c.opened && res.class == accepted {
		// "250 Ok" says a relay to MAIL too. This was the dot's where it names what was queued, or the next mail's envelope has all
		// its own answers.
		var inStep bool
		if c.ahead.result, c.ahead.failed, inStep = c.envelopeAnswers(); !inStep && a.queueID == "" {
			return c.lost(inDoubt, PhaseDot, errNotReply)
		}
	}
	return res
}

// message sends the message and its final dot, in one write where leave for the dot is there by then or comes soon; nothing of
// that write goes out after the time that the leave is good for. Behind the dot goes the next mail's envelope (RFC 2920 3.1): a
// mail then costs one round trip. failed says that it did not get out.
func (c *conn) message(body []byte, l leave) (res result, failed bool) {
	until := l.given()
	if !time.Now().Before(until) {
		if !l.soon {
			if out, err := c.write(body, c.options.CommandTimeout); err != nil {
				return c.unfinished(out, body, err), true
			}
			body = nil
		}
		if until = l.ask(); until.IsZero() {
			c.broken.Store(true)
			return result{class: calledOff, phase: PhaseBody}, true
		}
	}
	whole := append(body, finalDot...)
	next, follows := l.next()
	if follows {
		whole = c.appendEnvelope(whole, next)
	}
	if out, err := c.write(whole, min(c.options.CommandTimeout, time.Until(until))); err != nil {
		return c.unfinished(out, body, err), true
	}
	c.opened = follows
	return result{}, false
}

// The envelope is three commands; these are their phases and the first digits that let the mail go on.
var (
	envelopePhases = [...]Phase{PhaseMail, PhaseRcpt, PhaseData}
	envelopeDigits = [...]int{2, 2, 3}
)

// lockStep sends the envelope command by command.
func (c *conn) lockStep(e letter.Envelope) (res result, failed bool) {
	for i, command := range c.commands(e) {
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

// pipelined sends the envelope at once (RFC 2920).
func (c *conn) pipelined(e letter.Envelope) (res result, failed bool) {
	if _, err := c.write(c.appendEnvelope(nil, e), c.options.CommandTimeout); err != nil {
		return c.lost(relayAway, PhaseMail, err), true
	}
	res, failed, _ = c.envelopeAnswers()
	return res, failed
}

// openedAhead goes on with an envelope that went out behind the dot of the mail before. What the relay said to it is known.
func (c *conn) openedAhead(letter.Envelope) (res result, failed bool) {
	c.opened = false
	return c.ahead.result, c.ahead.failed
}

// envelopeAnswers reads the answers to an envelope that was sent at once. Of several refusals the first is the mail's: the
// others follow from it. failed says that there was one. Behind a dot they may turn out to be others than the envelope's, in its
// order: inStep is false then, and they say nothing about the mail.
func (c *conn) envelopeAnswers() (res result, failed, inStep bool) {
	var digits [len(envelopePhases)]int
	for i, phase := range envelopePhases {
		a, err := c.answer(c.options.CommandTimeout)
		digits[i] = a.code / 100
		switch {
		case err != nil && failed: // the mail has its answer; only the connection is lost
			c.broken.Store(true)
			// The last was a refusal, and it does not hang up: that was the answer to DATA, and the dot's is missing.
			waiting := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
			return res, true, !waiting || phase != PhaseData || digits[1] == 2
		case err != nil:
			return c.lost(relayAway, phase, err), true, true
		case a.code == 421: // nothing more will come
			c.broken.Store(true)
			if !failed {
				res = c.answered(phase, a)
			}
			return res, true, true
		case digits[i] == 3 && phase != PhaseData:
			return c.lost(relayAway, PhaseMail, errNotReply), true, false
		case digits[i] != envelopeDigits[i] && !failed:
			res, failed = c.answered(phase, a), true
		}
	}
	switch {
	case c.opened && digits[0] != 2 && digits[1] == 2: // no recipient without a sender
		return c.lost(relayAway, PhaseMail, errNotReply), true, false
	case failed && digits[2] == 3:
		// Refused, and the relay waits for a message all the same. It gets none, not even an empty one: the connection ends.
		c.broken.Store(true)
	}
	return res, failed, true
}

func (c *conn) commands(e letter.Envelope) [3]string {
	return [...]string{c.mailCommand(e), "RCPT TO:<" + e.To + ">", "DATA"}
}

func (c *conn) appendEnvelope(b []byte, e letter.Envelope) []byte {
	for _, command := range c.commands(e) {
		b = append(append(b, command...), "\r\n"...)
	}
	return b
}

// mailCommand opens the envelope with what the relay offers to take.
func (c *conn) mailCommand(e letter.Envelope) string {
	command := "MAIL FROM:<" + e.From + ">"
	if e.UTF8 { // then the header is not ASCII
		command += " BODY=8BITMIME SMTPUTF8"
	}
	if c.offers.size {
		command += " SIZE=" + strconv.Itoa(len(e.Body))
	}
	if c.offers.dsn {
		// A bounce then names the notice, and carries headers alone: the letter is about a person.
		command += " RET=HDRS ENVID=" + e.ID
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

// unfinished is what is known of a message of which only so much got out. Some of the dot may have got there.
func (c *conn) unfinished(out int, body []byte, err error) result {
	if out > len(body) {
		return c.lost(inDoubt, PhaseDot, err)
	}
	return c.lost(relayAway, PhaseBody, err)
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

// fits says whether the envelope of such a mail may go out behind a dot.
func (c *conn) fits(e letter.Envelope) bool {
	return c.offers.pipelining && oneLine(e) && (c.offers.utf8 || !e.UTF8)
}

// worn says that the connection should be made anew before the next mail.
func (c *conn) worn(l Limits) bool {
	return c.broken.Load() || c.mails >= l.MailsPerConnection || c.rejections >= l.RejectionsPerConnection ||
		time.Since(c.began) >= l.ConnectionAge
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
