package letter

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"lejarat/processor/event"
)

// Envelope is a mail ready to be handed over: everything that could fail without a relay is behind it.
type Envelope struct {
	ID       string // of the notification
	From, To string // addresses; the domains in ASCII
	UTF8     bool   // the relay must offer SMTPUTF8 (RFC 6531): recipient and header are not ASCII
	Body     []byte // the message, header and all; each line ends in CRLF
}

// Why a mail could not be composed, beside ErrAddressMalformed. The texts are reasons in lejarat.deliveries.
var (
	ErrNotRenderable = errors.New("not_renderable")
	ErrTooLarge      = errors.New("too_large")
	ErrNotSigned     = errors.New("not_signed")
)

// Composer writes mails. It is a function of the order: two calls with one order give the same bytes, but for what a
// signature says about the time at which it was made. It may be used by several goroutines.
type Composer struct {
	sender   sender
	letters  *letters
	fixed    []byte // header fields that all mails share
	leave    map[string]Unsubscribe
	signer   *signer // nil: the relay signs, or nobody
	maxBytes int
}

// NewComposer reads templates and keys, and returns all faults of the options at once. What is wrong with the letters
// themselves is for Check to find.
func NewComposer(o Options) (*Composer, error) {
	o = o.withDefaults()
	s, err := o.sender()
	if err != nil {
		return nil, err
	}
	t, err := newTemplates(s, o)
	signer, serr := newSigner(o.DKIM, s.domain())
	if err := errors.Join(err, serr, o.validateUnsubscribe()); err != nil {
		return nil, err
	}
	c := &Composer{sender: s, letters: newLetters(t), leave: o.Unsubscribe, signer: signer, maxBytes: o.MaxBytes}
	c.fixed = appendMailbox(nil, "From", s.from.Name, s.from.Address)
	if s.replyTo != nil {
		c.fixed = appendMailbox(c.fixed, "Reply-To", s.replyTo.Name, s.replyTo.Address)
	}
	c.fixed = appendField(c.fixed, "Auto-Submitted", "auto-generated")
	c.fixed = appendField(c.fixed, "List-Id", "<"+listID(s.from.Address)+">")
	return c, nil
}

// Compose returns the mail of an order that was emitted at that time, which is its date. The order's id goes into the header
// as it is: ASCII letters, digits, dots, hyphens and underscores. The body is in room where it fits there, else elsewhere; room
// may be nil. Errors are ErrAddressMalformed and those above, never with personal data.
func (c *Composer) Compose(room []byte, m event.Mail, emitted time.Time) (Envelope, error) {
	to, err := parseMailbox(m.To.Email)
	if err != nil {
		return Envelope{}, err
	}
	l, err := c.letters.letter(m)
	if err != nil {
		return Envelope{}, ErrNotRenderable
	}
	msg, err := c.message(room, m, l, to, emitted)
	if err != nil {
		return Envelope{}, err
	}
	if c.signer != nil {
		if msg, err = c.signer.sign(msg); err != nil {
			return Envelope{}, ErrNotSigned
		}
	}
	return Envelope{ID: m.ID, From: c.sender.envelope, To: to.address, UTF8: to.utf8, Body: msg}, nil
}

// message is the mail as its receiver gets it, but for signatures.
func (c *Composer) message(room []byte, m event.Mail, l letter, to mailbox, emitted time.Time) ([]byte, error) {
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
		return nil, ErrTooLarge
	case !wellFormed(b):
		return nil, ErrNotRenderable
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
