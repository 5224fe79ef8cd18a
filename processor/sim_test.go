package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/rules"
	"lejarat/processor/simtest"
	"lejarat/processor/watch"
	"lejarat/state"
)

// simSeeds is how many seeds an ordinary test runs.
const simSeeds = 150

// TestSimulation runs the engine's tasks over the model of Kafka: one to three instances that crash, freeze, lose their
// stores and their partitions, transactions that end in every way, sources that change, re-deliver and begin snapshots,
// a clock that goes over six o'clock and midnight. Every interleaving comes from a seed; each guarantee of SPEC 3 has a
// checker (sim_checks_test.go). LEJARAT_SIM_SEED repeats one, LEJARAT_SIM_SEEDS runs that many from there on.
func TestSimulation(t *testing.T) {
	first, n := simRange(simSeeds)
	if testing.Short() {
		n = min(n, 50)
	}
	emitted, troubled := 0, 0
	for seed := first; seed < first+n; seed++ {
		s := newSim(seed, nil)
		if err := s.run(); err != nil {
			t.Fatal(s.report(err))
		}
		emitted, troubled = emitted+len(s.checks.emitted), troubled+s.checks.troubled
	}
	t.Logf("seeds %d to %d: %d notices, all of them once, %d of them while things went wrong", first, first+n-1, emitted, troubled)
	if n >= 50 && troubled < int(n) {
		t.Fatal("the simulation hardly sends anything: it proves nothing")
	}
}

func simRange(n uint64) (uint64, uint64) {
	first := uint64(1)
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_SIM_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_SIM_SEEDS"), 10, 64); err == nil {
		n = v
	}
	return first, n
}

// sim is one seed: a world of two registries, the model of Kafka, and the instances over it.
type sim struct {
	seed  uint64
	rng   *rand.Rand
	ctx   context.Context
	clock *manualClock
	log   *simtest.Log
	cfg   Config
	world *simWorld

	instances  []*simInstance
	partitions []event.TopicPartition       // of sources and journal
	owner      map[event.TopicPartition]int // as the groups have assigned them
	acting     *simInstance                 // whose task is being stepped
	firing     *watchTask                   // the watch task that is being stepped
	deep       bool                         // inside a transaction of a frozen task
	producing  string                       // whose transaction that is
	midway     *simInstance                 // and which instance is frozen in it
	faults     bool                         // transactions may fail
	changes    bool                         // the registries change
	limit      time.Time                    // the clock stops here
	boots      int

	checks   simChecks
	sabotage *simSabotage
	trace    []string
}

// simFailure carries a checker's verdict out of the depths of a step.
type simFailure struct{ text string }

func (s *sim) failf(format string, args ...any) { panic(simFailure{fmt.Sprintf(format, args...)}) }

func (s *sim) tracef(format string, args ...any) {
	indent := ""
	if s.deep {
		indent = "    "
	}
	s.trace = append(s.trace, clockText(s.clock.now)+" "+indent+fmt.Sprintf(format, args...))
	if len(s.trace) > 2*simTrace {
		s.trace = append(s.trace[:0], s.trace[simTrace:]...)
	}
}

// simTrace is how many events a failure shows.
const simTrace = 150

// report is what a person needs to repeat the failure and to see what led to it.
func (s *sim) report(err error) string {
	from := max(0, len(s.trace)-simTrace)
	return fmt.Sprintf("seed %d: %v\nrepeat with: LEJARAT_SIM_SEED=%d go test ./processor -run TestSimulation\n%s", s.seed, err, s.seed,
		strings.Join(s.trace[from:], "\n"))
}

