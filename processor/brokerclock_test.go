package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
	"lejarat/state"
)

// apart are two instances over one log, each with its half of the partitions and a clock of its own, and the brokers'.
type apart struct {
	t     *testing.T
	truth time.Time // the brokers' clock
	pair  [2]*harness
	off   [2]time.Duration // of the instances' clocks
}

// newApart lets one instance make everything, then two share the work. Sixteen people, so that both journal partitions have
// some; each has a passport for which P6M is due on 28 February, and a car whose P0D that day is.
func newApart(t *testing.T, off0, off1 time.Duration, heartbeat string) *apart {
	h := newHarness(t)
	a := &apart{t: t, pair: [2]*harness{h, nil}, off: [2]time.Duration{off0, off1}}
	a.truth = mustDate(t, "2026-02-27").At(12, 0, h.zone)
	h.brokers = func() time.Time { return a.truth }
	h.clock.now, h.clock.real = a.truth, a.truth
	h.configure(t, settings("heartbeat", heartbeat))
	h.start(t)
	lines := []string{"heartbeat h ts=real"}
	for i := range 16 {
		lines = append(lines, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01 ts=real", i, i, i),
			fmt.Sprintf("document d%d type=passport expires=2026-08-31 issued=2016-08-31 holder=p%d ts=real", i, i),
			fmt.Sprintf("document c%d type=car expires=2026-02-28 issued=2026-02-01 holder=p%d ts=real", i, i))
	}
	h.play(t, "", lines...)
	h.halt()
	b := *h
	b.clock, b.shared = &manualClock{}, state.NewShared(8<<20, true)
	b.cfg.Clock, b.cfg.Shared = b.clock, b.shared
	a.pair[1] = &b
	t.Cleanup(func() { b.halt(); b.shared.Close() })
	a.clocks()
	for n, i := range a.pair {
		i.mine = func(tp event.TopicPartition) bool {
			if tp.Topic == i.cfg.journal() {
				return int(tp.Partition) == n
			}
			return (tp.Topic == documentTopic) == (n == 0)
		}
		i.cfg.Instance, i.cfg.Started = fmt.Sprintf("number-%d", n), i.clock.real
		e := i.open(t)
		if e == nil || !i.startTasks(t, e) {
			t.Fatal(i.out.String())
		}
	}
	return a
}

func (a *apart) clocks() {
	for n, i := range a.pair {
		i.clock.now, i.clock.real = a.truth.Add(a.off[n]), a.truth.Add(a.off[n])
	}
}

// until lets the brokers' clock run to an hour and minute of a day, in steps of two seconds.
func (a *apart) until(date string, hour, minute int) {
	a.t.Helper()
	for end := mustDate(a.t, date).At(hour, minute, a.pair[0].zone); a.truth.Before(end); {
		a.truth = a.truth.Add(2 * time.Second)
		a.clocks()
		for _, i := range a.pair {
			i.stepAll(a.t, context.Background())
		}
	}
}

// sleep lets time pass while nothing runs.
func (a *apart) sleep(date string, hour, minute int) {
	a.truth = mustDate(a.t, date).At(hour, minute, a.pair[0].zone)
	a.clocks()
}

// decided checks that nothing is said twice, and no mail of a day after it by the clock of whoever wrote it, and counts.
func (a *apart) decided() map[string]int {
	a.t.Helper()
	counts, seen := map[string]int{}, map[string]bool{}
	for _, r := range a.pair[0].log.Records("lejarat.notifications") {
		var n event.Notice
		if err := json.Unmarshal(r.Value, &n); err != nil {
			a.t.Fatal(err)
		}
		if seen[n.ID] {
			a.t.Errorf("%s is decided twice", n.ID)
		}
		seen[n.ID] = true
		if n.Decision == event.Emitted && *n.Threshold == "P0D" && !strings.HasPrefix(n.At, *n.Due) {
			a.t.Errorf("a P0D of %s went out at %s", *n.Due, n.At)
		}
		what := n.RunDate + " " + *n.Threshold + " " + n.Decision
		if n.Reason != nil {
			what += " " + *n.Reason
		}
		counts[what]++
	}
	return counts
}

func (a *apart) heartbeat() {
	a.pair[0].record(a.t, "heartbeat h ts="+a.truth.Format("2006-01-02T15:04"))
}

// release lets the run of 28 February go without waiting for what the other instance counts.
func (a *apart) release() {
	i := a.pair[0]
	i.log.Append(CommandMessage(i.cfg.Prefix, mustDate(a.t, "2026-02-28"), CommandRelease, a.truth))
}

// TestInstancesApartAtSix: one clock shows 05:59 while the other shows six. Each fires its partitions at its own six
// o'clock; nobody is told twice, nobody is left out.
func TestInstancesApartAtSix(t *testing.T) {
	a := newApart(t, -50*time.Second, 50*time.Second, "100h")
	a.sleep("2026-02-28", 5, 58)
	a.release()
	a.until("2026-02-28", 6, 0)
	if got := a.decided(); len(got) != 2 || got["2026-02-28 P0D emitted"] == 0 || got["2026-02-28 P0D emitted"] == 16 {
		t.Errorf("between the two six o'clocks: %v", got)
	}
	a.until("2026-02-28", 6, 3)
	if got := a.decided(); got["2026-02-28 P0D emitted"] != 16 || got["2026-02-28 P6M emitted"] != 16 || len(got) != 2 {
		t.Errorf("after both: %v", got)
	}
}

