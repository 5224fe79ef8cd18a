//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/identity"
)

// badLoad is a service whose sources hold what no register should send. Whatever it is, memory stays bounded, the other
// partitions are served, and it is said what is wrong.
type badLoad struct {
	*service
	enc       *registry.Encoder
	start     event.Date
	documents string // the sources' topics
	register  string
	heap      atomic.Int64 // the most that the process had in use
}

const badConfiguration = `
kafka: {brokers: [%q], topic_prefix: %q, instance_id: bad, session_timeout: 10s, journal_partitions: 4}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
fuse: {max_run: 1000000}
sources:
  - topic: %s
    kind: documents
    delay_limit: 720h
    max_reject_share: %s
    columns:
      type: {column: kind, values: {UTLEVEL: passport, SZIG: identity_card, JOGSI: driving_licence, FORGALMI: vehicle_inspection}}
      number: number
      status: {column: status, valid: [V]}
      expires: [{column: valid_until, date: days}]
      effective: {column: issued_on, date: days}
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
  - topic: %s
    kind: registrations
    delay_limit: 720h
    columns:
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      email: email
      active: {column: active, true: ["true"]}
      service: {column: service_on, true: ["true"]}
      effective: {column: service_since, date: iso}
      language: language
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: "127.0.0.1:25", tls: none}
`

// newBadLoad builds the service. Its documents have two partitions: what is bad goes to the first.
func newBadLoad(t *testing.T, name string) *badLoad {
	s := openKafkaStack(t)
	dir := t.TempDir()
	b := &badLoad{service: &service{stack: s, dir: dir, binary: filepath.Join(dir, "lejarat"), config: filepath.Join(dir, "lejarat.yaml")}}
	var err error
	if b.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		t.Fatal(err)
	}
	b.start = event.DateOf(time.Now(), b.zone)
	server := "lejarat-bad-" + name
	b.enc = registry.NewEncoder(registry.EncoderOptions{DocumentsServer: server + "-o", RegistrationsServer: server + "-u", SnapshotAt: time.Now(), WithoutHeartbeat: true})
	b.documents, b.register = b.enc.Topics()[0], b.enc.Topics()[1]
	s.output("go", "build", "-o", b.binary, "lejarat/cmd/lejarat")
	b.key("identity.key")
	if b.refs, err = identity.NewKey(b.key("reference.key")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stopAll(); b.report() })
	b.forget(server)
	specs := []kafka.TopicSpec{{Name: b.documents, Partitions: 2, Replication: -1}, {Name: b.register, Partitions: 1, Replication: -1}}
	if _, err := b.k.CreateTopics(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	return b
}

// forget deletes the topics of a former run of the test.
func (b *badLoad) forget(prefix string) {
	former := func(name string) bool { return strings.HasPrefix(name, prefix) }
	sizes, err := b.k.TopicSizes(b.t.Context(), former)
	if err != nil {
		b.t.Fatal(err)
	}
	for name := range sizes {
		if err := b.k.DeleteTopics(b.t.Context(), name); err != nil {
			b.t.Fatal(err)
		}
	}
	await(b.t, time.Minute, "deleting topics", func() (bool, string) {
		sizes, err := b.k.TopicSizes(b.t.Context(), former)
		return err == nil && len(sizes) == 0, fmt.Sprint(sizes, err)
	})
}

// use makes topics and state for the sources.
func (b *badLoad) use(prefix, rejectShare string) {
	b.prefix = prefix
	b.loseState()
	text := fmt.Sprintf(badConfiguration, b.kafka, prefix, b.state(), filepath.Join(b.dir, "identity.key"), filepath.Join(b.dir, "reference.key"), b.documents, rejectShare, b.register)
	if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.run("topics", "create")
}

// snapshot writes people; change may alter a record, and says which partition of its topic it goes to.
func (b *badLoad) snapshot(people iter.Seq[*registry.Person], change func(r *event.Record)) {
	b.t.Helper()
	var batch []event.Record
	flush := func() {
		if err := b.k.Produce(b.t.Context(), batch); err != nil {
			b.t.Fatal(err)
		}
		batch = batch[:0]
	}
	bytes := 0
	b.enc.Snapshot(people, func(topic string, key, value []byte) bool {
		r := event.Record{Topic: topic, Key: append([]byte(nil), key...), Value: append([]byte(nil), value...)}
		change(&r)
		batch = append(batch, r)
		if bytes += len(r.Value); bytes > 8<<20 {
			flush()
			bytes = 0
		}
		return true
	})
	flush()
}

