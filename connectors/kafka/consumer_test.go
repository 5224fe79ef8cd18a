package kafka

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lejarat/processor/event"
)

func consume(t *testing.T, c *Client, group, topic string) *Consumer {
	t.Helper()
	k, err := c.Consume(testContext(t), group, topic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// take polls until n records have come.
func take(t *testing.T, k *Consumer, n int) (out []event.Record) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d records", n), func() bool {
		records, err := k.Poll(testContext(t), n-len(out), 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, records...)
		return len(out) >= n
	})
	return out
}

func lag(t *testing.T, k *Consumer) int64 {
	t.Helper()
	n, err := k.Lag(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func values(records []event.Record) (out []string) {
	for _, k := range records {
		out = append(out, string(k.Value))
	}
	return out
}

func TestConsumerGoesOnWhereItHasCommitted(t *testing.T) {
	c, topic := begin(t, 1)
	group := unique("group")
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "a", "b")
	commit(t, w, topic, "c", "d")

	first := consume(t, c, group, topic)
	records := take(t, first, 4)
	if got := values(records); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Fatalf("read %q", got)
	}
	if n := lag(t, first); n != 6 {
		t.Fatalf("lag %d before any commit, want 6: four records, two markers", n)
	}
	if err := first.Commit(testContext(t), records[2:3]); err != nil { // and with it what stands before
		t.Fatal(err)
	}
	if n := lag(t, first); n != 2 {
		t.Fatalf("lag %d after c, want 2: d and a marker", n)
	}
	first.Close()

	second := consume(t, c, group, topic)
	records = take(t, second, 1)
	if got := values(records); !slices.Equal(got, []string{"d"}) {
		t.Fatalf("the next member read %q", got)
	}
	if err := second.Commit(testContext(t), records); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no lag: the marker at the end does not count", func() bool {
		if _, err := second.Poll(testContext(t), 1, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return lag(t, second) == 0
	})
}

