package smtp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// broker is the three topics of the connector and its consumer group, in memory.
type broker struct {
	mu         sync.Mutex
	logs       map[event.TopicPartition][]event.Record
	committed  map[event.TopicPartition]int64
	others     map[string]map[event.TopicPartition]int64 // of further groups
	produceErr func() error                              // nil: none
	commits    []int                                     // deliveries written when each commit came
}

func newBroker() *broker {
	b := &broker{logs: map[event.TopicPartition][]event.Record{}, committed: map[event.TopicPartition]int64{}, others: map[string]map[event.TopicPartition]int64{}}
	for _, topic := range []string{"lejarat.suppressions", "lejarat.deliveries", "lejarat.mail-sink"} {
		b.logs[event.TopicPartition{Topic: topic}] = nil
	}
	return b
}

func (b *broker) append(r event.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.Partition = max(r.Partition, 0)
	tp := event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
	r.Offset = int64(len(b.logs[tp]))
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	b.logs[tp] = append(b.logs[tp], r)
}

func (b *broker) put(topic, key string, value any) {
	var v []byte
	if value != nil {
		v, _ = json.Marshal(value)
	}
	b.append(event.Record{Topic: "lejarat." + topic, Key: []byte(key), Value: v})
}

func (b *broker) queue(mails ...event.Mail) {
	for _, m := range mails {
		b.put("mail-sink", m.RegistrationRef, m)
	}
}

// deliveries returns what was recorded, in order.
func (b *broker) deliveries(t testing.TB) []event.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []event.Delivery
	for _, r := range b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}] {
		if r.Value == nil || r.HeaderValue(claimHeader) != nil || r.HeaderValue(unclaimHeader) != nil {
			continue // not an outcome
		}
		var d event.Delivery
		if err := json.Unmarshal(r.Value, &d); err != nil || string(r.Key) != d.ID {
			t.Fatalf("delivery %s: %v", r.Value, err)
		}
		all = append(all, d)
	}
	return all
}

func (b *broker) Spans(_ context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	spans := map[event.TopicPartition]event.Span{}
	for tp, log := range b.logs {
		for _, topic := range topics {
			if tp.Topic == topic {
				spans[tp] = event.Span{End: int64(len(log))}
			}
		}
	}
	return spans, nil
}

func (b *broker) Read(_ context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	return &reader{broker: b, at: from}, nil
}

func (b *broker) Produce(_ context.Context, records []event.Record) error {
	b.mu.Lock()
	failing := b.produceErr
	b.mu.Unlock()
	if failing != nil {
		if err := failing(); err != nil {
			return err
		}
	}
	for _, r := range records {
		b.append(r)
	}
	return nil
}

// fetch returns at most max records from at on, moving at.
func (b *broker) fetch(at map[event.TopicPartition]int64, max int) []event.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []event.Record
	for tp, from := range at {
		log := b.logs[tp]
		n := min(int64(len(log))-from, int64(max-len(out)))
		out = append(out, log[from:from+n]...)
		at[tp] = from + n
	}
	return out
}

// poll waits as a consumer does.
func (b *broker) poll(ctx context.Context, at map[event.TopicPartition]int64, max int, wait time.Duration) ([]event.Record, error) {
	for end := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		if out := b.fetch(at, max); len(out) > 0 || !time.Now().Before(end) {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

type reader struct {
	broker *broker
	at     map[event.TopicPartition]int64
}

func (r *reader) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	return r.broker.poll(ctx, r.at, max, wait)
}
func (r *reader) Position(tp event.TopicPartition) int64 { return r.at[tp] }
func (r *reader) Close()                                 {}

// member is one consumer of the group; a new one starts where the group has committed.
type member struct {
	broker *broker
	group  string
	at     map[event.TopicPartition]int64
}

func (b *broker) join() *member { return b.joinAs("") }

// joinAs joins a group by its name; that of "" is the one whose offsets are in broker.committed.
func (b *broker) joinAs(group string) *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &member{broker: b, group: group, at: map[event.TopicPartition]int64{}}
	for tp := range b.logs {
		if tp.Topic == "lejarat.mail-sink" {
			m.at[tp] = m.offsets()[tp]
		}
	}
	return m
}

// offsets are what its group has committed.
func (m *member) offsets() map[event.TopicPartition]int64 {
	if m.group == "" {
		return m.broker.committed
	}
	if m.broker.others[m.group] == nil {
		m.broker.others[m.group] = map[event.TopicPartition]int64{}
	}
	return m.broker.others[m.group]
}

func (m *member) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	return m.broker.poll(ctx, m.at, max, wait)
}

