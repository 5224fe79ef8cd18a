package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/connectors/smtp"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/state"
)

// stage is the whole service in one process on an embedded broker, with an invented registry before it and any relay
// behind it. Whoever directs it moves the clock day by day. The demo is one director, the oracle's test another.
type stage struct {
	cfg    *config.Config
	broker *kafka.Embedded
	k      *kafka.Client
	clock  *handClock
	zone   *time.Location
	world  *registry.World
	enc    *registry.Encoder
	oracle *registry.Oracle
	engine *processor.Engine
	shared *state.Shared
	log    *slog.Logger

	// released: the day's run was held by the fuse, and let go, as an operator would who has looked into it.
	released bool
	// mix, when set, decides in which order the topics' records of a day are written.
	mix *rand.Rand

	stop    context.CancelFunc
	running sync.WaitGroup
	failed  chan error
}

// stageOptions say what is played.
type stageOptions struct {
	Seed   uint64
	People int
	Start  event.Date
	Churn  float64
	Relay  string        // host:port, "" for no mail
	Shared *state.Shared // of the stores in Dir; nil keeps them in memory
	Dir    string
	Log    *slog.Logger
	Report func(smtp.Outcome)
}

// stageConfig is the configuration of the stage: SPEC's example with the brokers filled in, and intervals that fit an
// embedded broker.
const stageConfig = `
kafka: {brokers: [%q], journal_partitions: 4, partitions: {notifications: 4, mail_sink: 1, deliveries: 1, suppressions: 1}}
http: {listen: ""}
sources:
  - topic: okmany.public.document
    kind: documents
    columns:
      type: {column: kind, values: {UTLEVEL: passport, SZIG: identity_card, JOGSI: driving_licence, FORGALMI: vehicle_inspection}}
      number: number
      status: {column: status, valid: [V]}
      expires: [{column: valid_until, date: days}]
      effective: {column: issued_on, date: days}
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      holder_ref: holder_ref
    delay_limit: 720h # commit times are those of the virtual calendar: of its first day, hours ago
  - topic: ugyfelkapu.public.registration
    kind: registrations
    columns:
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      email: email
      active: {column: active, true: ["true"], false: ["false"]}
      service: {column: service_on, true: ["true"], false: ["false"]}
      effective: {column: service_since, date: iso}
      language: language
    delay_limit: 720h
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: %q, tls: none}
limits: {poll_wait: 5ms, transaction_pause: 1ms, watermark_every: 10ms, watermark_near_run: 10ms}
`

// openStage starts broker, topics, registry, processor and connector.
func openStage(ctx context.Context, o stageOptions) (s *stage, err error) {
	s = &stage{clock: &handClock{}, log: o.Log, failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			s.close()
			s = nil
		}
	}()
	if s.broker, err = kafka.StartEmbedded(kafka.EmbeddedOptions{}); err != nil {
		return s, err
	}
	relay := o.Relay
	if relay == "" {
		relay = "127.0.0.1:25"
	}
	env := []string{"LEJARAT_IDENTITY_KEY=" + inventedKey(o.Seed, 1), "LEJARAT_REFERENCE_KEY=" + inventedKey(o.Seed, 2)}
	if s.cfg, err = config.Parse("demo.yaml", fmt.Appendf(nil, stageConfig, s.broker.Brokers()[0], relay), env); err != nil {
		return s, err
	}
	if s.k, err = openKafka(ctx, s.cfg, s.log, nil); err != nil {
		return s, err
	}
	s.zone = s.cfg.Calendar.Location()
	s.world = registry.New(registry.Options{Seed: o.Seed, People: o.People, Start: o.Start, Churn: o.Churn, Zone: s.zone})
	s.enc = registry.NewEncoder(registry.EncoderOptions{SnapshotAt: s.world.SnapshotAt()})
	s.oracle = registry.NewOracle(registry.OracleOptions{Zone: s.zone, OlderLate: true})
	s.oracle.Load(s.world.People())
	s.clock.set(s.world.SnapshotAt())
	specs := kafka.EmbeddedSpecs(topicSpecs(s.cfg))
	if _, err = s.k.CreateTopics(ctx, specs); err != nil {
		return s, err
	}
	if err = makeSources(ctx, s.k, s.enc.Topics(), 1); err != nil {
		return s, err
	}
	return s, s.start(ctx, o)
}

// inventedKey is a key for play, not for secrets: it follows from the seed, so that a run repeats.
func inventedKey(seed uint64, which uint64) string {
	r := rand.New(rand.NewPCG(seed, which))
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return hex.EncodeToString(b)
}

// start runs the processor and, with a relay, the connector.
func (s *stage) start(ctx context.Context, o stageOptions) error {
	if o.Shared != nil {
		s.shared, s.cfg.State.Dir, s.cfg.State.FlushEvery = o.Shared, o.Dir, time.Second/20 // every second: it writes little
	}
	if s.shared == nil {
		s.shared = state.NewShared(stageCache, true)
	}
	ec, err := engineConfig(s.cfg, s.k, s.clock, s.log, nil, s.shared)
	if err != nil {
		return err
	}
	if s.engine, err = processor.New(ctx, ec); err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	s.stop = stop
	s.running.Go(func() { s.report(s.engine.Run(run)) })
	if o.Relay == "" {
		return nil
	}
	opts, err := mailOptions(s.cfg, s.clock)
	if err != nil {
		return err
	}
	opts.Logger, opts.Observer = s.log, o.Report
	queue, leave, err := consumeMail(ctx, s.k, s.cfg, &opts)
	if err != nil {
		return err
	}
	connector, err := smtp.New(opts, queue, s.k)
	if err != nil {
		leave()
		return err
	}
	s.running.Go(func() {
		defer leave()
		_, err := connector.Run(run, false)
		s.report(err)
	})
	return nil
}

