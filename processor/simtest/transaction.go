package simtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"lejarat/processor/event"
)

// Transaction is one transaction at the broker.
type Transaction struct {
	ID      string
	state   Outcome // StayOpen until it ends
	first   map[event.TopicPartition]int64
	records []event.Record
	data    bool // of a writer of ours, not of a connector
}

// ComparePartitions orders partitions by topic and number.
func ComparePartitions(a, b event.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Begin writes records in a transaction that stays open, as a transactional connector does.
func (l *Log) Begin(id string, records []event.Record) *Transaction {
	tx, _ := l.begin(id, records)
	return tx
}

func (l *Log) begin(id string, records []event.Record) (*Transaction, []int64) {
	tx := &Transaction{ID: id, state: StayOpen, first: map[event.TopicPartition]int64{}, records: records}
	offsets := make([]int64, len(records))
	for i, r := range records {
		tp := l.place(r)
		if _, ok := tx.first[tp]; !ok {
			tx.first[tp] = l.end(tp)
		}
		offsets[i] = l.append(r, tx)
	}
	l.open = append(l.open, tx)
	return tx, offsets
}

// Open are the transactions that have not ended, oldest first.
func (l *Log) Open() []*Transaction { return slices.Clone(l.open) }

// Settled says whether no open transaction but those of id hold back who reads the topic.
func (l *Log) Settled(topic, id string) bool {
	for _, tx := range l.open {
		for tp := range tx.first {
			if tp.Topic == topic && tx.ID != id {
				return false
			}
		}
	}
	return true
}

// End ends an open transaction: by a request that arrives late, or by the broker's time-out, which aborts and fences.
func (l *Log) End(tx *Transaction, commit bool) {
	if commit {
		l.finish(tx, Commit)
		return
	}
	l.epochs[tx.ID]++
	l.finish(tx, Abort)
}

// finish writes the markers, in the order of the partitions.
func (l *Log) finish(tx *Transaction, outcome Outcome) {
	if tx.state != StayOpen {
		return
	}
	tx.state = outcome
	l.open = slices.DeleteFunc(l.open, func(o *Transaction) bool { return o == tx })
	var touched []event.TopicPartition
	for tp := range tx.first {
		touched = append(touched, tp)
	}
	slices.SortFunc(touched, ComparePartitions)
	for _, tp := range touched {
		if l.topics[tp.Topic] == nil {
			continue
		}
		l.append(event.Record{Topic: tp.Topic, Partition: tp.Partition, Control: true}, nil)
	}
	if outcome == Commit && tx.data && l.Committed != nil {
		l.Committed(tx.ID, tx.records)
	}
}

// Fence implements event.Log.
func (l *Log) Fence(_ context.Context, id string) (event.Writer, error) {
	if err := l.call("fence"); err != nil {
		return nil, err
	}
	l.epochs[id]++
	if !l.Flaws.NoFence {
		for _, tx := range l.Open() {
			if tx.ID == id {
				l.finish(tx, Abort)
			}
		}
	}
	return &writer{log: l, id: id, epoch: l.epochs[id]}, nil
}

type writer struct {
	log   *Log
	id    string
	epoch int
}

func (w *writer) fenced() error {
	if w.log.epochs[w.id] == w.epoch || w.log.Flaws.NoFence {
		return nil
	}
	return fmt.Errorf("transaction of %s: %w", w.id, event.ErrFenced)
}

// Commit implements event.Writer. Records are seen by nobody before the end, but hold back who reads after them.
func (w *writer) Commit(_ context.Context, records []event.Record, check func() error) ([]int64, error) {
	l := w.log
	if len(records) == 0 {
		return nil, nil
	}
	if err := cmp.Or(l.call("produce"), w.fenced()); err != nil {
		return nil, err
	}
	for i := range records {
		if l.topics[records[i].Topic] == nil || l.denied[records[i].Topic] {
			return nil, fmt.Errorf("writing to %s: %w", records[i].Topic, event.ErrTopic)
		}
	}
	if l.FutureRefused {
		return nil, fmt.Errorf("writing to %s: %w", records[0].Topic, event.ErrClock)
	}
	tx, offsets := l.begin(w.id, records)
	tx.data = true
	if l.Produced != nil {
		l.Produced(w.id, records)
	}
	if check != nil && !l.Flaws.NoCheck {
		if err := check(); err != nil {
			l.finish(tx, Abort)
			return nil, err
		}
	}
	if err := l.call("end a transaction"); err != nil {
		return nil, err
	}
	end := Ending{}
	if l.Ending != nil {
		end = l.Ending(w.id)
	}
	if err := w.fenced(); err != nil {
		return nil, err
	}
	if end.Outcome != StayOpen {
		l.finish(tx, end.Outcome)
	}
	if err := cmp.Or(end.Err, l.call("learn how a transaction ended")); err != nil {
		return nil, err
	}
	return offsets, nil
}

// Close implements event.Writer.
func (w *writer) Close() {}
