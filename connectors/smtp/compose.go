package smtp

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"lejarat/processor/event"
)

// envelope is a mail ready to be handed over: everything that could fail without the relay is behind it.
type envelope struct {
	id       string // of the notification
	from, to string
	utf8     bool // the relay must offer SMTPUTF8: recipient and header are not ASCII
	// body is the message with dots doubled (RFC 5321 4.5.2), ending in CRLF, without the final dot.
	body []byte
}

// Why a mail could not be composed. The texts are reasons in lejarat.deliveries.
var (
	errNotRenderable = errors.New("not_renderable")
	errTooLarge      = errors.New("too_large")
	errNotSigned     = errors.New("not_signed")
)

// composer writes mails. It is a function of the record: two calls with one record give the same bytes, but for what a
// signature says about the time at which it was made.
type composer struct {
	sender   sender
	letters  *letters
	fixed    []byte // header fields that all mails share
	leave    map[string]Unsubscribe
	signer   *signer // nil: the relay signs, or nobody
	maxBytes int
}

func newComposer(s sender, t *Templates, signer *signer, o Options) *composer {
	c := &composer{sender: s, letters: newLetters(t), leave: o.Unsubscribe, signer: signer, maxBytes: o.Limits.MessageBytes}
	c.fixed = appendMailbox(nil, "From", s.from.Name, s.from.Address)
	if s.replyTo != nil {
		c.fixed = appendMailbox(c.fixed, "Reply-To", s.replyTo.Name, s.replyTo.Address)
	}
	c.fixed = appendField(c.fixed, "Auto-Submitted", "auto-generated")
	c.fixed = appendField(c.fixed, "List-Id", "<"+listID(s.from.Address)+">")
	return c
}

// compose returns the mail of a record. Its errors are the reasons above or parseMailbox's, never with personal data.
func (c *composer) compose(m event.Mail, emitted time.Time) (envelope, error) {
	return c.composeInto(nil, m, emitted)
}

// composeInto is compose with room for the body that the caller has: the body is there afterwards, or elsewhere.
func (c *composer) composeInto(room []byte, m event.Mail, emitted time.Time) (envelope, error) {
	to, err := parseMailbox(m.To.Email)
	if err != nil {
		return envelope{}, err
	}
	l, err := c.letters.letter(m)
	if err != nil {
		return envelope{}, errNotRenderable
	}
	msg, err := c.message(room, m, l, to, emitted)
	if err != nil {
		return envelope{}, err
	}
	if c.signer != nil {
		if msg, err = c.signer.sign(msg); err != nil {
			return envelope{}, errNotSigned
		}
	}
	return envelope{id: m.ID, from: c.sender.envelope, to: to.address, utf8: to.utf8, body: stuff(msg)}, nil
}

// message is the mail as its receiver gets it, but for signatures.
func (c *composer) message(room []byte, m event.Mail, l letter, to mailbox, emitted time.Time) ([]byte, error) {
	boundary := "lejarat-" + m.ID
	b := slices.Grow(room[:0], l.size()+2<<10)
	b = appendField(b, "Date", emitted.Format(time.RFC1123Z))
	b = append(b, c.fixed...)
	b = appendMailbox(b, "To", l.who.name, to.address)
	b = appendField(b, "Subject", l.subject())
	b = appendField(b, "Message-ID", "<"+m.ID+"@"+c.sender.domain()+">")
	b = c.leave[m.Kind].appendFields(b, m.RegistrationRef)
	b = appendField(b, "Content-Language", l.lang)
	b = appendField(b, "MIME-Version", "1.0")
	b = appendField(b, "Content-Type", "multipart/alternative;\r\n boundary=\""+boundary+"\"")
	b = append(b, "\r\n--"+boundary+"\r\n"...)
	b = l.appendText(appendPart(b, "text/plain"))
	b = append(b, "\r\n--"+boundary+"\r\n"...)
	b = l.appendHTML(appendPart(b, "text/html"))
	b = append(b, "\r\n--"+boundary+"--\r\n"...)
	switch {
	case len(b) > c.maxBytes:
		return nil, errTooLarge
	case !wellFormed(b):
		return nil, errNotRenderable
	}
	return b, nil
}

// wellFormed reports whether every line ends in CRLF, holds no stray CR or LF and at most 998 bytes. A mail for which
// this is not so could be taken for two by some relay.
func wellFormed(msg []byte) bool {
	for len(msg) > 0 {
		i := bytes.IndexByte(msg, '\n')
		if i < 1 || i > 999 || bytes.IndexByte(msg[:i], '\r') != i-1 {
			return false
		}
		msg = msg[i+1:]
	}
	return true
}

// stuff doubles the dot at the start of a line.
func stuff(msg []byte) []byte {
	if bytes.Contains(msg, []byte("\r\n.")) {
		msg = bytes.ReplaceAll(msg, []byte("\r\n."), []byte("\r\n.."))
	}
	if bytes.HasPrefix(msg, []byte(".")) {
		msg = append([]byte("."), msg...)
	}
	return msg
}
