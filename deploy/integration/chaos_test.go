//go:build integration

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// chaos is an invented registry that writes its own Debezium records, a few instances of `lejarat run` that are killed,
// frozen and robbed of their state while the daily run is due, brokers that go and come back, and the oracle.
type chaos struct {
	t     *testing.T
	seed  uint64
	dice  *rand.Rand
	c     *cluster
	b     *brokers
	world *registry.World
	book  *book
	j     *judge
	mails *tail
	runs  *tail

	owedNow int      // decisions that today's run owes
	faults  int      // what was done to instances and brokers
	hits    int      // of that, what met a run in the middle
	story   []string // what was done, for the report
}

// The size of the test. LEJARAT_CHAOS_SEED, _INSTANCES, _DAYS, _DAY (seconds), _PEOPLE, _RATE and _CHUNK change it.
const (
	chaosInstances = 2
	chaosDays      = 4    // runs; each kind of day comes once
	chaosDay       = 20   // real seconds of a virtual day
	chaosPeople    = 1500 // most of them registered
	chaosRate      = 50   // changes a second that mean nothing
	chaosChunk     = 4    // decisions in one transaction: small, so that a run lasts
)

func chaosSize(name string, normal int) int {
	if n, err := strconv.Atoi(os.Getenv("LEJARAT_CHAOS_" + name)); err == nil {
		return n
	}
	return normal
}

// chaosWarmUp is real time before the virtual calendar reaches the day on which the service goes live: instances start and
// take the snapshot in.
const chaosWarmUp = 15 * time.Second

// chaosStart is the first run's day. The clocks change on the third day, the last one ends a quarter.
var chaosStart = event.NewDate(2031, 3, 28)

// TestChaos plays a few virtual days on real Kafka. Every day's run is hit by a fault of a schedule that follows from
// the seed; after each day the notifications are compared with the oracle as sets, and at the end also the mail-sink and
// the runs: nothing lost, nothing doubled, nothing that is not owed, each day complete once on each partition.
func TestChaos(t *testing.T) {
	seed := chaosSize("SEED", int(time.Now().Unix()%100_000))
	t.Logf("LEJARAT_CHAOS_SEED=%d", seed)
	began := time.Now()
	x := newChaos(openKafkaStack(t), size{seed: uint64(seed), instances: chaosSize("INSTANCES", chaosInstances),
		people: chaosSize("PEOPLE", chaosPeople), chunk: chaosSize("CHUNK", chaosChunk), day: time.Duration(chaosSize("DAY", chaosDay)) * time.Second})
	x.c.begin(chaosStart.At(0, 5, x.c.zone), time.Now().Add(chaosWarmUp))
	x.c.upAll()
	x.c.joined(x.book.enc.Topics())
	if now := x.c.now(); !now.Before(chaosStart.At(2, 0, x.c.zone)) {
		t.Fatalf("inconclusive: the snapshot was joined only at %s of the virtual clock", now)
	}
	stop := x.load(chaosSize("RATE", chaosRate))
	day := chaosStart
	for i, play := range x.schedule(chaosSize("DAYS", chaosDays)) {
		if i > 0 {
			x.live(day)
			day++
		}
		x.sleepUntil(day.At(4, 0, x.c.zone))
		x.c.sight.now(play.name)
		if play.before != nil {
			play.before(x)
		}
		x.late(day)
		expected := x.owes(day)
		x.owedNow = len(expected)
		x.j.expect(day, expected)
		play.do(x, day)
		x.completed(day)
		x.j.compareDecisions(day)
		x.note("%s: equal, %d decisions owed, complete %.1f s after 06:00 (%s)", day, len(expected), x.sinceRun(day).Seconds(), play.name)
	}
	stop()
	x.c.stopAll() // first: a broker that comes back may take until the next run
	x.b.settle()
	x.j.compareDecisions(day)
	x.compareMailSink()
	x.compareRuns(chaosStart, day)
	x.rawTopics().neverBackwards(t)
	if x.hits == 0 {
		t.Error("no fault met a run in the middle: the runs are too short to show anything")
	}
	x.c.sight.report()
	t.Logf("seed %d: 0 lost, 0 doubled, 0 stale: %d changes, %d decisions, %d of them emitted, %d faults, %d of them in the middle of a run, %.0f s",
		seed, x.book.written, len(x.j.owed), x.j.emitted, x.faults, x.hits, time.Since(began).Seconds())
}

