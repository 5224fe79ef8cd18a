package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// phase is how far a partition's run of a date has come. Steps as in DESIGN.md.
type phase uint8

const (
	phaseIdle    phase = iota // no run is due
	phaseBarrier              // waiting until everything that was in the sources is joined
	phaseLedger               // waiting until the ledger has read what was decided elsewhere
	phaseRules                // entering what other rules make open
	phaseGather               // bringing what stands under earlier days to the run's date
	phaseCount                // counting what would go out
	phaseFuse                 // waiting for the other partitions' counts, or for an operator
	phaseFire                 // deciding, chunk by chunk
)

// phaseNames are how metrics call the phases.
var phaseNames = [...]string{phaseIdle: "idle", phaseBarrier: "barrier", phaseLedger: "ledger", phaseRules: "rules", phaseGather: "gather",
	phaseCount: "count", phaseFuse: "fuse", phaseFire: "fire"}

// run is the partition's run of a date, from the moment it is due until it is complete.
type run struct {
	phase   phase
	date    event.Date
	started time.Time // clock in use
	entered time.Time // real time since which it is in its phase

	ends     map[event.TopicPartition]event.Span // of the sources, when the barrier was taken
	decided  map[event.TopicPartition]event.Span // of notifications and runs, after the barrier
	clock    *clockQuestion
	taken    time.Time // real time of the barrier
	reported string    // why the run is held, as it stands in runs
	held     string    // why it is held, as it was said last
	detail   string    // the same for people, empty while it is not held
	again    time.Time // real time before which nothing is tried again

	scan   []byte // where the scan of people (phaseRules) or of the timeline goes on
	due    RunDue
	kept   *kept               // what the count judged; nil before it
	counts map[watch.Count]int // cumulative
}

func (r *run) busy() bool { return r.phase != phaseIdle }

// closed says whether the day's entries are fixed: new ones go to the next day or later.
func (r *run) closed() bool { return r.phase >= phaseCount }

// wait is how long the task may wait for input before it looks at its run again. The watermarks that a barrier waits
// for are input themselves.
func (r *run) wait(real time.Time) time.Duration {
	if rest := r.again.Sub(real); rest > 0 {
		return rest
	}
	switch r.phase {
	case phaseBarrier:
		return 50 * time.Millisecond
	case phaseLedger, phaseFuse:
		return 5 * time.Millisecond
	}
	return 0
}

const (
	heldRetry    = time.Second      // how often a held run looks again whether its sources move
	patience     = 30 * time.Second // how long a run waits for the join before it reports itself held
	missedRecord = 30               // days: no record is written for dates longer ago
)

// advance takes the day's run one bounded step further.
func (t *watchTask) advance(ctx context.Context) error {
	date, due := t.cfg.today()
	if t.run.busy() && t.run.date != date {
		t.run = run{} // a run never outlives its civil date
	}
	if !t.run.busy() {
		if !due || t.cfg.HasLiveFrom && date < t.cfg.LiveFrom || t.runs.Complete(date, t.tp.Partition) {
			return nil
		}
		if date < max(t.runs.lastComplete(t.tp.Partition), t.cursor) {
			return t.passed(ctx, date)
		}
		t.run = run{phase: phaseBarrier, date: date, started: t.cfg.Clock.Now(), entered: t.cfg.Clock.Real(), counts: map[watch.Count]int{}}
		if t.resume() {
			// What an earlier attempt counted must not let this one, or another partition, go.
			if err := t.report(ctx, RunRunning, "", ""); err != nil {
				return err
			}
		}
	}
	if t.cfg.Clock.Real().Before(t.run.again) {
		return nil
	}
	was := t.run
	err := t.work(ctx)
	if t.run.phase != was.phase {
		t.run.entered = t.cfg.Clock.Real()
		t.cfg.observe(RunPhase{Partition: t.tp.Partition, Phase: phaseNames[was.phase], Took: t.run.entered.Sub(was.entered)})
	}
	return err
}

