//go:build !race

package processor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
	"lejarat/state"
)

// counted is what was done meanwhile: the same on every machine and at every speed.
type counted struct {
	state.Work
	Mallocs      int64 // the tests' decoder included
	Transactions int64
	Records      int64 // written to topics
	Calls        int64 // to the brokers, polls not counted: those follow time
}

// count says what do does.
func (h *harness) count(do func()) counted {
	var c counted
	committed, call := h.log.Committed, h.log.Call
	defer func() { h.log.Committed, h.log.Call = committed, call }()
	h.log.Committed = func(_ string, records []event.Record) { c.Transactions++; c.Records += int64(len(records)) }
	h.log.Call = func(name string) error {
		if name != "poll" {
			c.Calls++
		}
		return nil
	}
	var before, after runtime.MemStats
	work := h.shared.Work()
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	c.Work, c.Mallocs = h.shared.Work().Sub(work), int64(after.Mallocs-before.Mallocs)
	return c
}

// bound is the most that something may cost, for each of what is counted: what it costs, and a quarter.
type bound struct {
	mallocs, transactions, records, calls float64
	gets, cursors, seeks, steps, passed   float64
	writes, bytes                         float64
}

// holds names every count that has grown beyond its bound.
func (b bound) holds(t *testing.T, what string, c counted, n int) {
	t.Helper()
	for _, x := range []struct {
		name string
		is   int64
		most float64
	}{{"allocations", c.Mallocs, b.mallocs}, {"transactions", c.Transactions, b.transactions}, {"records written", c.Records, b.records},
		{"calls to the brokers", c.Calls, b.calls}, {"keys looked up", c.Gets, b.gets}, {"cursors opened", c.Cursors, b.cursors},
		{"seeks", c.Seeks, b.seeks}, {"keys walked", c.Steps, b.steps}, {"entries passed within Pebble", c.Passed, b.passed},
		{"keys written", c.Writes, b.writes}, {"bytes written to stores", c.Bytes, b.bytes}} {
		each := float64(x.is) / float64(n)
		t.Logf("%s: %s %.4f of %.4f", what, x.name, each, x.most)
		if each > x.most {
			t.Errorf("%s: %.4f %s each, want at most %.4f: what made it more? If it must be, raise the bound here", what, each, x.name, x.most)
		}
	}
}

