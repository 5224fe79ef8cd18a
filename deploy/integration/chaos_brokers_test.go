//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// brokers is the cluster from the outside: who leads and coordinates what, and the commands that stop a broker. It asks
// by a client of its own, since the service's tells nothing of leaders.
type brokers struct {
	*stack
	adm *kadm.Client
	n   int

	returning sync.WaitGroup // a broker that is being started again
	mu        sync.Mutex
	away      bool  // it has not come back yet
	failed    error // of that start
}

func openBrokers(s *stack) *brokers {
	s.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.kafka, ",")...))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cl.Close)
	b := &brokers{stack: s, adm: kadm.NewClient(cl), n: len(strings.Split(s.kafka, ","))}
	s.t.Cleanup(b.returning.Wait)
	return b
}

// command is deploy/stack/broker.
func (b *brokers) command(verb string, n int32) error {
	cmd := exec.Command("../stack/broker", verb, strconv.Itoa(int(n))) // must end also where the test does
	cmd.Env = append(cmd.Environ(), b.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("deploy/stack/broker %s %d: %w\n%s", verb, n, err, out)
	}
	return nil
}

func (b *brokers) must(verb string, n int32) {
	b.t.Helper()
	if err := b.command(verb, n); err != nil {
		b.t.Fatal(err)
	}
}

// comeBack starts a broker again after a while, beside whatever else happens.
func (b *brokers) comeBack(n int32, after time.Duration) {
	b.away = true
	b.returning.Go(func() {
		time.Sleep(after)
		err := b.command("start", n)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.away, b.failed = false, err
	})
}

// deleteTopics deletes the topics whose names begin so.
func (b *brokers) deleteTopics(prefix string) {
	b.t.Helper()
	all, err := b.adm.ListTopics(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, name := range all.Names() {
		if strings.HasPrefix(name, prefix) {
			if _, err := b.adm.DeleteTopic(b.t.Context(), name); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// purge deletes all records of a topic, as an operator can who has changed its cleanup policy, and changes it back.
func (b *brokers) purge(topic string) {
	b.t.Helper()
	at := kadm.Offsets{}
	for tp, span := range b.spans(topic) {
		at.AddOffset(tp.Topic, tp.Partition, span.End, -1)
	}
	b.policy(topic, "delete")
	await(b.t, 30*time.Second, "purging "+topic, func() (bool, string) {
		purged, err := b.adm.DeleteRecords(b.t.Context(), at)
		err = errors.Join(err, purged.Error())
		return err == nil, fmt.Sprint(err) // the partition's leader may not know its new policy yet
	})
	b.policy(topic, "compact")
}

func (b *brokers) policy(topic, policy string) {
	b.t.Helper()
	answers, err := b.adm.AlterTopicConfigs(b.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}, topic)
	for _, a := range answers {
		err = errors.Join(err, a.Err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// settle waits until every broker is back and every replica in step.
func (b *brokers) settle() {
	b.t.Helper()
	await(b.t, 3*time.Minute, "replicas", func() (bool, string) {
		lagging := b.lagging()
		return lagging == "", lagging
	})
}

// lagging names a broker that is away or a partition that not every replica of is in step; "" where there is none: then
// the next broker may go.
func (b *brokers) lagging() string {
	b.t.Helper()
	b.mu.Lock()
	away, failed := b.away, b.failed
	b.mu.Unlock()
	if failed != nil {
		b.t.Fatal(failed)
	}
	if away {
		return "a broker is away"
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Second)
	defer cancel()
	topics, err := b.adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return err.Error()
	}
	for name, t := range topics {
		for p, d := range t.Partitions {
			if d.Leader < 0 || len(d.ISR) < len(d.Replicas) {
				return fmt.Sprintf("%s/%d: leader %d, %v of %v in step", name, p, d.Leader, d.ISR, d.Replicas)
			}
		}
	}
	return ""
}

// coordinator is the broker that coordinates a transactional id.
func (b *brokers) coordinator(id string) int32 {
	b.t.Helper()
	var node int32
	await(b.t, 30*time.Second, "the coordinator of "+id, func() (bool, string) {
		found := b.adm.FindTxnCoordinators(b.t.Context(), id)[id]
		node = found.NodeID
		return found.Err == nil && node > 0, fmt.Sprint(found.Err)
	})
	return node
}

// leader is the broker that leads a partition.
func (b *brokers) leader(tp event.TopicPartition) int32 {
	b.t.Helper()
	var leader int32
	await(b.t, 30*time.Second, "the leader of "+tp.Topic, func() (bool, string) {
		topics, err := b.adm.ListTopics(b.t.Context(), tp.Topic)
		leader = topics[tp.Topic].Partitions[tp.Partition].Leader
		return err == nil && leader > 0, fmt.Sprint(err)
	})
	return leader
}

// transaction is what the coordinator knows of an id. A connection to a broker that was away meanwhile fails once.
func (b *brokers) transaction(id string) (d kadm.DescribedTransaction) {
	b.t.Helper()
	await(b.t, 30*time.Second, "the transaction of "+id, func() (bool, string) {
		all, err := b.adm.DescribeTransactions(b.t.Context(), id)
		d = all[id]
		return err == nil, fmt.Sprint(err)
	})
	return d
}

// brokerDay takes a broker away in the middle of the run, cleanly or not, and lets it come back: sometimes the one that
// coordinates the transactions of a watch task, sometimes one that leads a partition of notifications. Where the last one
// is not back yet, an instance is killed instead.
func (x *chaos) brokerDay(day event.Date, hard bool) {
	x.t.Helper()
	if lagging := x.b.lagging(); lagging != "" {
		x.note("no broker can be spared: %s", lagging)
		x.killedDay(day)
		return
	}
	p := int32(x.dice.IntN(journalPartitions))
	id := fmt.Sprintf("%swatch.1.%d", x.c.prefix, p)
	victim, what := x.b.coordinator(id), "coordinates "+id
	if x.dice.IntN(3) == 0 {
		victim, what = x.b.leader(event.TopicPartition{Topic: x.c.prefix + "notifications", Partition: p}), fmt.Sprintf("leads notifications/%d", p)
	}
	x.midway(day, 0.2) // early: until others lead and coordinate takes up half of the day
	verb := "stop"
	if hard {
		verb = "kill"
	}
	x.b.must(verb, victim)
	x.note("broker %d, which %s: %s", victim, what, verb)
	x.b.comeBack(victim, time.Duration(x.dice.IntN(4000))*time.Millisecond)
}
