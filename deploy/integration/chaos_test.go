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

// chaos is an invented registry that writes its own Debezium records, two instances of `lejarat run` that are killed,
// frozen and robbed of their state while the daily run is due, and the oracle.
type chaos struct {
	t      *testing.T
	dice   *rand.Rand
	c      *cluster
	world  *registry.World
	enc    *registry.Encoder
	oracle *registry.Oracle
	rows   *census
	j      *judge
	mails  *tail
	runs   *tail

	owedNow int      // decisions that today's run owes
	hits    int      // faults that met a run in the middle
	story   []string // what was done, for the report
}

// The size of the test. LEJARAT_CHAOS_SEED, _DAYS, _DAY (seconds) and _PEOPLE change it.
const (
	chaosDays   = 4    // runs; each kind of day comes once
	chaosDay    = 20   // real seconds of a virtual day
	chaosPeople = 1500 // most of them registered
)

func chaosSize(name string, normal int) int {
	if n, err := strconv.Atoi(os.Getenv("LEJARAT_CHAOS_" + name)); err == nil {
		return n
	}
	return normal
}

// chaosStart is the first run's day. The clocks change on the third day, the last one ends a quarter.
var chaosStart = event.NewDate(2031, 3, 28)

// TestChaos plays a few virtual days on real Kafka. Every day's run is hit by a fault of a schedule that follows from
// the seed; after each day the notifications are compared with the oracle as sets, and at the end also the mail-sink and
// the runs: nothing lost, nothing doubled, nothing that is not owed, each day complete once on each partition.
func TestChaos(t *testing.T) {
	seed := chaosSize("SEED", int(time.Now().Unix()%100_000))
	t.Logf("LEJARAT_CHAOS_SEED=%d", seed)
	began := time.Now()
	x := newChaos(t, uint64(seed))
	t.Cleanup(x.report)
	x.c.begin(chaosStart)
	day := chaosStart
	for i, play := range x.schedule(chaosSize("DAYS", chaosDays)) {
		if i > 0 {
			x.live(day)
			day++
		}
		x.sleepUntil(day.At(4, 0, x.c.zone))
		if play.before != nil {
			play.before(x)
		}
		x.late(day)
		expected := x.oracle.Run(day)
		x.owedNow = len(expected)
		x.j.expect(day, expected)
		play.do(x, day)
		x.completed(day)
		x.j.compareDecisions(day)
		x.note("%s: equal, %d decisions owed, complete %.1f s after 06:00 (%s)", day, len(expected), x.sinceRun(day).Seconds(), play.name)
	}
	x.c.stopAll()
	x.j.compareDecisions(day)
	x.compareMailSink()
	x.compareRuns(chaosStart, day)
	if x.hits == 0 {
		t.Error("no fault met a run in the middle: the runs are too short to show anything")
	}
	t.Logf("seed %d: %d decisions, %d of them emitted, %d faults in the middle of a run, %.0f s", seed, len(x.j.owed), x.j.emitted,
		x.hits, time.Since(began).Seconds())
}

func newChaos(t *testing.T, seed uint64) *chaos {
	stack := openKafkaStack(t)
	x := &chaos{t: t, dice: rand.New(rand.NewPCG(seed, 1))}
	prefix := fmt.Sprintf("%s%d-%d", chaosTopics, seed, time.Now().Unix())
	x.c = newCluster(stack, prefix, seed)
	x.c.day = time.Duration(chaosSize("DAY", chaosDay)) * time.Second
	x.world = registry.New(registry.Options{Seed: seed, People: chaosSize("PEOPLE", chaosPeople), Start: chaosStart, Zone: x.c.zone,
		Registered: 0.8, Churn: 12})
	x.enc = registry.NewEncoder(registry.EncoderOptions{DocumentsServer: prefix + "-" + okmany, RegistrationsServer: prefix + "-" + ugyfelkapu,
		SnapshotAt: time.Now(), WithoutHeartbeat: true})
	x.oracle = registry.NewOracle(registry.OracleOptions{Zone: x.c.zone, OlderLate: true})
	x.oracle.Load(x.world.People())
	x.rows = newCensus(x.world.People())
	x.snapshot()
	x.c.configure(x.enc.Topics())
	x.j = &judge{t: t, v: x.c.service, notifications: x.c.follow(t, "notifications"), owed: map[string]owed{}}
	x.mails, x.runs = x.c.follow(t, "mail-sink"), x.c.follow(t, "runs")
	return x
}