// second puts documents into the second partition.
func (b *badLoad) second(r *event.Record) {
	if r.Topic == b.documents {
		r.Partition = 1
	}
}

// watched starts the service at an instant and watches its heap until the test ends.
func (b *badLoad) watched(at time.Time) *process {
	b.heap.Store(0)
	p := b.service.start("run", "--clock", at.Format(time.RFC3339))
	p.metrics(b.t)
	go func() {
		for {
			select {
			case <-p.ended:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if text, ok := p.scrape(); ok {
				b.heap.Store(max(b.heap.Load(), int64(sample(text, "go_memstats_heap_inuse_bytes"))))
			}
		}
	}()
	return p
}

// bounded wants the heap to have stayed below a bound.
func (b *badLoad) bounded(most int64) {
	b.t.Helper()
	b.t.Logf("at most %d MB of heap were in use", b.heap.Load()>>20)
	if b.heap.Load() == 0 || b.heap.Load() > most {
		b.t.Errorf("%d MB of heap were in use, want at most %d", b.heap.Load()>>20, most>>20)
	}
}

// awaitJoined waits until a partition of a source is joined to its end.
func (b *badLoad) awaitJoined(p *process, topic string, partition int32) {
	b.t.Helper()
	end := b.spans(topic)[event.TopicPartition{Topic: topic, Partition: partition}].End
	await(b.t, 3*time.Minute, fmt.Sprintf("joining %s/%d", topic, partition), func() (bool, string) {
		is := int64(sample(p.metrics(b.t), "lejarat_source_joined_position", `topic="`+topic+`"`, fmt.Sprintf(`partition="%d"`, partition)))
		return is >= end, fmt.Sprintf("%d of %d\n%s", is, end, tailOf(p.log, 3))
	})
}

// TestGarbage: a partition of nothing but garbage stops its source, which says so, and the other partition and the other
// source are joined. With max_reject_share 1 all of it is rejected, one by one, and nothing else happens.
func TestGarbage(t *testing.T) {
	const garbage = 50_000
	b := newBadLoad(t, "garbage")
	b.snapshot(registry.People(registry.Options{Seed: 1, People: 1000, Start: b.start}), b.second)
	var batch []event.Record
	for i := range garbage {
		junk := make([]byte, 500)
		rand.Read(junk)
		batch = append(batch, event.Record{Topic: b.documents, Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: []byte(hex.EncodeToString(junk))})
	}
	if err := b.k.Produce(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.use("lejarat-bad-garbage.", "0.05")
	p := b.watched(b.start.At(5, 59, b.zone).Add(50 * time.Second))
	b.awaitJoined(p, b.register, 0)
	b.awaitJoined(p, b.documents, 1)
	var held string
	await(t, time.Minute, "the run is held", func() (bool, string) {
		r, _ := p.readiness()
		for _, task := range r.Detail {
			if strings.HasPrefix(task.Run, processor.RunHeld) {
				held = task.Run
			}
		}
		return strings.Contains(held, processor.HeldSource), fmt.Sprint(r.Detail)
	})
	t.Log(held)
	if !strings.Contains(held, b.documents+"/0") || !strings.Contains(held, "reject") {
		t.Errorf("the run is held, and says only: %s", held)
	}
	if rejected := sample(p.metrics(t), "lejarat_source_records_total", `verdict="rejected"`); rejected < 50 || rejected > 10_000 {
		t.Errorf("%.0f records were rejected before the source stopped", rejected)
	}
	b.stop(p)
	b.bounded(150 << 20)

	b.use("lejarat-bad-garbage2.", "1")
	p = b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.documents, 0)
	if rejected := sample(p.metrics(t), "lejarat_source_records_total", `verdict="rejected"`); rejected != garbage {
		t.Errorf("%.0f records were rejected, want %d", rejected, garbage)
	}
	b.stop(p)
	b.bounded(250 << 20)
}

// TestLargeRecords: a partition of records of almost a megabyte, in a column that nobody maps, takes the memory of a few
// fetches, and the other one does not wait for it.
func TestLargeRecords(t *testing.T) {
	b := newBadLoad(t, "large")
	n := 0
	b.snapshot(registry.People(registry.Options{Seed: 1, People: 100, Start: b.start}), func(r *event.Record) {
		if r.Topic != b.documents {
			return
		}
		text := make([]byte, 450_000)
		rand.Read(text) // so that it cannot be compressed by much
		r.Value = []byte(strings.Replace(string(r.Value), `"remarks":`, `"scan":"`+hex.EncodeToString(text)+`","remarks":`, 1))
		n++
	})
	b.snapshot(registry.People(registry.Options{Seed: 2, People: 1000, Start: b.start}), b.second)
	b.use("lejarat-bad-large.", "0.05")
	p := b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.documents, 0)
	m := p.metrics(t)
	if rejected := sample(m, "lejarat_source_records_total", `verdict="rejected"`); rejected != 0 {
		t.Errorf("%.0f records were rejected", rejected)
	}
	if taken := sample(m, "lejarat_source_records_total", `topic="`+b.documents+`"`, `partition="0"`, `verdict="applied"`); int(taken) != n {
		t.Errorf("%.0f of %d large records were applied", taken, n)
	}
	b.stop(p)
	b.bounded(250 << 20)
}

