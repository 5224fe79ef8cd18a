//go:build integration

package integration

import (
	"encoding/json"
	"testing"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
)

// tail follows a topic from its beginning, read_committed.
type tail struct {
	t       *testing.T
	k       *kafka.Client
	topic   string
	reader  event.Reader
	records []event.Record
}

func newTail(t *testing.T, k *kafka.Client, topic string) *tail {
	t.Helper()
	l := &tail{t: t, k: k, topic: topic}
	from := map[event.TopicPartition]int64{}
	for tp := range l.spans() {
		from[tp] = 0
	}
	var err error
	if l.reader, err = k.Read(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.reader.Close)
	return l
}

func (l *tail) spans() map[event.TopicPartition]event.Span {
	s := &stack{t: l.t, k: l.k}
	return s.spans(l.topic)
}

// tailLimit bounds the reading of a topic to its end.
const tailLimit = 30 * time.Second

// read returns every record that is in the topic now, also those that it returned before.
func (l *tail) read() []event.Record {
	l.t.Helper()
	deadline := time.Now().Add(tailLimit)
	for tp, span := range l.spans() {
		for l.reader.Position(tp) < span.End {
			l.poll(100 * time.Millisecond)
			if time.Now().After(deadline) {
				l.t.Fatalf("%s/%d: read up to %d of %d", l.topic, tp.Partition, l.reader.Position(tp), span.End)
			}
		}
	}
	return l.records
}

// poll takes what comes within the wait.
func (l *tail) poll(wait time.Duration) {
	records, err := l.reader.Poll(l.t.Context(), 1000, wait)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, r := range records {
		if !r.Control {
			l.records = append(l.records, r)
		}
	}
}

// values decodes the records that have a value.
func values[V any](t *testing.T, records []event.Record) (all []V) {
	t.Helper()
	for i := range records {
		if records[i].Value == nil {
			continue
		}
		var v V
		if err := json.Unmarshal(records[i].Value, &v); err != nil {
			t.Fatalf("%s/%d offset %d: %v", records[i].Topic, records[i].Partition, records[i].Offset, err)
		}
		all = append(all, v)
	}
	return all
}

// complete says whether every partition's run of a day is complete.
func (l *tail) complete(day event.Date, partitions int) bool {
	last := map[int32]string{}
	for _, v := range values[processor.RunRecord](l.t, l.read()) {
		if v.RunDate == day.String() {
			last[v.Partition] = v.State
		}
	}
	done := 0
	for _, state := range last {
		if state == processor.RunComplete {
			done++
		}
	}
	return done == partitions
}
