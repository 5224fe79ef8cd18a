package kafka

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Produce writes records outside any transaction, idempotently, and returns when all are at all in-sync replicas.
// On an error some may have been written. It waits for brokers that do not answer as long as ctx lets it.
func (c *Client) Produce(ctx context.Context, records []event.Record) error {
	return c.Begin(ctx, records)()
}

// Begin is Produce for whoever has more to write meanwhile: wait says what became of these records, which must not be
// changed before. What is begun earlier by one caller stands earlier in its partition.
func (c *Client) Begin(ctx context.Context, records []event.Record) (wait func() error) {
	out := make([]kgo.Record, len(records))
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	all.Add(len(records))
	done := func(k *kgo.Record, err error) {
		defer all.Done()
		if err == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = classify(produceError(k, err))
		}
	}
	for i := range records {
		toKafka(&out[i], &records[i])
		c.rest.Produce(ctx, &out[i], done)
	}
	return func() error {
		all.Wait()
		mu.Lock()
		defer mu.Unlock()
		return first
	}
}

// produceError names the topic, never the record's contents.
func produceError(k *kgo.Record, err error) error {
	if is(err, kerr.MessageTooLarge) {
		return fmt.Errorf("writing to %s: a record of %d bytes is larger than the topic or this client allows (max.message.bytes): %w",
			k.Topic, len(k.Key)+len(k.Value), err)
	}
	return fmt.Errorf("writing to %s: %w", k.Topic, err)
}

// toKafka leaves the timestamp to the library: brokers refuse future ones, and records carry the real time of writing.
func toKafka(k *kgo.Record, r *event.Record) {
	k.Topic, k.Partition, k.Key, k.Value = r.Topic, r.Partition, r.Key, r.Value
	if len(r.Headers) == 0 {
		return
	}
	k.Headers = make([]kgo.RecordHeader, len(r.Headers))
	for i, h := range r.Headers {
		k.Headers[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
	}
}

func fromKafka(k *kgo.Record) event.Record {
	r := event.Record{Topic: k.Topic, Partition: k.Partition, Offset: k.Offset, Key: k.Key, Value: k.Value, Time: k.Timestamp,
		Control: k.Attrs.IsControl()}
	if len(k.Headers) > 0 {
		r.Headers = make([]event.Header, len(k.Headers))
		for i, h := range k.Headers {
			r.Headers[i] = event.Header{Key: h.Key, Value: h.Value}
		}
	}
	return r
}
