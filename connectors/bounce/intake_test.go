package bounce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"lejarat/processor/event"
)

// maildir is a Maildir with messages in new.
func (h *house) maildir(messages map[string]string) (*Maildir, *bytes.Buffer) {
	h.t.Helper()
	m := &Maildir{Dir: h.t.TempDir(), Handler: h.handler, Every: 5 * time.Millisecond}
	log := &bytes.Buffer{}
	m.Logger = slog.New(slog.NewTextHandler(log, nil))
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.Mkdir(filepath.Join(m.Dir, sub), 0o700); err != nil {
			h.t.Fatal(err)
		}
	}
	for name, text := range messages {
		if err := os.WriteFile(filepath.Join(m.Dir, "new", name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	return m, log
}

func (m *Maildir) names(t *testing.T, sub string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(m.Dir, sub))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestMaildir: each message moves when what follows from it is durable; one whose mail is in hand stays.
func TestMaildir(t *testing.T) {
	h := openHouse(t)
	h.mails(3)
	h.delivery(1, event.DeliveryAccepted)
	h.delivery(2, "claimed")
	m, log := h.maildir(map[string]string{"1.a.host": h.message("unknown_user", 1, h.tokens), "2.b.host": h.message("unknown_user", 2, h.tokens),
		"3.c.host": "From: spam@example.com\r\nTo: bounces@example.hu\r\n\r\nbuy\r\n"})
	if left, err := m.Once(h.ctx); err != nil || left != 1 {
		t.Fatalf("%d left, %v", left, err)
	}
	if in, done := m.names(t, "new"), m.names(t, "cur"); !slices.Equal(in, []string{"2.b.host"}) || !slices.Equal(done, []string{"1.a.host:2,S", "3.c.host:2,S"}) {
		t.Errorf("new %v, cur %v", in, done)
	}
	if h.counted(AddressFailed) != 1 || h.counted(Unaddressed) != 1 {
		t.Errorf("counted %v", h.verdicts)
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log)
	}
}

// TestCrashBetweenTheRecords (I36): wherever it breaks off, the message stays, and the next time completes what was begun, once.
func TestCrashBetweenTheRecords(t *testing.T) {
	for stop := range 4 {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			h := openHouse(t)
			h.mails(1)
			h.delivery(1, event.DeliveryAccepted)
			h.news()
			text := h.message("unknown_user", 1, h.tokens)
			m, _ := h.maildir(map[string]string{"1.a.host": text})
			n := 0
			h.broken.fail = func(step string, _ []event.Record) error {
				if step == "produce" {
					if n++; n == stop {
						return errors.New("brokers away")
					}
				}
				return nil
			}
			_, err := m.Once(h.ctx)
			if failed := stop == 1 || stop == 2; failed != (err != nil) || failed != (len(m.names(t, "new")) == 1) {
				t.Fatalf("stopped at write %d: %v, new %v", stop, err, m.names(t, "new"))
			}
			h.broken.fail = nil
			h.open()
			m.Handler = h.handler
			if _, err := m.Once(h.ctx); err != nil || len(m.names(t, "new")) != 0 {
				t.Fatal(err)
			}
			if lines := h.news(); len(lines) != 2 || !strings.Contains(lines[0], "/address") || !strings.Contains(lines[1], `"bounced"`) {
				t.Errorf("written: %q", lines)
			}
		})
	}
}

// TestMaildirWaitsForTheBrokers: messages stay in new while the brokers are away, and the log says so once, without addresses.
func TestMaildirWaitsForTheBrokers(t *testing.T) {
	h := openHouse(t)
	h.mails(1)
	h.delivery(1, event.DeliveryAccepted)
	away := make(chan struct{})
	h.broken.fail = func(string, []event.Record) error {
		select {
		case <-away:
			return nil
		default:
			return errors.New("brokers away")
		}
	}
	m, log := h.maildir(map[string]string{"1.a.host": h.message("unknown_user", 1, h.tokens)})
	h.handler.o.Logger = m.Logger
	ctx, stop := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	go func() { ended <- m.Watch(ctx) }()
	time.Sleep(100 * time.Millisecond)
	if len(m.names(t, "new")) != 1 {
		t.Error("moved while the brokers were away")
	}
	close(away)
	for len(m.names(t, "new")) != 0 && h.ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Count(text, "bounces wait\"") != 1 || strings.Contains(text, "polgar") {
		t.Errorf("log: %s", text)
	}
}

