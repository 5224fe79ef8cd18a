package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/rules"
	"lejarat/processor/simtest"
	"lejarat/processor/watch"
)

// Seeds of an ordinary test.
const (
	simSeeds   = 150
	modelSeeds = 3000
	crowdSeeds = 400
)

// TestSimulation runs the engine's tasks over the model of Kafka: one to three instances that crash, freeze, lose their
// stores and their partitions, transactions that end in every way, sources that change, re-deliver and begin snapshots,
// a clock that goes over six o'clock and midnight. Every interleaving comes from a seed; each guarantee of SPEC 3 has a
// checker (sim_checks_test.go). LEJARAT_SIM_SEED repeats one, LEJARAT_SIM_SEEDS runs that many from there on.
func TestSimulation(t *testing.T) {
	first, n := simSeedsOf(simSeeds)
	if testing.Short() {
		n = min(n, 50)
	}
	runSeeds(t, &simLarge, first, n)
}

// TestModel is the same in worlds so small that a seed takes a millisecond or two: what goes wrong at all mostly goes wrong
// between few rows and few tasks, and there are seeds enough to find it.
func TestModel(t *testing.T) {
	first, n := simSeedsOf(modelSeeds)
	if testing.Short() {
		n = min(n, 1000)
	}
	runSeeds(t, &simSmall, first, n)
}

// TestCrowd is the same for what comes in the midst of a run: see simCrowd.
func TestCrowd(t *testing.T) {
	first, n := simSeedsOf(crowdSeeds)
	if testing.Short() {
		n = min(n, 100)
	}
	runSeeds(t, &simCrowd, first, n)
}

// simZone is read from a file, hence once.
var simZone = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		panic(err)
	}
	return zone
})

// sim is one seed: a world of two registries, the model of Kafka, and the instances over it.
type sim struct {
	seed  uint64
	size  *simSize
	rng   *rand.Rand
	ctx   context.Context
	clock *manualClock
	log   *simtest.Log
	cfg   Config
	world *simWorld

	instances  []*simInstance
	elders     []*simInstance               // frozen ones of former generations
	awake      bool                         // they do something from time to time, else only when the day's run is over
	renews     bool                         // a new generation is made on the way
	skips      bool                         // an operator skips days
	skipping   bool                         // this one, when its moment comes
	partitions []event.TopicPartition       // of sources and journal
	owner      map[event.TopicPartition]int // as the groups have assigned them
	acting     *simInstance                 // whose task is being stepped
	firing     *watchTask                   // the watch task that is being stepped
	deep       bool                         // inside a transaction of a frozen task
	producing  string                       // whose transaction that is
	midway     *simInstance                 // and which instance is frozen in it
	faults     bool                         // transactions may fail
	changes    bool                         // the registries change
	rushing    bool                         // they change in the midst of a run, also where nothing fails
	limit      time.Time                    // the clock stops here
	boots      int
	thresholds map[string][]int // days before expiry

	checks   simChecks
	sabotage *simSabotage
	traced   bool
	trace    []string
}

// simFailure carries a checker's verdict out of the depths of a step.
type simFailure struct{ text string }

func (s *sim) failf(format string, args ...any) { panic(simFailure{fmt.Sprintf(format, args...)}) }

