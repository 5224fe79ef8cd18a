package processor

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestCheckClockLooksAtNotifications: compaction has moved the control record out of sight, as after a
// heartbeat was named for a large service; what was told says on which clock.
func TestCheckClockLooksAtNotifications(t *testing.T) {
	ctx := context.Background()
	h := newHarness(t)
	h.configure(t, &datadriven.TestData{})
	h.start(t)
	check := func(virtual bool) error { return CheckClock(ctx, h.log, h.cfg.Prefix, 1, virtual) }
	var refused *Refused
	if err := check(true); !errors.As(err, &refused) {
		t.Errorf("with the control record in sight: %v", err)
	}
	for n := range 2 * preflightRecords {
		h.record(t, fmt.Sprintf("document %d type=car number=N%d expires=2026-01-02 holder=p%d", n, n, n))
		h.record(t, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01", n, n, n))
	}
	h.settle(t)
	h.halt()
	h.configure(t, settings("heartbeat", "10m")) // one more topic: the control record is written anew, behind everything
	h.start(t)
	h.log.Compact(h.cfg.journal())
	if err := check(true); err != nil {
		t.Fatalf("the control record was found: this shows nothing: %v", err)
	}
	h.record(t, "heartbeat 1 ts=real")
	h.moveClock(t, "2026-01-02T12:00")
	h.settle(t)
	if err := check(true); !errors.As(err, &refused) {
		t.Errorf("a virtual clock on real topics: %v", err)
	}
	if err := check(false); err != nil {
		t.Error(err)
	}
}
