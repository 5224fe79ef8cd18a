// Package simtest is a small model of Kafka in memory: partitions with offsets, transactions with markers that may stay
// open, fencing by transactional id, read_committed readers that an open transaction holds back, compaction. It has no
// goroutine and never waits, and it is used by one goroutine only: a test that steps its tasks in an order drawn from a
// seed repeats exactly. What happens between the records of a transaction and its end, the test says in hooks.
package simtest

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"lejarat/processor/event"
)

// Log is the model. The zero value is not usable; see NewLog.
type Log struct {
	topics map[string]*topic
	epochs map[string]int
	open   []*Transaction // in the order in which they were begun
	made   int            // topics so far: no id comes back
	denied map[string]bool
	now    func() time.Time

	// Hooks, all optional. They may call the model, and may step other tasks over it.

	// Call is called before everything that a caller asks of the broker, and before it learns of a transaction's end. Its
	// error is what the caller gets instead, as if the process had ended there.
	Call func(name string) error
	// Produced is called when all records of a transaction stand at the broker and its end has not been asked for.
	Produced func(id string, records []event.Record)
	// Ending says how the end of a transaction goes; without it every transaction commits.
	Ending func(id string) Ending
	// Committed is called when a transaction of a writer has been committed.
	Committed func(id string, records []event.Record)
	// Idle is called by a Poll that would wait; its error is returned. Without it such a Poll returns nothing.
	Idle func() error

	// FutureRefused: the brokers' clock is so far behind that they refuse every record of a writer.
	FutureRefused bool

	// Flaws breaks the model, to see whether a simulation notices.
	Flaws Flaws
}

// Flaws are deliberate mistakes of the log.
type Flaws struct {
	NoFence         bool // epochs do not count
	StableEnd       bool // Spans end at the last stable offset
	ReadUncommitted bool
	NoCheck         bool // nobody looks once more before a transaction ends
	// CompactBy is what compaction takes for a record's key.
	CompactBy func(*event.Record) string
}

// Ending is how the end of a transaction goes.
type Ending struct {
	Outcome Outcome
	Err     error // what the writer is told; nil is success
}

// Outcome is what becomes of a transaction at the broker.
type Outcome uint8

const (
	// Commit ends it as asked.
	Commit Outcome = iota
	// Abort ends it the other way.
	Abort
	// StayOpen: the broker never got the request, or not yet.
	StayOpen
)

type topic struct {
	id         string
	deleting   string // by which settings old records are deleted
	partitions []*partition
}

type partition struct {
	start   int64
	entries []entry
}

type entry struct {
	rec  event.Record
	tx   *Transaction // nil: written outside any
	gone bool         // compacted away
}

// NewLog makes an empty log. now stamps the records.
func NewLog(now func() time.Time) *Log {
	return &Log{topics: map[string]*topic{}, epochs: map[string]int{}, now: now}
}

// Create makes a topic.
func (l *Log) Create(name string, partitions int) {
	t := &topic{id: fmt.Sprintf("id-%s-%d", name, l.made)}
	l.made++
	for range partitions {
		t.partitions = append(t.partitions, &partition{})
	}
	l.topics[name] = t
}

func (l *Log) call(name string) error {
	if l.Call == nil {
		return nil
	}
	return l.Call(name)
}

// Append writes a record outside any transaction, as a connector does, and returns its offset.
func (l *Log) Append(r event.Record) int64 { return l.append(r, nil) }

// Purge moves the start of a partition, as retention does.
func (l *Log) Purge(tp event.TopicPartition, start int64) {
	p := l.topics[tp.Topic].partitions[tp.Partition]
	p.entries = p.entries[start-p.start:]
	p.start = start
}

// Compact drops, up to the last stable offset, every record that a later one of its key replaces. Tombstones stay.
func (l *Log) Compact(name string) {
	for i := range l.topics[name].partitions {
		tp := event.TopicPartition{Topic: name, Partition: int32(i)}
		l.CompactTo(tp, l.stable(tp))
	}
}

// CompactTo compacts one partition up to an offset, which is no higher than the last stable one.
func (l *Log) CompactTo(tp event.TopicPartition, end int64) {
	p := l.topics[tp.Topic].partitions[tp.Partition]
	seen := map[string]bool{}
	for at := min(end, l.stable(tp)) - 1; at >= p.start; at-- {
		e := &p.entries[at-p.start]
		if e.gone || e.rec.Control || !e.committed() {
			continue
		}
		key := string(e.rec.Key)
		if l.Flaws.CompactBy != nil {
			key = l.Flaws.CompactBy(&e.rec)
		}
		e.gone = seen[key]
		seen[key] = true
	}
}

// Records returns the committed data records of a topic, partition by partition.
func (l *Log) Records(name string) []event.Record {
	var out []event.Record
	if l.topics[name] == nil {
		return nil
	}
	for _, p := range l.topics[name].partitions {
		for i := range p.entries {
			if e := &p.entries[i]; e.committed() && !e.gone && !e.rec.Control {
				out = append(out, e.rec)
			}
		}
	}
	return out
}

