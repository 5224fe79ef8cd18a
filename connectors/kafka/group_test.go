package kafka

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// holder notes what a member holds, and complains of calls that overlap or contradict each other.
type holder struct {
	t     *testing.T
	calls atomic.Int32

	revoked  atomic.Int32 // calls of Revoked
	replaced atomic.Int32 // calls of Replaced
	mu       sync.Mutex
	held     map[event.TopicPartition]bool
}

func (h *holder) assignment() event.Assignment {
	change := func(list []event.TopicPartition, to bool) {
		if h.calls.Add(1) != 1 {
			h.t.Error("two handler calls at a time")
		}
		defer h.calls.Add(-1)
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, tp := range list {
			if h.held[tp] == to {
				h.t.Errorf("%v: told twice that held is %v", tp, to)
			}
			h.held[tp] = to
		}
	}
	return event.Assignment{
		Assigned: func(list []event.TopicPartition) { change(list, true) },
		Revoked:  func(list []event.TopicPartition) { change(list, false); h.revoked.Add(1) },
		Replaced: func() { h.replaced.Add(1) },
	}
}

func (h *holder) partitions() (out []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for tp, held := range h.held {
		if held {
			out = append(out, tp.Partition)
		}
	}
	slices.Sort(out)
	return out
}

func join(t *testing.T, c *Client, group, topic string) (*holder, event.Member) {
	t.Helper()
	h := &holder{t: t, held: map[event.TopicPartition]bool{}}
	m, err := c.Join(testContext(t), group, []string{topic}, h.assignment())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return h, m
}

func TestTwoMembersShareAndOneTakesOver(t *testing.T) {
	c, topic := begin(t, 4)
	group := unique("group")
	a, first := join(t, c, group, topic)
	eventually(t, "the only member holds all", func() bool { return len(a.partitions()) == 4 })
	b, second := join(t, c, group, topic)
	eventually(t, "two each", func() bool { return len(a.partitions()) == 2 && len(b.partitions()) == 2 })
	if both := slices.Concat(a.partitions(), b.partitions()); !slices.Equal(slices.Sorted(slices.Values(both)), []int32{0, 1, 2, 3}) {
		t.Fatalf("held: %v and %v", a.partitions(), b.partitions())
	}
	first.Close()
	if left := a.partitions(); len(left) != 0 {
		t.Fatalf("after Close returned %v were not revoked", left)
	}
	eventually(t, "the other takes over", func() bool { return len(b.partitions()) == 4 })
	second.Close()
}

func TestMembershipFetchesAndCommitsNothing(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("needs to see the requests")
	}
	c := open(t, brokers, nil)
	topic := topic(t, c, 2, nil)
	commit(t, fence(t, c, unique("id")), topic, "not to be fetched")
	var seen atomic.Int32
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.OffsetCommit, kmsg.ListOffsets} {
		broker.cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			broker.cluster.KeepControl()
			seen.Add(1)
			return nil, nil, false
		})
	}
	h, m := join(t, c, unique("group"), topic)
	eventually(t, "all held", func() bool { return len(h.partitions()) == 2 })
	time.Sleep(time.Second) // twice what a broker holds a fetch back
	m.Close()
	if n := seen.Load(); n != 0 {
		t.Fatalf("%d requests that a membership needs not", n)
	}
}

func TestMemberThatIsLostHearsOfIt(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("needs to answer for the broker")
	}
	c := open(t, brokers, nil)
	topic := topic(t, c, 2, nil)
	h, m := join(t, c, unique("group"), topic)
	eventually(t, "all held", func() bool { return len(h.partitions()) == 2 })
	broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID})
	eventually(t, "revoked", func() bool { return h.revoked.Load() == 1 })
	eventually(t, "all held again", func() bool { return len(h.partitions()) == 2 })
	m.Close()
}

func TestCloseWithoutBrokerEnds(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	h, m := join(t, c, unique("group"), topic)
	eventually(t, "held", func() bool { return len(h.partitions()) == 1 })
	broker.Close()
	began := time.Now()
	m.Close()
	if took := time.Since(began); took > 20*time.Second || len(h.partitions()) != 0 {
		t.Fatalf("took %v; still held %v", took, h.partitions())
	}
}

