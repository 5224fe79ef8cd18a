package console

import (
	"io"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// session is one SMTP connection's envelope.
type session struct {
	mailbox *Mailbox
	from    string
	to      []string
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := parseMessage(raw)
	m.Received = time.Now()
	if m.From == "" {
		m.From = clean(s.from)
	}
	if m.To == "" {
		m.To = clean(strings.Join(s.to, ", "))
	}
	if !s.mailbox.deliver(m) {
		return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "The mailbox is closing"}
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }
