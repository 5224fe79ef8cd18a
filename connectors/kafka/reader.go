package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Spans implements event.Log.
func (c *Client) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	starts, err := c.adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("listing offsets: %w", classify(err))
	}
	ends, err := c.adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("listing offsets: %w", classify(err))
	}
	out := make(map[event.TopicPartition]event.Span, len(topics))
	for _, topic := range topics {
		if len(ends[topic]) == 0 {
			return nil, fmt.Errorf("topic %s does not exist, or this user may not use it (Kafka answers the same): %w", topic, event.ErrTopic)
		}
		for p, end := range ends[topic] {
			start := starts[topic][p]
			if err := errors.Join(end.Err, start.Err); err != nil {
				return nil, fmt.Errorf("topic %s: %w", topic, classify(err))
			}
			out[event.TopicPartition{Topic: topic, Partition: p}] = event.Span{Start: start.Offset, End: end.Offset}
		}
	}
	return out, nil
}

// TopicIDs implements event.Log.
func (c *Client) TopicIDs(ctx context.Context, topics ...string) (map[string]string, error) {
	details, err := c.adm.ListTopicsWithInternal(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("describing topics: %w", classify(err))
	}
	out := make(map[string]string, len(topics))
	for _, topic := range topics {
		d, ok := details[topic]
		if !ok {
			return nil, fmt.Errorf("topic %s: %w", topic, classify(kerr.UnknownTopicOrPartition))
		}
		if d.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", topic, classify(d.Err))
		}
		out[topic] = d.ID.String()
	}
	return out, nil
}

// Reader implements event.Reader: a client of its own, without any group.
type Reader struct {
	c         *Client
	cl        *kgo.Client
	positions map[event.TopicPartition]int64
	idleSince time.Time // since when Poll has come back empty
}

// tailPatience is how long nothing must have come before the tail of a partition is looked at. A tail that holds
// nothing to deliver appears when compaction has emptied it.
const tailPatience = 300 * time.Millisecond

// Read implements event.Log.
func (c *Client) Read(_ context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	r := &Reader{c: c, positions: make(map[event.TopicPartition]int64, len(from)), idleSince: time.Now()}
	offsets := map[string]map[int32]kgo.Offset{}
	for tp, at := range from {
		if offsets[tp.Topic] == nil {
			offsets[tp.Topic] = map[int32]kgo.Offset{}
		}
		offsets[tp.Topic][tp.Partition] = kgo.NewOffset().At(at)
		r.positions[tp] = at
	}
	var err error
	r.cl, err = kgo.NewClient(append(c.reading(), kgo.ConsumePartitions(offsets), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka reader: %w", err)
	}
	return r, nil
}

// Poll implements event.Reader.
func (r *Reader) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	limited, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	fetches := r.cl.PollRecords(limited, most)
	cancel()
	if err := fetchError(fetches); err != nil {
		return nil, err
	}
	out := make([]event.Record, 0, fetches.NumRecords())
	fetches.EachRecord(func(k *kgo.Record) {
		out = append(out, fromKafka(k))
		r.positions[event.TopicPartition{Topic: k.Topic, Partition: k.Partition}] = k.Offset + 1
	})
	if len(out) > 0 {
		r.idleSince = time.Now()
		return out, nil
	}
	if time.Since(r.idleSince) > tailPatience {
		r.idleSince = time.Now()
		return nil, r.skipEmptyTails(ctx)
	}
	return nil, nil
}

// fetchError returns what a person must know of. What passes by itself the library tries again.
func fetchError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		if errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, context.Canceled) {
			continue
		}
		return fmt.Errorf("%s/%d: %w", e.Topic, e.Partition, classify(e.Err))
	}
	return nil
}

// Position implements event.Reader.
func (r *Reader) Position(tp event.TopicPartition) int64 { return r.positions[tp] }

// Close implements event.Reader.
func (r *Reader) Close() { r.cl.Close() }
