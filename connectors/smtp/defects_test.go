package smtp

import (
	"strings"
	"testing"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// go-mail, whose connections these are, has defects that would lose, repeat or disclose mails if the connector relied on
// it for more than dialling, TLS and login. D1, D2, D4 and D5 are scenarios (testdata/scenarios/d*); the
// others are here.

// D3: a letter that fails while it is written leaves a truncated or empty mail behind, and answers one out of step. Here
// nothing is said to the relay before the letter is complete.
func TestD3LetterThatCannotBeWrittenIsNotBegun(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	broken, large := sampleMail(1), sampleMail(2)
	broken.Document = nil
	b.options.Letters.MaxBytes = 12000 // the lint's largest sample fits, the large letter does not
	large.Document.NumberMasked, large.To.Name = strings.Repeat("Ű", 100), strings.Repeat("Ő", 100)
	b.queue(broken, large, sampleMail(3))
	if s := b.mustRun(t); s.Rejected != 2 || s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
	if relay.count("MAIL") != 1 || relay.count("DATA") != 1 || len(relay.received()) != 1 || relay.received()[0].to != sampleMail(3).To.Email {
		t.Errorf("%d envelopes, %d messages", relay.count("MAIL"), len(relay.received()))
	}
}

// D6: dialling while another goroutine sends can lock a client up for ever. Here each connection has its own.
func TestD6ConnectionsAreMadeWhileOthersSend(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "GREETING" && s.n%5 == 0 {
			return "421 4.3.2 busy"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Limits.MailsPerConnection, b.options.Retry.Budget = 8, 1, time.Minute
	b.options.Relays[0].User, b.options.Relays[0].Password = "lejarat", "titok"
	relay.extensions = append(relay.extensions, "AUTH PLAIN")
	for n := range 60 {
		b.queue(sampleMail(n))
	}
	if s := b.mustRun(t); s.Accepted != 60 || relay.connections() < 60 {
		t.Errorf("%+v over %d connections", s, relay.connections())
	}
}

// D7: go-mail's errors name the recipients, and relays quote them. No word of either leaves the connector.
func TestD7NoAddressInErrorsLogsOrRecords(t *testing.T) {
	for _, verb := range []string{"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET"} {
		for _, code := range []string{"421 4.7.0", "450 4.7.1", "550 5.7.1"} {
			refuse := verb
			relay := startScripted(t, func(s step) string {
				switch s.verb {
				case refuse:
					return code + " <kanari1@polgar.example.hu>:"
				case "RCPT": // for RSET to be needed
					if refuse == "RSET" {
						return "550 5.1.1"
					}
				}
				return ""
			})
			b := newBench(t, relay.address())
			b.options.Retry.Budget = 50 * time.Millisecond
			b.queue(sampleMail(1))
			_, err := b.run(t)
			checkNoPersonalData(t, b, err)
		}
	}
}

// D8: go-mail lets line breaks into a message through header names, preformatted headers, the reply address's domain.
// What reaches those here comes from the configuration, which is refused, or is made of what cannot hold a line break.
// letter's TestInjection tries what records bring.
func TestD8NothingBreaksOutOfAHeader(t *testing.T) {
	for _, hostile := range []string{"a@example.hu\r\nBcc: x@example.com", "A\r\nBcc: x <a@example.hu>", "a@example.hu\nX: y", "a@exam\r\nple.hu", "a@example.hu>\r\nX: y"} {
		for name, set := range map[string]func(*Options){
			"from":          func(o *Options) { o.Letters.From = hostile },
			"reply_to":      func(o *Options) { o.Letters.ReplyTo = hostile },
			"envelope_from": func(o *Options) { o.Letters.EnvelopeFrom = hostile },
			"hello":         func(o *Options) { o.Hello = hostile },
		} {
			o := newBench(t, "127.0.0.1:25").options
			set(&o)
			if _, err := letter.NewComposer(o.Letters); err == nil && o.withDefaults().validate() == nil {
				t.Errorf("mail.%s takes %q", name, hostile)
			}
		}
		relay := startScripted(t, allFine)
		b := newBench(t, relay.address())
		m := sampleMail(1)
		m.ID = hostile // Message-ID, boundary and ENVID are made of it
		b.queue(m)
		if s := b.mustRun(t); s.Undecodable != 1 || len(relay.received()) != 0 {
			t.Errorf("an id of %q: %+v", hostile, s)
		}
	}
}

// D9: one refused recipient aborts a whole message, and sockets of sessions that could not begin stay open until they
// are collected. Here a message has one recipient, and a socket is closed when its session ends.
func TestD9SocketsOfFailedSessionsAreClosed(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		switch {
		case s.verb == "EHLO" && s.n <= 10, s.verb == "HELO" && s.n <= 10:
			return "550 5.7.1 not you"
		case s.verb == "RCPT" && s.n == 2:
			return "550 5.1.1 unknown"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Retry.Budget = 10 * time.Second
	b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
	if s := b.mustRun(t); s.Accepted != 2 || s.Rejected != 1 {
		t.Errorf("%+v", s)
	}
	if d := lastDelivery(b, t, sampleMail(2).ID); d.Status != event.DeliveryRejected {
		t.Errorf("the refused one is %s", d.Status)
	}
	for end := time.Now().Add(10 * time.Second); relay.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d sockets are open", relay.open.Load(), relay.connections())
		}
	}
}
