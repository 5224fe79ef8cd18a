package console

import (
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

func TestMailArrivesAndIsShown(t *testing.T) {
	m := newMailbox(t)
	var seen []Message
	m.OnMail(func(mail Message) { seen = append(seen, mail) })
	if _, ok := m.Last(); ok || m.Count() != 0 {
		t.Fatal("a new mailbox is not empty")
	}
	send(t, m, letter("=?utf-8?q?Kov=C3=A1cs?= Anna <anna@example.hu>", "=?utf-8?b?TGVqw6FyIGF6IMO6dGxldmVsZQ==?=",
		"Tisztelt Kovács Anna!", "<p>Tisztelt <b>Kovács Anna</b>!</p>"))

	last, ok := m.Last()
	if !ok || m.Count() != 1 || len(seen) != 1 || seen[0].ID != 1 {
		t.Fatalf("count %d, hook saw %v", m.Count(), seen)
	}
	if last.Subject != "Lejár az útlevele" || last.To != "Kovács Anna <anna@example.hu>" || last.From != "Okmányértesítő <ertesites@example.hu>" {
		t.Errorf("headers read as %q, %q, %q", last.Subject, last.To, last.From)
	}
	if want := time.Date(2026, 2, 28, 5, 0, 3, 0, time.UTC); !last.Date.Equal(want) || time.Since(last.Received) > time.Minute {
		t.Errorf("dated %v, received %v", last.Date, last.Received)
	}
	s := newServer(t, Options{Mailbox: m})
	get(t, s, "/").wants(t, 200, "Lejár az útlevele", `href="/mail/1"`)
	get(t, s, "/mail/").wants(t, 200, "Lejár az útlevele", "1 to 1 of 1")
	get(t, s, "/mail/1").wants(t, 200, "Lejár az útlevele", "Kovács Anna &lt;anna@example.hu&gt;", "Tisztelt Kovács Anna!",
		`<iframe class="letter" sandbox="" src="/mail/1/html"`, "2026-02-28 06:00")
	get(t, s, "/mail/1/html").wants(t, 200, "<p>Tisztelt <b>Kovács Anna</b>!</p>")
	get(t, s, "/mail/1/raw").wants(t, 200, "Subject: =?utf-8?b?")
	for _, path := range []string{"/mail/2", "/mail/0", "/mail/-1", "/mail/x/html", "/mail/99999999999999999999/raw", "/mail/1/other", "/other"} {
		get(t, s, path).wants(t, 404)
	}
}

func TestMailsAreSearchedAndPaged(t *testing.T) {
	m := newMailbox(t)
	for i := range mailsPerPage + 5 {
		m.deliver(parseMessage([]byte(letter(fmt.Sprintf("p%02d@example.hu", i), "Lejár", "text", "html"))))
	}
	s := newServer(t, Options{Mailbox: m})
	first := get(t, s, "/mail/")
	first.wants(t, 200, "p54@example.hu", "p05@example.hu", "1 to 50 of 55", `href="/mail/?page=2"`)
	if strings.Contains(first.body, "p04@example.hu") {
		t.Error("the first page holds what belongs to the second")
	}
	get(t, s, "/mail/?page=2").wants(t, 200, "p04@example.hu", "51 to 55 of 55", `href="/mail/?page=1"`)
	for _, beyond := range []string{"/mail/?page=99", "/mail/?page=9223372036854775807"} {
		get(t, s, beyond).wants(t, 200, "51 to 55 of 55")
	}
	get(t, s, "/mail/?page=x").wants(t, 200, "1 to 50 of 55")
	get(t, s, "/mail/?q=P07@EXAMPLE+lejár").wants(t, 200, "1 found", "p07@example.hu")
	get(t, s, "/mail/?q=nobody").wants(t, 200, "No mail holds these words")
	get(t, s, "/mail/?q="+strings.Repeat("x", 5000)).wants(t, 200, `value="`+strings.Repeat("x", maxSearchRunes)+`"`)
}

func TestMailboxIsBounded(t *testing.T) {
	m := newMailbox(t)
	m.maxMails = 3
	for i := range 10 {
		m.deliver(parseMessage([]byte(letter("a@example.hu", fmt.Sprint("mail ", i+1), "text", "html"))))
	}
	if m.Count() != 10 || m.Dropped() != 7 || len(m.mails) != 3 {
		t.Fatalf("count %d, dropped %d, kept %d", m.Count(), m.Dropped(), len(m.mails))
	}
	s := newServer(t, Options{Mailbox: m})
	get(t, s, "/mail/").wants(t, 200, "mail 8", "10 mails have arrived; the oldest 7 are no longer kept")
	get(t, s, "/mail/7").wants(t, 404, "no longer kept")
	get(t, s, "/mail/8").wants(t, 200, "mail 8")

	m.maxMails, m.maxBytes = 100, 2500
	for range 10 {
		m.deliver(parseMessage([]byte(letter("a@example.hu", "large", strings.Repeat("x", 400), "html"))))
	}
	sum := 0
	for _, mail := range m.mails {
		sum += mail.size()
	}
	if sum != m.bytes || sum > m.maxBytes || len(m.mails) == 0 {
		t.Errorf("%d mails of %d bytes kept, %d counted, limit %d", len(m.mails), sum, m.bytes, m.maxBytes)
	}
}

func TestMailboxRefusesAHugeMail(t *testing.T) {
	m := newMailbox(t)
	line := strings.Repeat("x", 70) + "\r\n"
	err := smtp.SendMail(m.Addr(), nil, "a@example.hu", []string{"b@example.hu"}, []byte("Subject: big\r\n\r\n"+strings.Repeat(line, MaxMailBytes/72+2)))
	if err == nil || m.Count() != 0 {
		t.Errorf("error %v, count %d", err, m.Count())
	}
}

func TestMailboxListensOnThisMachineOnly(t *testing.T) {
	if m, err := NewMailbox("0.0.0.0:0"); err == nil {
		m.Close()
		t.Error("a mailbox for the whole network was opened")
	}
	if _, err := NewMailbox("nonsense"); err == nil {
		t.Error("no error for a wrong address")
	}
}

func TestClosedMailboxTakesNoMail(t *testing.T) {
	m, err := NewMailbox("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m.Close()
	if m.deliver(parseMessage([]byte("Subject: late\n\n"))) || m.Count() != 0 {
		t.Error("a closed mailbox took a mail")
	}
	m.Close() // once more does no harm
}
