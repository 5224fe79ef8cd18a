package smtp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// A relay that wants less of what went out ahead to it has said so once, not once for each connection.
func TestRelayWantsLessOfWhatIsAhead(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	b.options.Relays[0].Connections = 8
	r, w := b.idle(t)
	var carriers []*carrier
	var ahead []*job
	for n := range 8 {
		c := &carrier{run: r, route: w}
		j := &job{mail: sampleMail(n), pause: backoff{min: time.Hour}}
		w.hand(j)
		w.busy++
		r.busy[c] = &job{mail: sampleMail(100 + n)}
		carriers, ahead = append(carriers, c), append(ahead, j)
	}
	for n, c := range carriers {
		r.report(report{carrier: c, job: r.busy[c], next: ahead[n], ask: make(chan time.Time, 1)})
		r.report(report{carrier: c, job: ahead[n], res: result{class: slowed, phase: PhaseMail, reply: reply{code: 451}}})
	}
	if w.width < 4 || w.away.err != nil {
		t.Errorf("it gets %d connections, %v", w.width, w.away.err)
	}
}

// Told to stop, a run ends the mails whose envelopes are open; one that only waits to follow stays queued.
func TestStopWhileAMailWaitsToFollow(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && s.n == 1 {
			time.Sleep(50 * time.Millisecond) // the claim stands, and the next mail waits
			stop()
			time.Sleep(50 * time.Millisecond)
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Limits.Freshness = time.Hour
	b.each(4)
	c := mustConnector(t, b.options, b.join(), b.broker)
	if s, err := c.Run(ctx, false); err != nil || s.Accepted != 1 || s.Left != 3 {
		t.Errorf("%v %+v", err, s)
	}
	if s := b.mustRun(t); s.Accepted != 3 {
		t.Errorf("after the restart: %+v", s)
	}
	acceptedOnce(t, 4, relay)
}

// A mail does not wait behind one whose connection hangs while others go past it.
func TestMailsGoPastAConnectionThatHangs(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		switch {
		case s.verb == "RCPT" && s.n == 1:
			return "wait 1500ms then 250 2.1.5 Ok"
		case s.verb == "DOT":
			return "wait 5ms then 250 2.0.0 Ok"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Limits.Freshness, b.options.Limits.Look = 2, time.Hour, 50*time.Millisecond
	b.options.Limits.Claim = 10 * time.Second
	b.each(150)
	b.mustRun(t)
	for i, m := range relay.received() {
		var n int
		if fmt.Sscanf(m.to, "kanari%d@", &n); n > 1 && i > n+30 {
			t.Errorf("mail %d was sent as number %d", n, i)
		}
	}
}

// A mail that another instance settles while its envelope is open is not claimed any more: the outcome stays the last word.
func TestMailAheadIsSettledElsewhere(t *testing.T) {
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n == 1 {
			b.put("deliveries", sampleMail(2).ID, event.Delivery{ID: sampleMail(2).ID, Status: event.DeliveryAccepted})
			time.Sleep(500 * time.Millisecond) // it is looked at
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.options.Limits.Look, b.options.Relays[0].DataTimeout = 150*time.Millisecond, 2*time.Second
	b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
	if s := b.mustRun(t); s.Accepted != 2 || s.Skipped != 1 || len(relay.received()) != 2 || relay.count("DATA") != 3 {
		t.Errorf("%+v, %d messages, %d envelopes", s, len(relay.received()), relay.count("DATA"))
	}
	for _, r := range b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}] {
		if string(r.Key) == sampleMail(2).ID && len(r.Headers) > 0 {
			t.Errorf("written after the outcome: %v", r.Headers)
		}
	}
}

// A relay that ends the connection for an envelope behind a message gets mails one by one; one that has taken such envelopes
// goes on to get them.
func TestRelayHangsUpOnAnEnvelopeBehindAMessage(t *testing.T) {
	for first, connections := range map[int]int{1: 2, 5: 3} {
		relay := startScripted(t, func(s step) string {
			if s.verb == "DOT" && s.more && (s.n == first || s.n == 10) {
				return "250 2.0.0 Ok then drop"
			}
			return ""
		})
		b := newBench(t, relay.address())
		b.each(20)
		if s := b.mustRun(t); s.Accepted != 20 || relay.connections() != connections {
			t.Errorf("first at %d: %+v over %d connections", first, s, relay.connections())
		}
	}
}

// A mail that is too large for the relay is refused behind a dot too; that says nothing about envelopes there.
func TestMailTooLargeBehindADot(t *testing.T) {
	var mu sync.Mutex
	var behind []bool
	relay := startScripted(t, func(s step) string {
		mu.Lock()
		defer mu.Unlock()
		if s.verb == "DOT" {
			behind = append(behind, s.more)
		}
		if s.verb == "MAIL" && s.n == 2 {
			return "552 5.3.4 too large"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.each(10)
	if s := b.mustRun(t); s.Accepted != 9 || s.Rejected != 1 || !slices.Contains(behind[1:], true) {
		t.Errorf("%+v, with an envelope behind them: %v", s, behind)
	}
}

// A mail that cannot follow another, whatever the reason, is treated as if it had come alone, and the others go out.
func TestMailThatCannotFollow(t *testing.T) {
	relay := startScripted(t, allFine)
	relay.extensions = []string{"PIPELINING", "8BITMIME"}
	b := newBench(t, relay.address())
	unwritable, needsUTF8, odd := sampleMail(2), sampleMail(4), sampleMail(6)
	unwritable.Language, unwritable.Document = "hu", nil
	needsUTF8.To.Email = "kanári@polgar.example.hu"
	odd.To.Email = "kanari6@polgar.example.hu\r\nRCPT TO:<a@example.hu>"
	b.queue(sampleMail(1), unwritable, sampleMail(3), needsUTF8, sampleMail(5), odd, sampleMail(7), sampleMail(8))
	if s := b.mustRun(t); s.Accepted != 5 || s.Rejected != 3 || len(b.openClaims()) != 0 || relay.connections() != 1 {
		t.Errorf("%+v, claims %v, %d connections", s, b.openClaims(), relay.connections())
	}
	for n, reason := range map[int]string{2: letter.ErrNotRenderable.Error(), 4: errNeedsSMTPUTF8.Error(), 6: letter.ErrAddressMalformed.Error()} {
		if d := lastDelivery(b, t, sampleMail(n).ID); deref(d.Reason) != reason || d.Attempts > 1 {
			t.Errorf("mail %d: %s %q, attempt %d", n, d.Status, deref(d.Reason), d.Attempts)
		}
	}
}

// A mail that an instance left claimed is reported once, also where it could have followed another and goes by itself.
func TestClaimOfACrashedInstanceBehindADot(t *testing.T) {
	relay := startScripted(t, always("DOT", "wait 5ms then 250 2.0.0 Ok"))
	b := newBench(t, relay.address())
	b.options.Limits.Claim = 100 * time.Millisecond
	b.claimedBy("somebody", sampleMail(30))
	b.each(100)
	if s := b.mustRun(t); s.Accepted != 100 || s.InDoubt != 1 || strings.Count(b.log.String(), "claimed by an instance that ended") != 1 {
		t.Errorf("%+v, log: %s", s, b.log.String())
	}
}