func (m *member) Commit(_ context.Context, records []event.Record) error {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	for _, r := range records {
		m.offsets()[event.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
	}
	m.broker.commits = append(m.broker.commits, len(m.broker.logs[event.TopicPartition{Topic: "lejarat.deliveries"}]))
	return nil
}

func (m *member) Lag(context.Context) (int64, error) { return m.behind(nil), nil }

func (m *member) Unread(context.Context) (int64, error) { return m.behind(m.at), nil }

// behind is how much of the queue lies behind what the group has committed and what was read.
func (m *member) behind(read map[event.TopicPartition]int64) (n int64) {
	m.broker.mu.Lock()
	defer m.broker.mu.Unlock()
	for tp, log := range m.broker.logs {
		if tp.Topic == "lejarat.mail-sink" {
			n += int64(len(log)) - max(m.offsets()[tp], read[tp])
		}
	}
	return n
}

// bench is a broker, a relay's address and the options that go with them.
type bench struct {
	*broker
	options  Options
	outcomes []Outcome
	log      bytes.Buffer
}

// testNow is the civil time of the tests: the morning of the sample mails.
var testNow = time.Date(2026, 2, 28, 6, 0, 5, 0, time.FixedZone("CET", 3600))

// clock is a civil clock that a script may set.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock           { c := &clock{}; c.set(testNow); return c }
func (c *clock) set(t time.Time) { c.at.Store(&t) }
func (c *clock) get() time.Time  { return *c.at.Load() }

func newBench(t testing.TB, address string) *bench {
	t.Helper()
	b := &bench{broker: newBroker()}
	b.options = Options{
		Letters: letter.Options{From: "Okmányértesítő <ertesites@example.hu>"},
		Relays:  []Relay{{Address: address, TLS: NoTLS, ConnectTimeout: 2 * time.Second, CommandTimeout: 2 * time.Second, DataTimeout: 300 * time.Millisecond, Connections: 1}},
		Hello:   "client.example.hu",
		Retry:   Retry{Min: time.Millisecond, Max: 20 * time.Millisecond, Budget: 400 * time.Millisecond},
		Now:     func() time.Time { return testNow },
	}
	b.options.Limits.Refusal = 200 * time.Millisecond
	b.options.Limits.Freshness, b.options.Limits.Claim = time.Nanosecond, time.Second
	b.options.Logger = slog.New(slog.NewTextHandler(&b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.options.Observer = func(o Outcome) { b.outcomes = append(b.outcomes, o) }
	return b
}

// mustComposer makes what composes without a look at every letter, which takes longer than most tests.
func mustComposer(t testing.TB, o Options) *letter.Composer {
	t.Helper()
	c, err := letter.NewComposer(o.Letters)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustConnector is New without that look.
func mustConnector(t testing.TB, o Options, q Queue, topics Topics) *Connector {
	t.Helper()
	c, err := newConnector(o.withDefaults(), mustComposer(t, o), nil, q, topics)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run sends what is queued, as a process started anew would.
func (b *bench) run(t testing.TB) (Summary, error) {
	t.Helper()
	c := mustConnector(t, b.options, b.join(), b.broker)
	return c.Run(t.Context(), true)
}

// mustRun fails the test unless the queue was drained. A run that is to end well may take its time on a busy machine.
func (b *bench) mustRun(t testing.TB) Summary {
	t.Helper()
	defer func(budget time.Duration) { b.options.Retry.Budget = budget }(b.options.Retry.Budget)
	b.options.Retry.Budget = max(b.options.Retry.Budget, 20*time.Second)
	s, err := b.run(t)
	if err != nil {
		t.Fatalf("Run: %v (%+v)", err, s)
	}
	if s.Left != 0 {
		t.Fatalf("Run left %d", s.Left)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// sampleMail is the n-th notice: a passport's, half a year ahead.
func sampleMail(n int) event.Mail {
	return event.Mail{
		ID: fmt.Sprintf("%032x", n), Kind: event.KindExpiry, RegistrationRef: fmt.Sprintf("reg-%d", n), Language: "hu",
		To:        event.MailTo{Email: fmt.Sprintf("kanari%d@polgar.example.hu", n), Name: "Kanári Etelka"},
		Document:  &event.MailDocument{Type: "passport", NumberMasked: "*****028", Expires: "2026-08-31"},
		Threshold: ptr("P6M"), Due: ptr("2026-02-28"), RunDate: "2026-02-28", DaysLeft: ptr(184),
		NotAfter: "2026-07-31T00:00:00+02:00", EmittedAt: "2026-02-28T06:00:03.120+01:00", AddressHash: fmt.Sprintf("hash-%d", n),
	}
}

// lastDayMail is the n-th notice on the day of expiry itself.
func lastDayMail(n int) event.Mail {
	m := sampleMail(n)
	m.Document.Expires, m.Threshold, m.DaysLeft, m.NotAfter = "2026-02-28", ptr("P0D"), ptr(0), "2026-03-01T00:00:00+01:00"
	return m
}
