package processor

import (
	"testing"

	"github.com/cockroachdb/datadriven"
)

// filling is a partition whose store is being filled: intake has written documents of several people, and two polls of them
// were applied.
func filling(t *testing.T) (*harness, *watchTask) {
	h := newHarness(t)
	h.clock.set(mustDate(t, "2026-01-01").At(3, 0, h.zone)) // before the first run
	h.configure(t, &datadriven.TestData{})
	h.start(t)
	for _, who := range []string{"anna", "bela", "cili", "dora"} {
		h.record(t, "document "+who+" type=passport expires=2026-08-31 issued=2016-08-31 holder="+who)
	}
	for _, i := range h.intake {
		if err := i.step(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	w := h.watch[0]
	w.cfg.Limits.BatchRecords = 1
	for range 2 {
		if err := w.apply(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if w.batch == nil {
		t.Fatal("each poll is a batch of its own: this proves nothing")
	}
	return h, w
}

// stored counts the rows that a partition's store holds.
func stored(t *testing.T, w *watchTask) (rows int) {
	t.Helper()
	cur, err := w.store.Cursor([]byte{watchPeople}, []byte{watchPeople + 1})
	if err != nil {
		t.Fatal(err)
	}
	for ok := cur.Seek([]byte{watchPeople}); ok; ok = cur.Next() {
		rows++
	}
	if err := cur.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestARunSeesWhatItsMarksSay (I38): what was applied while the store is filled stands in it before a run looks there.
func TestARunSeesWhatItsMarksSay(t *testing.T) {
	_, w := filling(t)
	before := stored(t, w)
	w.run.phase = phaseRules
	if err := w.work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.batch != nil || stored(t, w) <= before {
		t.Errorf("the run looks at %d rows, and had them before: %d", stored(t, w), before)
	}
}

// TestWatermarksDoNotHoldWhatWasFilled: where rows have stopped coming, what was applied is in the store, and seen to be.
func TestWatermarksDoNotHoldWhatWasFilled(t *testing.T) {
	h, w := filling(t)
	w.cfg.Limits.BatchRecords = 100
	if err := w.apply(t.Context(), 0); err != nil || w.batch == nil {
		t.Fatalf("%v: rows came, and wait for no others", err)
	}
	h.clock.real = h.clock.real.Add(fillPause)
	for _, i := range h.intake {
		i.mark.Heartbeat++
		if err := i.commit(t.Context(), &intakeBatch{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.apply(t.Context(), 0); err != nil || w.applied == 0 || w.batch != nil {
		t.Errorf("%v: after %d watermarks the batch is open: %v", err, w.applied, w.batch != nil)
	}
}

// TestABatchLostIsReadAgain (I38): a position never stands in a store without the rows before it.
func TestABatchLostIsReadAgain(t *testing.T) {
	h, w := filling(t)
	at := w.position
	h.halt()
	h.start(t)
	w = h.watch[0]
	if w.position < at || w.batch != nil {
		t.Fatalf("it goes on at %d, was at %d, with a batch open: %v", w.position, at, w.batch != nil)
	}
	h.settle(t)
	if all := stored(t, h.watch[0]) + stored(t, h.watch[1]); all != 4 {
		t.Errorf("%d of 4 rows are in the stores", all)
	}
}
