package processor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/simtest"
	"lejarat/state"
)

// beside is a process of its own on the same log, under the next generation.
func (h *harness) beside(t *testing.T) *harness {
	o := *h
	o.shared = state.NewShared(8<<20, true)
	o.cfg.Shared, o.cfg.Generation = o.shared, h.cfg.Generation+1
	o.ledger, o.runs, o.watch, o.intake = nil, nil, nil, nil
	t.Cleanup(func() { o.halt(); o.shared.Close() })
	return &o
}

// TestFrozenOlderGenerationIsFenced (I27): generation 1 has counted, and stands still before the chunk that tells Anna;
// meanwhile 2 is made, goes live and tells her the same day. When 1 wakes it commits nothing, and ends.
func TestFrozenOlderGenerationIsFenced(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "2026-02-27T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	h.clock.set(event.NewDate(2026, 2, 28).At(6, 0, h.zone))
	about := func() *watchTask {
		for _, w := range h.watch {
			if w.run.phase == phaseFire {
				return w
			}
		}
		return nil
	}
	for n := 0; about() == nil; n++ {
		if n == 100 {
			t.Fatal("no partition comes to its first chunk")
		}
		h.stepAll(t, context.Background())
		h.clock.real = h.clock.real.Add(100 * time.Millisecond)
	}
	frozen := h.watch // both may be about to fire
	o := h.beside(t)
	o.rebuild(t, false)
	o.start(t)
	for _, w := range frozen {
		if w.run.phase != phaseFire {
			continue
		}
		if err := w.step(context.Background(), 0); !errors.Is(err, event.ErrFenced) {
			t.Errorf("the chunk of the older generation: %v", err)
		}
	}
	if n := len(h.log.Records("lejarat.notifications")); n != 1 {
		t.Errorf("%d notifications, want 1", n)
	}
	var refused *Refused
	if err := h.runs.step(context.Background(), 0); !errors.As(err, &refused) {
		t.Errorf("the older instance must end: %v", err)
	}
}

// TestOlderTaskThatFencesLaterEnds (I28): an instance of generation 1 was up before 2 went live, and its task takes its id only
// then, from the fence of 2.
func TestOlderTaskThatFencesLaterEnds(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	w := newWatchTask(&h.cfg, 0, h.ledger, h.runs)
	defer w.close()
	tp := event.TopicPartition{Topic: documentTopic}
	e := &Engine{cfg: h.cfg, inputs: map[string]int32{documentTopic: 1}, ledger: h.ledger, runs: h.runs}
	for _, task := range h.watch {
		task.close()
	}
	h.watch = nil
	o := h.beside(t)
	o.rebuild(t, false)
	// What the engine's own goroutine does: the task waits for it. It ends the instance, too.
	if _, err := h.log.Fence(context.Background(), h.cfg.watchID(0)); err != nil {
		t.Fatal(err)
	}
	var refused *Refused
	if err := e.runs.step(context.Background(), 0); !errors.As(err, &refused) {
		t.Errorf("the reader of runs must end the instance: %v", err)
	}
	if err := w.start(context.Background(), "", newProgress(h.clock.real)); !errors.As(err, &refused) {
		t.Errorf("the watch task must be refused: %v", err)
	}
	if _, err := e.openIntake(context.Background(), tp); err == nil {
		if err := e.runs.await(context.Background()); !errors.As(err, &refused) {
			t.Errorf("the intake task must be refused: %v", err)
		}
	}
}

// TestGoingLiveGoesOnAfterACrash (I27): the record is written, the process is gone before it has fenced anybody. The next start
// of the generation fences first.
func TestGoingLiveGoesOnAfterACrash(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "2026-02-27T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01")
	older := h.watch[0].writer
	crash := errors.New("the process is gone")
	o := h.beside(t)
	h.log.Ending = func(id string) simtest.Ending {
		if id == "lejarat.generation" {
			return simtest.Ending{Outcome: simtest.Commit, Err: crash}
		}
		return simtest.Ending{}
	}
	o.out.Reset()
	o.rebuild(t, false)
	if got := o.out.String(); !strings.Contains(got, crash.Error()) {
		t.Fatalf("want the crash: %q", got)
	}
	h.log.Ending = nil
	commit := func() error {
		_, err := older.Commit(context.Background(), []event.Record{{Topic: "lejarat.rejects", Value: []byte("{}")}}, nil)
		return err
	}
	if err := commit(); err != nil {
		t.Fatalf("nobody has been fenced yet: %v", err)
	}
	o.start(t)
	if v, ok := o.runs.generation(2); !ok || !v.OlderFenced {
		t.Errorf("the record does not say that the older generation is fenced: %+v", v)
	}
	if err := commit(); !errors.Is(err, event.ErrFenced) {
		t.Errorf("want the older generation fenced: %v", err)
	}
}
