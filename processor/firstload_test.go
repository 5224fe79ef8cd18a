package processor

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/intake"
)

// A task that began with an empty journal, hence with a filter for no rows at all, has one for what its source holds when it
// begins to read that; and none once that is read.
func TestAFirstLoadExpectsWhatTheSourceHolds(t *testing.T) {
	const rows = 300
	ctx := context.Background()
	h := newHarness(t)
	h.begin(t)
	for i := range rows {
		h.record(t, fmt.Sprintf("document %d type=passport expires=2026-08-31 issued=2016-08-31 holder=p%d", i, i))
	}
	task := h.intake[0]
	task.reader.Close()
	if err := task.expectRows(0); err != nil { // as after the restore from a journal without rows
		t.Fatal(err)
	}
	if err := task.follow(ctx); err != nil {
		t.Fatal(err)
	}
	if task.load == nil || task.load.met.Keys() < rows {
		t.Fatalf("the filter is not made for %d rows: %+v", rows, task.load)
	}
	for i := 0; task.load != nil; i++ {
		if i > rows {
			t.Fatal("the filter stays")
		}
		if err := task.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	cur, err := task.store.Cursor([]byte{intakeRow}, []byte{intakeRow + 1})
	if err != nil {
		t.Fatal(err)
	}
	for ok := cur.Seek([]byte{intakeRow}); ok; ok = cur.Next() {
		n++
	}
	if err := cur.Close(); err != nil || n != rows {
		t.Fatalf("%d rows of %d, %v", n, rows, err)
	}
}

// TestATruncateInAFirstLoad: it finds the rows that wait to be written to the store, also those that were changed since.
func TestATruncateInAFirstLoad(t *testing.T) {
	h := newHarness(t)
	h.cfg.Limits.BatchRecords = 2
	h.configure(t, &datadriven.TestData{})
	for _, line := range []string{
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna times=7",
		"document 3 type=passport expires=2027-08-31 issued=2017-08-31 holder=anna",
		"truncate document",
		"document 5 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna times=2",
	} {
		h.recordLine(t, line)
	}
	h.start(t)
	h.settle(t)
	there := 0
	cur, err := h.intake[0].store.Cursor([]byte{intakeRow}, []byte{intakeRow + 1})
	if err != nil {
		t.Fatal(err)
	}
	for ok := cur.Seek([]byte{intakeRow}); ok; ok = cur.Next() {
		row, err := intake.DecodeRow(cur.Value())
		if err != nil {
			t.Fatal(err)
		}
		if !row.Deleted {
			there++
		}
	}
	if err := cur.Close(); err != nil || there != 2 {
		t.Errorf("%d rows are left, not 2 (%v)", there, err)
	}
}
