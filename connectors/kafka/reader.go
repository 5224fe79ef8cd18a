package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Reader implements event.Reader: a client of its own, without any group. Poll is for one goroutine at a time, Position for all.
type Reader struct {
	c      *Client
	cl     *kgo.Client
	failed error // came together with records: the next Poll returns it

	mu    sync.Mutex
	parts map[event.TopicPartition]*reading
}

var _ event.Reader = (*Reader)(nil)

// reading is how far a partition has been read.
type reading struct {
	position int64
	looked   time.Time     // when something was last delivered, or the tail last looked at
	patience time.Duration // until the tail is looked at next
}

// Read implements event.Log.
func (c *Client) Read(ctx context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	r := &Reader{c: c, parts: make(map[event.TopicPartition]*reading, len(from))}
	offsets := map[string]map[int32]kgo.Offset{}
	var topics []string
	now := time.Now()
	for tp, at := range from {
		if offsets[tp.Topic] == nil {
			offsets[tp.Topic] = map[int32]kgo.Offset{}
			topics = append(topics, tp.Topic)
		}
		offsets[tp.Topic][tp.Partition] = kgo.NewOffset().At(at)
		r.parts[tp] = &reading{position: at, looked: now, patience: tailPatience}
	}
	// The library would wait for ever for what is not there.
	details, err := c.details(ctx, topics)
	if err != nil {
		return nil, fmt.Errorf("opening a reader: %w", err)
	}
	for tp := range from {
		if _, ok := details[tp.Topic].Partitions[tp.Partition]; !ok {
			return nil, fmt.Errorf("opening a reader: topic %s has no partition %d: %w", tp.Topic, tp.Partition, classify(kerr.UnknownTopicOrPartition))
		}
	}
	r.cl, err = kgo.NewClient(append(c.reading(), kgo.ConsumePartitions(offsets), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.KeepControlRecords())...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka reader: %w", err)
	}
	return r, nil
}

// Poll implements event.Reader. Keys and values stay valid.
func (r *Reader) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	if err := r.failed; err != nil {
		r.failed = nil
		return nil, err
	}
	fetches := poll(ctx, r.cl, most, wait)
	err := fetchError(fetches)
	out := make([]event.Record, 0, fetches.NumRecords())
	now := time.Now()
	r.mu.Lock()
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		part := r.parts[event.TopicPartition{Topic: p.Topic, Partition: p.Partition}]
		if part == nil || len(p.Records) == 0 {
			return
		}
		for _, k := range p.Records {
			out = append(out, fromKafka(k))
		}
		*part = reading{position: p.Records[len(p.Records)-1].Offset + 1, looked: now, patience: tailPatience}
	})
	r.mu.Unlock()
	switch {
	case len(out) > 0:
		// The library has moved past these records: dropping them for the sake of the error would lose them.
		r.failed = err
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	r.skipEmptyTails(ctx, now)
	return out, nil
}

// poll asks the library for at most most records, for at least a moment.
func poll(ctx context.Context, cl *kgo.Client, most int, wait time.Duration) kgo.Fetches {
	ctx, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	defer cancel()
	return cl.PollRecords(ctx, most)
}

// fetchError returns what a person must know of. What passes by itself the library tries again.
func fetchError(fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		if errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, context.Canceled) {
			continue
		}
		if e.Topic == "" {
			return classify(e.Err)
		}
		return fmt.Errorf("%s/%d: %w", e.Topic, e.Partition, classify(e.Err))
	}
	return nil
}

// Position implements event.Reader; -1 is the position of a partition that is not being read.
func (r *Reader) Position(tp event.TopicPartition) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if part := r.parts[tp]; part != nil {
		return part.position
	}
	return -1
}

// Close implements event.Reader.
func (r *Reader) Close() { r.cl.Close() }