// size says how large a test is.
type size struct {
	seed      uint64
	instances int
	people    int
	chunk     int           // notices that a run decides in one transaction
	day       time.Duration // real time of a virtual day
}

// newChaos invents a registry, writes its snapshot, and prepares instances that nobody has started yet.
func newChaos(s *stack, o size) *chaos {
	x := &chaos{t: s.t, seed: o.seed, dice: rand.New(rand.NewPCG(o.seed, 1)), b: openBrokers(s)}
	x.b.deleteTopics(chaosTopics)
	prefix := fmt.Sprintf("%s%d-%d", chaosTopics, o.seed, time.Now().UnixMilli())
	x.c = newCluster(s, prefix)
	x.c.day, x.c.static = o.day, o.seed%2 == 0
	people := registry.Options{Seed: o.seed, People: o.people, Start: chaosStart, Zone: x.c.zone, Registered: 0.8, Churn: 12}
	x.world = registry.New(people)
	x.book = &book{rows: newCensus(x.world.People()), oracle: registry.NewOracle(registry.OracleOptions{Zone: x.c.zone, OlderLate: true, LiveFrom: chaosStart}),
		enc: registry.NewEncoder(registry.EncoderOptions{DocumentsServer: prefix + "-" + okmany, RegistrationsServer: prefix + "-" + ugyfelkapu,
			SnapshotAt: time.Now(), WithoutHeartbeat: true})}
	x.book.oracle.Load(x.world.People())
	x.book.keysOfRows()
	people.People *= 2 // the first half of these are those who are there already
	for p := range registry.People(people) {
		if p.Index >= o.people {
			x.book.arrivals = append(x.book.arrivals, *p)
		}
	}
	x.snapshot()
	x.c.configure(x.book.enc.Topics(), o.instances, o.chunk)
	x.j = &judge{t: s.t, v: x.c.service, notifications: x.c.follow(s.t, "notifications"), owed: map[string]owed{}}
	x.mails, x.runs = x.c.follow(s.t, "mail-sink"), x.c.follow(s.t, "runs")
	s.t.Cleanup(x.report)
	return x
}

// owes asks the oracle what the day's run owes, and notes it.
func (x *chaos) owes(day event.Date) []registry.Expected {
	x.book.mu.Lock()
	defer x.book.mu.Unlock()
	return x.book.oracle.Run(day)
}

// snapshot makes the source topics and writes all rows.
func (x *chaos) snapshot() {
	var specs []kafka.TopicSpec
	for _, topic := range x.book.enc.Topics() {
		specs = append(specs, kafka.TopicSpec{Name: topic, Partitions: 1, Replication: -1, Configs: map[string]string{"retention.ms": "-1"}})
	}
	if _, err := x.c.k.CreateTopics(x.t.Context(), specs); err != nil {
		x.t.Fatal(err)
	}
	var all []registry.Message
	x.book.enc.Snapshot(x.world.People(), func(topic string, key, value []byte) bool {
		all = append(all, registry.Message{Topic: topic, Key: slices.Clone(key), Value: slices.Clone(value)})
		return true
	})
	if err := x.produce(all); err != nil {
		x.t.Fatal(err)
	}
}

func (x *chaos) produce(messages []registry.Message) error {
	records := make([]event.Record, len(messages))
	for i, m := range messages {
		records[i] = event.Record{Topic: m.Topic, Partition: event.AnyPartition, Key: m.Key, Value: m.Value}
	}
	return x.c.k.Produce(x.t.Context(), records)
}