// register fills the sources with people who have a document each, of whom the first few are due on 2026-02-28 and the
// others on days of ten years.
func register(t *testing.T, people, due int) *harness {
	h := newHarness(t)
	h.configure(t, &datadriven.TestData{})
	h.clock.set(event.NewDate(2026, 2, 28).At(5, 0, h.zone))
	for i := range people {
		expires := event.NewDate(2031, 1, 1) + event.Date(i*7919%3650)
		if i < due {
			expires = event.NewDate(2026, 8, 31) // P6M
		}
		h.record(t, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01", i, i, i))
		h.record(t, fmt.Sprintf("document %d type=passport expires=%s issued=2016-08-31 holder=p%d", i, expires, i))
	}
	return h
}

// switchOff switches the service of the first people off.
func (h *harness) switchOff(t *testing.T, people int) counted {
	for i := range people {
		h.record(t, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01 on=false", i, i, i))
	}
	return h.count(func() {
		for range 2 {
			h.stepAll(t, context.Background())
		}
	})
}

// TestCounts bounds what a record of a first load, a notice of a run, an idle day and a single change cost. Times differ
// from machine to machine, and from minute to minute; these counts do not, so it is here that a change shows that makes
// the service slower.
func TestCounts(t *testing.T) {
	const people, due, changes = 5000, 4000, 100
	h := register(t, people, due)
	load := h.count(func() { h.start(t) })
	bound{mallocs: 15.8, transactions: 0.00075, records: 3.13, calls: 0.00675, gets: 0.0035, cursors: 0.000875, seeks: 0.000875, passed: 0.000875, writes: 3.75, bytes: 272}.holds(t, "a record of a first load", load, 2*people)

	first := mustDate(t, "2026-02-28")
	run := h.count(func() { h.fireDay(t, first) })
	if got := len(h.log.Records("lejarat.notifications")); got != due {
		t.Fatalf("%d notices, want %d", got, due)
	}
	bound{mallocs: 56.7, transactions: 0.00187, records: 2.5, calls: 0.00813, gets: 0.00562, cursors: 0.0025, seeks: 0.00588, steps: 4.73, passed: 5.98, writes: 5.63, bytes: 162}.holds(t, "a notice", run, due)

	idle := h.count(func() { h.fireDay(t, first+1) })
	bound{mallocs: 366, transactions: 3.75, records: 3.75, calls: 16.2, cursors: 6.25, seeks: 3.75, passed: 3.75, writes: 1.25, bytes: 55}.holds(t, "an idle day of a partition", idle, int(h.cfg.Partitions))

	bound{mallocs: 41, transactions: 0.0125, records: 2.52, calls: 0.0375, gets: 1.25, writes: 3.89, bytes: 305}.holds(t, "a service switched off", h.switchOff(t, changes), changes)

	restore := h.count(func() { h.halt(); h.lose(t, "all"); h.start(t) })
	bound{mallocs: 36, transactions: 0.00025, records: 0.0005, calls: 0.00525, gets: 0.0035, cursors: 0.00113, seeks: 0.00663, steps: 0.5, passed: 0.507, writes: 4.78, bytes: 309}.holds(t, "a record of a restore", restore, 2*people)
}

// TestToldIsNotLookedUp (I39): on the day of a later threshold nobody looks up what the timeline says was emitted.
func TestToldIsNotLookedUp(t *testing.T) {
	const people = 200
	later := func(before func(*harness)) counted {
		h := register(t, people, people)
		h.start(t)
		h.fireDay(t, mustDate(t, "2026-02-28"))
		before(h)
		c := h.count(func() { h.fireDay(t, mustDate(t, "2026-07-31")) })
		if got := len(h.log.Records("lejarat.notifications")); got != 2*people {
			t.Fatalf("%d notices, want %d", got, 2*people)
		}
		return c
	}
	told := later(func(*harness) {})
	asked := later(func(h *harness) {
		for _, w := range h.watch {
			b := w.store.Batch()
			err := each(w.store, watchTimeline, func(key, _ []byte) { b.Set(key, nil) })
			if err := errors.Join(err, b.Commit()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if told.Gets > people/20 || asked.Gets < people {
		t.Errorf("%d keys are looked up for %d people, %d where the timeline does not say what was emitted", told.Gets, people, asked.Gets)
	}
}

// TestCountsDoNotGrow: an idle day and a change ask the stores and the brokers for the same however much is stored, and
// however many entries of former days are dead: these stand before the cursor, and nobody walks over them again.
func TestCountsDoNotGrow(t *testing.T) {
	var idles, changes []counted
	for _, c := range []struct {
		what    string
		people  int
		decades bool
	}{{"few people", 300, false}, {"ten times as many", 3000, false}, {"and ten years behind them", 3000, true}} {
		h := register(t, c.people, 0)
		h.start(t)
		day := mustDate(t, "2026-02-28")
		h.fireDay(t, day)
		if c.decades {
			day = mustDate(t, "2042-03-01")
			dead := h.count(func() { h.fireDay(t, day) })
			if dead.Steps < int64(c.people) {
				t.Errorf("%s: only %d keys were walked for the entries of ten years", c.what, dead.Steps)
			}
		}
		idles = append(idles, h.count(func() { h.fireDay(t, day+1) }))
		changes = append(changes, h.switchOff(t, 100))
		t.Logf("%s: an idle day %+v, 100 changes %+v", c.what, idles[len(idles)-1], changes[len(changes)-1])
		for what, all := range map[string][]counted{"an idle day": idles, "100 changes": changes} {
			first, last := all[0], all[len(all)-1]
			if !nearly(first.Work, last.Work) || first.Transactions != last.Transactions || first.Calls != last.Calls {
				t.Errorf("%s: %s costs %+v, with few people %+v", c.what, what, last, first)
			}
		}
	}
}

// nearly allows for the text of numbers with more digits.
func nearly(a, b state.Work) bool {
	little := float64(b.Bytes) <= 1.05*float64(a.Bytes)
	a.Bytes, b.Bytes = 0, 0
	return a == b && little
}
