package smtp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/processor/event"
)

// newBenchOf is a bench with several relays, in their order.
func newBenchOf(t testing.TB, relays ...*scripted) *bench {
	b := newBench(t, relays[0].address())
	for _, x := range relays[1:] {
		further := b.options.Relays[0]
		further.Address = x.address()
		b.options.Relays = append(b.options.Relays, further)
	}
	b.options.Retry.Budget = 5 * time.Second
	return b
}

// each queues that many mails.
func (b *bench) each(mails int) {
	for n := range mails {
		b.queue(sampleMail(n))
	}
}

// always answers a verb.
func always(verb, answer string) func(step) string {
	return func(s step) string {
		if s.verb == verb {
			return answer
		}
		return ""
	}
}

// acceptedOnce fails the test unless the relays took every mail exactly once.
func acceptedOnce(t *testing.T, mails int, relays ...*scripted) {
	t.Helper()
	for n := range mails {
		took := 0
		for _, x := range relays {
			took += copies(x)[sampleMail(n).To.Email]
		}
		if took != 1 {
			t.Errorf("mail %d was accepted %d times", n, took)
		}
	}
}

// A relay that does not take mails, whatever the way in which it does not, costs none: the other gets them all.
func TestFailover(t *testing.T) {
	for _, c := range []struct{ verb, answer string }{
		{"GREETING", "554 5.3.2 no service"}, {"GREETING", "421 4.3.2 busy"}, {"GREETING", drop},
		{"MAIL", "550 5.7.1 not you"}, {"MAIL", "451 4.3.0 later"}, {"MAIL", drop}, {"MAIL", "530 5.7.0 Authentication required"},
		{"RCPT", "554 5.7.1 blocked"}, {"RCPT", "550 5.3.2 closed"}, {"RCPT", "452 4.3.1 no room"},
		{"DATA", "454 4.7.0 throttled"}, {"DATA", "554 5.7.1 spam"}, {"DOT", "550 5.7.26 unauthenticated"}, {"DOT", "452 4.3.1 disk full"},
	} {
		t.Run(c.verb+" "+c.answer, func(t *testing.T) {
			t.Parallel()
			bad, good := startScripted(t, always(c.verb, c.answer)), startScripted(t, allFine)
			b := newBenchOf(t, bad, good)
			b.each(40)
			if s := b.mustRun(t); s.Accepted != 40 || s.Rejected != 0 || s.InDoubt != 0 {
				t.Errorf("%+v", s)
			}
			acceptedOnce(t, 40, bad, good)
			for _, d := range b.deliveries(t) {
				if deref(d.Relay) != good.address() {
					t.Errorf("mail %s is recorded with relay %q", d.ID, deref(d.Relay))
				}
			}
			checkNoPersonalData(t, b, nil)
		})
	}
}

// Of two relays the second gets what the first has no connection for.
func TestSecondRelayTakesWhatTheFirstCannot(t *testing.T) {
	first := startScripted(t, always("DOT", "wait 20ms then 250 2.0.0 Ok"))
	second := startScripted(t, allFine)
	b := newBenchOf(t, first, second)
	b.each(60)
	b.mustRun(t)
	acceptedOnce(t, 60, first, second)
	if len(first.received()) == 0 || len(second.received()) < len(first.received()) {
		t.Errorf("%d and %d mails", len(first.received()), len(second.received()))
	}
}

// A relay that refuses everybody is set aside and asked again; its refusals are none. Once it takes mails, all go out.
func TestRelayThatRefusesEverybodyForAWhile(t *testing.T) {
	for _, verb := range []string{"MAIL", "RCPT", "DATA", "DOT"} {
		relay := startScripted(t, func(s step) string {
			if s.verb == verb && s.n <= 20 {
				return "554 5.7.1 <kanari1@polgar.example.hu> your address is listed"
			}
			return ""
		})
		b := newBench(t, relay.address())
		b.options.Retry.Budget = 5 * time.Second
		b.each(30)
		if s := b.mustRun(t); s.Accepted != 30 || s.Rejected != 0 {
			t.Errorf("%s: %+v", verb, s)
		}
		acceptedOnce(t, 30, relay)
		if !strings.Contains(b.log.String(), "refused for what looks like a fault of the relay") {
			t.Errorf("%s: not in the log", verb)
		}
		checkNoPersonalData(t, b, nil)
	}
}