// talk sends one message over LMTP or SMTP, and returns the error of its end.
func talk(t *testing.T, address string, plain bool, to, text string) error {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	client := smtp.NewClientLMTP(c)
	if plain {
		client = smtp.NewClient(c)
	}
	defer client.Close()
	if err := client.Mail("", nil); err != nil {
		t.Fatal(err)
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}

// TestListener: 250 when it is durable, 451 while it cannot be, 550 for an address that is not ours; over LMTP and SMTP.
func TestListener(t *testing.T) {
	for _, plain := range []bool{false, true} {
		h := openHouse(t)
		h.mails(2)
		h.delivery(1, event.DeliveryAccepted)
		l, err := Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(h.ctx)
		ended := make(chan error, 1)
		go func() { ended <- h.handler.Serve(ctx, l, plain) }()
		to := h.tokens.Sender(Token{ID: mailIDOf(1), Offset: 1})
		text := strings.ReplaceAll(h.message("unknown_user", 1, h.tokens), to, "somebody@example.hu") // the envelope alone has the token
		code := func(to string) int {
			err := talk(t, l.Addr().String(), plain, to, text)
			var answer *smtp.SMTPError
			if errors.As(err, &answer) {
				return answer.Code
			} else if lmtp, ok := err.(smtp.LMTPDataError); ok {
				for _, e := range lmtp {
					return e.Code
				}
			} else if err != nil {
				t.Fatal(err)
			}
			return 250
		}
		h.news()
		h.broken.mu.Lock()
		h.broken.fail = func(string, []event.Record) error { return errors.New("brokers away") }
		h.broken.mu.Unlock()
		if got := code(to); got != 451 {
			t.Errorf("plain %v: without brokers %d", plain, got)
		}
		h.broken.mu.Lock()
		h.broken.fail = nil
		h.broken.mu.Unlock()
		if lines := h.news(); len(lines) > 0 {
			t.Errorf("written: %q", lines)
		}
		for to, want := range map[string]int{to: 250, "bounces@example.hu": 250, h.forger.Sender(Token{ID: mailIDOf(1), Offset: 1}): 250, "postmaster@example.hu": 550} {
			if got := code(to); got != want {
				t.Errorf("plain %v: %s: %d, want %d", plain, to, got, want)
			}
		}
		if lines := h.news(); len(lines) != 2 || h.counted(AddressFailed) != 1 || h.counted(Unaddressed) != 1 || h.counted(Forged) != 1 {
			t.Errorf("plain %v: written %q, counted %v", plain, lines, h.verdicts)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestBrokersThatDoNotAnswer: nobody waits for ever, neither the message that is being written nor those behind it.
func TestBrokersThatDoNotAnswer(t *testing.T) {
	h := openHouse(t)
	h.mails(1)
	h.delivery(1, event.DeliveryAccepted)
	h.news()
	if err := h.handler.Ready(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.handler.limit = 200 * time.Millisecond
	h.broken.silent = true
	text := h.message("unknown_user", 1, h.tokens)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if v, err := h.handler.Accept(h.ctx, nil, strings.NewReader(text)); err == nil {
				t.Errorf("%s %v", v, err)
			}
		})
	}
	all.Wait()
	h.broken.silent = false
	h.handler.limit = acceptTimeout
	if v, err := h.handler.Accept(h.ctx, nil, strings.NewReader(text)); err != nil || v != AddressFailed || len(h.news()) != 2 {
		t.Errorf("%s %v", v, err)
	}
}

// TestSocket: a socket left behind is replaced, one in use is not.
func TestSocket(t *testing.T) {
	path := "unix:" + filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("two listen on one socket")
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
}
