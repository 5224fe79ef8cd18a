package smtp

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
		w.answers()
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
		{PhaseRcpt, 553, "", false},
		{PhaseRcpt, 554, "", true}, {PhaseRcpt, 521, "", true}, {PhaseMail, 550, "", true}, {PhaseRcpt, 554, "5.7.1", true}, {PhaseDot, 550, "5.7.26", true}, {PhaseRcpt, 550, "5.1.8", true}, {PhaseData, 554, "5.3.0", true},
	} {
		if got := (result{class: refused, phase: c.phase, reply: reply{code: c.code, enhanced: c.enhanced}}).aboutRelay(); got != c.want {
			t.Errorf("%s %d %s: about the relay %v", c.phase, c.code, c.enhanced, got)
		}
	}
}
