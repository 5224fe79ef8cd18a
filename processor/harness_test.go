package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/simtest"
	"lejarat/state"
)

const (
	documentTopic     = "okmany.public.document"
	registrationTopic = "ugyfelkapu.public.registration"
	heartbeatTopic    = "okmany.public.heartbeat"
)

// harness is one instance without goroutines: it steps every task in a fixed order over a model of Kafka.
type harness struct {
	log     *simtest.Log
	clock   *manualClock
	zone    *time.Location
	cfg     Config
	shared  *state.Shared
	ledger  *Ledger
	runs    *Runs
	watch   []*watchTask
	intake  []*intakeTask
	out     bytes.Buffer
	lsn     int
	names   map[string]string // ref → name in the script
	starts  int
	printed map[string]bool // notifications, by partition/offset
	brokers func() time.Time
	mine    func(event.TopicPartition) bool // which partitions this instance has; nil is all
}

type manualClock struct{ now, real time.Time }

func (c *manualClock) Now() time.Time  { return c.now }
func (c *manualClock) Real() time.Time { return c.real }
func (c *manualClock) set(t time.Time) { c.now, c.real = t, c.real.Add(time.Second) }

func testKey(fill byte) *identity.Key {
	k, err := identity.NewKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		panic(err)
	}
	return k
}

func newHarness(t testing.TB) *harness {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{zone: zone, names: map[string]string{}, printed: map[string]bool{}, shared: state.NewShared(8<<20, true)}
	h.clock = &manualClock{real: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), now: time.Date(2026, 1, 1, 12, 0, 0, 0, zone)}
	h.brokers = h.clock.Real
	h.log = simtest.NewLog(func() time.Time { return h.brokers() })
	h.cfg = Config{Log: h.log, Clock: h.clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Prefix: "lejarat.", Generation: 1,
		Partitions: 2, Dir: "state", Shared: h.shared, Limits: DefaultLimits(), Mapping: "m"}
	h.cfg.Limits.CommitPause, h.cfg.Limits.WatermarkBusy, h.cfg.Limits.WatermarkIdle = 0, 0, 0
	h.cfg.Limits.RestoredAtOnce = 1 // the model of a disk is for one goroutine
	for _, name := range []string{"notifications", "mail-sink", "suppressions", "rejects", "deliveries"} {
		h.log.Create("lejarat."+name, 2)
	}
	h.log.Create("lejarat.runs", 1)
	h.log.Create(documentTopic, 1)
	h.log.Create(registrationTopic, 1)
	h.log.Create(heartbeatTopic, 1)
	t.Cleanup(func() { h.stop(t); h.shared.Close() })
	return h
}

func (h *harness) start(t testing.TB) {
	ctx := context.Background()
	e := h.open(t)
	if e == nil {
		return
	}
	if err := e.begin(ctx); err != nil {
		h.refused(err)
		return
	}
	if !h.startTasks(t, e) {
		return
	}
	h.settle(t)
	h.printNew()
}

// open checks the topics and opens ledger and runs, nil where that is refused.
func (h *harness) open(t testing.TB) *Engine {
	ctx := context.Background()
	if _, err := h.log.TopicIDs(ctx, h.cfg.journal()); err != nil {
		h.log.Create(h.cfg.journal(), int(h.cfg.Partitions))
	}
	e := &Engine{cfg: h.cfg, inputs: map[string]int32{}}
	if err := e.preflight(ctx); err != nil {
		h.refused(err)
		return nil
	}
	h.cfg.TopicIDs, h.cfg.SourcePartitions, h.cfg.ids = e.cfg.TopicIDs, e.cfg.SourcePartitions, e.cfg.ids
	var err error
	if h.ledger, err = openLedger(ctx, &h.cfg); err != nil {
		h.refused(err)
		return nil
	}
	if h.runs, err = openRuns(ctx, &h.cfg); err != nil {
		t.Fatal(err)
	}
	e.ledger, e.runs = h.ledger, h.runs
	return e
}

