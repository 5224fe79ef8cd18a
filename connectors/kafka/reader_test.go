package kafka

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

func TestControlRecordsMoveThePositionToTheHighWatermark(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "a", "b")
	commit(t, w, topic, "c")
	values, controls := drain(t, c, read(t, c, topic, 0), topic)
	if !slices.Equal(values, []string{"a", "b", "c"}) || controls != 2 {
		t.Fatalf("read %q and %d control records", values, controls)
	}
	if values, _ := drain(t, c, read(t, c, topic, 1), topic); !slices.Equal(values, []string{"b", "c"}) {
		t.Fatalf("from offset 1: read %q", values)
	}
}

func TestAbortedTailIsInvisibleButCounts(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "kept")
	stop := errors.New("stop")
	if _, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "aborted")}, func() error { return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	r := read(t, c, topic, 0)
	if values, controls := drain(t, c, r, topic); !slices.Equal(values, []string{"kept"}) || controls != 2 {
		t.Fatalf("read %q and %d control records", values, controls)
	}
	if at := r.Position(event.TopicPartition{Topic: topic}); at != 4 {
		t.Fatalf("position %d, want 4: two records, two markers", at)
	}
}

func TestNothingOfAnOpenTransactionIsRead(t *testing.T) {
	c, topic := begin(t, 1)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "kept")
	r := read(t, c, topic, 0)
	if _, err := w.Commit(testContext(t), []event.Record{rec(topic, 0, "open")}, func() error {
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			records, err := r.Poll(testContext(t), 10, 100*time.Millisecond)
			if err != nil {
				return err
			}
			for _, k := range records {
				if string(k.Value) == "open" {
					t.Error("read what is not committed")
				}
			}
		}
		if at := r.Position(event.TopicPartition{Topic: topic}); at != 2 {
			t.Errorf("position %d, want 2: before the open transaction", at)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if values, _ := drain(t, c, r, topic); !slices.Equal(values, []string{"open"}) {
		t.Fatalf("read %q", values)
	}
}

func TestPollKeepsToItsMaximumAndItsWait(t *testing.T) {
	c, topic := begin(t, 1)
	r := read(t, c, topic, 0)
	began := time.Now()
	if records, err := r.Poll(testContext(t), 2, 50*time.Millisecond); len(records) != 0 || err != nil {
		t.Fatal(records, err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("an empty poll took %v, less than its wait", took)
	}
	commit(t, fence(t, c, unique("id")), topic, "a", "b", "c")
	for n := 0; n < 4; {
		records, err := r.Poll(testContext(t), 2, time.Second)
		if err != nil || len(records) > 2 {
			t.Fatal(len(records), err)
		}
		n += len(records)
	}
}

func TestOffsetThatDoesNotExistIsARangeError(t *testing.T) {
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	commit(t, fence(t, c, unique("id")), topic, "a", "b")
	cases := map[string]int64{"above the end": 1000}
	if broker != nil {
		if err := broker.cluster.DeleteRecords(topic, 0, 2); err != nil {
			t.Fatal(err)
		}
		cases["below the start"] = 0
	}
	for name, at := range cases {
		r := read(t, c, topic, at)
		eventually(t, "an error", func() bool {
			_, err := r.Poll(testContext(t), 10, 100*time.Millisecond)
			if err != nil && (!errors.Is(err, event.ErrRange) || !contains(err, topic+"/0")) {
				t.Fatalf("%s: got %v", name, err)
			}
			return err != nil
		})
	}
}

func TestReadingWhatDoesNotExist(t *testing.T) {
	c, topic := begin(t, 1)
	for _, tp := range []event.TopicPartition{{Topic: "not-there"}, {Topic: topic, Partition: 7}} {
		if _, err := c.Read(testContext(t), map[event.TopicPartition]int64{tp: 0}); !errors.Is(err, event.ErrTopic) || !contains(err, tp.Topic) {
			t.Errorf("%v: got %v, want ErrTopic", tp, err)
		}
	}
	if _, err := c.Spans(testContext(t), topic, "not-there"); !errors.Is(err, event.ErrTopic) || !contains(err, "not-there") {
		t.Errorf("spans: got %v", err)
	}
	if _, err := c.TopicIDs(testContext(t), topic, "not-there"); !errors.Is(err, event.ErrTopic) || !contains(err, "not-there") {
		t.Errorf("topic ids: got %v", err)
	}
	if spans, err := c.Spans(testContext(t)); len(spans) != 0 || err != nil {
		t.Errorf("spans of nothing: %v, %v", spans, err)
	}
}

func TestRecordsThatComeWithAnErrorAreNotLost(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("needs to cut a topic under the reader")
	}
	c := open(t, brokers, nil)
	good, cut := topic(t, c, 1, nil), topic(t, c, 1, nil)
	w := fence(t, c, unique("id"))
	for i := range 20 {
		commit(t, w, good, fmt.Sprint(i))
		commit(t, w, cut, fmt.Sprint(i))
	}
	if err := broker.cluster.DeleteRecords(cut, 0, 10); err != nil {
		t.Fatal(err)
	}
	// The second partition fails on every fetch, beside records of the first.
	r, err := c.Read(testContext(t), map[event.TopicPartition]int64{{Topic: good}: 0, {Topic: cut}: 0})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var values []string
	failed := false
	eventually(t, "all records and the error", func() bool {
		records, err := r.Poll(testContext(t), 100, 10*time.Millisecond)
		failed = failed || errors.Is(err, event.ErrRange)
		for _, k := range records {
			if !k.Control {
				values = append(values, string(k.Value))
			}
		}
		return failed && len(values) == 20
	})
	for i, v := range values {
		if v != fmt.Sprint(i) {
			t.Fatalf("record %d is %s", i, v)
		}
	}
}

func TestPartitionIsTheRecordsOwnOrTheHashOfItsKey(t *testing.T) {
	p := partitioner{}.ForTopic("t")
	// The hashes are those of Kafka's own test of murmur2.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		if got, want := p.Partition(&kgo.Record{Key: []byte(key), Partition: event.AnyPartition}, 8), int(hash&0x7fffffff)%8; got != want {
			t.Errorf("%s: partition %d, want %d", key, got, want)
		}
		if got := p.Partition(&kgo.Record{Key: []byte(key), Partition: 5}, 8); got != 5 {
			t.Errorf("%s: partition %d, want its own", key, got)
		}
	}
}