// A restart finds its partitions again without waiting for a session to end, after a clean stop and after a crash.
func TestNamedMemberComesBackAtOnce(t *testing.T) {
	brokers, _ := testBrokers(t)
	named := func(name string) *Client {
		return open(t, brokers, func(o *Options) { o.InstanceID, o.SessionTimeout = name, 30*time.Second })
	}
	one, two := named("one"), named("two")
	topic, group := topic(t, one, 4, nil), unique("group")
	a, first := join(t, one, group, topic)
	b, _ := join(t, two, group, topic)
	eventually(t, "two each", func() bool { return len(a.partitions()) == 2 && len(b.partitions()) == 2 })
	before, moved := a.partitions(), b.revoked.Load()
	first.Close()
	began := time.Now()
	a, first = join(t, named("one"), group, topic)
	eventually(t, "the same partitions again", func() bool { return slices.Equal(a.partitions(), before) })
	// The second joins beside the first, as after kill -9: the brokers have not heard that the first is gone.
	c, _ := join(t, named("one"), group, topic)
	eventually(t, "the same partitions once more", func() bool { return slices.Equal(c.partitions(), before) })
	if took := time.Since(began); took > 25*time.Second || b.revoked.Load() != moved {
		t.Errorf("took %v; the other member was disturbed %d times", took, b.revoked.Load()-moved)
	}
	// Closing asks: without that, a member that was fenced elsewhere would join anew and take the name back.
	first.Close()
	if n := a.replaced.Load(); n != 1 {
		t.Errorf("the replaced member was told %d times", n)
	}
	if n := c.replaced.Load(); n != 0 {
		t.Errorf("the new member was told %d times", n)
	}
}

// TestNamedMemberLeaves: under a name that was left to rest the partitions are there at once, and once it has left they are
// the others'. A name that another process has taken meanwhile is not its to give up.
func TestNamedMemberLeaves(t *testing.T) {
	brokers, _ := testBrokers(t)
	one := func(leave bool) *Client {
		return open(t, brokers, func(o *Options) { o.InstanceID, o.Leave, o.SessionTimeout = "one", leave, 30*time.Second })
	}
	service := one(false)
	topic, group := topic(t, service, 4, nil), unique("group")
	a, first := join(t, service, group, topic)
	eventually(t, "the service holds all", func() bool { return len(a.partitions()) == 4 })
	first.Close()
	began := time.Now()
	b, pass := join(t, one(true), group, topic)
	eventually(t, "the pass holds all", func() bool { return len(b.partitions()) == 4 })
	pass.Close()
	other, _ := join(t, open(t, brokers, nil), group, topic)
	eventually(t, "others hold all", func() bool { return len(other.partitions()) == 4 })
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v: it was waited for a session's end", took)
	}

	c, late := join(t, one(true), group, topic)
	eventually(t, "two each", func() bool { return len(c.partitions()) == 2 && len(other.partitions()) == 2 })
	d, _ := join(t, service, group, topic)
	eventually(t, "the name is another's", func() bool { return len(d.partitions()) == 2 })
	late.Close()
	time.Sleep(5 * time.Second) // longer than a heartbeat: the new one would hear that it is gone
	if d.revoked.Load() != 0 || len(other.partitions()) != 2 {
		t.Errorf("who took the name over lost partitions %d times; the other one holds %v", d.revoked.Load(), other.partitions())
	}
}

// TestReplacedMemberHearsOfItAndDoesNotFight keeps I22.
func TestReplacedMemberHearsOfItAndDoesNotFight(t *testing.T) {
	brokers, _ := testBrokers(t)
	c := open(t, brokers, func(o *Options) { o.InstanceID = "one" }) // a heartbeat every 0.6 s
	topic, group := topic(t, c, 2, nil), unique("group")
	a, _ := join(t, c, group, topic)
	eventually(t, "all held", func() bool { return len(a.partitions()) == 2 })
	b, _ := join(t, c, group, topic)
	eventually(t, "told", func() bool { return a.replaced.Load() == 1 && len(a.partitions()) == 0 })
	time.Sleep(2 * time.Second)
	if len(b.partitions()) != 2 || b.replaced.Load() != 0 || a.replaced.Load() != 1 {
		t.Errorf("the new member holds %v and was replaced %d times", b.partitions(), b.replaced.Load())
	}
}

// A rebalance waits for a member that was killed; another one is asked to stop meanwhile.
func TestCloseDoesNotWaitForARebalance(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	h, m := join(t, c, unique("group"), topic)
	eventually(t, "held", func() bool { return len(h.partitions()) == 1 })
	joining := make(chan struct{})
	broker.cluster.ControlKey(kmsg.JoinGroup.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(joining)
		return nil, nil, true // no answer
	})
	broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress})
	<-joining
	began := time.Now()
	m.Close()
	if took := time.Since(began); took > 2*closeTimeout {
		t.Fatalf("took %v", took)
	}
}

func TestJoiningForAMissingTopic(t *testing.T) {
	c, _ := begin(t, 1)
	if _, err := c.Join(testContext(t), unique("group"), []string{"not-there"}, event.Assignment{}); !errors.Is(err, event.ErrTopic) || !contains(err, "not-there") {
		t.Errorf("Join: got %v, want ErrTopic", err)
	}
	if _, err := c.Consume(testContext(t), unique("group"), "not-there"); !errors.Is(err, event.ErrTopic) {
		t.Errorf("Consume: got %v, want ErrTopic", err)
	}
}
