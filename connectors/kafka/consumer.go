package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Consumer is an ordinary member of a consumer group with committed offsets.
type Consumer struct {
	c     *Client
	cl    *kgo.Client
	group string
	topic string

	mu   sync.Mutex
	seen map[int32]*consumed
}

// consumed is how far one partition has been read. Transaction markers take offsets but are delivered to nobody: what
// stands between the last record that is done and read counts as done.
type consumed struct {
	read      int64 // the offset after the last record or marker
	delivered int64 // the offset after the last record delivered
	done      int64 // the offset after the last record that the caller is done with
	committed int64
}

// Consume joins group and reads topic from where the group left off, from the start where it never was.
func (c *Client) Consume(_ context.Context, group, topic string) (*Consumer, error) {
	k := &Consumer{c: c, group: group, topic: topic, seen: map[int32]*consumed{}}
	lost := func(_ context.Context, _ *kgo.Client, tps map[string][]int32) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, p := range tps[topic] {
			delete(k.seen, p)
		}
	}
	var err error
	k.cl, err = kgo.NewClient(append(c.group(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.KeepControlRecords(), kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost))...)
	if err != nil {
		return nil, fmt.Errorf("making a member of group %s: %w", group, err)
	}
	return k, nil
}

// Poll returns at most max records as soon as there are any, else after wait none.
func (c *Consumer) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	limited, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	defer cancel()
	fetches := c.cl.PollRecords(limited, most)
	if err := fetchError(fetches); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]event.Record, 0, fetches.NumRecords())
	fetches.EachRecord(func(k *kgo.Record) {
		s := c.seen[k.Partition]
		if s == nil {
			s = &consumed{delivered: k.Offset, done: k.Offset, committed: k.Offset}
			c.seen[k.Partition] = s
		}
		s.read = k.Offset + 1
		if !k.Attrs.IsControl() {
			s.delivered = k.Offset + 1
			out = append(out, fromKafka(k))
		}
	})
	return out, nil
}

// Commit says that these records, and everything before them in their partitions, are done with.
func (c *Consumer) Commit(ctx context.Context, records []event.Record) error {
	c.mu.Lock()
	for i := range records {
		if s := c.seen[records[i].Partition]; s != nil {
			s.done = max(s.done, records[i].Offset+1)
		}
	}
	c.mu.Unlock()
	return c.flush(ctx)
}

// flush commits what has moved.
func (c *Consumer) flush(ctx context.Context) error {
	c.mu.Lock()
	moved := map[int32]int64{}
	for p, s := range c.seen {
		at := s.done
		if s.done >= s.delivered {
			at = s.read
		}
		if at > s.committed {
			moved[p] = at
		}
	}
	c.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	// Through the member, so that one that lost its partitions commits nothing.
	records := make([]*kgo.Record, 0, len(moved))
	for p, at := range moved {
		records = append(records, &kgo.Record{Topic: c.topic, Partition: p, Offset: at - 1, LeaderEpoch: -1})
	}
	if err := c.cl.CommitRecords(ctx, records...); err != nil {
		return fmt.Errorf("committing offsets of group %s: %w", c.group, classify(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, at := range moved {
		if s := c.seen[p]; s != nil {
			s.committed = max(s.committed, at)
		}
	}
	return nil
}

// Lag is how many offsets of the topic the group is not done with yet, over all partitions.
func (c *Consumer) Lag(ctx context.Context) (n int64, err error) {
	if err := c.flush(ctx); err != nil {
		return 0, err
	}
	spans, err := c.c.Spans(ctx, c.topic)
	if err != nil {
		return 0, err
	}
	done, err := c.c.adm.FetchOffsetsForTopics(ctx, c.group, c.topic)
	if err != nil {
		return 0, fmt.Errorf("reading the offsets of group %s: %w", c.group, classify(err))
	}
	for tp, span := range spans {
		at := span.Start
		if o, ok := done.Lookup(tp.Topic, tp.Partition); ok && o.At >= 0 {
			at = max(at, o.At)
		}
		n += max(0, span.End-at)
	}
	return n, nil
}

// Close leaves the group.
func (c *Consumer) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.cl.LeaveGroupContext(ctx) // the brokers find out by themselves, later
	c.cl.Close()
}