// stageCache is the block cache of the stage's stores.
const stageCache = 64 << 20

// restart ends the processor and starts it again, with its stores or without any of them.
func (s *stage) restart(ctx context.Context, o stageOptions, lose bool) error {
	s.halt()
	if lose {
		s.shared.Close()
		s.shared = nil
	}
	return s.start(ctx, o)
}

// halt ends the processor.
func (s *stage) halt() {
	s.stop()
	s.running.Wait()
}

func (s *stage) report(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		select {
		case s.failed <- err:
		default:
		}
	}
}

// snapshot writes all rows to the source topics, as Debezium's first snapshot does, and waits until they are joined.
func (s *stage) snapshot(ctx context.Context) (records int, err error) {
	w := newSourceWriter(ctx, s.k)
	s.enc.Snapshot(s.world.People(), w.snapshot)
	if err := w.close(); err != nil {
		return 0, err
	}
	return w.records, s.await(ctx, func() (bool, error) { return s.engine.Joined(ctx) })
}

// run lets six o'clock of the day come and waits until the day's run is complete. expected is what the oracle says.
func (s *stage) run(ctx context.Context, day event.Date) (expected []registry.Expected, err error) {
	expected, s.released = s.oracle.Run(day), false
	s.clock.set(day.At(6, 0, s.zone))
	return expected, s.await(ctx, func() (bool, error) {
		if !s.released && s.heldByFuse() {
			s.released = true
			release := processor.CommandMessage(s.cfg.Kafka.TopicPrefix, day, processor.CommandRelease, s.clock.Now())
			return false, s.k.Produce(ctx, []event.Record{release})
		}
		return s.engine.Complete(day), nil
	})
}

// heldByFuse says whether the day's run is larger than the fuse allows, as the first run of a large register is.
func (s *stage) heldByFuse() bool {
	_, tasks := s.engine.Status()
	for _, t := range tasks {
		if strings.HasPrefix(t.Run, processor.RunHeld+" "+processor.HeldFuse) && strings.Contains(t.Run, "release") {
			return true
		}
	}
	return false
}

// live lets the day's life happen, in the registries and hence in the topics, and waits until it is joined.
func (s *stage) live(ctx context.Context) (changes []registry.Change, err error) {
	day := s.world.Day()
	changes = s.world.Advance()
	w := newSourceWriter(ctx, s.k)
	var messages []registry.Message
	for _, c := range changes {
		s.oracle.Apply(c)
		messages = append(messages, s.enc.Change(c)...)
	}
	w.messages(s.interleave(messages))
	s.clock.set(day.At(8, 0, s.zone))
	if err := w.close(); err != nil {
		return changes, err
	}
	return changes, s.await(ctx, func() (bool, error) { return s.engine.Joined(ctx) })
}

// interleave keeps the order within each topic, which is all that Kafka keeps, and mixes the topics.
func (s *stage) interleave(messages []registry.Message) []registry.Message {
	if s.mix == nil {
		return messages
	}
	topics := map[string][]registry.Message{}
	for _, m := range messages {
		topics[m.Topic] = append(topics[m.Topic], m)
	}
	mixed := make([]registry.Message, 0, len(messages))
	for len(mixed) < len(messages) {
		names := sortedKeys(topics)
		topic := names[s.mix.IntN(len(names))]
		n := min(1+s.mix.IntN(20), len(topics[topic]))
		mixed = append(mixed, topics[topic][:n]...)
		if topics[topic] = topics[topic][n:]; len(topics[topic]) == 0 {
			delete(topics, topic)
		}
	}
	return mixed
}

// stageWait bounds every wait for the service: something hangs when it is over.
const stageWait = 60 * time.Second

func (s *stage) await(ctx context.Context, done func() (bool, error)) error {
	deadline := time.Now().Add(stageWait)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			_, tasks := s.engine.Status()
			return fmt.Errorf("the service has stood still for %s: %+v", stageWait, tasks)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.failed:
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// close ends everything in the opposite order.
func (s *stage) close() {
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()
	if s.shared != nil {
		s.shared.Close()
	}
	if s.k != nil {
		s.k.Close()
	}
	if s.broker != nil {
		s.broker.Close()
	}
}

// intakeCore is the intake of the i-th source, for whoever must know how rows are named in what is written.
func (s *stage) intakeCore(i int) *intake.Core {
	ec, err := engineConfig(s.cfg, s.k, s.clock, s.log, nil, s.shared)
	if err != nil {
		panic("demo configuration: " + err.Error()) // it was good enough to start with
	}
	core := ec.Intake
	core.Source = ec.Sources[i].Source
	return &core
}
