package smtp

import (
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// Each case: what the relay does to the first of three mails, and how each mail must end. The other two must never
// suffer for it.
func TestOneMailInTroubleNeverHarmsAnother(t *testing.T) {
	const A, R, D = event.DeliveryAccepted, event.DeliveryRejected, event.DeliveryInDoubt
	cases := []struct {
		name     string
		script   func(step) string
		first    []string // what is recorded for the first mail
		code     int      // in the last of them
		enhanced string
		copies   int // messages of the first mail that the relay read to the dot
	}{
		{"all well", allFine, []string{A}, 250, "2.0.0", 1},
		{"greeting refused", onNth("GREETING", 1, "554 5.3.2 no service"), []string{A}, 250, "2.0.0", 1},
		{"greeting 4xx", onNth("GREETING", 1, "421 4.3.2 busy"), []string{A}, 250, "2.0.0", 1},
		{"greeting dropped", onNth("GREETING", 1, drop), []string{A}, 250, "2.0.0", 1},
		{"EHLO and HELO dropped", onNth("EHLO", 1, drop), []string{A}, 250, "2.0.0", 1},
		{"MAIL 4xx", onNth("MAIL", 1, "451 4.3.0 later"), []string{A}, 250, "2.0.0", 1},
		{"MAIL 421", onNth("MAIL", 1, "421 4.4.2 timeout"), []string{A}, 250, "2.0.0", 1},
		{"MAIL 5xx", onNth("MAIL", 1, "550 5.7.1 sender refused"), []string{A}, 250, "2.0.0", 1},
		{"MAIL wants a login", onNth("MAIL", 1, "530 5.7.0 Authentication required"), []string{A}, 250, "2.0.0", 1},
		{"MAIL not understood", onNth("MAIL", 1, "502 5.7.0 Please authenticate first"), []string{A}, 250, "2.0.0", 1},
		{"MAIL dropped", onNth("MAIL", 1, drop), []string{A}, 250, "2.0.0", 1},
		{"RCPT 4xx", onNth("RCPT", 1, "450 4.2.0 greylisted"), []string{A}, 250, "2.0.0", 1},
		{"RCPT 5xx", onNth("RCPT", 1, "550 5.1.1 unknown"), []string{R}, 550, "5.1.1", 0},
		{"RCPT 5xx without enhanced code", onNth("RCPT", 1, "550 unknown"), []string{R}, 550, "", 0},
		{"RCPT dropped", onNth("RCPT", 1, drop), []string{A}, 250, "2.0.0", 1},
		{"RCPT answered with nonsense", onNth("RCPT", 1, "hello there"), []string{A}, 250, "2.0.0", 1},
		{"DATA 4xx (D2)", onNth("DATA", 1, "454 4.7.1 throttled"), []string{A}, 250, "2.0.0", 1},
		{"DATA 5xx (D2)", onNth("DATA", 1, "554 5.6.0 no"), []string{R}, 554, "5.6.0", 0},
		{"DATA dropped", onNth("DATA", 1, drop), []string{A}, 250, "2.0.0", 1},
		{"dot 4xx", onNth("DOT", 1, "451 4.3.0 disk full"), []string{A}, 250, "2.0.0", 2},
		{"dot 421", onNth("DOT", 1, "421 4.3.2 closing"), []string{A}, 250, "2.0.0", 2},
		{"dot 5xx", onNth("DOT", 1, "554 5.6.0 content"), []string{R}, 554, "5.6.0", 1},
		{"dropped after the dot", onNth("DOT", 1, drop), []string{D, A}, 250, "2.0.0", 2},
		{"late answer to the dot (D4)", lateAnswer("DOT", 1, 500*time.Millisecond), []string{D, A}, 250, "2.0.0", 2},
		{"dot answered with nonsense", onNth("DOT", 1, "354 go on"), []string{D, A}, 250, "2.0.0", 2},
		{"RSET fails after a refusal", func(s step) string {
			switch {
			case s.verb == "RCPT" && s.n == 1:
				return "550 5.1.1 unknown"
			case s.verb == "RSET" && s.n == 1:
				return "500 what?"
			}
			return ""
		}, []string{R}, 550, "5.1.1", 0},
		{"QUIT dropped after acceptance (D1)", onNth("QUIT", 1, drop), []string{A}, 250, "2.0.0", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			relay := startScripted(t, c.script)
			b := newBench(t, relay.address())
			b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
			b.mustRun(t)
			got := statuses(b, t, sampleMail(1).ID)
			if strings.Join(got, " ") != strings.Join(c.first, " ") {
				t.Errorf("first mail: recorded %v, want %v", got, c.first)
			}
			last := lastDelivery(b, t, sampleMail(1).ID)
			if last.SMTPCode == nil || *last.SMTPCode != c.code {
				t.Errorf("first mail: code %v, want %d", last.SMTPCode, c.code)
			}
			if enhanced := deref(last.EnhancedCode); enhanced != c.enhanced {
				t.Errorf("first mail: enhanced code %q, want %q", enhanced, c.enhanced)
			}
			copies := map[string]int{}
			for _, m := range relay.received() {
				copies[m.to]++
			}
			if copies[sampleMail(1).To.Email] != c.copies {
				t.Errorf("first mail: the relay read it %d times, want %d", copies[sampleMail(1).To.Email], c.copies)
			}
			for _, n := range []int{2, 3} {
				if got := statuses(b, t, sampleMail(n).ID); len(got) != 1 || got[0] != A {
					t.Errorf("mail %d: %v", n, got)
				}
				if copies[sampleMail(n).To.Email] != 1 {
					t.Errorf("mail %d: the relay read it %d times", n, copies[sampleMail(n).To.Email])
				}
			}
			checkNoPersonalData(t, b, nil)
		})
	}
}

