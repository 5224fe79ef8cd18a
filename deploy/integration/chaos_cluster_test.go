//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor/event"
	"lejarat/processor/identity"
)

// chaosTopics is how the names of all topics of this test begin.
const chaosTopics = "lejarat-chaos-"

// cluster is two instances of the service on one virtual clock.
type cluster struct {
	*service      // what they share: binary, keys, references
	static   bool // the instances have names in their groups
	members  []*instance
	day      time.Duration // real time of a virtual day
	from     time.Time     // what the clock showed at anchor
	anchor   time.Time
}

// instance is one `lejarat run`, with a configuration and a state directory of its own.
type instance struct {
	*service
	name  string
	clock []string
	p     *process // nil while stopped
}

// openKafkaStack finds the broker, which is all that is needed of the stack.
func openKafkaStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t}
	s.kafka = strings.TrimSpace(s.output("bash", "-c", `eval "$(../stack/env)" && echo "$STACK_KAFKA"`))
	if out, err := exec.CommandContext(t.Context(), "../stack/status", "kafka").CombinedOutput(); err != nil {
		t.Fatalf("the broker does not run; start it with deploy/stack/start kafka\n%s", out)
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
kafka: {brokers: [%q], topic_prefix: %q, %s session_timeout: 6s, transaction_timeout: 10s, journal_partitions: %d}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
fuse: {max_run: 1000000}
sources:
  - topic: %q
    name: okmany.public.document
    kind: documents
    columns:
      type: {column: kind, values: {UTLEVEL: passport, SZIG: identity_card, JOGSI: driving_licence, FORGALMI: vehicle_inspection}}
      number: number
      status: {column: status, valid: [V]}
      expires: [{column: valid_until, date: days}]
      effective: {column: issued_on, date: days}
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      holder_ref: holder_ref
  - topic: %q
    name: ugyfelkapu.public.registration
    kind: registrations
    columns:
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      email: email
      active: {column: active, true: ["true"], false: ["false"]}
      service: {column: service_on, true: ["true"], false: ["false"]}
      effective: {column: service_since, date: iso}
      language: language
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: "127.0.0.1:25", tls: none}
limits: {chunk_notices: 4}
`

// newCluster builds the binary, makes the keys, and removes the topics of former tests.
func newCluster(s *stack, prefix string, seed uint64) *cluster {
	s.t.Helper()
	dir := s.t.TempDir()
	v := &service{stack: s, dir: dir, binary: filepath.Join(dir, "lejarat"), prefix: prefix + "."}
	c := &cluster{service: v, static: seed%2 == 0}
	var err error
	if v.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		s.t.Fatal(err)
	}
	s.output("../stack/kafka", "topics", "--delete", "--if-exists", "--topic", chaosTopics+`.*`)
	s.output("go", "build", "-o", v.binary, "lejarat/cmd/lejarat")
	v.key("identity.key")
	if v.refs, err = identity.NewKey(v.key("reference.key")); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// configure writes the instances' configurations and makes the topics.
func (c *cluster) configure(sources []string) {
	c.t.Helper()
	for _, name := range []string{"a", "b"} {
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
		text := fmt.Sprintf(chaosConfig, c.kafka, c.prefix, id, journalPartitions, own.state(), filepath.Join(c.dir, "identity.key"),
			filepath.Join(c.dir, "reference.key"), sources[0], sources[1])
		if err := os.WriteFile(own.config, []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
		c.members = append(c.members, &instance{service: &own, name: name})
	}
	c.t.Cleanup(func() {
		for _, m := range c.members {
			m.service.stopAll()
		}
	})
	c.members[0].run("topics", "create")
}

// begin starts the clock shortly after midnight, and both instances.
func (c *cluster) begin(day event.Date) {
	c.from, c.anchor = day.At(0, 5, c.zone), time.Now()
	for _, m := range c.members {
		m.clock = []string{"run", "--clock", fmt.Sprintf("%s@%.3f", c.from.Format(time.RFC3339), float64(c.anchor.UnixMilli())/1000),
			"--clock-rate", fmt.Sprint(c.rate())}
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
		m.down()
	}
}

func (m *instance) up() { m.p = m.service.start(m.clock...) }

// down is SIGTERM, and waits for the end.
func (m *instance) down() {
	if m.p != nil {
		m.service.stop(m.p)
	}
	m.p = nil
}

func (m *instance) kill() {
	m.p.kill()
	m.p = nil
}

func (m *instance) signal(s syscall.Signal) {
	if err := m.p.cmd.Process.Signal(s); err != nil {
		m.t.Fatalf("instance %s: %s: %v", m.name, s, err)
	}
}

// ready says whether the instance answers that it is.
func (m *instance) ready() bool {
	address := m.p.listening()
	if address == "" {
		return false
	}
	resp, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (m *instance) awaitReady() {
	m.t.Helper()
	await(m.t, 30*time.Second, "instance "+m.name, func() (bool, string) { return m.ready(), "not ready\n" + tailOf(m.p.log, 5) })
}

// joined waits until both instances are ready and one of them has taken in all that is in each topic.
func (c *cluster) joined(topics []string) {
	c.t.Helper()
	c.awaitReady()
	spans, err := c.k.Spans(c.t.Context(), topics...)
	if err != nil {
		c.t.Fatal(err)
	}
	for tp, span := range spans {
		await(c.t, c.day, "joining "+tp.Topic, func() (bool, string) {
			have := 0
			for _, m := range c.members {
				have = max(have, sum(m.p.metrics(c.t), "lejarat_source_position", `topic="`+tp.Topic+`"`))
			}
			return have >= int(span.End), fmt.Sprintf("%d of %d", have, span.End)
		})
	}
	time.Sleep(300 * time.Millisecond) // taken in, and now also committed
}

func (c *cluster) awaitReady() {
	c.t.Helper()
	for _, m := range c.members {
		m.awaitReady()
	}
}
