package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// Member implements event.Member.
type Member struct {
	cl   *kgo.Client
	mu   sync.Mutex
	held map[event.TopicPartition]bool
	h    event.Assignment
	done chan struct{}
	stop context.CancelFunc
}

// rebalanceTimeout is how long a rebalance waits for a member to stop its tasks.
const rebalanceTimeout = 60 * time.Second

// Join implements event.Log. All topics are paused, so that nothing is fetched; positions are not the group's business.
func (c *Client) Join(ctx context.Context, group string, topics []string, h event.Assignment) (event.Member, error) {
	m := &Member{held: map[event.TopicPartition]bool{}, h: h, done: make(chan struct{})}
	opts := append(c.group(group),
		kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.assigned(tps) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.revoked(tps) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.revoked(tps) }))
	var err error
	if m.cl, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("making a member of group %s: %w", group, err)
	}
	m.cl.PauseFetchTopics(topics...)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = stop
	go m.poll(run, c, group)
	return m, nil
}

// group are the options of a group member.
func (c *Client) group(name string) []kgo.Opt {
	opts := append(c.reading(), kgo.ConsumerGroup(name), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.o.SessionTimeout), kgo.HeartbeatInterval(c.o.SessionTimeout/10), kgo.RebalanceTimeout(rebalanceTimeout))
	if c.o.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.o.InstanceID+"-"+name))
	}
	return opts
}

// poll keeps the membership's errors from going unheard; no record ever comes.
func (m *Member) poll(ctx context.Context, c *Client, group string) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.cl.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil && !errors.Is(e.Err, context.Canceled) && c.o.Logger != nil {
				c.o.Logger.Warn("consumer group", "group", group, "error", e.Err)
			}
		}
	}
}

func flatten(tps map[string][]int32) (out []event.TopicPartition) {
	for topic, partitions := range tps {
		for _, p := range partitions {
			out = append(out, event.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return out
}

func (m *Member) assigned(tps map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := flatten(tps)
	for _, tp := range list {
		m.held[tp] = true
	}
	if len(list) > 0 {
		m.h.Assigned(list)
	}
}

func (m *Member) revoked(tps map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []event.TopicPartition
	for _, tp := range flatten(tps) {
		if m.held[tp] {
			delete(m.held, tp)
			list = append(list, tp)
		}
	}
	if len(list) > 0 {
		m.h.Revoked(list)
	}
}

// Close implements event.Member: it stops what is held, then leaves the group.
func (m *Member) Close() {
	m.mu.Lock()
	var list []event.TopicPartition
	for tp := range m.held {
		list = append(list, tp)
	}
	clear(m.held)
	if len(list) > 0 {
		m.h.Revoked(list)
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = m.cl.LeaveGroupContext(ctx) // the brokers find out by themselves, later
	m.stop()
	<-m.done
	m.cl.Close()
}
