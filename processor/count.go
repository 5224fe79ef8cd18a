package processor

import (
	"context"
	"fmt"

	"lejarat/processor/event"
)

// count finds out, in bounded steps, what the run would emit, and tells the other partitions.
func (t *watchTask) count(ctx context.Context) error {
	if t.run.scan == nil {
		t.run.due, t.run.kept = RunDue{}, newKept(t.day())
		for c, n := range t.run.counts {
			t.run.due.add(c.Kind, c.Decision, n)
		}
	}
	next, err := t.entries(t.cfg.Limits.ChunkEntries, func(e *dueEntry) bool {
		j := t.run.kept.judge(&t.cfg.Watch, e, t.ledger, int(t.cfg.Partitions))
		for i := range j.Counts {
			t.run.due.add(j.Counts[i].Kind, j.Counts[i].Decision, 1)
		}
		return true
	})
	if err != nil {
		return err
	}
	if t.run.scan = next; next != nil {
		return nil
	}
	t.run.phase = phaseFuse
	return t.report(ctx, RunRunning, "", "")
}

func (d *RunDue) add(kind, decision string, n int) {
	switch {
	case decision != event.Emitted:
	case kind == event.KindAnnouncement:
		d.Announcement += n
	default:
		d.Expiry += n
	}
}

// fuse lets the run go when all partitions have counted and the sum is no more than max_run, or when an operator says so.
func (t *watchTask) fuse(ctx context.Context) error {
	if command := t.runs.command(t.run.date); command != "" {
		t.run.phase = phaseFire
		return nil
	}
	if t.over() {
		t.again() // what was counted is too old to decide by: count again
		return nil
	}
	due, counted := t.runs.total(t.run.date)
	if !counted {
		if t.cfg.Clock.Real().Sub(t.run.taken) > patience {
			text := "other partitions have not counted yet: the fuse looks at all of them"
			return t.held(ctx, HeldFuse, text, text)
		}
		return nil
	}
	expiry, announcement := t.runs.fuse(t.run.date)
	if due.Expiry <= expiry && due.Announcement <= announcement {
		t.run.phase = phaseFire
		return nil
	}
	text := fuseText(due, expiry, announcement, t.run.date.String())
	return t.held(ctx, HeldFuse, text, text)
}

func fuseText(due RunDue, expiry, announcement int, date string) string {
	return fmt.Sprintf("%d notices and %d announcements would go out, the fuse is at %d and %d: look into it (lejarat run --dry-run), then lejarat release %s or lejarat skip %s",
		due.Expiry, due.Announcement, expiry, announcement, date, date)
}