// TestInstancesApartAtMidnight: the source comes back at the last moment, when it is 23:59 for one and 00:00 for the other.
// The one sends what is due today, the other does not; the next run tells its people of the passports, and records as late
// what it must not send any more.
func TestInstancesApartAtMidnight(t *testing.T) {
	a := newApart(t, -50*time.Second, 50*time.Second, "10m")
	a.sleep("2026-02-28", 23, 58)
	a.until("2026-02-28", 23, 59)
	a.truth = a.truth.Add(20 * time.Second)
	a.release()
	a.heartbeat()
	a.until("2026-03-01", 0, 3)
	first := a.decided()
	sent := first["2026-02-28 P0D emitted"]
	if sent == 0 || sent == 16 || first["2026-02-28 P6M emitted"] != sent {
		t.Errorf("at midnight: %v", first)
	}
	a.sleep("2026-03-01", 5, 59)
	a.heartbeat()
	a.until("2026-03-01", 6, 4)
	if got := a.decided(); got["2026-03-01 P6M emitted"] != 16-sent || got["2026-03-01 P0D skipped stale_source"]+got["2026-03-01 P0D skipped late"] != 16-sent {
		t.Errorf("the day after: %v", got)
	}
}

// TestClockFarFromTheBrokersHoldsTheRun (I34), on either side; the other instance's partitions wait for the fuse and say so, and
// both go on by themselves when the clock is set.
func TestClockFarFromTheBrokersHoldsTheRun(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration
		want string
	}{
		{5 * time.Minute, "this machine's clock is at least 5m0s ahead of the brokers': set it, or theirs (NTP)"},
		{-5 * time.Minute, "this machine's clock is at least 5m0s behind the brokers': set it, or theirs (NTP)"},
	} {
		a := newApart(t, c.off, 0, "100h")
		a.sleep("2026-02-28", 5, 58)
		a.until("2026-02-28", 6, 10)
		if got := a.decided(); len(got) > 0 {
			t.Errorf("%s: decided %v", c.off, got)
		}
		r, _ := a.pair[1].runs.get(mustDate(t, "2026-02-28"), 0)
		if r.State != RunHeld || r.Reason != HeldClock || r.Detail != c.want {
			t.Errorf("%s: the run is %s %s: %s", c.off, r.State, r.Reason, r.Detail)
		}
		if r, _ := a.pair[0].runs.get(mustDate(t, "2026-02-28"), 1); r.Reason != HeldFuse {
			t.Errorf("%s: the other run is %s %s: %s", c.off, r.State, r.Reason, r.Detail)
		}
		a.off[0] = 0
		a.until("2026-02-28", 6, 17) // by a clock that was set back it looks again only then
		if got := a.decided(); got["2026-02-28 P0D emitted"] != 16 || got["2026-02-28 P6M emitted"] != 16 {
			t.Errorf("%s, then set: %v", c.off, got)
		}
	}
}

// TestClockBeyondWhatBrokersAcceptIsRefusedAtStart.
func TestClockBeyondWhatBrokersAcceptIsRefusedAtStart(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		h := newHarness(t)
		h.brokers = func() time.Time { return h.clock.real.Add(-off) }
		h.configure(t, settings("max_run", "5"))
		e := h.open(t)
		if !h.startTasks(t, e) {
			t.Fatal(h.out.String())
		}
		var refused *Refused
		if err := h.stepWatch(); !errors.As(err, &refused) || !strings.Contains(refused.Text, "2h0m0s") {
			t.Errorf("%s: %v", off, err)
		}
	}
}

// TestRecordsOfAFutureTimeAreRefused: brokers that do not take them tell the instance at its start, and hold it later.
func TestRecordsOfAFutureTimeAreRefused(t *testing.T) {
	h := owing(t)
	h.log.FutureRefused = true
	h.six(t)
	for range 3 {
		if err := h.stepWatch(); err != nil {
			t.Fatal(err)
		}
	}
	if d := h.watch[0].run.detail; !strings.HasPrefix(d, "held clock ") {
		t.Errorf("the run says %q", d)
	}
	h.log.FutureRefused = false
	h.clock.real = h.clock.real.Add(time.Minute)
	h.out.Reset()
	if err := h.stepWatch(); err != nil {
		t.Fatal(err)
	}
	if h.printNew(); !strings.Contains(h.out.String(), "emitted r1 passport 1 P6M") {
		t.Errorf("the clock is right again: %q", h.out.String())
	}
	h.halt()
	h.log.FutureRefused = true
	h.configure(t, settings("max_run", "5"))
	h.out.Reset()
	h.start(t)
	if got := h.out.String(); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, event.ErrClock.Error()) {
		t.Errorf("at a start: %q", got)
	}
}

// TestMovedRowIsReadNoSoonerThanItWasWritten: an instance whose clock is behind must not bring the move forward, or the row
// takes part while its former partition does not know yet.
func TestMovedRowIsReadNoSoonerThanItWasWritten(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	task, written := h.intake[0], h.clock.now.Add(20*time.Minute)
	b := task.begin()
	if got := task.now(b, &event.Record{Time: written}); !got.Equal(written) {
		t.Errorf("read at %s, written at %s", got, written)
	}
	if got := task.now(b, &event.Record{Time: h.clock.now.Add(-time.Hour)}); !got.Equal(h.clock.now) {
		t.Errorf("a record that waited counts as read at %s", got)
	}
}
