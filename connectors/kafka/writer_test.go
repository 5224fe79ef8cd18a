package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

func TestCommitReturnsOffsetsInOrder(t *testing.T) {
	c, topic := begin(t, 2)
	w := fence(t, c, unique("id"))
	for round := range int64(3) {
		records := []event.Record{rec(topic, 1, "a"), rec(topic, 0, "b"), rec(topic, 1, "c"), rec(topic, 0, "d")}
		offsets, err := w.Commit(testContext(t), records, nil)
		if err != nil {
			t.Fatal(err)
		}
		// Each transaction takes one more offset in each partition, for its marker.
		if want := []int64{3 * round, 3 * round, 3*round + 1, 3*round + 1}; !slices.Equal(offsets, want) {
			t.Fatalf("round %d: offsets %v, want %v", round, offsets, want)
		}
	}
}

func TestCommitOfNothingDoesNothing(t *testing.T) {
	c, _ := begin(t, 1)
	w := fence(t, c, unique("id"))
	offsets, err := w.Commit(testContext(t), nil, func() error { t.Error("check was called"); return nil })
	if offsets != nil || err != nil {
		t.Fatal(offsets, err)
	}
}

func TestCheckIsCalledOnceAllIsAtTheBrokerAndItsErrorAborts(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	stop := errors.New("past midnight")
	_, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "aborted")}, func() error {
		spans, err := c.Spans(testContext(t), topic)
		if end := spans[event.TopicPartition{Topic: topic}].End; err != nil || end != 1 {
			t.Errorf("high watermark at the check %d, %v; want 1", end, err)
		}
		return stop
	})
	if !errors.Is(err, stop) || errors.Is(err, event.ErrUnknown) {
		t.Fatalf("got %v, want the check's error alone", err)
	}
	commit(t, w, topic, "kept") // the writer goes on being usable
	values, controls := drain(t, c, read(t, c, topic, 0), topic)
	if !slices.Equal(values, []string{"kept"}) || controls != 2 {
		t.Fatalf("read %q and %d control records, want only what was committed, and 2", values, controls)
	}
}

func TestFencedWriterCannotCommitAndWhatItHadOpenIsInvisible(t *testing.T) {
	c, topic := begin(t, 1)
	id := unique("id")
	old := fence(t, c, id)
	commit(t, old, topic, "first")
	var owner event.Writer
	// The old owner freezes with a transaction open; it wakes after another has taken the id over.
	_, err := old.Commit(testContext(t), []event.Record{rec(topic, 0, "zombie")}, func() error {
		owner = fence(t, c, id)
		commit(t, owner, topic, "second")
		return nil
	})
	if !errors.Is(err, event.ErrFenced) {
		t.Fatalf("got %v, want ErrFenced", err)
	}
	if _, err := old.Commit(testContext(t), []event.Record{rec(topic, 0, "zombie again")}, nil); !errors.Is(err, event.ErrFenced) {
		t.Fatalf("second try: got %v, want ErrFenced", err)
	}
	commit(t, owner, topic, "third")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"first", "second", "third"}) {
		t.Fatalf("read %q", values)
	}
}

func TestFencedIdleWriterCannotBegin(t *testing.T) {
	c, topic := begin(t, 1)
	id := unique("id")
	old := fence(t, c, id)
	owner := fence(t, c, id)
	if _, err := old.Commit(testContext(t), []event.Record{rec(topic, 0, "zombie")}, nil); !errors.Is(err, event.ErrFenced) {
		t.Fatalf("got %v, want ErrFenced", err)
	}
	commit(t, owner, topic, "kept")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"kept"}) {
		t.Fatalf("read %q", values)
	}
}

func TestFenceAbortsWhatACrashLeftOpen(t *testing.T) {
	c, topic := begin(t, 1)
	id := unique("id")
	crashed := fence(t, c, id).(*Writer)
	if err := crashed.cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if _, err := crashed.produce(testContext(t), []event.Record{rec(topic, 0, "left open")}); err != nil {
		t.Fatal(err)
	}
	crashed.Close()
	commit(t, fence(t, c, id), topic, "kept")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"kept"}) {
		t.Fatalf("read %q", values)
	}
}

func TestRecordTooLargeIsNamedWithoutItsContentsAndAbortsForCertain(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	_, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "aborted"), rec(topic, 0, strings.Repeat("secret", 1<<19))}, nil)
	if err == nil || !strings.Contains(err.Error(), topic) || strings.Contains(err.Error(), "secret") ||
		!strings.Contains(err.Error(), "max.message.bytes") || errors.Is(err, event.ErrUnknown) {
		t.Fatalf("got %v", err)
	}
	commit(t, w, topic, "kept")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"kept"}) {
		t.Fatalf("read %q", values)
	}
}