// A connection lost while the message is being written: the kernel may have taken body and dot before the loss shows,
// and then the mail counts as in doubt; either way it is sent again, and it is not lost.
func TestConnectionLostInTheBody(t *testing.T) {
	relay := startScripted(t, onNth("BODY", 1, drop))
	b := newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2))
	if s := b.mustRun(t); s.Accepted != 2 || len(relay.received()) != 2 {
		t.Errorf("%+v, %d messages", s, len(relay.received()))
	}
}

// A 421 between mails, and a connection that the relay closed while it was idle, cost nothing.
func TestConnectionClosedBetweenMails(t *testing.T) {
	for _, answer := range []string{"421 4.4.2 idle", drop} {
		relay := startScripted(t, onNth("MAIL", 2, answer))
		b := newBench(t, relay.address())
		b.options.Retry.Min, b.options.Retry.Max, b.options.Retry.Budget = time.Minute, time.Minute, time.Second
		b.queue(sampleMail(1), sampleMail(2))
		if s := b.mustRun(t); s.Accepted != 2 || relay.connections() != 2 {
			t.Errorf("%q: %+v over %d connections", answer, s, relay.connections())
		}
	}
}

// A mail in doubt is resent once; when the second answer is lost too it stays in doubt, across restarts.
func TestInDoubtIsResentOnceAtMost(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" {
			return drop
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.queue(sampleMail(1))
	if s := b.mustRun(t); s.InDoubt != 1 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
	got := relay.received()
	if len(got) != 2 || got[0].data != got[1].data {
		t.Fatalf("the relay read %d messages; both must be the same", len(got))
	}
	last := lastDelivery(b, t, sampleMail(1).ID)
	if last.Status != event.DeliveryInDoubt || deref(last.Reason) != reasonResent || last.Attempts != 2 {
		t.Errorf("recorded %+v", last)
	}
	clear(b.committed) // the whole queue comes again
	if s := b.mustRun(t); s.Skipped != 1 || len(relay.received()) != 2 {
		t.Errorf("after a restart: %+v, %d messages", s, len(relay.received()))
	}
	if !strings.Contains(b.log.String(), "in doubt") {
		t.Error("not reported in the log")
	}
}

