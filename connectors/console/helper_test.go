package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newMailbox(t *testing.T) *Mailbox {
	t.Helper()
	m, err := NewMailbox("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send hands one mail to the mailbox, as any mail program would.
func send(t *testing.T, m *Mailbox, raw string) {
	t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	if err := smtp.SendMail(m.Addr(), nil, "ertesites@example.hu", []string{"anna@example.hu"}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d:\n%s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("no %q in:\n%s", text, a.body)
		}
	}
}

func get(t *testing.T, s *Server, path string) answer {
	t.Helper()
	return request(t, "GET", s, path, "")
}

func request(t *testing.T, method string, s *Server, path, host string) answer {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// letter is a mail as the mail connector writes them.
func letter(to, subject, text, html string) string {
	return fmt.Sprintf(`From: =?utf-8?q?Okm=C3=A1ny=C3=A9rtes=C3=ADt=C5=91?= <ertesites@example.hu>
To: %s
Subject: %s
Date: Sat, 28 Feb 2026 06:00:03 +0100
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

%s
--b
Content-Type: text/html; charset=utf-8

%s
--b--
`, to, subject, text, html)
}
