package main

import (
	"context"

	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// produceBatch is how many records are handed to the brokers at a time.
const produceBatch = 10000

// sourceWriter gathers records for the brokers: one batch is written while the next is gathered. The first error sticks.
type sourceWriter struct {
	batch   *sourceBatch
	full    chan *sourceBatch
	written chan *sourceBatch
	records int
	bytes   int64
	err     error
}

// sourceBatch is records with the bytes of their keys and values.
type sourceBatch struct {
	records []event.Record
	bytes   []byte
	err     error
}

func newSourceWriter(ctx context.Context, k *kafka.Client) *sourceWriter {
	s := &sourceWriter{batch: &sourceBatch{}, full: make(chan *sourceBatch), written: make(chan *sourceBatch, 1)}
	s.written <- &sourceBatch{}
	go func() {
		defer close(s.written)
		for b := range s.full {
			b.err = k.Produce(ctx, b.records)
			s.written <- b
		}
	}()
	return s
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

// next hands the batch over for writing, and goes on with the one that was written before.
func (s *sourceWriter) next() {
	s.full <- s.batch
	s.batch = <-s.written
	s.failed(s.batch)
	s.batch.records, s.batch.bytes, s.batch.err = s.batch.records[:0], s.batch.bytes[:0], nil
}

// failed keeps the first error.
func (s *sourceWriter) failed(b *sourceBatch) {
	if s.err == nil {
		s.err = b.err
	}
}

// close writes what is left, and returns the first error.
func (s *sourceWriter) close() error {
	if s.err == nil && len(s.batch.records) > 0 {
		s.next()
	}
	close(s.full)
	for b := range s.written {
		s.failed(b)
	}
	return s.err
}