// Refusals with the same codes that come one here and one there are those of their mails.
func TestRefusalsOfSingleMailsCount(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && strings.Contains(s.line, "3@") {
			return "550 5.7.1 no such list"
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.each(40)
	if s := b.mustRun(t); s.Accepted != 36 || s.Rejected != 4 || relay.count("RCPT") != 40 {
		t.Errorf("%+v after %d recipients", s, relay.count("RCPT"))
	}
	if strings.Contains(b.log.String(), "sending waits") {
		t.Errorf("the relay was set aside: %s", b.log.String())
	}
}

// Greylisting puts single mails off and slows nobody down, however many it meets.
func TestGreylistingSlowsNobodyDown(t *testing.T) {
	for _, answer := range []string{"450 4.2.0 greylisted", "451 4.7.1 greylisted", "450 4.7.1 come back later", "451 try again"} {
		var mu sync.Mutex
		met := map[string]bool{}
		relay := startScripted(t, func(s step) string {
			mu.Lock()
			defer mu.Unlock()
			if s.verb != "RCPT" || met[s.line] {
				return ""
			}
			met[s.line] = true
			return answer
		})
		b := newBench(t, relay.address())
		b.options.Relays[0].Connections = 4
		b.each(60)
		if s := b.mustRun(t); s.Accepted != 60 {
			t.Errorf("%q: %+v", answer, s)
		}
		acceptedOnce(t, 60, relay)
		if log := b.log.String(); strings.Contains(log, "takes less") || strings.Contains(log, "sending waits") {
			t.Errorf("%q: %s", answer, log)
		}
	}
}

// A relay that has room for two mails at a time is soon asked for two or three at a time: it says less often that it has
// no room than it takes mails, and gets each mail once.
func TestThrottledRelayGetsFewerConnections(t *testing.T) {
	const mails = 150
	var open atomic.Int64
	relay := startScripted(t, func(s step) string {
		switch s.verb {
		case "DATA":
			if open.Add(1) > 2 {
				open.Add(-1)
				return "454 4.7.0 throttled"
			}
		case "DOT":
			time.Sleep(3 * time.Millisecond)
			open.Add(-1)
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Retry.Budget = 16, 10*time.Second
	b.each(mails)
	b.mustRun(t)
	acceptedOnce(t, mails, relay)
	if refused := relay.count("DATA") - mails; refused == 0 || refused > mails/2 {
		t.Errorf("throttled %d times for %d mails", refused, mails)
	}
	if !strings.Contains(b.log.String(), "the relay takes less") {
		t.Error("not in the log")
	}
}

func TestRouteWidth(t *testing.T) {
	o := newBench(t, "127.0.0.1:25").options.withDefaults()
	o.Relays[0].Connections = 8
	o.Retry.Min, o.Retry.Max = time.Hour, time.Hour
	w := newRoute(&relay{options: o.Relays[0]}, o)
	slow := func(handed time.Time) int { w.slow(handed, result{}); return w.width }
	before := time.Now()
	if got := []int{slow(before), slow(before), slow(time.Now())}; fmt.Sprint(got) != "[4 4 2]" {
		t.Errorf("widths %v: what was under way when the relay first said so counts once", got)
	}
	if slow(time.Now()) != 1 || w.away.pausing() {
		t.Error("a pause while there was a connection to spare")
	}
	if slow(time.Now()); !w.away.pausing() {
		t.Error("no pause at the last connection")
	}
	steps := 0
	for ; w.width < 8; steps++ {
		w.took()
	}
	if steps != 1+2+3+4+5+6+7 || w.away.pausing() {
		t.Errorf("back after %d mails", steps)
	}
	w.hinder(result{})
	if w.width != 1 || !w.away.pausing() {
		t.Error("no pause after a failure")
	}
}

// The rate is never exceeded, and does not stop anything.
func TestRate(t *testing.T) {
	first, second := startScripted(t, allFine), startScripted(t, allFine)
	b := newBenchOf(t, first, second)
	b.options.Relays[0].Rate, b.options.Relays[1].Rate = 50, 50
	b.each(60)
	began := time.Now()
	b.mustRun(t)
	acceptedOnce(t, 60, first, second)
	took := time.Since(began).Seconds()
	for _, x := range []*scripted{first, second} {
		if n := len(x.received()); float64(n) > 5+took*50+1 {
			t.Errorf("%d mails in %.2f s", n, took)
		}
	}
	if took < 0.4 {
		t.Errorf("60 mails in %.2f s", took)
	}
}

func TestClassesOf4xxAnd5xx(t *testing.T) {
	at := func(phase Phase, code int, enhanced string) class {
		c, _ := classify(phase, reply{code: code, enhanced: enhanced})
		return c
	}
	for _, c := range []struct {
		phase    Phase
		code     int
		enhanced string
		want     class
	}{
		{PhaseMail, 421, "4.7.0", slowed}, {PhaseRcpt, 421, "", slowed}, {PhaseDot, 421, "4.3.2", slowed},
		{PhaseMail, 450, "4.7.1", slowed}, {PhaseMail, 451, "", slowed}, {PhaseMail, 452, "4.3.1", slowed},
		{PhaseRcpt, 450, "4.7.1", deferred}, {PhaseRcpt, 451, "4.7.1", deferred}, {PhaseRcpt, 450, "", deferred}, {PhaseRcpt, 451, "", deferred},
		{PhaseRcpt, 452, "4.2.2", deferred}, {PhaseRcpt, 450, "4.1.2", deferred}, {PhaseRcpt, 450, "4.1.8", slowed},
		{PhaseRcpt, 452, "", slowed}, {PhaseRcpt, 452, "4.3.1", slowed}, {PhaseRcpt, 454, "4.7.0", slowed}, {PhaseRcpt, 451, "4.4.5", slowed},
		{PhaseData, 451, "", slowed}, {PhaseData, 454, "4.7.1", slowed}, {PhaseDot, 451, "4.7.1", deferred}, {PhaseDot, 452, "4.3.1", slowed},
		{PhaseRcpt, 550, "5.1.1", refused}, {PhaseDot, 554, "5.7.1", refused},
	} {
		if got := at(c.phase, c.code, c.enhanced); got != c.want {
			t.Errorf("%s %d %s: class %d, want %d", c.phase, c.code, c.enhanced, got, c.want)
		}
	}
	for _, c := range []struct {
		phase    Phase
		code     int
		enhanced string
		want     bool
	}{
		{PhaseRcpt, 550, "5.1.1", false}, {PhaseRcpt, 550, "", false}, {PhaseRcpt, 552, "5.2.2", false}, {PhaseMail, 552, "5.3.4", false},
		{PhaseDot, 554, "5.6.0", false}, {PhaseNone, 0, "", false}, {PhaseDot, 552, "5.3.4", false},
		{PhaseMail, 550, "", true}, {PhaseRcpt, 554, "5.7.1", true}, {PhaseDot, 550, "5.7.26", true}, {PhaseRcpt, 550, "5.1.8", true}, {PhaseData, 554, "5.3.0", true},
	} {
		if got := (result{class: refused, phase: c.phase, reply: reply{code: c.code, enhanced: c.enhanced}}).aboutRelay(); got != c.want {
			t.Errorf("%s %d %s: about the relay %v", c.phase, c.code, c.enhanced, got)
		}
	}
}

// Two relays that fail at random: nothing is lost, nothing refused for what is a relay's fault, and nothing accepted twice
// that was not reported in doubt.
func TestTwoRelaysAtRandom(t *testing.T) {
	answers := map[string][]string{
		"GREETING": {"421 4.3.2 busy", "554 5.3.2 no", drop}, "MAIL": {"421 4.7.0 slow", "451 4.3.0 later", "550 5.7.1 no", drop},
		"RCPT": {"450 4.2.0 grey", "451 4.7.1 grey", "452 4.3.1 full", "421 4.7.0 bye", drop}, "DATA": {"454 4.7.0 throttled", "451 4.3.0 later", drop},
		"DOT": {"452 4.3.1 full", "421 4.3.2 bye", drop, "accept then drop"}, "RSET": {"500 what?", drop},
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(seed, 7))
			script := func(s step) string {
				mu.Lock()
				defer mu.Unlock()
				if all := answers[s.verb]; len(all) > 0 && rng.IntN(8) == 0 {
					return all[rng.IntN(len(all))]
				}
				return ""
			}
			one, two := startScripted(t, script), startScripted(t, script)
			b := newBenchOf(t, one, two)
			b.options.Relays[0].Connections, b.options.Relays[1].Connections, b.options.Limits.RefusalsInARow = 3, 2, 2
			b.options.Retry = Retry{Min: time.Millisecond, Max: 10 * time.Millisecond, Budget: 10 * time.Second}
			for n := range 40 {
				if n%3 == 0 {
					b.queue(lastDayMail(n))
				} else {
					b.queue(sampleMail(n))
				}
			}
			s, err := b.runTwo(t)
			if err != nil || s.Left != 0 || s.Skipped != 0 {
				t.Fatalf("%v %+v", err, s)
			}
			for n := range 40 {
				id, mail := sampleMail(n).ID, sampleMail(n).To.Email
				took, said := copies(one)[mail]+copies(two)[mail], strings.Join(statuses(b, t, id), " ")
				doubted := strings.Contains(said, event.DeliveryInDoubt)
				last := lastDelivery(b, t, id).Status
				if took > 2 || took == 2 && !doubted || took == 0 && last == event.DeliveryAccepted || took == 1 && last == event.DeliveryRejected || last == "" {
					t.Errorf("mail %d was accepted %d times, recorded: %s", n, took, said)
				}
			}
			if s.Accepted+s.Rejected+s.InDoubt < 40 {
				t.Errorf("%+v", s)
			}
			checkNoPersonalData(t, b, nil)
		})
	}
}

// A partition with a mail that waits holds up no other: they are sent and committed.
func TestSlowMailHoldsUpNoOtherPartition(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && strings.Contains(s.line, "kanari0@") {
			return "450 4.2.0 greylisted"
		}
		return ""
	})
	b := newBench(t, relay.address())
	for n := range 40 {
		m := sampleMail(n)
		b.put("mail-sink", m.RegistrationRef, m)
	}
	b.mu.Lock()
	slow, fast := event.TopicPartition{Topic: "lejarat.mail-sink"}, event.TopicPartition{Topic: "lejarat.mail-sink", Partition: 1}
	for _, r := range b.logs[slow][20:] {
		r.Partition, r.Offset = 1, r.Offset-20
		b.logs[fast] = append(b.logs[fast], r)
	}
	b.logs[slow] = b.logs[slow][:20]
	b.mu.Unlock()
	c, err := New(b.options, b.join(), b.broker)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := c.Run(ctx, false); done <- err }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		at := [2]int64{b.committed[slow], b.committed[fast]}
		b.mu.Unlock()
		if at == [2]int64{0, 20} && len(relay.received()) == 39 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("committed %v, %d messages", at, len(relay.received()))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// endless is a queue of a million mails, made as they are asked for.
