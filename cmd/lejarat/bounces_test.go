package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"lejarat/connectors/bounce"
	"lejarat/processor/event"
)

const bounceSettings = "\n  bounce_address: bounces@example.hu"

// post is a relay that remembers the envelope senders of its mails, by their ids.
type post struct {
	mu   sync.Mutex
	from map[string]string
}

type postSession struct {
	post *post
	from string
}

func (s *postSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}
func (s *postSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s *postSession) Reset()                               {}
func (s *postSession) Logout() error                        { return nil }
func (s *postSession) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(m.Header.Get("Message-Id"), "<"), "@")
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.from[id] = s.from
	return nil
}

func openPost(t *testing.T) (p *post, address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p = &post{from: map[string]string{}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &postSession{post: p}, nil }))
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return p, l.Addr().String()
}

func (p *post) sender(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.from[id]
}

// TestBouncesComeBack: a mail goes out under a sender of its own, comes back to a Maildir, is recorded, and the next mail to the
// address is stopped, until an operator lifts that.
func TestBouncesComeBack(t *testing.T) {
	d := openDesk(t, bounceSettings)
	post, relay := openPost(t)
	t.Setenv("LEJARAT_MAIL_RELAY_ADDRESS", relay)
	d.emit(0, d.today()-1)
	id := d.emit(1, d.today())
	d.must("mail", "--once")
	sender := post.sender(id)
	if other := post.sender(mailOf(0)); sender == other || !strings.HasPrefix(other, "bounces+") {
		t.Errorf("mails went out from %s and %s", sender, other)
	}
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile("../../connectors/bounce/testdata/mails/unknown_user.eml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("SENDER", sender, "EMAIL", "kanari1@polgar.example.hu", "<ID@", "<"+id+"@", "Id: ID", "Id: "+id).Replace(string(raw))
	if err := os.WriteFile(filepath.Join(dir, "new", "1.a.host"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := d.must("mail", "bounces", "--maildir", dir, "--once"); !strings.Contains(out, "1  address_failed") || !strings.Contains(out, "0  left") {
		t.Errorf("bounces: %s", out)
	}
	var recorded event.Delivery
	if err := json.Unmarshal([]byte(d.newest(d.cfg.Kafka.Topics().Deliveries)[id]), &recorded); err != nil || recorded.Status != event.DeliveryBounced ||
		*recorded.EnhancedCode != "5.1.1" || recorded.Relay == nil || recorded.Attempts != 1 {
		t.Errorf("recorded: %+v %v", recorded, err)
	}
	again := func(n int) string {
		d.put(d.cfg.Kafka.Topics().MailSink, fmt.Sprintf("%032x", 1001), secondMail(t, d, n))
		return d.must("mail", "--once", "--json")
	}
	if out := again(5); !strings.Contains(out, `"Suppressed": 1`) {
		t.Errorf("the next mail: %s", out)
	}
	d.must("suppress", "remove", "--reason", "address", "--ref", fmt.Sprintf("%032x", 1001))
	if out := again(6); !strings.Contains(out, `"Accepted": 1`) {
		t.Errorf("after lifting: %s", out)
	}
}

// secondMail is another mail to the first person.
func secondMail(t *testing.T, d *desk, n int) (m event.Mail) {
	t.Helper()
	if err := json.Unmarshal([]byte(d.newest(d.cfg.Kafka.Topics().MailSink)[fmt.Sprintf("%032x", 1001)]), &m); err != nil {
		t.Fatal(err)
	}
	m.ID = mailOf(n)
	return m
}

// TestBouncesService: it takes messages in over a socket until it is told to stop, and counts them.
func TestBouncesService(t *testing.T) {
	d := openDesk(t, bounceSettings)
	ctx, stop := context.WithCancel(d.ctx)
	defer stop()
	socket := filepath.Join(t.TempDir(), "lmtp")
	metrics := freeAddress(t)
	ended := make(chan error, 1)
	go func() {
		_, _, err := bounces(ctx, d.cfg, &clock{}, &bounceFlags{lmtp: "unix:" + socket, listen: metrics})
		ended <- err
	}()
	var c net.Conn
	for c == nil && d.ctx.Err() == nil {
		c, _ = net.Dial("unix", socket)
		time.Sleep(10 * time.Millisecond)
	}
	client := smtp.NewClientLMTP(c)
	if err := client.SendMail("", []string{"bounces@example.hu"}, strings.NewReader("Subject: buy\r\n\r\nbuy\r\n")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	answer, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(body), `lejarat_bounces_total{verdict="unaddressed"} 1`) {
		t.Errorf("metrics: %v %.300s", err, body)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestBouncesWrongUse: what could not tell a bounce from a forged one is refused.
func TestBouncesWrongUse(t *testing.T) {
	d := openDesk(t, "")
	for _, args := range [][]string{{}, {"--once"}, {"--maildir", "x", "--once", "--lmtp", "127.0.0.1:0"}, {"--maildir", t.TempDir(), "--once"}} {
		if out, err := d.lejarat("", append([]string{"mail", "bounces"}, args...)...); err == nil || exitStatus(err) != exitUsage {
			t.Errorf("%v: %q %v", args, out, err)
		}
	}
}

// TestBounceKey: with a key of its own the reference key has no part in tokens.
func TestBounceKey(t *testing.T) {
	d := openDesk(t, bounceSettings)
	own := *d.cfg
	own.Mail.BounceKeyFile = filepath.Join(t.TempDir(), "bounce.key")
	if err := os.WriteFile(own.Mail.BounceKeyFile, []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := bounceTokens(d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bounceTokens(&own)
	if err != nil {
		t.Fatal(err)
	}
	k := bounce.Token{ID: mailOf(7), Partition: 3, Offset: 70000}
	if _, err := a.Read(b.Sender(k)); err == nil {
		t.Error("the reference key reads what the bounce key has made")
	}
	if read, err := b.Read(b.Sender(k)); err != nil || read != k {
		t.Errorf("%+v %v", read, err)
	}
}