// batch is a record batch of the offsets from first to last; those given hold a record, the others were compacted away.
func batch(first, last int64, pid int64, transactional bool, offsets ...int64) []byte {
	var records []byte
	for _, o := range offsets {
		body := append([]byte{0, 0, byte((o - first) * 2)}, 2, 'k', 2, 'v', 0) // attributes, time, offset delta, key, value, no headers
		records = append(append(records, byte(len(body)*2)), body...)
	}
	b := kmsg.RecordBatch{FirstOffset: first, Magic: 2, LastOffsetDelta: int32(last - first), ProducerID: pid, NumRecords: int32(len(offsets)), Records: records}
	if transactional {
		b.Attributes = 1 << 4
	}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - 12)
	raw = b.AppendTo(nil)
	b.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func TestPositionSkipsWhatIsNeverDelivered(t *testing.T) {
	aborted := []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 10}}
	cases := []struct {
		name string
		at   int64
		part kmsg.FetchResponseTopicPartition
		want int64
	}{
		{"nothing there", 10, kmsg.FetchResponseTopicPartition{}, 10},
		{"an error", 10, kmsg.FetchResponseTopicPartition{ErrorCode: kerr.NotLeaderForPartition.Code, RecordBatches: batch(10, 15, 1, false)}, 10},
		{"an empty batch", 10, kmsg.FetchResponseTopicPartition{RecordBatches: batch(10, 15, 1, false)}, 16},
		{"two empty batches", 10, kmsg.FetchResponseTopicPartition{RecordBatches: append(batch(10, 15, 1, false), batch(16, 20, 1, false)...)}, 21},
		{"the emptied end of a batch whose records were delivered", 13, kmsg.FetchResponseTopicPartition{RecordBatches: batch(10, 15, 1, false, 10, 11, 12)}, 16},
		{"a visible record behind an empty batch", 10, kmsg.FetchResponseTopicPartition{RecordBatches: append(batch(10, 15, 1, false), batch(16, 16, 1, false, 16)...)}, 10},
		{"an aborted record without its marker", 10, kmsg.FetchResponseTopicPartition{RecordBatches: batch(10, 12, 7, true, 10, 11, 12), AbortedTransactions: aborted}, 13},
	}
	for _, c := range cases {
		if got := invisible(&c.part, event.TopicPartition{Topic: "t"}, c.at); got != c.want {
			t.Errorf("%s: from %d to %d, want %d", c.name, c.at, got, c.want)
		}
	}
}