// A crash right after the second attempt was announced must not lead to a third. (I24)
func TestInDoubtAcrossRestart(t *testing.T) {
	for reason, sent := range map[string]int{"": 1, reasonResent: 0} {
		relay := startScripted(t, allFine)
		b := newBench(t, relay.address())
		d := event.Delivery{ID: sampleMail(1).ID, Status: event.DeliveryInDoubt, Attempts: 1, At: testNow.Format(event.TimeFormat)}
		if reason != "" {
			d.Reason = &reason
		}
		b.put("deliveries", d.ID, d)
		b.queue(sampleMail(1))
		b.mustRun(t)
		if got := len(relay.received()); got != sent {
			t.Errorf("in doubt with reason %q: sent %d times, want %d", reason, got, sent)
		}
	}
}

func TestInDoubtParked(t *testing.T) {
	relay := startScripted(t, onNth("DOT", 1, drop))
	b := newBench(t, relay.address())
	b.options.InDoubt = Park
	b.queue(sampleMail(1), sampleMail(2))
	if s := b.mustRun(t); s.InDoubt != 1 || s.Accepted != 1 || len(relay.received()) != 2 {
		t.Errorf("%+v, %d messages", s, len(relay.received()))
	}
}

// A notice of the last day that is in doubt is not sent again after midnight, and is not called undelivered.
func TestInDoubtNotResentTooLate(t *testing.T) {
	now := newClock()
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" {
			now.set(time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location()))
			return drop
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Now = now.get
	b.queue(lastDayMail(1))
	b.mustRun(t)
	last := lastDelivery(b, t, lastDayMail(1).ID)
	if len(relay.received()) != 1 || last.Status != event.DeliveryInDoubt || deref(last.Reason) != event.DeliveryExpired {
		t.Errorf("%d messages, recorded %+v", len(relay.received()), last)
	}
}

// Postfix slows down a client with many refusals in a row.
func TestConnectionRecycledAfterRefusals(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" {
			return "550 5.1.1 unknown"
		}
		return ""
	})
	b := newBench(t, relay.address())
	for n := range 20 {
		b.queue(sampleMail(n))
	}
	if s := b.mustRun(t); s.Rejected != 20 || relay.connections() != 3 {
		t.Errorf("%+v over %d connections, want 3", s, relay.connections())
	}
}

// One receiver that is put off for long holds up nobody, and nothing after it is committed away.
func TestDeferredMailDoesNotBlockTheQueue(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && strings.Contains(s.line, "kanari0@") {
			return "450 4.1.2 domain not found"
		}
		return ""
	})
	b := newBench(t, relay.address())
	for n := range 30 {
		b.queue(sampleMail(n))
	}
	s, err := b.run(t)
	if err == nil || s.Accepted != 29 || s.Left != 30 {
		t.Fatalf("%v %+v", err, s)
	}
	if !strings.Contains(err.Error(), "RCPT: answered 450 4.1.2") {
		t.Errorf("error %q does not say why", err)
	}
	relay.follow(allFine)
	if s := b.mustRun(t); s.Accepted != 1 || s.Skipped != 29 {
		t.Errorf("second run: %+v", s)
	}
	checkNoPersonalData(t, b, err)
}

// A relay that puts off everybody is tried again at growing intervals, not once for every mail.
func TestRelayThatPutsOffEverybody(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "DATA" {
			return "454 4.7.0 throttled"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Retry = Retry{Min: 100 * time.Millisecond, Max: time.Second, Budget: 300 * time.Millisecond}
	for n := range 100 {
		b.queue(sampleMail(n))
	}
	s, err := b.run(t)
	if err == nil || s.Left != 100 || relay.count("DATA") > 30 {
		t.Errorf("%v %+v after %d attempts", err, s, relay.count("DATA"))
	}
}
