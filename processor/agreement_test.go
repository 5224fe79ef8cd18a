package processor

import (
	"context"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// otherRules is what an instance with another fuse says of itself, having started that long after the harness.
func (h *harness) otherRules(after time.Duration) event.Record {
	cfg := h.cfg
	cfg.MaxRun, cfg.Instance, cfg.Started = 7, "other", h.cfg.Started.Add(after)
	return rulesMessage(&cfg, h.clock.Real())
}

func (h *harness) phase(p int32) phase { return h.watch[p].run.phase }

// TestNewestStarterCountsInAnyOrder (I20): two start at once, and the older one's word may come to the log after the newer one's.
func TestNewestStarterCountsInAnyOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		after []time.Duration
		held  bool
	}{
		{"an older one writes later", []time.Duration{-time.Second}, false},
		{"a newer one", []time.Duration{time.Second}, true},
		{"a newer one, and then an older one", []time.Duration{time.Second, -time.Second}, true},
	} {
		h := newHarness(t)
		h.begin(t)
		for _, after := range c.after {
			h.log.Append(h.otherRules(after))
		}
		h.play(t, "2026-02-28T12:00")
		r, _ := h.runs.get(mustDate(t, "2026-02-28"), 0)
		if held := r.State == RunHeld && r.Reason == HeldRules; held != c.held {
			t.Errorf("%s: the run is %s %s", c.name, r.State, r.Reason)
		}
	}
}

// TestRunReadsTheNewestRulesFirst: the word of a newer instance was in runs before the run began, and this instance's
// reader has not come to it.
func TestRunReadsTheNewestRulesFirst(t *testing.T) {
	ctx := context.Background()
	h := newHarness(t)
	h.begin(t)
	h.log.Append(h.otherRules(time.Second))
	h.clock.set(mustDate(t, "2026-02-28").At(6, 0, h.zone))
	for range 20 {
		if err := h.watch[0].step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	if h.phase(0) != phaseLedger {
		t.Fatalf("the run is in phase %d and has not read what it must know", h.phase(0))
	}
	h.settle(t)
	if r, _ := h.runs.get(mustDate(t, "2026-02-28"), 0); r.Reason != HeldRules {
		t.Errorf("the run is %s %s", r.State, r.Reason)
	}
}

// TestNewerRulesEndARunUnderWay: what is at the broker under the old rules is not committed any more.
func TestNewerRulesEndARunUnderWay(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	h.log.Produced = func(_ string, records []event.Record) {
		if records[0].Topic != h.cfg.notifications() {
			return
		}
		r := h.otherRules(time.Second)
		h.log.Append(r)
		h.runs.mu.Lock() // as the tail does
		defer h.runs.mu.Unlock()
		if err := h.runs.readOther(keyRules, &r); err != nil {
			t.Error(err)
		}
	}
	if got := h.play(t, "2026-02-28T12:00"); got != "" {
		t.Errorf("decided under rules that count no more: %s", got)
	}
	h.log.Produced = nil
	h.stop(t)
	h.clock.real = h.clock.real.Add(time.Minute)
	h.configure(t, settings("max_run", "7"))
	h.out.Reset()
	h.start(t)
	if got := h.out.String(); !strings.Contains(got, "emitted r1 passport 1 P6M") {
		t.Errorf("under the rules that count: %q", got)
	}
}
