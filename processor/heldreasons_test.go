package processor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestWhatHoldsARunIsSaidEverywhere walks through what holds a run: once in the log, once to the observer (metrics), in the
// health of the instance and in runs; and the run goes on by itself.
func TestWhatHoldsARunIsSaidEverywhere(t *testing.T) {
	var open interface{ end() }
	for _, c := range []struct {
		name, reason, detail string
		hold, lift           func(*harness)
		noRecord             bool // runs itself cannot be written
	}{
		{name: "a source behind", reason: HeldSource, detail: "records arrive late",
			hold: func(h *harness) {
				h.record(t, "document 7 type=passport expires=2030-01-01 issued=2020-01-01 holder=zoli ts=real-20m delay=20m")
			},
			lift: func(h *harness) { h.clock.real = h.clock.real.Add(11 * time.Minute) }},
		{name: "a snapshot", reason: HeldSource, detail: "its snapshot has begun and not ended",
			hold: func(h *harness) {
				h.record(t, "document 7 type=passport expires=2030-01-01 issued=2020-01-01 holder=zoli snapshot=row ts=2027-01-01T00:00")
			},
			lift: func(h *harness) {
				h.record(t, "document 8 type=passport expires=2030-01-01 issued=2020-01-01 holder=zita snapshot=last ts=2027-01-01T00:01")
			}},
		{name: "an open transaction of the connector", reason: HeldBarrier, detail: "is not joined up to offset",
			hold: func(h *harness) {
				tx := h.log.Begin("connector", []event.Record{{Topic: registrationTopic, Key: []byte("r9"), Time: h.clock.real}})
				open = ender(func() { h.log.End(tx, false) })
			},
			lift: func(*harness) { open.end() }},
		{name: "the clock", reason: HeldClock, detail: "at least 5m0s behind",
			hold: func(h *harness) { h.brokers = func() time.Time { return h.clock.real.Add(5 * time.Minute) } },
			lift: func(h *harness) { h.brokers = h.clock.Real }},
		{name: "other rules", reason: HeldRules, detail: "instance other",
			hold: func(h *harness) { h.log.Append(h.otherRules(time.Second)) },
			lift: func(h *harness) { // restarted with its rules
				r := h.otherRules(2 * time.Second)
				r.Value = bytes.Replace(r.Value, []byte(h.otherHash()), []byte(h.cfg.agreement()), 1)
				h.log.Append(r)
			}},
		{name: "a topic", reason: HeldTopic, detail: documentTopic,
			hold: func(h *harness) { h.log.Deny(documentTopic, true) }, lift: func(h *harness) { h.log.Deny(documentTopic, false) }},
		{name: "runs", reason: HeldTopic, detail: "lejarat.runs", noRecord: true,
			hold: func(h *harness) { h.log.Deny("lejarat.runs", true) }, lift: func(h *harness) { h.log.Deny("lejarat.runs", false) }},
	} {
		h := owing(t)
		var log bytes.Buffer
		seen := &heldObserver{}
		h.cfg.Logger, h.cfg.Observer = slog.New(slog.NewTextHandler(&log, nil)), seen
		e := &Engine{cfg: h.cfg, ledger: h.ledger, runs: h.runs, watch: map[event.TopicPartition]*handle{}}
		e.ledgerTail.progress, e.runsTail.progress = newProgress(h.clock.real), newProgress(h.clock.real)
		for _, w := range h.watch {
			e.watch[w.tp] = &handle{state: taskRunning, progress: newProgress(h.clock.real)}
		}
		c.hold(h)
		h.six(t)
		for range 10 { // a minute: waiting is said after half of it
			h.stepBoth(t)
		}
		for _, w := range h.watch {
			e.watch[w.tp].publishWatch(w)
		}
		_, tasks := e.Status()
		held := 0
		for _, task := range tasks {
			if strings.HasPrefix(task.Run, "held "+c.reason+" ") && strings.Contains(task.Run, c.detail) {
				held++
			}
		}
		if held != len(h.watch) {
			t.Errorf("%s: health says %+v", c.name, tasks)
		}
		if n := strings.Count(log.String(), "run is held"); n != len(h.watch) || !strings.Contains(log.String(), c.detail) {
			t.Errorf("%s: %d lines in the log:\n%s", c.name, n, log.String())
		}
		if n := seen.held[c.reason]; n != len(h.watch) {
			t.Errorf("%s: the observer was told %d times", c.name, n)
		}
		if r, _ := h.runs.get(mustDate(t, "2026-02-28"), 0); (r.State == RunHeld && r.Reason == c.reason && strings.Contains(r.Detail, c.detail)) == c.noRecord {
			t.Errorf("%s: runs says %s %s %s", c.name, r.State, r.Reason, r.Detail)
		}
		c.lift(h)
		h.out.Reset()
		for range 5 {
			h.stepBoth(t)
		}
		if h.printNew(); !strings.Contains(h.out.String(), "emitted r1 passport 1 P6M") {
			t.Errorf("%s has passed: %q", c.name, h.out.String())
		}
	}
}

type ender func()

func (e ender) end() { e() }

// stepBoth steps the watch tasks, and intake where it can read.
func (h *harness) stepBoth(t *testing.T) {
	t.Helper()
	for _, i := range h.intake {
		_ = i.step(t.Context(), 0) // the engine begins it again
	}
	if err := h.stepWatch(); err != nil {
		t.Fatal(err)
	}
}

func (h *harness) otherHash() string {
	cfg := h.cfg
	cfg.MaxRun = 7
	return cfg.agreement()
}

// heldObserver counts what metrics count.
type heldObserver struct{ held map[string]int }

func (o *heldObserver) Observe(e Event) {
	if r, ok := e.(RunState); ok && r.State == RunHeld {
		if o.held == nil {
			o.held = map[string]int{}
		}
		o.held[r.Reason]++
	}
}
