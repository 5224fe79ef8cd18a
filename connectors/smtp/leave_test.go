package smtp

import (
	"bufio"
	"bytes"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/connectors/smtp/letter"
)

// dialled is a connection to a scripted relay, of the shipped kind.
func dialled(t *testing.T, to *scripted) *conn {
	t.Helper()
	x := newBench(t, to.address()).options.withDefaults().Relays[0]
	cfg, err := x.tlsConfig("relay")
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&relay{options: x, hello: "client.example.hu", tls: cfg}).dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	counting := &counted{Conn: c.raw}
	c.raw, c.text.W = counting, bufio.NewWriter(counting)
	return c
}

// counted is a connection that counts what is written.
type counted struct {
	net.Conn
	out, writes atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.out.Add(int64(n))
	c.writes.Add(1)
	return n, err
}

func alone() (letter.Envelope, bool) { return letter.Envelope{}, false }

// envelopeTo is a short mail.
func envelopeTo(to string) letter.Envelope {
	return letter.Envelope{ID: "1", From: "a@example.hu", To: to, Body: []byte("Subject: x\r\n\r\ny\r\n")}
}

// until is an answer to the question for leave.
func until(left time.Duration) func() time.Time {
	return func() time.Time {
		if left == 0 {
			return time.Time{}
		}
		return time.Now().Add(left)
	}
}

// A message whose dot may be written by then goes out with it, and nobody is asked; one whose leave has run out, or that has
// none, asks, and without an answer the relay sees no dot. Where the answer comes soon, it does not see the message before.
func TestDotGoesWithTheMessage(t *testing.T) {
	for _, c := range []struct {
		name         string
		given        time.Duration
		soon         bool
		answer       time.Duration
		asked, reads int
		want         class
	}{
		{"given", time.Minute, false, 0, 0, 1, accepted},
		{"run out", -time.Millisecond, false, 0, 1, 0, calledOff},
		{"run out, then given", -time.Millisecond, false, time.Minute, 1, 1, accepted},
		{"soon", -time.Millisecond, true, time.Minute, 1, 1, accepted},
		{"not soon after all", -time.Millisecond, true, 0, 1, 0, calledOff},
		{"run out again", -time.Millisecond, true, -time.Millisecond, 1, 0, relayAway},
	} {
		t.Run(c.name, func(t *testing.T) {
			relay := startScripted(t, allFine)
			asked := 0
			conn := dialled(t, relay)
			ask := func() time.Time {
				asked++
				if out := conn.raw.(*counted).out.Load() > 0; out == c.soon {
					t.Errorf("something of the message is out: %v", out)
				}
				return until(c.answer)()
			}
			e := envelopeTo("b@example.hu")
			given := func() time.Time { // the envelope is out
				conn.raw.(*counted).out.Store(0)
				return until(c.given)()
			}
			res := conn.send(t.Context(), e, leave{given: given, ask: ask, soon: c.soon, next: alone})
			if res.class != c.want || asked != c.asked || len(relay.received()) != c.reads {
				t.Errorf("%+v, asked %d times, the relay read %d", res, asked, len(relay.received()))
			}
			if c.reads == 1 && relay.received()[0].data != string(e.Body) {
				t.Errorf("the relay read %q", relay.received()[0].data)
			}
		})
	}
}

// A relay does not read on, and the leave runs out meanwhile: no dot is written after it, and nothing is in doubt.
func TestLeaveRunsOutInTheBody(t *testing.T) {
	goOn := make(chan struct{})
	relay := startScripted(t, func(s step) string {
		if s.verb == "BODY" {
			<-goOn
		}
		return ""
	})
	defer close(goOn)
	c := dialled(t, relay)
	c.options.CommandTimeout = time.Minute
	began := time.Now()
	l := leave{given: func() time.Time { return began.Add(300 * time.Millisecond) }, ask: func() time.Time { t.Error("asked"); return time.Time{} }, next: alone}
	line := append(bytes.Repeat([]byte("x"), 70), "\r\n"...)
	res := c.send(t.Context(), letter.Envelope{ID: "1", From: "a@example.hu", To: "b@example.hu", Body: bytes.Repeat(line, 1<<18)}, l)
	if res.class != relayAway || res.phase != PhaseBody || time.Since(began) > 30*time.Second {
		t.Errorf("%v, class %d, after %v", res, res.class, time.Since(began))
	}
}

// Leave is given ahead for a first attempt, by a look that is good, and not for a mail that is too late by now.
func TestPermitted(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	b.options.Limits.Freshness = time.Minute
	c := &carrier{run: &run{Connector: mustConnector(t, b.options, b.join(), b.broker)}}
	until := time.Now().Add(time.Hour)
	fresh := &permit{until: until, looked: time.Now()}
	for name, x := range map[string]struct {
		permit   *permit
		attempts int
		notAfter time.Time
		want     time.Time
	}{
		"fresh":        {fresh, 1, time.Time{}, until},
		"in time":      {fresh, 1, testNow.Add(time.Second), until},
		"none":         {nil, 1, time.Time{}, time.Time{}},
		"tried before": {fresh, 2, time.Time{}, time.Time{}},
		"too late":     {fresh, 1, testNow, time.Time{}},
		"an old look":  {&permit{until: until, looked: time.Now().Add(-2 * time.Minute)}, 1, time.Time{}, time.Time{}},
	} {
		j := &job{attempts: x.attempts, notAfter: x.notAfter}
		j.permit.Store(x.permit)
		if got := c.permitted(j); !got.Equal(x.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