// live lets the day's life happen, after its run and well before the next: an identity that changes takes part in a run
// only when that was read ten minutes before, so the test must know on which side of that line each change falls. Where
// the run took so long that there is no time for that, the life is put off until tomorrow.
func (x *chaos) live(day event.Date) {
	x.t.Helper()
	if x.c.now().After((day + 1).At(1, 0, x.c.zone)) {
		x.note("too late for the life of this day")
		return
	}
	at := day.At(20, 30, x.c.zone)
	x.change(func() []registry.Change {
		changes := append(x.world.Advance(), x.book.comeIn(at, arrivalsADay)...)
		return append(changes, x.corrections(at, day+1, correctionsADay)...)
	})
	x.c.joined(x.book.enc.Topics())
	if now := x.c.now(); !now.Before((day + 1).At(5, 30, x.c.zone)) {
		x.t.Fatalf("inconclusive: the changes of %s were joined only at %s of the virtual clock; make the day longer (LEJARAT_CHAOS_DAY)", day, now)
	}
}

// late are changes just before the run, whoever is there to read them: the run must wait for them. No identity changes.
func (x *chaos) late(day event.Date) {
	x.t.Helper()
	at := day.At(5, 30, x.c.zone)
	x.sleepUntil(at)
	x.change(func() []registry.Change {
		changes := x.corrections(at, day, lateCorrections)
		for _, key := range x.some(x.switchedOn(), lateSwitches) {
			r := x.book.rows.registrations[key]
			r.ServiceOn = false
			changes = append(changes, registry.Change{At: at, Table: registry.Registrations, Op: registry.Update, Key: key, Registration: &r})
		}
		return changes
	})
	if now := x.c.now(); !now.Before(day.At(6, 0, x.c.zone)) {
		x.t.Fatalf("inconclusive: changes that were to come before the run of %s came at %s of the virtual clock", day, now)
	}
}

// change makes changes of the rows as they are now, and writes them.
func (x *chaos) change(make func() []registry.Change) {
	x.t.Helper()
	x.book.mu.Lock()
	defer x.book.mu.Unlock()
	if err := x.produce(x.book.write(make())); err != nil {
		x.t.Fatal(err)
	}
}

const (
	arrivalsADay    = 50
	correctionsADay = 500 // enough for a run of some seconds
	lateCorrections = 80
	lateSwitches    = 20
)

// switchedOn are the registrations whose holders are told.
func (x *chaos) switchedOn() (keys []int64) {
	for key, r := range x.book.rows.registrations {
		if r.Active && r.ServiceOn {
			keys = append(keys, key)
		}
	}
	return keys
}

// some picks n of the keys.
func (x *chaos) some(keys []int64, n int) []int64 {
	slices.Sort(keys)
	x.dice.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys[:min(len(keys), n)]
}

// corrections give documents whose holders are registered another expiry, so that much is due on a day: those that would
// expire long after it, and those that have expired.
func (x *chaos) corrections(at time.Time, due event.Date, n int) (changes []registry.Change) {
	registered := map[uint64]bool{}
	for _, key := range x.switchedOn() {
		registered[x.book.rows.registrations[key].Identity] = true
	}
	var keys []int64
	for key, d := range x.book.rows.documents {
		if registered[d.Identity] && d.Status == registry.StatusValid && d.IssuedOn < due-1 && (d.ValidUntil > due+90 || d.ValidUntil < due) {
			keys = append(keys, key)
		}
	}
	for _, key := range x.some(keys, n) {
		d := x.book.rows.documents[key]
		d.ValidUntil = due + event.Date([]int{0, 0, 0, 1, 30, 31}[x.dice.IntN(6)])
		changes = append(changes, registry.Change{At: at, Table: registry.Documents, Op: registry.Update, Key: key, Document: &d})
	}
	return changes
}

func (x *chaos) note(format string, args ...any) {
	line := fmt.Sprintf("%s  ", x.c.now().Format("01-02 15:04:05")) + fmt.Sprintf(format, args...)
	x.story = append(x.story, line)
	x.t.Log(line)
}