// TestOneIdentity: a wrong mapping makes 100,000 documents those of one person, all of them due. Its partition's runs come to
// their end, in bounded memory, and so do the others'.
func TestOneIdentity(t *testing.T) {
	const documents = 100_000
	b := newBadLoad(t, "identity")
	b.snapshot(b.oneIdentity(documents), func(r *event.Record) {})
	b.snapshot(registry.People(registry.Options{Seed: 2, People: 1000, Start: b.start}), b.second)
	b.use("lejarat-bad-identity.", "0.05")
	p := b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 0)
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.register, 0)
	b.stop(p)
	b.bounded(300 << 20)
	for day := b.start; day < b.start+2; day++ {
		began := time.Now()
		p := b.watched(day.At(5, 59, b.zone).Add(58 * time.Second))
		runs := b.follow(t, "runs")
		complete := map[int32]bool{}
		await(t, 5*time.Minute, "the run of "+day.String(), func() (bool, string) {
			for _, v := range values[processor.RunRecord](t, runs.read()) {
				if v.RunDate == day.String() && v.State == processor.RunComplete {
					complete[v.Partition] = true
				}
			}
			return len(complete) == 4, fmt.Sprint(complete, tailOf(p.log, 3))
		})
		t.Logf("%s took %s", day, time.Since(began).Round(time.Millisecond))
		b.stop(p)
		b.bounded(400 << 20)
	}
	told := map[string]int{}
	for _, n := range values[event.Notice](t, b.follow(t, "notifications").read()) {
		if n.Kind == event.KindExpiry && n.Decision == event.Emitted {
			told[n.RegistrationRef]++
		}
	}
	if got := slices.Max(slices.Collect(maps.Values(told))); got != documents {
		t.Errorf("%d notices of the one identity, want %d", got, documents)
	}
}

// oneIdentity is a person with one registration and so many vehicles, all due on the first day.
func (b *badLoad) oneIdentity(documents int) iter.Seq[*registry.Person] {
	return func(yield func(*registry.Person) bool) {
		for p := range registry.People(registry.Options{Seed: 3, People: 1000, Start: b.start}) {
			if len(p.Registrations) == 0 || len(p.Documents) == 0 || p.Registrations[0].Identity != p.Documents[0].Identity {
				continue
			}
			base, reg := p.Documents[0], p.Registrations[0]
			base.Kind, base.Status, base.IssuedOn = registry.KindVehicle, registry.StatusValid, b.start-400
			reg.ID, reg.Active, reg.ServiceOn, reg.ServiceSince = 1, true, true, b.start.At(8, 0, b.zone).AddDate(-1, 0, 0)
			one := &registry.Person{Registrations: []registry.Registration{reg}}
			for i := range documents {
				base.ID, base.Number = int64(10_000_000+i), fmt.Sprintf("ONE-%06d", i)
				base.ValidUntil = b.start + 20
				one.Documents = append(one.Documents, base)
			}
			yield(one)
			return
		}
	}
}
