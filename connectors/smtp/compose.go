package smtp

import (
	"bytes"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

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
)

// composer writes mails. It is a function of the record: two calls with one record give the same bytes.
type composer struct {
	sender    sender
	templates *Templates
	maxBytes  int
}

// compose returns the mail of a record. Its errors are the reasons above or parseMailbox's, never with personal data.
func (c *composer) compose(m event.Mail, emitted time.Time) (envelope, error) {
	to, err := parseMailbox(m.To.Email)
	if err != nil {
		return envelope{}, err
	}
	l, err := c.templates.letter(m)
	if err != nil {
		return envelope{}, errNotRenderable
	}
	text, html, err := c.templates.lay(l)
	if err != nil {
		return envelope{}, errNotRenderable
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP), gomail.WithCharset(gomail.CharsetUTF8))
	msg.FromMailAddress(c.sender.from)
	msg.ToMailAddress(&netmail.Address{Name: plain(m.To.Name), Address: to.address})
	if c.sender.replyTo != nil {
		msg.ReplyToMailAddress(c.sender.replyTo)
	}
	msg.SetGenHeaderPreformatted(gomail.HeaderSubject, encodeSubject(l.Subject))
	msg.SetDateWithValue(emitted)
	msg.SetMessageIDWithValue(m.ID + "@" + c.sender.domain())
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("List-Id", "<"+listID(c.sender.from.Address)+">")
	msg.SetGenHeader("Content-Language", l.Lang)
	msg.SetBoundary("lejarat-" + m.ID)
	msg.SetBodyString(gomail.TypeTextPlain, text)
	msg.AddAlternativeString(gomail.TypeTextHTML, html)
	var buf bytes.Buffer
	if _, err := msg.WriteTo(&buf); err != nil {
		return envelope{}, errNotRenderable
	}
	if buf.Len() > c.maxBytes {
		return envelope{}, errTooLarge
	}
	if !wellFormed(buf.Bytes()) {
		return envelope{}, errNotRenderable
	}
	return envelope{id: m.ID, from: c.sender.envelope, to: to.address, utf8: to.utf8, body: stuff(buf.Bytes())}, nil
}

// listID is the sender's address as RFC 2919 wants a list's name: labels with dots between.
func listID(address string) string {
	return strings.Replace(address, "@", ".", 1)
}

// encodeSubject writes a subject as RFC 2047 wants it, folded. go-mail would leave its first line empty.
func encodeSubject(s string) string {
	const open, end, most = "=?UTF-8?Q?", "?=", 62 // with the field's name at most 76 a line
	if len(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) && !strings.Contains(s, "=?") {
		return s
	}
	var b strings.Builder
	b.WriteString(open)
	room := most - len(open) - len(end)
	for _, r := range s {
		var word []byte
		for _, c := range []byte(string(r)) {
			switch {
			case c == ' ':
				word = append(word, '_')
			case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
				word = append(word, c)
			default:
				word = fmt.Appendf(word, "=%02X", c)
			}
		}
		if len(word) > room {
			b.WriteString(end + "\r\n " + open)
			room = most - len(open) - len(end)
		}
		b.Write(word)
		room -= len(word)
	}
	return b.String() + end
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
	msg = bytes.ReplaceAll(msg, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(msg, []byte(".")) {
		msg = append([]byte("."), msg...)
	}
	return msg
}