// work does one step of the phase.
func (t *watchTask) work(ctx context.Context) error {
	switch t.run.phase {
	case phaseBarrier:
		return t.barrier(ctx)
	case phaseLedger:
		return t.catchUp(ctx)
	case phaseRules:
		if err := t.settle(); err != nil { // marks and position speak of what was applied
			return err
		}
		if err := t.store.Compact(ctx); err != nil {
			return err
		}
		return t.enterOpen()
	case phaseGather:
		done, err := t.gather()
		if done && err == nil {
			t.run.phase = phaseCount
		}
		return err
	case phaseCount:
		return t.count(ctx)
	case phaseFuse:
		return t.fuse(ctx)
	}
	return t.fire(ctx)
}

// resume goes on from what the partition wrote of this date before, perhaps by another owner.
func (t *watchTask) resume() (counted bool) {
	r, ok := t.runs.get(t.run.date, t.tp.Partition)
	if !ok {
		return false
	}
	for _, c := range r.Counts {
		t.run.counts[c.Count] += c.Number
	}
	if at, err := time.Parse(event.TimeFormat, r.Started); err == nil {
		t.run.started = at
	}
	t.run.reported = r.Reason + r.Detail
	return r.Due != nil
}

// again begins the run anew: the barrier has become too old, or a transaction did not come about.
func (t *watchTask) again() {
	t.run.phase, t.run.ends, t.run.scan, t.run.kept = phaseBarrier, nil, nil, nil
	t.run.again = t.cfg.Clock.Real().Add(100 * time.Millisecond)
}

// barrier waits until every change that was in the sources when the run began has been applied here. A watermark read
// in order proves that everything before it was read.
func (t *watchTask) barrier(ctx context.Context) error {
	if reason, detail := t.blocked(); reason != "" {
		t.run.ends = nil
		t.run.again = t.cfg.Clock.Real().Add(heldRetry)
		return t.held(ctx, reason, detail, detail)
	}
	if t.run.ends == nil {
		ends, err := t.cfg.Log.Spans(ctx, t.cfg.inputs()...)
		if err == nil {
			err = t.cfg.sameTopics(ctx, ends)
		}
		if err != nil {
			return t.withoutTopic(ctx, err)
		}
		t.run.ends, t.run.taken = ends, t.cfg.Clock.Real()
	}
	if tp, ok := t.lagging(); ok {
		return t.lags(ctx, tp)
	}
	stood := t.ledger.stands()
	decided, err := t.cfg.Log.Spans(ctx, t.cfg.notifications(), t.cfg.runs())
	if err == nil {
		err = t.cfg.sameTopics(ctx, t.run.ends)
	}
	if err != nil {
		return t.withoutTopic(ctx, err)
	}
	if err := t.ledger.checkSpans(decided, stood); err != nil {
		return err
	}
	t.run.decided = decided
	switch err := t.askClock(ctx); {
	case errors.Is(err, event.ErrClock):
		return t.refusedByClock(ctx, err)
	case errors.Is(err, event.ErrTopic):
		return t.withoutTopic(ctx, err)
	case err != nil:
		return t.failed(err)
	}
	t.run.phase = phaseLedger
	return nil
}

// lags reports, after a while, what the run waits for. A topic that has gone meanwhile is not waited for.
func (t *watchTask) lags(ctx context.Context, tp event.TopicPartition) error {
	if t.cfg.Clock.Real().Sub(t.run.taken) <= patience {
		return nil
	}
	t.run.again = t.cfg.Clock.Real().Add(heldRetry)
	if err := t.cfg.sameTopics(ctx, nil); err != nil {
		return t.withoutTopic(ctx, err)
	}
	what := fmt.Sprintf("%s/%d is not joined up to offset %d yet", tp.Topic, tp.Partition, t.run.ends[tp].End)
	return t.held(ctx, HeldBarrier, what, fmt.Sprintf("%s: it is at %d", what, t.marks[tp].Next))
}

