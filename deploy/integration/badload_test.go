//go:build integration

package integration

import (
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor/event"
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

// newBadLoad builds the service. Its documents have two partitions: what is bad goes to the first.
func newBadLoad(t *testing.T, name string) *badLoad {
	s := openKafkaStack(t)
	b := &badLoad{service: buildService(s, t.TempDir(), "")}
	b.start = event.DateOf(time.Now(), b.zone)
	server := "lejarat-bad-" + name
	b.enc = registry.NewEncoder(registry.EncoderOptions{DocumentsServer: server + "-o", RegistrationsServer: server + "-u", SnapshotAt: time.Now(), WithoutHeartbeat: true})
	b.documents, b.register = b.enc.Topics()[0], b.enc.Topics()[1]
	t.Cleanup(func() { b.stopAll(); b.report() })
	b.dropTopics(func(name string) bool { return strings.HasPrefix(name, server) }) // of a former run
	specs := []kafka.TopicSpec{{Name: b.documents, Partitions: 2, Replication: -1}, {Name: b.register, Partitions: 1, Replication: -1}}
	if _, err := b.k.CreateTopics(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	return b
}

// use makes topics and state for the sources.
func (b *badLoad) use(prefix, rejectShare string) {
	b.prefix = prefix
	b.loseState()
	b.configureAlone(b.dir, "", "instance_id: bad, session_timeout: 10s, journal_partitions: 4", b.documents, rejectShare, b.register)
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
