package kafka

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// Every way a broker can answer a transaction badly, what the writer makes of it, and whether it goes on being usable.
func TestWhatAnAnswerOfTheBrokerMeans(t *testing.T) {
	embeddedOnly(t)
	cases := []struct {
		name   string
		fault  kfake.Fault
		want   error // nil: none of the classes
		usable bool
	}{
		{"produce: fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidProducerEpoch}, event.ErrFenced, false},
		{"produce: the id has expired", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidProducerIDMapping}, event.ErrUnknown, false},
		{"produce: the broker asks to abort", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TransactionAbortable}, event.ErrRetry, true},
		{"produce: topic not allowed", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed}, event.ErrTopic, true},
		{"produce: id not allowed", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TransactionalIDAuthorizationFailed}, event.ErrAccess, false},
		{"produce: a time in the future", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidTimestamp}, event.ErrClock, true},
		{"produce: out of order", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber}, event.ErrRetry, true},
		{"produce: record without a key", kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord}, nil, true},
		{"end: fenced", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced}, event.ErrFenced, false},
		{"end: no clear answer", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError}, event.ErrUnknown, false},
		{"end: refused", kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidTxnState}, event.ErrUnknown, false},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			brokers, broker := testBrokers(t)
			c := open(t, brokers, nil)
			topic := topic(t, c, 1, nil)
			id := unique("id")
			w := fence(t, c, id)
			commit(t, w, topic, "before")
			fault := broker.cluster.Fault(k.fault)
			_, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "refused")}, nil)
			if fault.Hits() == 0 {
				t.Fatal("the fault was never met")
			}
			fault.Remove()
			t.Log(err)
			for _, class := range []error{event.ErrRetry, event.ErrFenced, event.ErrTopic, event.ErrAccess, event.ErrClock} {
				if errors.Is(err, class) != (class == k.want) {
					t.Errorf("got %v, want %v", err, k.want)
				}
			}
			if k.want == event.ErrUnknown && !errors.Is(err, event.ErrUnknown) || err == nil {
				t.Errorf("got %v, want %v", err, k.want)
			}
			_, again := w.Commit(testContext(t), []event.Record{rec(topic, 0, "after")}, nil)
			if (again == nil) != k.usable {
				t.Fatalf("used once more: %v, want it usable: %v", again, k.usable)
			}
			want := []string{"before", "after"}
			if !k.usable {
				want = want[:1]
				commit(t, fence(t, c, id), topic, "anew")
				want = append(want, "anew")
			}
			if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, want) {
				t.Errorf("read %q, want %q", values, want)
			}
		})
	}
}

func TestFenceThatIsNotAllowed(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed})
	if _, err := c.Fence(testContext(t), "not-mine"); !errors.Is(err, event.ErrAccess) || !contains(err, "not-mine") {
		t.Fatalf("got %v, want ErrAccess", err)
	}
}

func TestJoinThatIsNotAllowed(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Group: "not-mine", Err: kerr.GroupAuthorizationFailed})
	if _, err := c.Join(testContext(t), "not-mine", []string{topic}, event.Assignment{}); !errors.Is(err, event.ErrAccess) || !contains(err, "not-mine") {
		t.Fatalf("got %v, want ErrAccess", err)
	}
}

func TestJoinWaitsForACoordinator(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	fault := broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 2})
	h, m := join(t, c, unique("group"), topic)
	eventually(t, "held", func() bool { return len(h.partitions()) == 1 })
	m.Close()
	if fault.Hits() != 2 {
		t.Fatalf("%d faults met, want 2", fault.Hits())
	}
}

func TestCommittedWaitsForACoordinator(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	for _, key := range []kmsg.Key{kmsg.FindCoordinator, kmsg.OffsetFetch} {
		for _, answer := range []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress} {
			fault := broker.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, TopLevel: key == kmsg.OffsetFetch, Err: answer, Count: 5})
			if done, err := c.Committed(testContext(t), unique("group"), topic); err != nil || len(done) != 0 {
				t.Errorf("%v, %v: got %v, %v", key, answer, done, err)
			}
			if fault.Hits() == 0 {
				t.Errorf("%v, %v: never met", key, answer)
			}
			fault.Remove()
		}
	}
}

// forget answers the next produce request as a broker does that has thrown away all that this producer wrote. The
// library then takes the id anew and writes again, within the transaction that it was in.
func forget(broker *Embedded) {
	broker.cluster.ControlKey(kmsg.Produce.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode, part.LogStartOffset = p.Partition, kerr.UnknownProducerID.Code, 1<<40
				answer.Partitions = append(answer.Partitions, part)
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true
	})
}

// A freezes; B takes the id over and commits. A wakes, and what it meets first is an error from which the library
// recovers by taking the id again: the embedded broker lets it. A has not read what B wrote, so it must not commit. (I21)
func TestZombieThatTookTheIDBackDoesNotCommit(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	id := unique("id")
	zombie := fence(t, c, id)
	commit(t, zombie, topic, "first")
	commit(t, fence(t, c, id), topic, "second")
	forget(broker)
	for range 2 {
		if _, err := zombie.Commit(testContext(t), []event.Record{rec(topic, 0, "zombie")}, nil); !errors.Is(err, event.ErrUnknown) {
			t.Fatalf("got %v, want an error that ends the writer", err)
		}
	}
	commit(t, fence(t, c, id), topic, "third")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"first", "second", "third"}) {
		t.Fatalf("read %q", values)
	}
}
