//go:build integration && load

package integration

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// fill writes the register, and then a change to every twentieth document.
func (l *load) fill() {
	var made struct {
		Documents, Records int64
		Bytes              int64
		Seconds            float64
	}
	began := time.Now()
	p := l.begin("generate", "--brokers", l.kafka, "--people", strconv.Itoa(l.people), "--partitions", "4", "--start", l.start.String(),
		"--due", strconv.Itoa(l.due), "--due-on", l.world.Due.On.String(), "--idle-on", l.world.Due.Idle.String())
	if err := json.Unmarshal([]byte(l.ended(p)), &made); err != nil {
		l.t.Fatal(err)
	}
	l.documents, l.records = made.Documents, made.Records
	l.add(figure{Step: "generate", Count: l.records, Of: "records", Seconds: made.Seconds,
		Note: fmt.Sprintf("%d bytes a record; %s", made.Bytes/l.records, time.Since(began).Round(time.Second))}, p)
	l.change()
	l.use("load.")
}

// change writes the changes, several batches at a time on their way.
func (l *load) change() {
	began, cpu := time.Now(), ownCPU()
	const ahead, batchRecords = 4, 5000
	var waits []func() error
	settle := func(left int) {
		for ; len(waits) > left; waits = waits[1:] {
			if err := waits[0](); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	var batch []event.Record
	send := func() {
		waits = append(waits, l.k.Begin(l.t.Context(), batch))
		batch = nil
		settle(ahead)
	}
	n, changes := 0, int64(0)
	for person := range registry.People(l.world) {
		for i := range person.Documents {
			if n++; n%20 != 0 {
				continue
			}
			d := person.Documents[i]
			d.Number += "U"
			batch = append(batch, l.changed(d)...)
			if changes++; len(batch) >= batchRecords {
				send()
			}
		}
	}
	send()
	settle(0)
	l.records += changes
	l.add(figure{Step: "generate: changes", Count: changes, Of: "records", Seconds: time.Since(began).Seconds(),
		Micros: (ownCPU() - cpu).Seconds() * 1e6 / float64(max(1, changes))}, nil)
}

// changed is the record of a document's new facts, committed now.
func (l *load) changed(d registry.Document) []event.Record {
	return l.update(registry.Change{Table: registry.Documents, Op: registry.Update, Key: d.ID, Document: &d})
}

func (l *load) update(c registry.Change) (records []event.Record) {
	for _, m := range l.enc.ChangeAt(c, time.Now()) {
		records = append(records, event.Record{Topic: m.Topic, Partition: event.AnyPartition, Key: m.Key, Value: m.Value})
	}
	return records
}

func (l *load) produce(records []event.Record) {
	if err := l.k.Produce(l.t.Context(), records); err != nil {
		l.t.Fatal(err)
	}
	l.records += int64(len(records))
}

// floor reads the sources to their end and looks at nothing: what no reader can be faster than.
func (l *load) floor() {
	ends := map[event.TopicPartition]int64{}
	left := 0
	for tp, span := range l.spans(l.topics...) {
		if span.End > span.Start {
			ends[tp], left = span.End, left+1
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(l.kafka, ",")...), kgo.ConsumeTopics(l.topics...),
		kgo.FetchMaxBytes(64<<20), kgo.FetchMaxPartitionBytes(16<<20), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		l.t.Fatal(err)
	}
	defer cl.Close()
	began, cpu, n := time.Now(), ownCPU(), int64(0)
	for left > 0 {
		cl.PollFetches(l.t.Context()).EachPartition(func(p kgo.FetchTopicPartition) {
			n += int64(len(p.Records))
			tp := event.TopicPartition{Topic: p.Topic, Partition: p.Partition}
			if k := len(p.Records); k > 0 && p.Records[k-1].Offset+1 >= ends[tp] {
				left--
			}
		})
	}
	took := time.Since(began).Seconds()
	f := l.add(figure{Step: "floor: read, nothing decoded", Count: n, Of: "records", Seconds: took, Micros: (ownCPU() - cpu).Seconds() * 1e6 / float64(n)}, nil)
	l.floors = append(l.floors, f.PerSec)
}
