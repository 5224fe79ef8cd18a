package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lejarat/processor/journal"
	"lejarat/state"
)

// sweepable is a service at rest whose documents were snapshotted anew: three of eight, in both partitions, are not in it.
func sweepable(t *testing.T) (*harness, *state.Model) {
	h := newHarness(t)
	h.shared.Close()
	model := &state.Model{}
	h.shared = state.NewModel(model)
	h.cfg.Shared, h.cfg.Limits.BatchRecords = h.shared, 2
	h.configure(t, settings("document_partitions", "2"))
	h.start(t)
	write := func(snapshot string, rows ...int) {
		for n, row := range rows {
			if snapshot != "" && n == len(rows)-1 {
				snapshot = "last"
			}
			h.record(t, fmt.Sprintf("document %d partition=%d type=car number=N%d expires=2026-03-02 holder=p%d snapshot=%s", row, row%2, row, row, snapshot))
		}
		h.settle(t)
	}
	for n := range 8 {
		h.record(t, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01", n, n, n))
	}
	write("", 0, 1, 2, 3, 4, 5, 6, 7)
	write("row", 0, 2, 4, 5, 7)
	h.halt()
	return h, model
}

// swept says what the journal was told of documents that are gone, and who is told of the others.
func (h *harness) swept(t *testing.T) string {
	t.Helper()
	h.out.Reset()
	h.sweep(t, SweepOptions{DryRun: true})
	h.start(t)
	h.moveClock(t, "!2026-03-02T12:00")
	h.settle(t)
	h.printNew()
	retired := map[string]int{}
	for _, r := range h.log.Records(h.cfg.journal()) {
		if key, err := journal.ParseKey(r.Key); err == nil && !r.Control && r.Value == nil {
			retired[key.Row.Row]++
		}
	}
	for row, n := range retired {
		if n > 1 {
			t.Errorf("row %s was retired %d times", row, n)
		}
	}
	return h.out.String() + fmt.Sprintln("retired:", len(retired))
}

// TestASweepThatIsInterruptedIsRepeated ends a sweep in every call of log and stores in turn, with what was flushed and with
// every batch, and repeats it: each missing row is retired once, and nobody is told of it (I31).
func TestASweepThatIsInterruptedIsRepeated(t *testing.T) {
	h, _ := sweepable(t)
	h.sweep(t, SweepOptions{Force: true})
	if !strings.Contains(h.out.String(), "8 rows, 3 missing, 3 retired") {
		t.Fatal(h.out.String())
	}
	want := h.swept(t)
	if strings.Count(want, "emitted") == 0 || !strings.Contains(want, "5 rows, 0 missing") {
		t.Fatal(want)
	}
	for name, survives := range map[string]func(int) int{"what was flushed": nil, "every batch": func(n int) int { return n }} {
		halves := 0
		for k := 0; ; k++ {
			h, model := sweepable(t)
			model.Survives = survives
			ended, at, done := h.sweepUntil(model, k)
			if !ended {
				t.Logf("the crash leaves %s: %d steps, after %d of them part of the rows were retired", name, k, halves)
				break
			}
			if done.Retired > 0 && done.Retired < 3 {
				halves++
			}
			h.out.Reset()
			h.sweep(t, SweepOptions{Force: true})
			if out := h.out.String(); strings.Contains(out, "refused") {
				t.Fatalf("after a crash before step %d (%s) the sweep is refused: %s", k, at, out)
			}
			if got := h.swept(t); got != want {
				t.Fatalf("a crash before step %d (%s) that leaves %s makes a difference:\n%s\nwithout it:\n%s", k, at, name, got, want)
			}
		}
		if halves == 0 {
			t.Error("no sweep was interrupted half-way")
		}
	}
}

// sweepUntil ends the process in call number k.
func (h *harness) sweepUntil(model *state.Model, k int) (ended bool, at string, done Swept) {
	call := endingAt(k, &ended, &at)
	h.log.Call, model.Call = call, call
	done, err := Sweep(context.Background(), h.cfg, documentTopic, SweepOptions{Force: true}, func(string, *Progress) {})
	h.log.Call, model.Call = nil, nil
	if err != nil && !errors.Is(err, errSimCrash) {
		panic(err)
	}
	model.Crash()
	return ended, at, done
}