// snapshot makes the source topics and writes all rows.
func (x *chaos) snapshot() {
	var specs []kafka.TopicSpec
	for _, topic := range x.enc.Topics() {
		specs = append(specs, kafka.TopicSpec{Name: topic, Partitions: 1, Replication: -1, Configs: map[string]string{"retention.ms": "-1"}})
	}
	if _, err := x.c.k.CreateTopics(x.t.Context(), specs); err != nil {
		x.t.Fatal(err)
	}
	var all []registry.Message
	x.enc.Snapshot(x.world.People(), func(topic string, key, value []byte) bool {
		all = append(all, registry.Message{Topic: topic, Key: slices.Clone(key), Value: slices.Clone(value)})
		return true
	})
	x.produce(all)
}

func (x *chaos) produce(messages []registry.Message) {
	records := make([]event.Record, len(messages))
	for i, m := range messages {
		records[i] = event.Record{Topic: m.Topic, Partition: event.AnyPartition, Key: m.Key, Value: m.Value}
	}
	if err := x.c.k.Produce(x.t.Context(), records); err != nil {
		x.t.Fatal(err)
	}
}

// live lets the day's life happen, after its run and well before the next: an identity that changes takes part in a run
// only when that was read ten minutes before, so the test must know on which side of that line each change falls.
func (x *chaos) live(day event.Date) {
	x.t.Helper()
	x.change(append(x.world.Advance(), x.corrections(day.At(20, 30, x.c.zone), day+1, correctionsADay)...))
	x.c.joined(x.enc.Topics())
	if now := x.c.now(); !now.Before((day + 1).At(5, 0, x.c.zone)) {
		x.t.Fatalf("inconclusive: the changes of %s were joined only at %s of the virtual clock; make the day longer (LEJARAT_CHAOS_DAY)", day, now)
	}
}

// late are changes just before the run, whoever is there to read them: the run must wait for them. No identity changes.
func (x *chaos) late(day event.Date) {
	x.t.Helper()
	at := day.At(5, 30, x.c.zone)
	changes := x.corrections(at, day, lateCorrections)
	for _, key := range x.some(x.switchedOn(), lateSwitches) {
		r := x.rows.registrations[key]
		r.ServiceOn = false
		changes = append(changes, registry.Change{At: at, Table: registry.Registrations, Op: registry.Update, Key: key, Registration: &r})
	}
	x.sleepUntil(at)
	x.change(changes)
	if now := x.c.now(); !now.Before(day.At(6, 0, x.c.zone)) {
		x.t.Fatalf("inconclusive: changes that were to come before the run of %s came at %s of the virtual clock", day, now)
	}
}

func (x *chaos) change(changes []registry.Change) {
	x.t.Helper()
	var messages []registry.Message
	for _, c := range changes {
		x.rows.count(c)
		x.oracle.Apply(c)
		messages = append(messages, x.enc.ChangeAt(c, time.Now())...)
	}
	x.produce(messages)
}

const (
	correctionsADay = 500 // enough for a run of some seconds
	lateCorrections = 80
	lateSwitches    = 20
)

// switchedOn are the registrations whose holders are told.
func (x *chaos) switchedOn() (keys []int64) {
	for key, r := range x.rows.registrations {
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

// corrections bring forward the expiry of documents whose holders are registered, so that much is due on a day.
func (x *chaos) corrections(at time.Time, due event.Date, n int) (changes []registry.Change) {
	registered := map[uint64]bool{}
	for _, key := range x.switchedOn() {
		registered[x.rows.registrations[key].Identity] = true
	}
	var keys []int64
	for key, d := range x.rows.documents {
		if registered[d.Identity] && d.Status == registry.StatusValid && d.IssuedOn < due-1 && d.ValidUntil > due+90 {
			keys = append(keys, key)
		}
	}
	for _, key := range x.some(keys, n) {
		d := x.rows.documents[key]
		d.ValidUntil = due + event.Date([]int{0, 0, 1, 29, 30, 31}[x.dice.IntN(6)])
		changes = append(changes, registry.Change{At: at, Table: registry.Documents, Op: registry.Update, Key: key, Document: &d})
	}
	return changes
}

func (x *chaos) note(format string, args ...any) {
	line := fmt.Sprintf("%s  ", x.c.now().Format("01-02 15:04")) + fmt.Sprintf(format, args...)
	x.story = append(x.story, line)
	x.t.Log(line)
}
