package kafka

import (
	"errors"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestAt: one record by its place; what is no committed record is not found.
func TestAt(t *testing.T) {
	c, topic := begin(t, 2)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "a", "b")
	stop := errors.New("stop")
	if _, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "aborted")}, func() error { return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	commit(t, w, topic, "c")
	for offset, want := range map[int64]string{0: "a", 1: "b", 2: "", 3: "", 5: "c", 6: "", 1000: ""} {
		r, found, err := c.At(testContext(t), event.TopicPartition{Topic: topic}, offset)
		if err != nil || found != (want != "") || string(r.Value) != want || found && r.Offset != offset {
			t.Errorf("offset %d: %q %v %v, want %q", offset, r.Value, found, err, want)
		}
	}
	for _, partition := range []int32{1, 7} {
		if _, found, err := c.At(testContext(t), event.TopicPartition{Topic: topic, Partition: partition}, 0); found || err != nil {
			t.Errorf("partition %d: %v %v", partition, found, err)
		}
	}
	if _, _, err := c.At(testContext(t), event.TopicPartition{Topic: topic + "none"}, 0); !errors.Is(err, event.ErrTopic) {
		t.Errorf("a topic that is not there: %v", err)
	}
}

// TestSince: offsets by the time of writing.
func TestSince(t *testing.T) {
	c, topic := begin(t, 1)
	tp := event.TopicPartition{Topic: topic}
	write := func(value string) time.Time {
		if err := c.Produce(testContext(t), []event.Record{rec(topic, 0, value)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		return time.Now()
	}
	before := time.Now().Add(-time.Hour)
	first := write("a")
	last := write("b")
	for at, want := range map[time.Time]int64{before: 0, first: 1, last: 2} {
		offsets, err := c.Since(testContext(t), at, topic)
		if err != nil || offsets[tp] != want {
			t.Errorf("since %v: %v %v, want %d", at, offsets, err, want)
		}
	}
}
