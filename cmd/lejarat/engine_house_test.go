package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/state"
)

// brokersEnv names a real broker to run the engine's suite on; without it each test has an embedded one of its own.
const brokersEnv = "LEJARAT_TEST_BROKERS"

// house is the service as an operator has it: a broker, the invented registry before it, and instances of the engine, each
// with its own network (a gate), disk (in memory) and clock. Tests do to the instances what may happen to them.
type house struct {
	o        houseOptions
	ctx      context.Context
	prefix   string
	brokers  []string
	embedded *kafka.Embedded
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	k        *kafka.Client // past all gates
	cfg      *config.Config
	zone     *time.Location
	clock    *handClock
	world    *registry.World
	enc      *registry.Encoder
	oracle   *registry.Oracle
	judge    *judge
	dying    sync.WaitGroup

	mu     sync.Mutex
	events []string
	began  time.Time
}

// inHouse runs a test with a house. On the embedded broker it is a bubble of testing/synctest: networks, disks and clocks are in memory, a
// wait takes no time, a slow machine makes nothing late, and a goroutine that is left over fails the test.
func inHouse(t *testing.T, f func(*testing.T)) {
	if os.Getenv(brokersEnv) != "" {
		f(t)
		return
	}
	synctest.Test(t, f)
}

// houseOptions say what is played. What is 0 has a default.
type houseOptions struct {
	Seed          uint64
	People        int           // 40
	Start         event.Date    // 2031-01-10
	Journal       int           // partitions; 2
	Notifications int           // partitions; 2
	Sources       int32         // partitions of each source; 1
	ChunkNotices  int           // 5000
	ChunkEntries  int           // 20000
	BatchRecords  int           // 5000
	Flush         time.Duration // 100 ms
}

// thresholdDays is how far apart the thresholds stand of the documents in a house, so that somebody is owed something every day.
const (
	thresholdDays = 8
	thresholdMost = 1000
)

func thresholds() (periods []string) {
	for d := 0; d <= thresholdMost; d += thresholdDays {
		periods = append(periods, fmt.Sprintf("P%dD", d))
	}
	return periods
}

// houseTypes are the document types, for the oracle.
func houseTypes() []registry.DocumentType {
	types := append([]registry.DocumentType(nil), registry.DefaultTypes...)
	for i := range types {
		types[i].Notices = thresholds()
	}
	return types
}

// sessionTimeout is the shortest that the broker allows.
func (h *house) sessionTimeout() time.Duration {
	if h.embedded != nil {
		return 500 * time.Millisecond
	}
	return 6 * time.Second
}

// openHouse starts a broker, or takes the real one, and makes topics and registry; nothing is written yet.
func openHouse(ctx context.Context, o houseOptions) (h *house, err error) {
	o.People, o.Start = cmp.Or(o.People, 40), cmp.Or(o.Start, event.NewDate(2031, 1, 10))
	o.Journal, o.Notifications, o.Sources = cmp.Or(o.Journal, 2), cmp.Or(o.Notifications, 2), cmp.Or(o.Sources, 1)
	o.ChunkNotices, o.ChunkEntries, o.BatchRecords = cmp.Or(o.ChunkNotices, 5000), cmp.Or(o.ChunkEntries, 20000), cmp.Or(o.BatchRecords, 5000)
	o.Flush = cmp.Or(o.Flush, 5*time.Millisecond) // little is flushed every 100 ms then
	h = &house{o: o, ctx: ctx, prefix: "house-" + strings.ToLower(rand.Text()[:10]) + ".", clock: &handClock{}, began: time.Now()}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if err = h.broker(); err != nil {
		return h, err
	}
	if h.k, err = kafka.Open(ctx, kafka.Options{Brokers: h.brokers, Dial: h.dial}); err != nil {
		return h, err
	}
	if err = h.configure(); err != nil {
		return h, err
	}
	if err = h.makeTopics(); err != nil {
		return h, err
	}
	core, err := h.core()
	if err != nil {
		return h, err
	}
	h.judge, err = newJudge(ctx, h.k, h.cfg, core)
	return h, err
}

// broker is a real one, or an embedded one on a network in memory.
func (h *house) broker() (err error) {
	if real := os.Getenv(brokersEnv); real != "" {
		h.brokers, h.dial = strings.Split(real, ","), new(net.Dialer).DialContext
		return nil
	}
	network := &kfake.VirtualNetwork{}
	h.dial = network.DialContext
	if h.embedded, err = kafka.StartEmbedded(kafka.EmbeddedOptions{Ports: []int{9092}, Listen: network.Listen}); err != nil {
		return err
	}
	h.brokers = h.embedded.Brokers()
	return nil
}

