package smtp

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// pause writes an operator's pause, resume lifts it.
func (b *bench) pause(note string) {
	b.put("suppressions", event.PauseKey, event.Suppression{Since: testNow.Format(event.TimeFormat), Note: note})
}

func (b *bench) resume() { b.put("suppressions", event.PauseKey, nil) }

// serve runs the connector as a service, until stop is called.
func (b *bench) serve(t *testing.T) (c *Connector, stop func() Summary) {
	t.Helper()
	c = mustConnector(t, b.options, b.join(), b.broker)
	ctx, cancel := context.WithCancel(t.Context())
	type end struct {
		sum Summary
		err error
	}
	done := make(chan end, 1)
	go func() {
		s, err := c.Run(ctx, false)
		done <- end{s, err}
	}()
	return c, func() Summary {
		t.Helper()
		cancel()
		e := <-done
		if e.err != nil {
			t.Error(e.err)
		}
		return e.sum
	}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// settledAs counts the mails whose last recorded status is that.
func (b *bench) settledAs(t *testing.T, status string) (n int) {
	last := map[string]string{}
	for _, d := range b.deliveries(t) {
		last[d.ID] = d.Status
	}
	for _, s := range last {
		if s == status {
			n++
		}
	}
	return n
}

// While an operator holds sending the relay hears nothing, what is called off or too late is recorded, and a restart
// changes nothing. What is left goes out when it is lifted.
func TestPause(t *testing.T) {
	relay := startScripted(t, allFine)
	now := newClock()
	b := newBench(t, relay.address())
	b.options.Now, b.options.Limits.Look = now.get, 5*time.Millisecond
	b.pause("the template is wrong")
	b.queue(lastDayMail(0))
	for n := 1; n < 10; n++ {
		b.queue(sampleMail(n))
	}
	_, stop := b.serve(t)
	b.put("suppressions", "reg-1/switched_off", event.Suppression{})
	eventually(t, "the mail of somebody who switched off is suppressed", func() bool { return b.settledAs(t, event.DeliverySuppressed) == 1 })
	now.set(time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location()))
	eventually(t, "the mail of the last day has expired", func() bool { return b.settledAs(t, event.DeliveryExpired) == 1 })
	if s := stop(); s.Accepted != 0 || s.Left != 10 && s.Left != 8 {
		t.Errorf("%+v", s)
	}
	c, stop := b.serve(t)
	eventually(t, "the status says why", func() bool { p := c.Status().Paused; return p != nil && p.Reason == "the template is wrong" })
	time.Sleep(50 * time.Millisecond)
	if relay.connections() != 0 {
		t.Fatal("the relay was asked while sending was paused")
	}
	b.resume()
	eventually(t, "the rest goes out", func() bool { return len(relay.received()) == 8 })
	eventually(t, "the status has no pause", func() bool { return c.Status().Paused == nil })
	stop()
	acceptedOnceOf(t, 2, 10, relay)
	for _, want := range []string{"an operator has paused sending", "the template is wrong", "an operator lets sending go on"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	checkNoPersonalData(t, b, nil)
}

// A pause that comes while mails are at the relay stops them up to the final dot, and no second mail comes of it.
func TestPauseWhileSending(t *testing.T) {
	for verb, read := range map[string]int{"EHLO": 0, "MAIL": 0, "RCPT": 0, "DATA": 0, "DOT": 1} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			var b *bench
			relay := startScripted(t, func(s step) string {
				if s.verb == verb && s.n == 1 {
					b.pause("now")
				}
				return ""
			})
			b = newBench(t, relay.address())
			b.options.Limits.Look = 5 * time.Millisecond
			b.each(5)
			_, stop := b.serve(t)
			eventually(t, "the relay hears of a mail", func() bool { return relay.count(verb) == 1 })
			time.Sleep(100 * time.Millisecond)
			if n := len(relay.received()); n != read {
				t.Errorf("the relay read %d mails, want %d", n, read)
			}
			b.resume()
			eventually(t, "all are accepted", func() bool { return b.settledAs(t, event.DeliveryAccepted) == 5 })
			if s := stop(); s.InDoubt != 0 {
				t.Errorf("%+v", s)
			}
			acceptedOnceOf(t, 0, 5, relay)
		})
	}
}

// A run with once says at once that sending is paused, and why; it settles what must not be sent anyway.
func TestPausedOnce(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	b.pause("waiting for the new texts")
	b.put("suppressions", "reg-1/operator", event.Suppression{})
	b.queue(sampleMail(1), sampleMail(2))
	s, err := b.run(t)
	if err == nil || s.Suppressed != 1 || s.Left != 1 || !strings.Contains(err.Error(), "waiting for the new texts") {
		t.Errorf("%v %+v", err, s)
	}
}

// What cannot be read is a pause.
func TestPauseThatCannotBeRead(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	b.put("suppressions", event.PauseKey, "?")
	b.queue(sampleMail(1))
	if s, err := b.run(t); err == nil || s.Left != 1 || !strings.Contains(err.Error(), "paused") {
		t.Errorf("%v %+v", err, s)
	}
}

// acceptedOnceOf is acceptedOnce for the mails from one number up to another.
func acceptedOnceOf(t *testing.T, from, to int, relay *scripted) {
	t.Helper()
	got := copies(relay)
	for n := from; n < to; n++ {
		if took := got[sampleMail(n).To.Email]; took != 1 {
			t.Errorf("mail %d was accepted %d times", n, took)
		}
	}
	if len(got) != to-from {
		t.Errorf("%s: %d mails were accepted", fmt.Sprint(from, "-", to), len(got))
	}
}

// A relay that is away for days keeps no mail of the last day from being recorded as expired, and none is tried after it.
func TestExpiredWhileTheRelayIsAway(t *testing.T) {
	relay := startScripted(t, always("GREETING", "554 5.3.2 no service"))
	now := newClock()
	b := newBench(t, relay.address())
	b.options.Now, b.options.Limits.Look = now.get, 5*time.Millisecond
	b.options.Retry.Min, b.options.Retry.Max = time.Hour, time.Hour
	for n := range 5 {
		b.queue(lastDayMail(n))
	}
	b.queue(sampleMail(5))
	_, stop := b.serve(t)
	eventually(t, "the relay has been asked", func() bool { return relay.connections() > 0 })
	now.set(time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location()))
	eventually(t, "those of the last day are recorded", func() bool { return b.settledAs(t, event.DeliveryExpired) == 5 })
	if s := stop(); s.Expired != 5 || s.Accepted != 0 || relay.connections() != 1 {
		t.Errorf("%+v over %d connections", s, relay.connections())
	}
}