func newSim(seed uint64, sabotage *simSabotage) *sim {
	if sabotage == nil {
		sabotage = &simSabotage{}
	}
	rng := rand.New(rand.NewPCG(seed, 0x6c656a61726174))
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		panic(err)
	}
	starts := [...]string{"2026-03-10", "2026-03-28", "2026-10-24", "2026-12-30", "2028-02-28"}
	day, _ := event.ParseDate(starts[rng.IntN(len(starts))])
	noon := day.At(12, 0, zone)
	s := &sim{seed: seed, rng: rng, ctx: context.Background(), clock: &manualClock{now: noon, real: noon}, sabotage: sabotage,
		owner: map[event.TopicPartition]int{}}
	s.log = simtest.NewLog(s.clock.Real)
	s.log.Flaws = sabotage.log
	s.configure(zone)
	s.world = &simWorld{zone: zone, log: s.log, clock: s.clock, rng: rng, day: day, rows: map[string][]simRow{},
		records: map[event.TopicPartition][]simChange{}, parts: map[string]int32{}, snapshot: map[string]time.Time{}, begun: map[string]time.Time{}}
	s.topics()
	s.checks = newSimChecks(s)
	for n := range 1 + rng.IntN(3) {
		s.instances = append(s.instances, &simInstance{n: n, shared: state.NewShared(simCache, true)})
	}
	for _, tp := range s.partitions {
		s.owner[tp] = rng.IntN(len(s.instances))
	}
	s.log.Produced, s.log.Ending, s.log.Committed = s.produced, s.ending, s.checks.committed
	s.log.Idle = func() error { return errSimIdle }
	return s
}

// errSimIdle ends a start that would wait.
var errSimIdle = errors.New("nothing to read yet")

// configure draws the sizes that decide where batches and chunks end.
func (s *sim) configure(zone *time.Location) {
	h := &harness{zone: zone, clock: s.clock}
	s.cfg = Config{Log: s.log, Clock: s.clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Prefix: "lejarat.", Generation: 1,
		Partitions: 2 + int32(s.rng.IntN(2)), Dir: "state", Limits: DefaultLimits()}
	l := &s.cfg.Limits
	l.CommitPause, l.FlushEvery = 0, 1<<62
	l.BatchRecords, l.ChunkNotices, l.ChunkEntries = 1+s.rng.IntN(8), 1+s.rng.IntN(3), 1+s.rng.IntN(4)
	if s.rng.IntN(2) == 0 {
		l.WatermarkBusy, l.WatermarkIdle = 0, 0
	}
	set := rules.Set{Types: map[string]rules.DocumentType{}}
	for name, days := range simThresholds {
		typ := rules.Defaults()[name]
		typ.Notices = nil
		for _, n := range days {
			p, err := calendar.ParsePeriod(fmt.Sprintf("P%dD", n))
			if err != nil {
				panic(err)
			}
			typ.Notices = append(typ.Notices, rules.Threshold{Period: p})
		}
		set.Types[name] = typ
	}
	w := watch.Core{Zone: zone, RunHour: 6, Refs: testKey(2), Notifications: "lejarat.notifications", MailSink: "lejarat.mail-sink",
		Announcements: s.rng.IntN(2) == 0, Rules: set, IdentityKeyID: testKey(1).ID(), ReferenceKeyID: testKey(2).ID()}
	h.sources(intake.None, nil, 0)
	h.cfg.Limits = s.cfg.Limits
	h.cores(&set, testKey(1), &w)
	s.cfg.Sources, s.cfg.Intake, s.cfg.Watch, s.cfg.Mapping = h.cfg.Sources, h.cfg.Intake, h.cfg.Watch, h.cfg.Mapping
	s.sabotage.configured(&s.cfg)
}

// simThresholds are the sim's rules: days before expiry, in falling order.
var simThresholds = map[string][]int{"passport": {3, 2, 0}, "vehicle_inspection": {2, 1, 0}}

func (s *sim) topics() {
	create := func(topic string, n int, tasks bool) {
		s.log.Create(topic, n)
		for p := range n {
			if tasks {
				s.partitions = append(s.partitions, event.TopicPartition{Topic: topic, Partition: int32(p)})
			}
		}
	}
	create(s.cfg.journal(), int(s.cfg.Partitions), true)
	for _, topic := range s.cfg.inputs() {
		n := 1 + s.rng.IntN(2)
		create(topic, n, true)
		s.world.parts[topic] = int32(n)
	}
	for _, name := range []string{"notifications", "mail-sink", "suppressions", "rejects"} {
		create("lejarat."+name, 1+s.rng.IntN(2), false)
	}
	create(s.cfg.runs(), 1, false)
}

// run is one seed from the first snapshot to the last day.
func (s *sim) run() (err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case simFailure:
			err = errors.New(f.text)
		default:
			err = fmt.Errorf("%v\n%s", f, debug.Stack())
		}
		for _, i := range s.instances {
			func() { defer func() { _ = recover() }(); s.down(i, true, false) }()
			i.shared.Close()
		}
	}()
	s.world.fill()
	days := 2 + s.rng.IntN(3)
	for n := range days {
		s.day(n == days-1)
	}
	return nil
}