// configure makes the configuration from the demo's, under names of this house only, and the registry.
func (h *house) configure() (err error) {
	list := strings.Join(thresholds(), ", ")
	yaml := fmt.Sprintf(stageConfig, h.brokers[0], "127.0.0.1:25")
	yaml = strings.Replace(yaml, "poll_wait: 5ms", "poll_wait: 50ms", 1)
	yaml = strings.ReplaceAll(yaml, "topic: ", "topic: "+h.prefix)
	yaml = strings.Replace(yaml, "journal_partitions: 4, partitions: {notifications: 4,",
		fmt.Sprintf("topic_prefix: %s, journal_partitions: %d, partitions: {notifications: %d,", h.prefix, h.o.Journal, h.o.Notifications), 1)
	yaml += "documents:\n"
	for _, t := range houseTypes() {
		yaml += fmt.Sprintf("  %s: {notices: [%s], one_per_person: %v}\n", t.Name, list, t.OnePerPerson)
	}
	env := []string{"LEJARAT_IDENTITY_KEY=" + inventedKey(h.o.Seed, 1), "LEJARAT_REFERENCE_KEY=" + inventedKey(h.o.Seed, 2)}
	if h.cfg, err = config.Parse("house.yaml", []byte(yaml), env); err != nil {
		return err
	}
	h.zone = h.cfg.Calendar.Location()
	h.world = registry.New(registry.Options{Seed: h.o.Seed, People: h.o.People, Start: h.o.Start, Zone: h.zone, Registered: 0.9, Churn: 40,
		Rates: registry.Rates{Collision: -1}})
	h.enc = registry.NewEncoder(registry.EncoderOptions{SnapshotAt: h.world.SnapshotAt(), DocumentsServer: h.prefix + "okmany",
		RegistrationsServer: h.prefix + "ugyfelkapu", WithoutHeartbeat: true})
	h.oracle = registry.NewOracle(registry.OracleOptions{Zone: h.zone, OlderLate: true, Types: houseTypes()})
	h.oracle.Load(h.world.People())
	h.clock.set(h.world.SnapshotAt())
	return nil
}

func (h *house) makeTopics() error {
	specs := topicSpecs(h.cfg)
	for _, topic := range h.enc.Topics() {
		specs = append(specs, kafka.TopicSpec{Name: topic, Partitions: h.o.Sources, Replication: -1, Configs: map[string]string{"retention.ms": "-1"}})
	}
	if h.embedded != nil {
		specs = kafka.EmbeddedSpecs(specs)
	}
	_, err := h.k.CreateTopics(h.ctx, specs)
	return err
}

// engineConfig is an instance's configuration.
func (h *house) engineConfig(l event.Log, clk timepiece, log *slog.Logger, shared *state.Shared) (processor.Config, error) {
	ec, err := engineConfig(h.cfg, l, clk, log, nil, shared)
	ec.Limits.ChunkNotices, ec.Limits.ChunkEntries = h.o.ChunkNotices, h.o.ChunkEntries
	ec.Limits.BatchRecords, ec.Limits.FlushEvery = h.o.BatchRecords, h.o.Flush
	return ec, err
}

// core is the intake of registrations, for whoever must know how rows are named in what is written.
func (h *house) core() (*intake.Core, error) {
	ec, err := h.engineConfig(h.k, h.clock, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, err
	}
	core := ec.Intake
	core.Source = ec.Sources[1].Source
	return &core, nil
}

// produce writes to the sources, past all gates.
func (h *house) produce(messages []registry.Message) error {
	w := newSourceWriter(h.ctx, h.k)
	w.messages(messages)
	return w.close()
}

// snapshot is everything that the registries hold, as Debezium's first snapshot writes it.
func (h *house) snapshot() (messages []registry.Message) {
	h.enc.Snapshot(h.world.People(), func(topic string, key, value []byte) bool {
		messages = append(messages, registry.Message{Topic: topic, Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)})
		return true
	})
	return messages
}

// live lets the day's life happen in the registries.
func (h *house) live() (messages []registry.Message) {
	for _, c := range h.world.Advance() {
		h.oracle.Apply(c)
		messages = append(messages, h.enc.Change(c)...)
	}
	return messages
}

// patience bounds every wait for the service: something hangs when it is over. A group that waits for a member which died while
// joining gives it up after a minute.
const patience = 3 * time.Minute

// errWaited is the end of the patience: nothing wrong was seen, and nothing came either.
var errWaited = errors.New("waited in vain")

// await waits for what the instances bring about.
func (h *house) await(what string, done func() (bool, error)) error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w for %s: %s", errWaited, patience, what)
		}
	}
}

// read waits until intake has taken, and committed, everything that is in the sources.
func (h *house) read() error {
	ends, err := h.k.Spans(h.ctx, h.enc.Topics()...)
	if err != nil {
		return err
	}
	return h.await("the sources are read", func() (bool, error) {
		if err := h.judge.journal.poll(h.ctx); err != nil {
			return false, err
		}
		h.judge.takeJournal()
		for tp, span := range ends {
			if h.judge.read[tp] < span.End {
				return false, nil
			}
		}
		return true, nil
	})
}

// complete says whether the date's run is complete on every partition.
func (h *house) complete(day event.Date) (bool, error) {
	if err := h.judge.runs.poll(h.ctx); err != nil {
		return false, err
	}
	return h.judge.complete(day), nil
}

// run lets six o'clock of the day come, and waits for the day's run.
func (h *house) run(day event.Date) error {
	expected := h.oracle.Run(day)
	h.clock.set(day.At(6, 0, h.zone))
	return h.finish(day, expected)
}

// finish waits for the day's run and compares.
func (h *house) finish(day event.Date, expected []registry.Expected) error {
	if err := h.await("the run of "+day.String()+" is complete", func() (bool, error) { return h.complete(day) }); err != nil {
		return err
	}
	return h.judge.compare(h.ctx, day, expected)
}

func (h *house) close() {
	h.dying.Wait()
	if h.judge != nil {
		h.judge.close()
	}
	if h.k != nil {
		h.k.Close()
	}
	if h.embedded != nil {
		h.embedded.Close()
	}
}

func newTestHouse(t *testing.T, o houseOptions) *house {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	h, err := openHouse(ctx, o)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(); cancel() })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("\n" + h.trace())
		}
	})
	return h
}