// catchUp waits until this instance has read everything that was decided elsewhere, and what instances that started later
// say of their rules.
func (t *watchTask) catchUp(ctx context.Context) error {
	for _, tail := range []struct {
		topic   string
		reached func(map[event.TopicPartition]event.Span) bool
	}{{t.cfg.notifications(), t.ledger.reached}, {t.cfg.runs(), t.runs.reached}} {
		if tail.reached(of(t.run.decided, tail.topic)) {
			continue
		}
		return t.waits(ctx, tail.topic+" is not read to its end yet")
	}
	if t.otherRules() != "" {
		t.again()
		return nil
	}
	ahead, known := t.runs.answer(t.run.clock)
	if !known {
		return t.waits(ctx, t.cfg.runs()+" does not show the end of this run's own transaction yet")
	}
	if ahead.Abs() > t.cfg.Limits.ClockTolerance {
		return t.clockHolds(ctx, ahead)
	}
	t.run.phase, t.run.reported, t.run.held, t.run.detail = phaseRules, "", "", ""
	return nil
}

// waits reports, after a while, what the run waits for.
func (t *watchTask) waits(ctx context.Context, text string) error {
	if t.cfg.Clock.Real().Sub(t.run.taken) > patience {
		return t.held(ctx, HeldBarrier, text, text)
	}
	return nil
}

// of are the spans of one topic.
func of(spans map[event.TopicPartition]event.Span, topic string) map[event.TopicPartition]event.Span {
	out := map[event.TopicPartition]event.Span{}
	for tp, span := range spans {
		if tp.Topic == topic {
			out[tp] = span
		}
	}
	return out
}

// reached says whether positions stand at the ends, or behind them.
func reached(positions map[event.TopicPartition]int64, ends map[event.TopicPartition]event.Span) bool {
	for tp, span := range ends {
		if positions[tp] < span.End {
			return false
		}
	}
	return true
}

// lagging is the first source partition of which not everything below the barrier has been applied here.
func (t *watchTask) lagging() (first event.TopicPartition, found bool) {
	for tp, span := range t.run.ends {
		m, ok := t.marks[tp]
		if ok && m.Next >= span.End {
			continue
		}
		if !found || tp.Topic < first.Topic || tp.Topic == first.Topic && tp.Partition < first.Partition {
			first, found = tp, true
		}
	}
	return first, found
}

// blocked says why no run may fire now, "" when nothing speaks against it. Ages are real time.
func (t *watchTask) blocked() (reason, detail string) {
	if t.poison >= 0 {
		return HeldPoison, fmt.Sprintf("offset %d of %s/%d cannot be read", t.poison, t.tp.Topic, t.tp.Partition)
	}
	if detail := t.otherRules(); detail != "" {
		return HeldRules, detail
	}
	now := t.cfg.Clock.Real()
	for i := range t.cfg.Sources {
		if detail := t.behind(&t.cfg.Sources[i], now); detail != "" {
			return HeldSource, detail
		}
	}
	return "", ""
}

// behind says why a source counts as behind (SPEC 2.1), judged over all its partitions.
func (t *watchTask) behind(s *Source, now time.Time) string {
	if detail := incomplete(t.marks, s.Topic); detail != "" {
		return detail
	}
	var snapshot, ended, delayed, heartbeat int64
	for tp, m := range t.marks {
		switch tp.Topic {
		case s.Topic:
			snapshot, ended, delayed = max(snapshot, m.Snapshot), max(ended, m.SnapshotEnded), max(delayed, m.Delayed)
		case s.Heartbeat:
			heartbeat = max(heartbeat, m.Heartbeat)
		}
	}
	switch {
	case snapshot > ended && !s.SnapshotEnded:
		return s.Topic + ": its snapshot has begun and not ended"
	case s.DelayLimit > 0 && delayed != 0 && now.Sub(time.UnixMilli(delayed)) < s.DelayLimit:
		return s.Topic + ": its records arrive late"
	case s.Heartbeat != "" && now.Sub(time.UnixMilli(heartbeat)) > s.HeartbeatAge:
		return fmt.Sprintf("%s: its newest heartbeat in %s is older than %s", s.Topic, s.Heartbeat, s.HeartbeatAge)
	}
	return ""
}

