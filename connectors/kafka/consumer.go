package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// drainTimeout is how long a consumer holds a rebalance up until what it has delivered is committed. It must stay well
// below rebalanceTimeout.
const drainTimeout = 10 * time.Second

// Consumer is an ordinary member of a consumer group with committed offsets. Poll is for one goroutine; the rest for all.
type Consumer struct {
	c      *Client
	cl     *kgo.Client
	end    context.CancelFunc // ends the client
	group  string
	topic  string
	failed error // came together with records: the next Poll returns it

	// committing is held while offsets are on their way: of two commits under way, the lower could come last.
	committing sync.Mutex

	mu     sync.Mutex
	held   map[int32]*consumed
	moved  chan struct{} // closed, and made anew, when something was committed
	closed bool
}

// consumed is how far one partition has been read. Transaction markers take offsets but are delivered to nobody: what
// stands between the last record that is done and read counts as done.
type consumed struct {
	read      int64 // the offset after the last record or marker
	delivered int64 // the offset after the last record delivered
	done      int64 // the offset after the last record that the caller is done with
	committed int64
	leaving   bool // nothing more is delivered
}

func (s *consumed) committable() int64 {
	if s.done >= s.delivered {
		return s.read
	}
	return s.done
}

// Consume joins group and reads topic from where the group left off, from the start where it never was.
//
// A partition that another member is to have goes there once everything delivered is committed, at most drainTimeout
// later: what is being mailed meanwhile would else be mailed by both.
func (c *Client) Consume(ctx context.Context, group, topic string) (*Consumer, error) {
	if err := c.mayJoin(ctx, group, []string{topic}); err != nil {
		return nil, err
	}
	k := &Consumer{c: c, group: group, topic: topic, held: map[int32]*consumed{}, moved: make(chan struct{})}
	lost, err := c.missed(ctx, group, topic)
	if err != nil {
		return nil, err
	}
	if len(lost.Gaps) > 0 {
		k.failed = lost
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	k.end = end
	k.cl, err = kgo.NewClient(append(c.group(group), kgo.WithContext(life), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.KeepControlRecords(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { k.revoked(tps[topic]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { k.drop(tps[topic]) }))...)
	if err != nil {
		end()
		return nil, fmt.Errorf("making a member of group %s: %w", group, err)
	}
	return k, nil
}

// Poll returns at most max records as soon as there are any, else after wait none. An event.ErrRange says that records
// which were not done with are gone (retention: then it is an event.Lost; a topic made anew): it comes once, and reading goes
// on at the start of what is there.
func (c *Consumer) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	if err := c.failed; err != nil {
		c.failed = nil
		return nil, err
	}
	fetches := poll(ctx, c.cl, most, wait)
	err := fetchError(fetches)
	if errors.Is(err, event.ErrRange) {
		err = c.restart(ctx, fetches, err)
	}
	out := make([]event.Record, 0, fetches.NumRecords())
	c.mu.Lock()
	defer c.mu.Unlock()
	fetches.EachRecord(func(k *kgo.Record) {
		s := c.held[k.Partition]
		if s == nil {
			s = &consumed{read: k.Offset, delivered: k.Offset, done: k.Offset, committed: k.Offset}
			c.held[k.Partition] = s
		}
		if s.leaving {
			return // its next owner begins where this one has committed
		}
		s.read = k.Offset + 1
		if !k.Attrs.IsControl() {
			s.delivered = k.Offset + 1
			out = append(out, fromKafka(k))
		}
	})
	switch {
	case len(out) > 0:
		c.failed = err // the library has moved past these records: dropping them would lose them
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return out, nil
}

// restart sets partitions whose offset does not exist any more to the start of what is there, and returns what is gone: else
// the error by which that was noticed.
func (c *Consumer) restart(ctx context.Context, fetches kgo.Fetches, noticed error) error {
	spans, err := c.c.Spans(ctx, c.topic)
	if err != nil {
		return errors.Join(noticed, err)
	}
	committed, err := c.c.Committed(ctx, c.group, c.topic)
	if err != nil {
		return errors.Join(noticed, err)
	}
	to := map[int32]kgo.EpochOffset{}
	lost := &event.Lost{}
	c.mu.Lock()
	for _, e := range fetches.Errors() {
		if errors.Is(classify(e.Err), event.ErrRange) {
			tp := event.TopicPartition{Topic: c.topic, Partition: e.Partition}
			from, start := committed[tp], spans[tp].Start
			if from < start {
				lost.Gaps = append(lost.Gaps, event.Gap{TopicPartition: tp, From: from, To: start})
			}
			to[e.Partition] = kgo.EpochOffset{Epoch: -1, Offset: start}
			delete(c.held, e.Partition)
		}
	}
	c.mu.Unlock()
	c.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.topic: to})
	if len(lost.Gaps) > 0 {
		return lost
	}
	return noticed
}

// missed returns what is gone of partitions of which the group has never committed anything, or so long ago that the brokers
// have forgotten it: there it begins at the start of what is left, and nobody notices.
func (c *Client) missed(ctx context.Context, group, topic string) (*event.Lost, error) {
	spans, err := c.Spans(ctx, topic)
	if err != nil {
		return nil, err
	}
	committed, err := c.Committed(ctx, group, topic)
	if err != nil {
		return nil, err
	}
	lost := &event.Lost{}
	for tp, span := range spans {
		if _, known := committed[tp]; !known && span.Start > 0 {
			lost.Gaps = append(lost.Gaps, event.Gap{TopicPartition: tp, To: span.Start})
		}
	}
	return lost, nil
}

// Commit says that these records, and everything before them in their partitions, are done with. Of partitions that were
// taken away nothing is committed, without an error: their new owner decides.
func (c *Consumer) Commit(ctx context.Context, records []event.Record) error {
	c.mu.Lock()
	for i := range records {
		if s := c.held[records[i].Partition]; s != nil && records[i].Topic == c.topic {
			s.done = max(s.done, records[i].Offset+1)
		}
	}
	c.mu.Unlock()
	return c.flush(ctx)
}

// flush commits what has moved.
func (c *Consumer) flush(ctx context.Context) error {
	c.committing.Lock()
	defer c.committing.Unlock()
	var records []*kgo.Record
	moved := map[int32]*consumed{}
	at := map[int32]int64{}
	c.mu.Lock()
	for p, s := range c.held {
		if to := s.committable(); to > s.committed {
			moved[p], at[p] = s, to
			records = append(records, &kgo.Record{Topic: c.topic, Partition: p, Offset: to - 1, LeaderEpoch: -1})
		}
	}
	c.mu.Unlock()
	if len(moved) == 0 {
		return nil
	}
	// Through the member: the brokers refuse one that has lost its place.
	if err := c.cl.CommitRecords(ctx, records...); err != nil {
		return fmt.Errorf("committing offsets of group %s: %w", c.group, classify(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, s := range moved {
		s.committed = max(s.committed, at[p])
	}
	close(c.moved)
	c.moved = make(chan struct{})
	return nil
}

// revoked lets partitions go once what was delivered of them is committed. The brokers wait for its return.
func (c *Consumer) revoked(partitions []int32) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for open := true; open; {
		// The channel before the question: what is committed between the two is then not missed.
		c.mu.Lock()
		moved := c.moved
		c.mu.Unlock()
		if !c.mustDrain(partitions) {
			break
		}
		select {
		case <-moved:
		case <-ctx.Done():
			open = false
		}
	}
	// A commit under way must have ended before another member asks where to begin; none may begin afterwards.
	c.committing.Lock()
	defer c.committing.Unlock()
	c.drop(partitions)
}

// mustDrain marks partitions as leaving, and says whether records of them are still in the caller's hands.
func (c *Consumer) mustDrain(partitions []int32) (open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range partitions {
		if s := c.held[p]; s != nil {
			s.leaving = true
			open = open || s.committed < s.delivered
		}
	}
	return open && !c.closed
}

func (c *Consumer) drop(partitions []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.held, func(p int32, _ *consumed) bool {
		for _, q := range partitions {
			if p == q {
				return true
			}
		}
		return false
	})
}

// Lag is how many offsets of the topic the group is not done with, over all partitions, whoever has them. Transaction
// markers behind the last record do not count where their partition is this member's.
func (c *Consumer) Lag(ctx context.Context) (n int64, err error) {
	return c.behind(ctx, nil)
}

// Unread is how many offsets of the topic the group is not known to have read: behind what this member was given where a
// partition is its own, behind what the group is done with elsewhere. So before a member has its partitions it is all that
// the group is not done with.
func (c *Consumer) Unread(ctx context.Context) (int64, error) {
	read := map[int32]int64{}
	c.mu.Lock()
	for p, s := range c.held {
		read[p] = s.read
	}
	c.mu.Unlock()
	return c.behind(ctx, read)
}

// behind is how many offsets of the topic lie behind what the group is done with and what was read.
func (c *Consumer) behind(ctx context.Context, read map[int32]int64) (n int64, err error) {
	if err := c.flush(ctx); err != nil {
		return 0, err
	}
	spans, err := c.c.Spans(ctx, c.topic)
	if err != nil {
		return 0, err
	}
	done, err := c.c.Committed(ctx, c.group, c.topic)
	if err != nil {
		return 0, err
	}
	for tp, span := range spans {
		n += max(0, span.End-max(span.Start, done[tp], read[tp.Partition]))
	}
	return n, nil
}

// Close leaves the group at once: what was delivered and not committed is delivered to the next member.
func (c *Consumer) Close() {
	c.mu.Lock()
	c.closed = true
	close(c.moved)
	c.moved = make(chan struct{})
	c.mu.Unlock()
	leave(c.cl, c.end)
}