type endless struct {
	*member
	taken atomic.Int64
}

func (q *endless) Poll(_ context.Context, most int, _ time.Duration) ([]event.Record, error) {
	var out []event.Record
	for range most {
		n := q.taken.Load()
		if n == 1_000_000 {
			break
		}
		m := sampleMail(int(n))
		r := event.Message("lejarat.mail-sink", m.RegistrationRef, m.ID, "mail", m.EmittedAt, m)
		r.Partition, r.Offset = int32(n%8), n/8
		out = append(out, r)
		q.taken.Add(1)
	}
	return out, nil
}

// However much is queued, and whatever the relay does with it, no more is in hand than the limits say.
func TestMillionQueuedMailsAreNotInMemory(t *testing.T) {
	for name, answer := range map[string]func(step) string{
		"relay away": always("GREETING", "421 4.3.2 busy"), "all greylisted": always("RCPT", "450 4.2.0 greylisted"), "throttled": always("DATA", "454 4.7.0 throttled"),
		"all refused": always("RCPT", "554 5.7.1 blocked"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			b := newBench(t, startScripted(t, answer).address())
			b.options.Relays[0].Connections = 4
			b.options.Limits.Batch, b.options.Limits.Deferred = 100, 300
			q := &endless{member: b.join()}
			c, err := New(b.options, q, b.broker)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, err := c.Run(ctx, false); done <- err }()
			time.Sleep(700 * time.Millisecond)
			if n := q.taken.Load(); n == 0 || n > 300+2*100 {
				t.Errorf("%d mails taken from the queue", n)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
