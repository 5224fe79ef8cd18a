package main

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// stationed are instances over a registry whose first day is over.
type stationed struct {
	*house
	t   *testing.T
	all []*instance
	day event.Date // whose run comes next
	lag time.Duration
}

// station starts instances, on a network that takes its time, and lets the first run, of which most are announcements, pass.
func station(t *testing.T, instances int, o houseOptions) *stationed {
	t.Helper()
	s := &stationed{t: t, house: newTestHouse(t, o), day: o.Start}
	if s.day == 0 {
		s.day = s.o.Start
	}
	s.must(s.produce(s.snapshot()))
	for n := range instances {
		s.begin(n)
	}
	s.must(s.run(s.day))
	s.next()
	return s
}

// begin starts one more.
func (s *stationed) begin(n int) *instance {
	s.t.Helper()
	i := s.instance(n)
	i.lag = max(s.lag, 2*time.Millisecond)
	s.t.Cleanup(i.quit)
	s.must(i.start())
	s.all = append(s.all, i)
	return i
}

func (s *stationed) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// next lets a day's life happen and be read; the next run is to come.
func (s *stationed) next() {
	s.t.Helper()
	s.clock.set(s.day.At(12, 0, s.zone))
	s.must(s.produce(s.live()))
	s.must(s.read())
	s.day++
}

// due lets six o'clock come, and returns what waits for the run and compares.
func (s *stationed) due() (finish func()) {
	day, expected := s.day, s.oracle.Run(s.day)
	s.clock.set(day.At(6, 0, s.zone))
	return func() { s.t.Helper(); s.must(s.finish(day, expected)) }
}

// again compares once more after a while, and then lives through another day.
func (s *stationed) again() {
	s.t.Helper()
	time.Sleep(2 * s.sessionTimeout())
	s.must(s.judge.compare(s.ctx, s.day, nil))
	s.next()
	s.due()()
}

// decided waits until that many decisions are in the topic.
func (s *stationed) decided(n int) {
	s.t.Helper()
	s.must(s.await("decisions", func() (bool, error) {
		err := s.judge.notifications.poll(s.ctx)
		return len(s.judge.notifications.records) >= n, err
	}))
}

// going fails the test when the run is over already: what is tested would not happen in it.
func (s *stationed) going() {
	s.t.Helper()
	if done, err := s.complete(s.day); done || err != nil {
		s.t.Fatal("the run is over already", err)
	}
}

// to matches the requests of a transactional id that holds part.
func to(part string) func(kmsg.Request) bool {
	return func(r kmsg.Request) bool {
		switch r := r.(type) {
		case *kmsg.EndTxnRequest:
			return strings.Contains(r.TransactionalID, part)
		case *kmsg.ProduceRequest:
			return r.TransactionID != nil && strings.Contains(*r.TransactionID, part)
		}
		return false
	}
}

// fetching matches the reading of several partitions of a topic: a tail, and no look at a partition's first record.
func (s *stationed) fetching(topic string) func(kmsg.Request) bool {
	ids, err := s.k.TopicIDs(s.ctx, topic)
	s.must(err)
	return func(r kmsg.Request) bool {
		for _, t := range r.(*kmsg.FetchRequest).Topics {
			if (t.Topic == topic || kadm.TopicID(t.TopicID).String() == ids[topic]) && len(t.Partitions) > 1 {
				return true
			}
		}
		return false
	}
}

// atWrite calls before, on the instance that is the first to come so far, when records of a transaction for the topic are about
// to leave it.
func (s *stationed) atWrite(topic string, before func(*instance)) <-chan *instance {
	ids, err := s.k.TopicIDs(s.ctx, topic)
	s.must(err)
	met := make(chan *instance, len(s.all))
	for _, i := range s.all {
		i.gate.when(&rule{key: kmsg.Produce,
			match: func(r kmsg.Request) bool {
				for _, t := range r.(*kmsg.ProduceRequest).Topics {
					if t.Topic == topic || kadm.TopicID(t.TopicID).String() == ids[topic] {
						return r.(*kmsg.ProduceRequest).TransactionID != nil
					}
				}
				return false
			},
			before: func(<-chan struct{}) { before(i); met <- i }})
	}
	return met
}

// atCommit puts a rule up for the end of that transaction.
func (s *stationed) atCommit(topic string, of func(*instance) *rule) <-chan *instance {
	met := make(chan *instance, len(s.all))
	s.atWrite(topic, func(i *instance) {
		r := of(i)
		before := r.before
		r.key = kmsg.EndTxn
		r.before = func(down <-chan struct{}) {
			if met <- i; before != nil {
				before(down)
			}
		}
		i.gate.when(r)
	})
	return met
}

// wake thaws a zombie: first its writers, and when they have done what they can, its groups.
func (s *stationed) wake(zombie *instance) {
	zombie.gate.thawPens()
	time.Sleep(s.sessionTimeout())
	zombie.gate.thaw()
}

// forget takes all rules down.
func (s *stationed) forget() {
	for _, i := range s.all {
		i.gate.forget()
	}
}

// refusal answers every partition of a request with an error.
func refusal(r *kmsg.ProduceRequest, err *kerr.Error) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode = p.Partition, err.Code
			answer.Partitions = append(answer.Partitions, part)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}
