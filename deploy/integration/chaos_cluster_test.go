//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor/event"
)

// chaosTopics is how the names of all topics of this test begin.
const chaosTopics = "lejarat-chaos-"

// cluster is a few instances of the service on one virtual clock.
type cluster struct {
	*service      // what they share: binary, keys, references
	static   bool // the instances' names in their groups are configured, not kept beside their state
	members  []*instance
	day      time.Duration // real time of a virtual day
	from     time.Time     // what the clock showed at anchor
	anchor   time.Time
	sight    *sight
}

// instance is one `lejarat run`, with a configuration and a state directory of its own.
type instance struct {
	*service
	name  string
	clock []string
	p     *process // nil while stopped
	log   string   // of the process that runs, or ran last
	sight *sight
	ended string // how it ended last: clean, killed
	lost  bool   // some of its state was deleted since it ran
}

// openKafkaStack finds the brokers, which are all that is needed of the stack.
func openKafkaStack(t *testing.T) *stack {
	t.Helper()
	return openKafkaStackIn(t, nil)
}

// openKafkaStackIn finds the brokers of a stack with settings of its own.
func openKafkaStackIn(t *testing.T, env []string) *stack {
	t.Helper()
	s := &stack{t: t, env: env}
	s.kafka = strings.TrimSpace(s.output("bash", "-c", `eval "$(../stack/env)" && echo "$STACK_KAFKA"`))
	if out, err := s.command(nil, "../stack/status", "kafka"); err != nil {
		t.Fatalf("the broker does not run; start it with deploy/stack/start kafka: %v\n%s", err, out)
	}
	var err error
	if s.k, err = kafka.Open(t.Context(), kafka.Options{Brokers: strings.Split(s.kafka, ","), ClientID: "chaos"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.k.Close)
	return s
}

// chaosConfig: small transactions, so that a run lasts and is mostly in one; sessions that end soon.
const chaosConfig = `
kafka: {brokers: ["%s"], topic_prefix: %q, %s session_timeout: 6s, transaction_timeout: 10s, journal_partitions: %d}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
fuse: {max_run: 1000000}
calendar: {live_from: %s}
sources:
  - topic: %q
    name: okmany.public.document
    kind: documents
    columns:
` + documentColumns + `      holder_ref: holder_ref
  - topic: %q
    name: ugyfelkapu.public.registration
    kind: registrations
    columns:
` + holderColumns + `      email: email
      active: {column: active, true: ["true"], false: ["false"]}
      service: {column: service_on, true: ["true"], false: ["false"]}
      effective: {column: service_since, date: iso}
      language: language
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: "127.0.0.1:25", tls: none}
limits: {chunk_notices: %d}
`

// newCluster builds the binary and makes the keys.
func newCluster(s *stack, prefix string) *cluster {
	s.t.Helper()
	return &cluster{service: buildService(s, s.t.TempDir(), prefix+"."), sight: newSight(s.t)}
}

// configure writes the instances' configurations and makes the topics. A run decides chunk notices in a transaction.
func (c *cluster) configure(sources []string, instances, chunk int) {
	c.t.Helper()
	for i := range instances {
		name := string(rune('a' + i))
		own := *c.service
		own.dir = filepath.Join(c.dir, name)
		own.config = filepath.Join(own.dir, "lejarat.yaml")
		if err := os.Mkdir(own.dir, 0o700); err != nil {
			c.t.Fatal(err)
		}
		id := ""
		if c.static {
			id = "instance_id: " + name + ","
		}
		text := fmt.Sprintf(chaosConfig, strings.ReplaceAll(c.kafka, ",", `", "`), c.prefix, id, journalPartitions, own.state(),
			filepath.Join(c.dir, "identity.key"), filepath.Join(c.dir, "reference.key"), chaosStart, sources[0], sources[1], chunk)
		if err := os.WriteFile(own.config, []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
		c.members = append(c.members, &instance{service: &own, name: name, sight: c.sight, lost: true})
	}
	c.t.Cleanup(func() {
		for _, m := range c.members {
			m.service.stopAll()
		}
	})
	c.members[0].run("topics", "create")
}

// begin sets the clock: it will show from at the given time.
func (c *cluster) begin(from, anchor time.Time) {
	c.from, c.anchor = from, anchor
	for _, m := range c.members {
		m.clock = []string{"run", "--clock", fmt.Sprintf("%s@%.3f", c.from.Format(time.RFC3339), float64(c.anchor.UnixMilli())/1000),
			"--clock-rate", fmt.Sprint(c.rate())}
	}
}

func (c *cluster) upAll() {
	for _, m := range c.members {
		m.up()
	}
}

func (c *cluster) rate() float64 { return float64(24*time.Hour) / float64(c.day) }

// now is what the virtual clock shows; until is how long it takes to an instant.
func (c *cluster) now() time.Time {
	return c.from.Add(time.Duration(float64(time.Since(c.anchor)) * c.rate()))
}

func (c *cluster) until(at time.Time) time.Duration {
	return time.Duration(float64(at.Sub(c.now())) / c.rate())
}

func (c *cluster) stopAll() {
	for _, m := range c.members {
		if m.p != nil {
			m.down()
		}
	}
}

func (m *instance) up() {
	m.p = m.service.start(m.clock...)
	m.log = m.p.log
	m.sight.follow(m)
	m.lost = false
}

// down is SIGTERM, and waits for the end.
func (m *instance) down() {
	m.service.stop(m.p)
	m.over("clean stop")
}

func (m *instance) kill() {
	m.p.kill()
	m.over("kill -9")
}

func (m *instance) over(how string) {
	m.p, m.ended = nil, how
}

// lose deletes state of a stopped instance: all of it, or the stores whose names begin so.
func (m *instance) lose(stores string) {
	m.lost = true
	if stores == "all" {
		stores = ""
	}
	dirs, err := filepath.Glob(filepath.Join(m.state(), stores+"*"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *instance) signal(s syscall.Signal) {
	if err := m.p.cmd.Process.Signal(s); err != nil {
		m.t.Fatalf("instance %s: %s: %v", m.name, s, err)
	}
}

// ready says whether the instance answers that it is.
func (m *instance) ready() bool {
	r, ok := m.p.readiness()
	return ok && r.Ready
}

func (m *instance) awaitReady() {
	m.t.Helper()
	await(m.t, time.Minute, "instance "+m.name, func() (bool, string) { return m.ready(), "not ready\n" + tailOf(m.log, 5) })
}

func (c *cluster) awaitReady() {
	c.t.Helper()
	for _, m := range c.members {
		if m.p != nil {
			m.awaitReady()
		}
	}
}

// joined waits until some instance has taken in all that is in each topic.
func (c *cluster) joined(topics []string) {
	c.t.Helper()
	spans := c.spans(topics...)
	for tp, span := range spans {
		await(c.t, time.Minute, "joining "+tp.Topic, func() (bool, string) {
			have := int64(0)
			for _, m := range c.members {
				if m.p == nil {
					continue
				}
				if r, ok := m.p.readiness(); ok {
					have = max(have, r.position(fmt.Sprintf("intake/%s/%d", tp.Topic, tp.Partition)))
				}
			}
			return have >= span.End, fmt.Sprintf("%d of %d", have, span.End)
		})
	}
	time.Sleep(300 * time.Millisecond) // taken in, and now also committed
}

// spans asks until the brokers answer: one of them may be gone.
func (s *stack) spans(topics ...string) (spans map[event.TopicPartition]event.Span) {
	s.t.Helper()
	await(s.t, time.Minute, "offsets", func() (bool, string) {
		var err error
		spans, err = s.k.Spans(s.t.Context(), topics...)
		return err == nil, fmt.Sprint(err)
	})
	return spans
}
