package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// The machine's clock against the brokers'. The marker that ends a transaction carries the time of the broker that wrote
// it, whatever a topic's records carry. So whoever writes to runs and reads on learns what time it is there: the marker
// was written after he asked, and before he read it.

// acceptedAhead is how far in the future records may lie: what brokers accept by default
// (message.timestamp.after.max.ms). An instance whose clock is that far off does not begin to work.
const acceptedAhead = time.Hour

// clockRetry is how often a run that is held by the clock looks again: each look is a transaction.
const clockRetry = 10 * time.Second

// clockQuestion is when, by this machine's clock, and from which ends of runs on, a marker is looked for.
type clockQuestion struct {
	asked time.Time
	ends  map[event.TopicPartition]event.Span
}

// clockMarker is the newest transaction marker that was read from a partition of runs.
type clockMarker struct {
	offset int64
	broker time.Time // when it was written, by the broker's clock
	read   time.Time // when it was read, by ours
}

// answer says by how much at least this machine's clock is ahead of the brokers' (negative: behind); 0 when it may be
// right. known is false until a marker was read that is newer than the question.
func (r *Runs) answer(q *clockQuestion) (ahead time.Duration, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for tp, m := range r.markers {
		span, asked := q.ends[tp]
		if !asked || m.offset < span.End {
			continue
		}
		known = true
		// It was written between asked and read: what it says beyond both is a difference of the clocks.
		if early := q.asked.Sub(m.broker); early > 0 {
			ahead = max(ahead, early)
		} else if late := m.read.Sub(m.broker); late < 0 {
			ahead = min(ahead, late)
		}
	}
	return ahead, known
}

// mark notes a transaction marker.
func (r *Runs) mark(rec *event.Record, read time.Time) {
	r.markers[event.TopicPartition{Topic: rec.Topic, Partition: rec.Partition}] = clockMarker{offset: rec.Offset, broker: rec.Time, read: read}
}

func clockDiffers(ahead time.Duration) (side, text string) {
	side = "ahead of"
	if ahead < 0 {
		side, ahead = "behind", -ahead
	}
	return side, fmt.Sprintf("this machine's clock is at least %s %s the brokers': set it, or theirs (NTP)", ahead.Round(time.Second), side)
}

// askClock writes the run's state once more: the marker behind it carries the brokers' time.
func (t *watchTask) askClock(ctx context.Context) error {
	t.run.clock = &clockQuestion{asked: t.cfg.Clock.Real(), ends: of(t.run.decided, t.cfg.runs())}
	v := t.record(RunRunning, "", "")
	if r, ok := t.runs.get(t.run.date, t.tp.Partition); ok && r.State == RunHeld && r.Reason == HeldClock {
		v = t.record(r.State, r.Reason, r.Detail)
	}
	if err := t.write(ctx, &v); err != nil {
		return err
	}
	if v.State == RunRunning {
		t.cfg.observe(RunState{Partition: t.tp.Partition, Date: t.run.date, State: v.State})
	}
	return nil
}

// clockHolds holds the run while the clocks differ: the date would be another one near midnight, and the minutes that a
// moved row must wait would not be minutes.
func (t *watchTask) clockHolds(ctx context.Context, ahead time.Duration) error {
	t.run.phase, t.run.ends = phaseBarrier, nil
	t.run.again = t.cfg.Clock.Real().Add(clockRetry)
	side, text := clockDiffers(ahead)
	return t.held(ctx, HeldClock, side, text)
}

// refusedByClock holds the run whose records the brokers do not take for their time.
func (t *watchTask) refusedByClock(ctx context.Context, err error) error {
	t.run.phase, t.run.ends = phaseBarrier, nil
	t.run.again = t.cfg.Clock.Real().Add(clockRetry)
	return t.held(ctx, HeldClock, "refused", err.Error())
}

// startingClock looks, once the first marker behind what a start wrote has come, whether this machine may work at all.
func (t *watchTask) startingClock() error {
	if t.starting == nil {
		return nil
	}
	ahead, known := t.runs.answer(t.starting)
	if !known {
		return nil
	}
	t.starting = nil
	_, text := clockDiffers(ahead)
	switch {
	case ahead.Abs() > acceptedAhead:
		return refuse("%s", text)
	case ahead.Abs() > t.cfg.Limits.ClockTolerance:
		t.cfg.Logger.Warn("runs will be held", "partition", t.tp.Partition, "detail", text)
	}
	return nil
}

// clockRefused turns the brokers' refusal of a record's time at a start into one of the instance.
func clockRefused(err error) error {
	if errors.Is(err, event.ErrClock) {
		return &Refused{Text: err.Error()}
	}
	return err
}

// passed says that a date was over before: the partition has completed a later one, or judged its entries. The clock was
// set back. Such a date is never run: what was due on it has been judged, and nobody is told of a day that is gone.
func (t *watchTask) passed(ctx context.Context, date event.Date) error {
	last := max(t.runs.lastComplete(t.tp.Partition), t.cursor)
	if r, ok := t.runs.get(date, t.tp.Partition); ok && r.State == RunMissed {
		return nil
	}
	detail := fmt.Sprintf("the run of %s is complete: no earlier date is run, was the clock set back?", last)
	t.cfg.Logger.Warn("run does not take place", "partition", t.tp.Partition, "date", date.String(), "reason", HeldClock, "detail", detail)
	t.run = run{date: date, started: t.cfg.Clock.Now(), counts: map[watch.Count]int{}}
	defer func() { t.run = run{} }()
	t.resume()
	v := t.record(RunMissed, HeldClock, detail)
	if err := t.write(ctx, &v); err != nil {
		return t.failed(err)
	}
	t.cfg.observe(RunState{Partition: t.tp.Partition, Date: date, State: v.State, Reason: v.Reason})
	return nil
}
