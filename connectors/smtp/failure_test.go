package smtp

import (
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

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
