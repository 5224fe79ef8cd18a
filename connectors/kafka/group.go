package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// rebalanceTimeout is how long a rebalance waits for a member's Assigned and Revoked.
const rebalanceTimeout = 60 * time.Second

// askTimeout is how long a membership that ends waits for an answer to its last question.
const askTimeout = 2 * time.Second

// Member implements event.Member.
type Member struct {
	cl       *kgo.Client
	group    string
	instance *string      // nil: a dynamic member
	adm      *kadm.Client // ends a static membership; nil: nobody does
	h        event.Assignment
	stop     context.CancelFunc // ends listen
	end      context.CancelFunc // ends the client where it stands: nothing is sent to the group any more
	stopped  chan struct{}

	// turn holds one while a handler runs, which may take long. It is a channel and not a mutex for testing/synctest, whose time
	// stands still while anybody waits for a mutex.
	turn   chan struct{}
	held   map[event.TopicPartition]bool
	closed bool

	replaced sync.Once
	taken    atomic.Bool // the name is another's
}

var (
	_ event.Member             = (*Member)(nil)
	_ kgo.HookGroupManageError = (*Member)(nil)
)

// Join implements event.Log. All topics are paused, so that nothing is fetched; positions are not the group's business.
//
// The brokers wait rebalanceTimeout for a handler, then give the member up: Assigned should only start tasks. A handler
// must not call Close. With Options.InstanceID, and without Leave, the membership outlives Close by the session timeout, for a
// restart to find its partitions again; it ends at once when another process joins under the same name.
func (c *Client) Join(ctx context.Context, group string, topics []string, h event.Assignment) (event.Member, error) {
	if err := c.mayJoin(ctx, group, topics); err != nil {
		return nil, err
	}
	m := &Member{group: group, held: map[event.TopicPartition]bool{}, h: h, stopped: make(chan struct{}), turn: make(chan struct{}, 1)}
	if name := c.instance(group); name != "" {
		m.instance = &name
		if c.o.Leave {
			m.adm = c.adm
		}
	}
	var life, run context.Context
	life, m.end = context.WithCancel(context.WithoutCancel(ctx))
	run, m.stop = context.WithCancel(life)
	// A start offset that needs no look-up: none is ever used.
	opts := append(c.group(group), kgo.DisableAutoCommit(), kgo.WithContext(life), kgo.WithHooks(m),
		kgo.ConsumeStartOffset(kgo.NewOffset().At(0)), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.assigned(tps) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.revoked(tps) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, tps map[string][]int32) { m.revoked(tps) }))
	var err error
	if m.cl, err = kgo.NewClient(opts...); err != nil {
		m.end()
		return nil, fmt.Errorf("making a member of group %s: %w", group, err)
	}
	// Paused first: the client joins as soon as it has topics, and would fetch from what it is given.
	m.cl.PauseFetchTopics(topics...)
	m.cl.AddConsumeTopics(topics...)
	log := c.o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	go m.listen(run, log.With("group", group))
	return m, nil
}

// mayJoin finds out what the library would try again for ever: topics that are not there, a group that is not allowed.
func (c *Client) mayJoin(ctx context.Context, group string, topics []string) error {
	if _, err := c.details(ctx, topics); err != nil {
		return fmt.Errorf("joining group %s: %w", group, err)
	}
	for _, found := range c.adm.FindGroupCoordinators(ctx, group) {
		// Anything else passes: a broker that has just started, for one, has no coordinators yet.
		if err := classify(found.Err); errors.Is(err, event.ErrAccess) {
			return fmt.Errorf("joining group %s: %w", group, err)
		}
	}
	return nil
}

// group are the options of a group member.
func (c *Client) group(name string) []kgo.Opt {
	opts := append(c.reading(), kgo.ConsumerGroup(name), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(c.o.SessionTimeout), kgo.HeartbeatInterval(c.o.SessionTimeout/10), kgo.RebalanceTimeout(rebalanceTimeout))
	if instance := c.instance(name); instance != "" {
		opts = append(opts, kgo.InstanceID(instance))
	}
	return opts
}

// instance is the name of a static member, "" for a dynamic one.
func (c *Client) instance(group string) string {
	if c.o.InstanceID == "" {
		return ""
	}
	return c.o.InstanceID + "-" + group
}

// OnGroupManageError implements kgo.HookGroupManageError. It is called before the library joins again: once the name is
// another's, the client must have ended by then.
func (m *Member) OnGroupManageError(err error) {
	if errors.Is(err, kerr.FencedInstanceID) {
		m.taken.Store(true)
		m.end()
		m.replaced.Do(m.h.Replaced)
	}
}

// askWhetherReplaced finds out what the next heartbeat would: a task may be fenced by the other process before that, and
// whoever joins anew then takes the name back.
func (m *Member) askWhetherReplaced() {
	id, generation := m.cl.GroupMetadata()
	if m.instance == nil || id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.group, generation, id, m.instance
	if resp, err := req.RequestWith(ctx, m.cl); err == nil {
		m.OnGroupManageError(kerr.ErrorForCode(resp.ErrorCode))
	}
}

// listen keeps the membership's errors from going unheard; no record ever comes.
func (m *Member) listen(ctx context.Context, log *slog.Logger) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		for _, e := range m.cl.PollFetches(ctx).Errors() {
			if ctx.Err() == nil && !errors.Is(e.Err, context.Canceled) {
				log.Warn("consumer group", "error", e.Err)
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
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	list := flatten(tps)
	if m.closed || len(list) == 0 {
		return // what is given to a member that is closing goes on to the others as it leaves
	}
	for _, tp := range list {
		m.held[tp] = true
	}
	m.h.Assigned(list)
}

func (m *Member) revoked(tps map[string][]int32) {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.release(flatten(tps))
}

// release calls the handler for those of the partitions that are held.
func (m *Member) release(partitions []event.TopicPartition) {
	var list []event.TopicPartition
	for _, tp := range partitions {
		if m.held[tp] {
			delete(m.held, tp)
			list = append(list, tp)
		}
	}
	if len(list) > 0 {
		m.h.Revoked(list)
	}
}

// Close implements event.Member: it stops what is held, then leaves the group. A static member only goes silent, unless
// Options.Leave: the brokers keep its partitions for it.
func (m *Member) Close() {
	m.turn <- struct{}{}
	if m.closed {
		<-m.turn
		return
	}
	m.closed = true
	var list []event.TopicPartition
	for tp := range m.held {
		list = append(list, tp)
	}
	m.release(list)
	<-m.turn
	m.askWhetherReplaced()
	m.stop()
	<-m.stopped
	leave(m.cl, m.end)
	m.giveUpName()
}

// giveUpName tells the brokers that a static member, which has gone silent, will not come back.
func (m *Member) giveUpName() {
	if m.adm == nil || m.taken.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	// Brokers that do not answer find out when the session ends.
	_, _ = m.adm.LeaveGroup(ctx, kadm.LeaveGroup(m.group).InstanceIDs(*m.instance).Reason("done"))
}

// leave leaves the group and closes the client, whose context end ends, within closeTimeout. Brokers that do not answer find
// out by themselves, later: they keep the answer to a join back until every member has joined or is given up, and the library
// would wait for it before it leaves.
func leave(cl *kgo.Client, end context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = cl.LeaveGroupContext(ctx)
	end()
	cl.Close()
}