func (h *harness) startTasks(t testing.TB, e *Engine) bool {
	ctx := context.Background()
	for p := int32(0); p < h.cfg.Partitions; p++ {
		if h.mine != nil && !h.mine(event.TopicPartition{Topic: h.cfg.journal(), Partition: p}) {
			continue
		}
		if err := h.runs.readAll(ctx); err != nil { // nobody tails it meanwhile
			h.refused(err)
			return false
		}
		w := newWatchTask(&h.cfg, p, h.ledger, h.runs)
		h.watch = append(h.watch, w)
		if err := w.start(ctx, e.journalID, newProgress(h.clock.Real())); err != nil {
			h.refused(err)
			return false
		}
	}
	for _, topic := range h.cfg.inputs() {
		for p := range e.inputs[topic] {
			if h.mine != nil && !h.mine(event.TopicPartition{Topic: topic, Partition: p}) {
				continue
			}
			task, err := newIntakeTask(&h.cfg, event.TopicPartition{Topic: topic, Partition: p}, e.inputs[topic], func() bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			h.intake = append(h.intake, task)
			if err := task.start(ctx, e.journalID); err != nil {
				h.refused(err)
				return false
			}
		}
	}
	if err := restoreIntake(ctx, &h.cfg, h.intake, newProgress(h.clock.Real())); err != nil {
		h.refused(err)
		return false
	}
	for _, task := range h.intake {
		if err := task.follow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// rebuild is `lejarat rebuild --from-sources`; aborted, it ends when all is read, before the generation is live.
func (h *harness) rebuild(t testing.TB, aborted bool) {
	ctx := context.Background()
	e := h.open(t)
	if e == nil {
		return
	}
	live, err := e.mayRebuild(ctx)
	if err == nil {
		err = e.readFormer(ctx, live, func(string, *Progress) {})
	}
	if err != nil {
		h.refused(err)
		return
	}
	h.cfg.rebuilding, h.cfg.former = true, e.former
	defer func() { h.cfg.rebuilding, h.cfg.former = false, nil }()
	if !h.startTasks(t, e) {
		return
	}
	h.settle(t)
	for _, w := range h.watch {
		e.watch = map[event.TopicPartition]*handle{w.tp: {}}
		e.watch[w.tp].publishWatch(w)
		if err == nil {
			err = e.usable()
		}
	}
	if err == nil && !aborted {
		err = e.goLive(ctx, true)
	}
	h.printNew()
	if err != nil {
		err = errors.Join(err, e.former.close())
		h.refused(err)
		return
	}
	if e.former != nil {
		fmt.Fprintf(&h.out, "%d effective times taken over\n", e.former.taken.Load())
	}
	h.halt()
	if aborted {
		err = e.former.close()
	} else {
		err = e.former.drop()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (h *harness) refused(err error) {
	fmt.Fprintf(&h.out, "refused: %v\n", err)
	h.halt()
}

func (h *harness) stop(t testing.TB) { h.halt() }

func (h *harness) halt() {
	for _, w := range h.watch {
		w.close()
	}
	for _, i := range h.intake {
		i.close()
	}
	if h.ledger != nil {
		h.ledger.close()
	}
	h.watch, h.intake, h.ledger, h.runs = nil, nil, nil, nil
}

// lose deletes stores: watch, intake, ledger, or all.
func (h *harness) lose(t testing.TB, what string) {
	for p := range h.cfg.Partitions {
		if what == "watch" || what == "all" {
			h.remove(t, h.cfg.storeDir("watch", h.cfg.Generation, p))
		}
	}
	for _, topic := range h.cfg.inputs() {
		if what == "intake" || what == "all" {
			for p := range h.cfg.SourcePartitions[topic] {
				h.remove(t, h.cfg.storeDir("intake", h.cfg.Generation, fmt.Sprintf("%08x", journal.SourceID(topic)), p))
			}
		}
	}
	if what == "ledger" || what == "all" {
		h.remove(t, h.cfg.storeDir("ledger"))
	}
}

func (h *harness) remove(t testing.TB, dir string) {
	if err := state.Remove(dir, h.shared); err != nil {
		t.Fatal(err)
	}
}

// settle steps everything until nothing moves any more.
func (h *harness) settle(t testing.TB) {
	ctx := context.Background()
	for range 40 {
		h.clock.real = h.clock.real.Add(150 * time.Millisecond)
		if h.ledger == nil {
			return
		}
		h.stepAll(t, ctx)
	}
}

// stepAll steps every task and tail once.
func (h *harness) stepAll(t testing.TB, ctx context.Context) {
	for _, i := range h.intake {
		if err := i.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range h.watch {
		if err := w.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.ledger.step(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if err := h.runs.step(ctx, 0); err != nil {
		t.Fatal(err)
	}
}

// fireDay lets six o'clock of a day come and steps until the day is complete.
func (h *harness) fireDay(t *testing.T, day event.Date) {
	t.Helper()
	h.clock.set(day.At(6, 0, h.zone))
	for range 500 {
		if h.runs.Complete(day, 0) && h.runs.Complete(day, 1) {
			return
		}
		h.stepAll(t, context.Background())
	}
	t.Fatalf("the run of %s is not complete", day)
}