func TestWritingToAMissingTopic(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	_, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "aborted"), rec("not-there", 0, "x")}, nil)
	if !errors.Is(err, event.ErrTopic) || !strings.Contains(err.Error(), "not-there") {
		t.Fatalf("got %v, want ErrTopic", err)
	}
	commit(t, w, topic, "kept")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"kept"}) {
		t.Fatalf("read %q", values)
	}
}

func TestCommitWithoutBrokerEndsUnknownWithinItsTime(t *testing.T) {
	embeddedOnly(t)
	brokers, broker := testBrokers(t)
	c := open(t, brokers, func(o *Options) { o.TransactionTimeout = time.Second })
	topic := topic(t, c, 1, nil)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "kept")
	broker.Close()
	began := time.Now()
	_, err := w.Commit(context.Background(), []event.Record{rec(topic, 0, "x")}, nil)
	if !errors.Is(err, event.ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Fatalf("took %v", took)
	}
	if _, err := w.Commit(context.Background(), []event.Record{rec(topic, 0, "x")}, nil); !errors.Is(err, event.ErrUnknown) {
		t.Fatalf("a useless writer answered %v", err)
	}
}

func TestProduceWaitsForAll(t *testing.T) {
	c, topic := begin(t, 1)
	if err := c.Produce(testContext(t), []event.Record{rec(topic, 0, "a"), rec(topic, 0, "b")}); err != nil {
		t.Fatal(err)
	}
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"a", "b"}) {
		t.Fatalf("read %q", values)
	}
	if err := c.Produce(testContext(t), []event.Record{rec("not-there", 0, "a")}); !errors.Is(err, event.ErrTopic) {
		t.Fatalf("got %v, want ErrTopic", err)
	}
}

func BenchmarkCommit(b *testing.B) {
	e, err := StartEmbedded(EmbeddedOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	ctx := context.Background()
	c, err := Open(ctx, Options{Brokers: e.Brokers()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.CreateTopics(ctx, []TopicSpec{{Name: "t", Partitions: 8, Replication: 1}}); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1, 100, 5000} {
		b.Run(map[int]string{1: "1", 100: "100", 5000: "5000"}[size], func(b *testing.B) {
			w, err := c.Fence(ctx, unique("id"))
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			records := make([]event.Record, size)
			for i := range records {
				records[i] = event.Record{Topic: "t", Partition: int32(i % 8), Key: []byte("key"), Value: make([]byte, 150)}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Commit(ctx, records, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMarkerCarriesTheBrokersTime: the engine compares the machine's clock with it.
func TestMarkerCarriesTheBrokersTime(t *testing.T) {
	c, topic := begin(t, 1)
	before := time.Now().Add(-time.Minute) // a test's broker may be another machine
	commit(t, fence(t, c, unique("id")), topic, "a")
	r := read(t, c, topic, 0)
	for {
		records, err := r.Poll(testContext(t), 10, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			if m := &records[i]; m.Control {
				if m.Time.Before(before) || m.Time.After(time.Now().Add(time.Minute)) {
					t.Errorf("the marker is of %s", m.Time)
				}
				return
			}
		}
	}
}

// The library aborts a first transaction, and reports success, when it has not yet entered the topic into its tables.
// Commit waits for that, and does not go on where it never comes.
func TestCommitWaitsUntilTheLibraryKnowsTheTopic(t *testing.T) {
	c, topic := begin(t, 1)
	id := unique("id")
	w := fence(t, c, id).(*Writer)
	ask, asked := w.leader, 0
	w.leader = func(topic string, partition int32) (int32, int32, error) {
		asked++
		if asked < 5 {
			return -1, -1, nil
		}
		return ask(topic, partition)
	}
	commit(t, w, topic, "first")
	if asked < 5 {
		t.Fatalf("it ended the transaction after having asked %d times", asked)
	}
	was := asked
	commit(t, w, topic, "second")
	if asked != was {
		t.Errorf("it asked again about a topic that it knows")
	}

	late := fence(t, c, id).(*Writer)
	late.leader = func(string, int32) (int32, int32, error) { return -1, -1, nil }
	late.patience = 50 * time.Millisecond
	if _, err := late.Commit(testContext(t), []event.Record{rec(topic, 0, "never")}, nil); !errors.Is(err, errNotEntered) || !errors.Is(err, event.ErrUnknown) {
		t.Fatalf("got %v, want an error that ends the writer", err)
	}
	commit(t, fence(t, c, id), topic, "third")
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); !slices.Equal(values, []string{"first", "second", "third"}) {
		t.Fatalf("read %q", values)
	}
}