func (s *sim) tracef(format string, args ...any) {
	if !s.traced {
		return
	}
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

func newSim(seed uint64, size *simSize, sabotage *simSabotage) *sim {
	if sabotage == nil {
		sabotage = &simSabotage{}
	}
	rng := rand.New(rand.NewPCG(seed, 0x6c656a61726174))
	zone := simZone()
	starts := [...]string{"2026-03-10", "2026-03-28", "2026-10-24", "2026-12-30", "2028-02-28"}
	day, _ := event.ParseDate(starts[rng.IntN(len(starts))])
	noon := day.At(12, 0, zone)
	s := &sim{seed: seed, size: size, rng: rng, ctx: context.Background(), clock: &manualClock{now: noon, real: noon}, sabotage: sabotage,
		owner: map[event.TopicPartition]int{}}
	s.log = simtest.NewLog(s.clock.Real)
	s.log.Flaws = sabotage.log
	s.configure(zone)
	s.world = &simWorld{zone: zone, log: s.log, clock: s.clock, rng: rng, size: size, names: make([]int, size.people.draw(rng)), day: day, rows: map[string][]simRow{},
		records: map[event.TopicPartition][]simChange{}, parts: map[string]int32{}, snapshot: map[string]time.Time{}, begun: map[string]time.Time{}}
	s.topics()
	s.checks = newSimChecks(s)
	s.renews, s.skips = seed%simGenerations == 0, seed%simSkips == 0
	for n := range size.instances.draw(rng) {
		i := &simInstance{n: n}
		s.disk(i)
		s.instances = append(s.instances, i)
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
		Partitions: int32(s.size.journal.draw(s.rng)), Dir: "state", Limits: DefaultLimits()}
	l := &s.cfg.Limits
	l.CommitPause, l.FlushEvery, l.RestoredAtOnce = 0, 1<<62, 1
	l.BatchRecords, l.ChunkNotices, l.ChunkEntries = 1+s.rng.IntN(8), 1+s.rng.IntN(3), s.size.chunk.draw(s.rng)
	if s.rng.IntN(2) == 0 {
		l.WatermarkBusy, l.WatermarkIdle = 0, 0
	}
	s.thresholds = simThresholds[s.rng.IntN(len(simThresholds))]
	set := simRules(s.thresholds)
	w := watch.Core{Zone: zone, RunHour: 6, Refs: testKey(2), Notifications: "lejarat.notifications", MailSink: "lejarat.mail-sink",
		Announcements: s.rng.IntN(2) == 0, Rules: set, IdentityKeyID: testKey(1).ID(), ReferenceKeyID: testKey(2).ID()}
	h.sources(intake.None, nil, 0)
	h.cfg.Limits = s.cfg.Limits
	h.cores(&set, testKey(1), &w)
	s.cfg.Sources, s.cfg.Intake, s.cfg.Watch, s.cfg.Mapping = h.cfg.Sources, h.cfg.Intake, h.cfg.Watch, h.cfg.Mapping
	s.sabotage.configured(&s.cfg)
}

// simThresholds are rules that a seed may have: days before expiry, in falling order. Long windows give what was
// overlooked the time to be missed.
var simThresholds = []map[string][]int{
	{"passport": {3, 2, 0}, "vehicle_inspection": {2, 1, 0}},
	{"passport": {3, 0}, "vehicle_inspection": {2, 0}},
}

func simRules(thresholds map[string][]int) rules.Set {
	set := rules.Set{Types: map[string]rules.DocumentType{}}
	for name, days := range thresholds {
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
	return set
}

func (s *sim) topics() {
	s.create(s.cfg.journal(), int(s.cfg.Partitions), true)
	for _, topic := range s.cfg.inputs() {
		n := s.size.sources.draw(s.rng)
		s.create(topic, n, true)
		s.world.parts[topic] = int32(n)
	}
	for _, name := range []string{"notifications", "mail-sink", "suppressions", "rejects"} {
		s.create("lejarat."+name, 1+s.rng.IntN(2), false)
	}
	s.create(s.cfg.runs(), 1, false)
}

// create makes a topic, of which tasks work on the partitions or not.
func (s *sim) create(topic string, n int, tasks bool) {
	s.log.Create(topic, n)
	for p := range n {
		if tasks {
			s.partitions = append(s.partitions, event.TopicPartition{Topic: topic, Partition: int32(p)})
		}
	}
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
		for _, i := range append(s.instances, s.elders...) {
			func() { defer func() { _ = recover() }(); s.down(i, true, false) }()
			i.shared.Close()
		}
	}()
	s.world.fill()
	if s.rng.IntN(4) > 0 { // else everything starts while things go wrong
		s.limit = s.clock.now.Add(time.Minute)
		s.heal("read the first snapshot", s.joined)
	}
	days := s.size.days.low(s.rng)
	for n := range days {
		s.day(n > 0 && n == days-1)
	}
	return nil
}