// held says that the run waits, once for each cause; detail says of the cause how it is now. Where runs cannot be written,
// log, health and metric say it, and the run's record follows when it can.
func (t *watchTask) held(ctx context.Context, reason, cause, detail string) error {
	if t.run.reported == reason+cause {
		return nil
	}
	if t.run.held != reason+cause {
		t.run.held, t.run.detail = reason+cause, strings.TrimSpace(RunHeld+" "+reason+" "+detail)
		t.cfg.Logger.Warn("run is held", "partition", t.tp.Partition, "date", t.run.date.String(), "reason", reason, "detail", detail)
		t.cfg.observe(RunState{Partition: t.tp.Partition, Date: t.run.date, State: RunHeld, Reason: reason})
	}
	v := t.record(RunHeld, reason, detail)
	err := t.write(ctx, &v)
	switch {
	case err == nil:
		t.run.reported = reason + cause
	case errors.Is(err, event.ErrTopic) || errors.Is(err, event.ErrClock):
	default:
		return t.failed(err)
	}
	return nil
}

// report writes the partition's run record, and for days in between on which nothing ran, that they were missed.
func (t *watchTask) report(ctx context.Context, state, reason, detail string) error {
	v := t.record(state, reason, detail)
	if err := t.write(ctx, &v); err != nil {
		return t.failed(err)
	}
	t.cfg.observe(RunState{Partition: t.tp.Partition, Date: t.run.date, State: v.State, Reason: v.Reason})
	return nil
}

func (t *watchTask) write(ctx context.Context, v *RunRecord) error {
	records := append(t.missed(), runMessage(t.cfg, t.run.date, v))
	offsets, err := t.writer.Commit(ctx, records, nil)
	if err == nil {
		t.runs.put(*v, offsets[len(offsets)-1])
	}
	return err
}

// failed tells a transaction that was aborted for certain, after which the run begins anew, from one after which the
// task must: fence anew and read the ledger.
func (t *watchTask) failed(err error) error {
	if errors.Is(err, event.ErrRetry) || errors.Is(err, errRunOver) {
		t.cfg.Logger.Warn("run begins anew", "partition", t.tp.Partition, "date", t.run.date.String(), "error", err)
		t.again()
		return nil
	}
	return fmt.Errorf("writing the run of partition %d: %w", t.tp.Partition, err)
}

func (t *watchTask) record(state, reason, detail string) RunRecord {
	now := t.cfg.Clock.Now().In(t.cfg.Watch.Zone).Format(event.TimeFormat)
	v := RunRecord{RunDate: t.run.date.String(), Generation: t.cfg.Generation, Partition: t.tp.Partition, State: state, Reason: reason,
		Detail: detail, DayKind: dayKind(t.run.date), Counts: sortedCounts(t.run.counts),
		Started: t.run.started.In(t.cfg.Watch.Zone).Format(event.TimeFormat), At: now}
	if t.run.phase >= phaseFuse {
		due := t.run.due
		v.Due = &due
	}
	if state == RunComplete {
		v.Ended = &now
	}
	return v
}

// missed are the records of the dates between the last complete one and this one on which nothing was fired.
func (t *watchTask) missed() (records []event.Record) {
	first := t.runs.lastComplete(t.tp.Partition) + 1
	if first == 1 {
		first = t.runs.firstOf(t.tp.Partition) // never complete so far
	}
	for d := max(first, t.run.date-missedRecord); d < t.run.date; d++ {
		before, known := t.runs.get(d, t.tp.Partition)
		if known && before.State == RunMissed {
			continue
		}
		v := RunRecord{RunDate: d.String(), Generation: t.cfg.Generation, Partition: t.tp.Partition, State: RunMissed, Reason: NotRunning,
			DayKind: dayKind(d), Counts: []RunCount{}, At: t.cfg.Clock.Now().In(t.cfg.Watch.Zone).Format(event.TimeFormat)}
		if known {
			v.Reason, v.Detail, v.Counts, v.Due, v.Started = before.Reason, before.Detail, before.Counts, before.Due, before.Started
		}
		records = append(records, runMessage(t.cfg, d, &v))
	}
	return records
}
