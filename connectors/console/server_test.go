package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/smtp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestHealth(t *testing.T) {
	var broken error
	ready := true
	s := newServer(t, Options{
		Live:  func() error { return broken },
		Ready: func() (bool, any) { return ready, map[string]string{"restoring": "partition 3"} },
	})
	get(t, s, "/livez").wants(t, 200, "ok")
	get(t, s, "/readyz").wants(t, 200, `"ready": true`)
	get(t, s, "/").wants(t, 200, "Ready", "partition 3")
	broken, ready = errors.New("task watch-3 stands still"), false
	get(t, s, "/livez").wants(t, 503, "task watch-3 stands still")
	a := get(t, s, "/readyz")
	a.wants(t, 503)
	var v struct {
		Ready  bool
		Detail map[string]string
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || v.Ready || v.Detail["restoring"] != "partition 3" {
		t.Errorf("%v: %s", err, a.body)
	}
	get(t, s, "/").wants(t, 200, "Not ready")
}

func TestWithoutAnythingToShow(t *testing.T) {
	s := newServer(t, Options{})
	get(t, s, "/livez").wants(t, 200)
	get(t, s, "/readyz").wants(t, 200)
	a := get(t, s, "/")
	a.wants(t, 200, "Overview")
	if strings.Contains(a.body, "Mails") {
		t.Error("the page speaks of mails where there is no mailbox")
	}
	for _, path := range []string{"/metrics", "/mail/", "/mail/1", "/story.json"} {
		get(t, s, path).wants(t, 404)
	}
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lejarat_test_total", Help: "A test."})
	r.MustRegister(c)
	c.Add(7)
	s := newServer(t, Options{Gatherer: r})
	get(t, s, "/metrics").wants(t, 200, "lejarat_test_total 7")
}

func TestStoryKeepsItsOrder(t *testing.T) {
	type day struct {
		Date    string `json:"date"`
		Notices int    `json:"notices"`
	}
	s := newServer(t, Options{Story: func() any {
		return struct {
			Zebra   string `json:"zebra_first"`
			People  int    `json:"people"`
			Days    []day  `json:"days"`
			Nothing []day  `json:"nothing"`
			Done    bool   `json:"done"`
		}{"<b>", 1234567, []day{{"2026-02-28", 3}}, nil, true}
	}})
	a := get(t, s, "/")
	at := 0
	for _, want := range []string{"zebra first", "&lt;b&gt;", "people", "1\u2009234\u2009567", "days", "2026-02-28", "nothing", "–", "done", "yes"} {
		i := strings.Index(a.body[at:], want)
		if i < 0 {
			t.Fatalf("no %q after position %d in %s", want, at, a.body)
		}
		at += i
	}
	get(t, s, "/story.json").wants(t, 200, `"people": 1234567`)
	if got := get(t, s, "/?live=1").header.Get("Refresh"); got != "5" {
		t.Errorf("the live page refreshes after %q", got)
	}
	if got := get(t, s, "/").header.Get("Refresh"); got != "" {
		t.Errorf("the page refreshes without being asked, after %q", got)
	}
}

func TestStoryIsBounded(t *testing.T) {
	facts, err := factsOf(make([]int, 10*maxFacts))
	if err != nil || len(facts) != maxFacts {
		t.Errorf("%d facts, %v", len(facts), err)
	}
	var deep any = 1
	for range 100 {
		deep = []any{deep}
	}
	if _, err := factsOf(deep); err != nil {
		t.Error(err)
	}
	s := newServer(t, Options{Story: func() any { return func() {} }})
	get(t, s, "/").wants(t, 200)
	get(t, s, "/story.json").wants(t, 500)
}

func TestListenErrorsNameTheSetting(t *testing.T) {
	s := newServer(t, Options{})
	for _, address := range []string{s.Addr(), "nonsense", "203.0.113.7:8080"} {
		second, err := Start(Options{Listen: address})
		if err == nil {
			second.Close(context.Background())
			t.Fatalf("%s: no error", address)
		}
		if !strings.Contains(err.Error(), "http.listen") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := Start(Options{Listen: s.Addr()}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("address in use: %v", err)
	}
}

func TestLogHoldsNothingOfAMail(t *testing.T) {
	var log bytes.Buffer
	m := newMailbox(t)
	m.OnMail(func(Message) { panic("secret-body") })
	s := newServer(t, Options{Mailbox: m, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Story: func() any { panic("secret-story") }})
	smtp.SendMail(m.Addr(), nil, "secret-from@example.hu", []string{"secret-to@example.hu"}, []byte("Subject: secret-subject\r\n\r\nsecret-text\r\n"))
	get(t, s, "/mail/1").wants(t, 200, "secret-text")
	get(t, s, "/mail/?q=secret-query").wants(t, 200)
	get(t, s, "/story.json").wants(t, 500)
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "GET /story.json") {
		t.Errorf("the log holds: %s", log.String())
	}
}