func TestLagOfATopicWithNothingToDeliver(t *testing.T) {
	c, topic := begin(t, 3)
	stop := errors.New("stop")
	if _, err := fence(t, c, unique("id")).Commit(testContext(t), []event.Record{rec(topic, 1, "aborted")}, func() error { return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	k := consume(t, c, unique("group"), topic)
	eventually(t, "no lag", func() bool {
		if records, err := k.Poll(testContext(t), 10, 10*time.Millisecond); len(records) != 0 || err != nil {
			t.Fatal(records, err)
		}
		return lag(t, k) == 0
	})
}

// What a member has read and is not done with is lag and read; what nobody has read is neither.
func TestUnread(t *testing.T) {
	c, topic := begin(t, 2)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "a", "b", "c", "d")
	k := consume(t, c, unique("group"), topic)
	unread := func() int64 {
		n, err := k.Unread(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := unread(); n == 0 || n != lag(t, k) {
		t.Fatalf("%d unread before anything was, lag %d", n, lag(t, k))
	}
	eventually(t, "all is read", func() bool {
		if _, err := k.Poll(testContext(t), 10, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return unread() == 0
	})
	if lag(t, k) == 0 {
		t.Error("no lag, and nothing was committed")
	}
}

func TestCommitsUnderWayTogetherNeverGoBack(t *testing.T) {
	c, topic := begin(t, 1)
	var batch []string
	for i := range 200 {
		batch = append(batch, fmt.Sprint(i))
	}
	commit(t, fence(t, c, unique("id")), topic, batch...)
	group := unique("group")
	k := consume(t, c, group, topic)
	records := take(t, k, 200)
	var wg sync.WaitGroup
	for i := range records {
		wg.Go(func() {
			if err := k.Commit(testContext(t), records[i:i+1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	offsets, err := c.adm.FetchOffsetsForTopics(testContext(t), group, topic)
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := offsets.Lookup(topic, 0); o.At < 200 {
		t.Fatalf("committed %d, want 200", o.At)
	}
}

func TestPartitionMovesOnlyOnceWhatWasDeliveredIsCommitted(t *testing.T) {
	c, topic := begin(t, 2)
	w := fence(t, c, unique("id"))
	if _, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "a"), rec(topic, 1, "b")}, nil); err != nil {
		t.Fatal(err)
	}
	group := unique("group")
	first := consume(t, c, group, topic)
	inHand := take(t, first, 2)
	second := consume(t, c, group, topic)
	// The first member is at work on both records while the second is to have one of the partitions.
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		for _, k := range []*Consumer{first, second} {
			if records, err := k.Poll(testContext(t), 10, 50*time.Millisecond); len(records) != 0 || err != nil {
				t.Fatalf("delivered again while in hand: %q, %v", values(records), err)
			}
		}
	}
	if err := first.Commit(testContext(t), inHand); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "c"), rec(topic, 1, "d")}, nil); err != nil {
		t.Fatal(err)
	}
	var got [2][]string
	eventually(t, "the members share what comes next", func() bool {
		for i, k := range []*Consumer{first, second} {
			records, err := k.Poll(testContext(t), 10, 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Commit(testContext(t), records); err != nil {
				t.Fatal(err)
			}
			got[i] = append(got[i], values(records)...)
		}
		return len(got[0])+len(got[1]) >= 2
	})
	if all := slices.Sorted(slices.Values(slices.Concat(got[0], got[1]))); !slices.Equal(all, []string{"c", "d"}) {
		t.Fatalf("delivered %q", got)
	}
	// Late acknowledgements of a partition that has gone commit nothing, and nothing goes back.
	if err := first.Commit(testContext(t), inHand); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both partitions are done with", func() bool {
		for _, k := range []*Consumer{first, second} {
			if records, err := k.Poll(testContext(t), 10, 10*time.Millisecond); len(records) != 0 || err != nil {
				t.Fatalf("delivered again: %q, %v", values(records), err)
			}
		}
		return lag(t, first) == 0 && lag(t, second) == 0
	})
}

func TestWhatRetentionTookIsSaidOnceAndReadingGoesOn(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("needs to cut the topic")
	}
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	group := unique("group")
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "a")
	first := consume(t, c, group, topic)
	if err := first.Commit(testContext(t), take(t, first, 1)); err != nil {
		t.Fatal(err)
	}
	first.Close()
	commit(t, w, topic, "gone")
	commit(t, w, topic, "b")
	if err := broker.cluster.DeleteRecords(topic, 0, 4); err != nil {
		t.Fatal(err)
	}
	second := consume(t, c, group, topic)
	said := 0
	var lost *event.Lost
	var got []string
	eventually(t, "b", func() bool {
		records, err := second.Poll(testContext(t), 10, 100*time.Millisecond)
		if errors.As(err, &lost) {
			said++
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, values(records)...)
		return len(got) > 0
	})
	if said != 1 || !slices.Equal(got, []string{"b"}) {
		t.Fatalf("said %d times, read %q", said, got)
	}
	if want := []event.Gap{{TopicPartition: event.TopicPartition{Topic: topic}, From: 1, To: 4}}; !slices.Equal(lost.Gaps, want) {
		t.Errorf("gone are %v, want %v", lost.Gaps, want)
	}
}

// TestWhatWentBeforeTheFirstCommitIsSaid: without a committed offset a group begins at the start of what is left, and asks for
// nothing that is gone.
func TestWhatWentBeforeTheFirstCommitIsSaid(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("needs to cut the topic")
	}
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "gone")
	commit(t, w, topic, "b")
	if err := broker.cluster.DeleteRecords(topic, 0, 2); err != nil {
		t.Fatal(err)
	}
	group := unique("group")
	k := consume(t, c, group, topic)
	var lost *event.Lost
	if _, err := k.Poll(testContext(t), 10, time.Millisecond); !errors.As(err, &lost) || !errors.Is(err, event.ErrRange) ||
		!slices.Equal(lost.Gaps, []event.Gap{{TopicPartition: event.TopicPartition{Topic: topic}, To: 2}}) {
		t.Fatal(err)
	}
	if err := k.Commit(testContext(t), take(t, k, 1)); err != nil {
		t.Fatal(err)
	}
	k.Close()
	again := consume(t, c, group, topic)
	if _, err := again.Poll(testContext(t), 10, time.Millisecond); err != nil {
		t.Errorf("said again after a commit: %v", err)
	}
}