func (e *entry) committed() bool { return e.tx == nil || e.tx.state == Commit }

func (l *Log) append(r event.Record, tx *Transaction) int64 {
	tp := l.place(r)
	r.Partition = tp.Partition
	p := l.topics[r.Topic].partitions[r.Partition]
	r.Offset = p.start + int64(len(p.entries))
	if r.Time.IsZero() {
		r.Time = l.now()
	}
	p.entries = append(p.entries, entry{rec: r, tx: tx})
	return r.Offset
}

func (l *Log) place(r event.Record) event.TopicPartition {
	if r.Partition == event.AnyPartition {
		h := fnv.New32a()
		h.Write(r.Key)
		r.Partition = int32(h.Sum32() % uint32(len(l.topics[r.Topic].partitions)))
	}
	return event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
}

// end is the high watermark.
func (l *Log) end(tp event.TopicPartition) int64 {
	p := l.topics[tp.Topic].partitions[tp.Partition]
	return p.start + int64(len(p.entries))
}

// stable is the last stable offset: where the first open transaction begins.
func (l *Log) stable(tp event.TopicPartition) int64 {
	end := l.end(tp)
	for _, tx := range l.open {
		if at, ok := tx.first[tp]; ok {
			end = min(end, at)
		}
	}
	return end
}

// Spans implements event.Log.
func (l *Log) Spans(_ context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	if err := l.call("spans"); err != nil {
		return nil, err
	}
	out := map[event.TopicPartition]event.Span{}
	for _, name := range topics {
		t := l.topics[name]
		if t == nil || l.denied[name] {
			return nil, fmt.Errorf("topic %s: %w", name, event.ErrTopic)
		}
		for i, p := range t.partitions {
			tp := event.TopicPartition{Topic: name, Partition: int32(i)}
			out[tp] = event.Span{Start: p.start, End: l.end(tp)}
			if l.Flaws.StableEnd {
				out[tp] = event.Span{Start: p.start, End: l.stable(tp)}
			}
		}
	}
	return out, nil
}

// TopicIDs implements event.Log.
func (l *Log) TopicIDs(_ context.Context, topics ...string) (map[string]string, error) {
	if err := l.call("topic ids"); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range topics {
		if l.topics[name] == nil || l.denied[name] {
			return nil, fmt.Errorf("topic %s: %w", name, event.ErrTopic)
		}
		out[name] = l.topics[name].id
	}
	return out, nil
}

// Join implements event.Log. The model has no groups: whoever drives the tasks assigns them.
func (l *Log) Join(context.Context, string, []string, event.Assignment) (event.Member, error) {
	return nil, fmt.Errorf("joining a group: %w", event.ErrAccess)
}

// Read implements event.Log.
func (l *Log) Read(_ context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	if err := l.call("read"); err != nil {
		return nil, err
	}
	r := &reader{log: l, at: map[event.TopicPartition]int64{}, topics: map[string]*topic{}}
	for tp, at := range from {
		r.at[tp] = at
		if r.topics[tp.Topic] = l.topics[tp.Topic]; r.topics[tp.Topic] == nil {
			return nil, fmt.Errorf("topic %s: %w", tp.Topic, event.ErrTopic)
		}
		r.order = append(r.order, tp)
	}
	slices.SortFunc(r.order, ComparePartitions)
	return r, nil
}

type reader struct {
	log    *Log
	topics map[string]*topic // as they were when it was opened
	at     map[event.TopicPartition]int64
	order  []event.TopicPartition
}

// Poll never waits.
func (r *reader) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	if err := cmp.Or(ctx.Err(), r.log.call("poll")); err != nil {
		return nil, err
	}
	var out []event.Record
	moved := false
	for _, tp := range r.order {
		if r.log.topics[tp.Topic] != r.topics[tp.Topic] || r.log.denied[tp.Topic] {
			return nil, fmt.Errorf("topic %s: %w", tp.Topic, event.ErrTopic)
		}
		p := r.log.topics[tp.Topic].partitions[tp.Partition]
		end := r.log.stable(tp)
		if r.log.Flaws.ReadUncommitted {
			end = r.log.end(tp)
		}
		if r.at[tp] < p.start || r.at[tp] > r.log.end(tp) {
			return nil, fmt.Errorf("%s/%d offset %d: %w", tp.Topic, tp.Partition, r.at[tp], event.ErrRange)
		}
		if out == nil && r.at[tp] < end {
			out = make([]event.Record, 0, min(most, int(end-r.at[tp])))
		}
		for ; r.at[tp] < end && len(out) < most; moved = true {
			e := &p.entries[r.at[tp]-p.start]
			r.at[tp]++
			if !e.gone && (e.committed() || e.rec.Control || r.log.Flaws.ReadUncommitted) {
				out = append(out, e.rec)
			}
		}
	}
	if !moved && wait > 0 && r.log.Idle != nil {
		return nil, r.log.Idle()
	}
	return out, nil
}

// Position implements event.Reader.
func (r *reader) Position(tp event.TopicPartition) int64 { return r.at[tp] }

// Close implements event.Reader.
func (r *reader) Close() {}
