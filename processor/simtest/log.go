// Package simtest is a small model of Kafka in memory: partitions with offsets, transactions with markers, fencing by
// transactional id, read_committed readers. It is single-threaded in spirit (one lock, no goroutine, no waiting), so
// that a test which steps its tasks in a fixed order repeats exactly.
package simtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"lejarat/processor/event"
)

// Log is the model. The zero value is not usable; see NewLog.
type Log struct {
	mu     sync.Mutex
	topics map[string]*topic
	epochs map[string]int
	now    func() time.Time
	// Fault is called before each transaction ends, when set: an error of it aborts the transaction and is returned.
	Fault func(transactionalID string) error
}

type topic struct {
	id         string
	partitions []*partition
}

type partition struct {
	start   int64
	entries []entry
}

type entry struct {
	rec     event.Record
	aborted bool
}

// NewLog makes an empty log. now stamps the records.
func NewLog(now func() time.Time) *Log {
	return &Log{topics: map[string]*topic{}, epochs: map[string]int{}, now: now}
}

// Create makes a topic.
func (l *Log) Create(name string, partitions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &topic{id: fmt.Sprintf("id-%s-%d", name, len(l.topics))}
	for range partitions {
		t.partitions = append(t.partitions, &partition{})
	}
	l.topics[name] = t
}

// Append writes a record outside any transaction, as a connector does, and returns its offset.
func (l *Log) Append(r event.Record) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(r, false)
}

// Purge moves the start of a partition, as retention does.
func (l *Log) Purge(tp event.TopicPartition, start int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.topics[tp.Topic].partitions[tp.Partition]
	p.entries = p.entries[start-p.start:]
	p.start = start
}

// Records returns the committed data records of a topic, partition by partition.
func (l *Log) Records(name string) []event.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []event.Record
	if l.topics[name] == nil {
		return nil
	}
	for _, p := range l.topics[name].partitions {
		for _, e := range p.entries {
			if !e.aborted && !e.rec.Control {
				out = append(out, e.rec)
			}
		}
	}
	return out
}

func (l *Log) append(r event.Record, aborted bool) int64 {
	t := l.topics[r.Topic]
	if r.Partition == event.AnyPartition {
		h := fnv.New32a()
		h.Write(r.Key)
		r.Partition = int32(h.Sum32() % uint32(len(t.partitions)))
	}
	p := t.partitions[r.Partition]
	r.Offset = p.start + int64(len(p.entries))
	if r.Time.IsZero() {
		r.Time = l.now()
	}
	p.entries = append(p.entries, entry{rec: r, aborted: aborted})
	return r.Offset
}

// Spans implements event.Log.
func (l *Log) Spans(_ context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[event.TopicPartition]event.Span{}
	for _, name := range topics {
		t := l.topics[name]
		if t == nil {
			return nil, fmt.Errorf("topic %s: %w", name, event.ErrTopic)
		}
		for i, p := range t.partitions {
			out[event.TopicPartition{Topic: name, Partition: int32(i)}] = event.Span{Start: p.start, End: p.start + int64(len(p.entries))}
		}
	}
	return out, nil
}

// TopicIDs implements event.Log.
func (l *Log) TopicIDs(_ context.Context, topics ...string) (map[string]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{}
	for _, name := range topics {
		if l.topics[name] == nil {
			return nil, fmt.Errorf("topic %s: %w", name, event.ErrTopic)
		}
		out[name] = l.topics[name].id
	}
	return out, nil
}

// Read implements event.Log.
func (l *Log) Read(_ context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	r := &reader{log: l, at: map[event.TopicPartition]int64{}}
	for tp, at := range from {
		r.at[tp] = at
		r.order = append(r.order, tp)
	}
	sortPartitions(r.order)
	return r, nil
}

// Fence implements event.Log.
func (l *Log) Fence(_ context.Context, id string) (event.Writer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs[id]++
	return &writer{log: l, id: id, epoch: l.epochs[id]}, nil
}

// Join implements event.Log. The model has no groups: whoever drives the tasks assigns them.
func (l *Log) Join(context.Context, string, []string, event.Assignment) (event.Member, error) {
	return nil, fmt.Errorf("joining a group: %w", event.ErrAccess)
}

type reader struct {
	log   *Log
	at    map[event.TopicPartition]int64
	order []event.TopicPartition
}

func sortPartitions(tps []event.TopicPartition) {
	for i := range tps {
		for j := i; j > 0 && (tps[j].Topic < tps[j-1].Topic || tps[j].Topic == tps[j-1].Topic && tps[j].Partition < tps[j-1].Partition); j-- {
			tps[j], tps[j-1] = tps[j-1], tps[j]
		}
	}
}

// Poll never waits.
func (r *reader) Poll(ctx context.Context, most int, _ time.Duration) ([]event.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	var out []event.Record
	for _, tp := range r.order {
		p := r.log.topics[tp.Topic].partitions[tp.Partition]
		if r.at[tp] < p.start || r.at[tp] > p.start+int64(len(p.entries)) {
			return nil, fmt.Errorf("%s/%d offset %d: %w", tp.Topic, tp.Partition, r.at[tp], event.ErrRange)
		}
		for int64(len(p.entries)) > r.at[tp]-p.start && len(out) < most {
			e := p.entries[r.at[tp]-p.start]
			r.at[tp]++
			if !e.aborted || e.rec.Control {
				out = append(out, e.rec)
			}
		}
	}
	return out, nil
}

// Position implements event.Reader.
func (r *reader) Position(tp event.TopicPartition) int64 { return r.at[tp] }

// Close implements event.Reader.
func (r *reader) Close() {}

type writer struct {
	log   *Log
	id    string
	epoch int
}

// Commit implements event.Writer. A transaction is one step of the model: nobody sees a part of it.
func (w *writer) Commit(_ context.Context, records []event.Record, check func() error) ([]int64, error) {
	if len(records) == 0 {
		return nil, nil
	}
	err := error(nil)
	if check != nil {
		err = check()
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.log.epochs[w.id] != w.epoch {
		return nil, fmt.Errorf("transaction of %s: %w", w.id, event.ErrFenced)
	}
	if err == nil && w.log.Fault != nil {
		err = w.log.Fault(w.id)
	}
	offsets := make([]int64, len(records))
	touched := map[event.TopicPartition]bool{}
	for i, r := range records {
		if w.log.topics[r.Topic] == nil {
			return nil, fmt.Errorf("writing to %s: %w", r.Topic, event.ErrTopic)
		}
		offsets[i] = w.log.append(r, err != nil)
		touched[w.log.place(r)] = true
	}
	for tp := range touched {
		w.log.append(event.Record{Topic: tp.Topic, Partition: tp.Partition, Control: true}, err != nil)
	}
	if err != nil {
		return nil, err
	}
	return offsets, nil
}

func (l *Log) place(r event.Record) event.TopicPartition {
	if r.Partition == event.AnyPartition {
		h := fnv.New32a()
		h.Write(r.Key)
		r.Partition = int32(h.Sum32() % uint32(len(l.topics[r.Topic].partitions)))
	}
	return event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
}

// Close implements event.Writer.
func (w *writer) Close() {}
