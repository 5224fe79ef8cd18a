package main

import (
	"context"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// produceBatch is how many records are handed to the brokers at a time.
const produceBatch = 10000

// produceAhead is how many batches are on their way while one is gathered.
const produceAhead = 4

// sourceWriter gathers records for the brokers: batches are written, in their order, while the next is gathered. The first
// error sticks.
type sourceWriter struct {
	ctx     context.Context
	k       *kafka.Client
	batch   *sourceBatch
	begun   []*sourceBatch // on their way, the oldest first
	records int
	bytes   int64
	err     error
}

// sourceBatch is records with the bytes of their keys and values.
type sourceBatch struct {
	records []event.Record
	bytes   []byte
	wait    func() error // once it is begun
}

func newSourceWriter(ctx context.Context, k *kafka.Client) *sourceWriter {
	return &sourceWriter{ctx: ctx, k: k, batch: &sourceBatch{}}
}

func (s *sourceWriter) snapshot(topic string, key, value []byte) bool {
	s.add(topic, key, value)
	return s.err == nil
}

func (s *sourceWriter) messages(ms []registry.Message) {
	for _, m := range ms {
		s.add(m.Topic, m.Key, m.Value)
	}
}

// add copies key and value.
func (s *sourceWriter) add(topic string, key, value []byte) {
	b := s.batch
	b.records = append(b.records, event.Record{Topic: topic, Partition: event.AnyPartition, Key: b.copy(key), Value: b.copy(value)})
	s.records++
	s.bytes += int64(len(key) + len(value))
	if len(b.records) >= produceBatch {
		s.next()
	}
}

// copy keeps nil, which is a tombstone.
func (b *sourceBatch) copy(p []byte) []byte {
	if p == nil {
		return nil
	}
	at := len(b.bytes)
	b.bytes = append(b.bytes, p...)
	return b.bytes[at:len(b.bytes):len(b.bytes)]
}

// next lets the batch be written, and goes on with the one that was written longest ago.
func (s *sourceWriter) next() {
	s.batch.wait = s.k.Begin(s.ctx, s.batch.records)
	s.begun = append(s.begun, s.batch)
	s.batch = &sourceBatch{}
	if len(s.begun) > produceAhead {
		s.batch = s.written()
		s.batch.records, s.batch.bytes = s.batch.records[:0], s.batch.bytes[:0]
	}
}

// written waits for the oldest batch and keeps the first error.
func (s *sourceWriter) written() *sourceBatch {
	b := s.begun[0]
	s.begun = s.begun[1:]
	if err := b.wait(); s.err == nil {
		s.err = err
	}
	return b
}

// close writes what is left, and returns the first error.
func (s *sourceWriter) close() error {
	if s.err == nil && len(s.batch.records) > 0 {
		s.next()
	}
	for len(s.begun) > 0 {
		s.written()
	}
	return s.err
}
