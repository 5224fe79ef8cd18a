//go:build integration

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"lejarat/processor/event"
)

// TestMailBounces: Postfix takes mails that it cannot deliver, and its reports come back over LMTP to `lejarat mail bounces`,
// by the settings that RUNBOOK.md names. An unknown user ends in a suppression of the address, which stops the next mail to
// it and none to another one; a full mailbox does not.
func TestMailBounces(t *testing.T) {
	p := openPost(t)
	lmtp := freeAddress(t)
	p.throughOwn(
		"recipient_delimiter = +",
		"transport_maps = inline:{bounces@example.hu=lmtp:inet:"+lmtp+"}",
		"smtpd_reject_unlisted_recipient = no",
		"virtual_mailbox_maps = inline:{etelka@known.example=Maildir/, etelka@full.example=full}",
		"virtual_mailbox_limit = 15000", "message_size_limit = 15000", // a file holds one letter, and not two
		"queue_run_delay = 1s", "minimal_backoff_time = 1s", "maximal_backoff_time = 2s")
	v := p.instance("bounces", "tls: none")
	sending := v.start("mail")

	// What comes back while nobody takes it in waits in Postfix's queue.
	mails := p.queue("nobody@known.example", "etelka@known.example")
	unknown, known := mails[0], mails[1]
	p.becomes(unknown, event.DeliveryAccepted)
	taking := v.start("mail", "bounces", "--lmtp", lmtp)
	p.bounced(unknown, "5.1.1")
	if !p.suppressed(unknown) {
		t.Error("the address of an unknown user is not suppressed")
	}
	if d := p.becomes(p.another(unknown), event.DeliverySuppressed); d.Reason == nil || *d.Reason != event.SuppressAddress {
		t.Errorf("suppressed, and not for the address: %+v", d)
	}
	moved := unknown
	moved.To.Email, moved.AddressHash = known.To.Email, known.AddressHash
	moved = p.another(moved)
	p.becomes(moved, event.DeliveryAccepted)

	full := p.queue("etelka@full.example")[0]
	await(t, mailLimit, "the mail that fills a mailbox", func() (bool, string) {
		info, err := os.Stat(filepath.Join(filepath.Dir(p.maildir), "full"))
		return err == nil && info.Size() > 7500, fmt.Sprint(err)
	})
	p.bounced(p.another(full), "5.2.2")
	p.bounced(p.another(full), "5.2.2")
	if p.suppressed(full) {
		t.Error("the address of a full mailbox is suppressed")
	}

	p.becomes(known, event.DeliveryAccepted)
	if got := p.copies(2); len(got) != 2 || got[known.ID] != 1 || got[moved.ID] != 1 {
		t.Errorf("in the mailbox: %v, want %s and %s once each", got, known.ID, moved.ID)
	}
	v.stop(sending)
	v.stop(taking)
}

// bounced waits until a mail has come back, and wants it to say why.
func (p *post) bounced(m event.Mail, code string) {
	p.t.Helper()
	if d := p.becomes(m, event.DeliveryBounced); d.EnhancedCode == nil || *d.EnhancedCode != code || d.Relay == nil {
		p.t.Errorf("mail to %s came back with %+v, want %s", m.To.Email, d, code)
	}
}

// another queues the next mail to the same registration.
func (p *post) another(m event.Mail) event.Mail {
	m.ID = randomHex()
	p.queueMails([]event.Mail{m})
	return m
}

// suppressed says whether a mail's address is: a suppression is durable before its mail is recorded as bounced.
func (p *post) suppressed(m event.Mail) bool {
	p.t.Helper()
	key := event.SuppressionKey(m.RegistrationRef, event.SuppressAddress)
	for _, r := range p.suppressions.read() {
		if string(r.Key) == key {
			s := values[event.Suppression](p.t, []event.Record{r})
			return len(s) == 1 && s[0].AddressHash != nil && *s[0].AddressHash == m.AddressHash
		}
	}
	return false
}

// freeAddress is where nobody listens yet.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
