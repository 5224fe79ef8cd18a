package kafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lejarat/processor/event"
)

// brokersEnv names a real broker to run this suite on; without it each test has an embedded one of its own.
const brokersEnv = "LEJARAT_TEST_BROKERS"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testBrokers are the addresses of the broker to test on, and the embedded broker where it is one.
func testBrokers(t *testing.T) ([]string, *Embedded) {
	t.Helper()
	if real := os.Getenv(brokersEnv); real != "" {
		return strings.Split(real, ","), nil
	}
	e, err := StartEmbedded(EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e.Brokers(), e
}

// embeddedOnly skips what looks into the broker.
func embeddedOnly(t *testing.T) {
	t.Helper()
	if os.Getenv(brokersEnv) != "" {
		t.Skip("needs the embedded broker")
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// open returns a client on the broker; change adapts its options.
func open(t *testing.T, brokers []string, change func(*Options)) *Client {
	t.Helper()
	o := Options{Brokers: brokers, SessionTimeout: 6 * time.Second}
	if change != nil {
		change(&o)
	}
	c, err := Open(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// begin returns a client and a topic of its own with that many partitions.
func begin(t *testing.T, partitions int32) (*Client, string) {
	t.Helper()
	brokers, _ := testBrokers(t)
	c := open(t, brokers, nil)
	return c, topic(t, c, partitions, nil)
}

func topic(t *testing.T, c *Client, partitions int32, configs map[string]string) string {
	t.Helper()
	name := unique("topic")
	made, err := c.CreateTopics(testContext(t), []TopicSpec{{Name: name, Partitions: partitions, Replication: 1, Configs: configs}})
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	return name
}

// unique keeps runs on one broker apart.
func unique(what string) string { return fmt.Sprintf("%s-%x", what, rand.Uint64()) }

// fence takes a transactional id over.
func fence(t *testing.T, c *Client, id string) event.Writer {
	t.Helper()
	w, err := c.Fence(testContext(t), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// rec is a record for a partition; values are what tests compare.
func rec(topic string, partition int32, value string) event.Record {
	return event.Record{Topic: topic, Partition: partition, Key: []byte("k-" + value), Value: []byte(value)}
}

// commit writes values to partition 0 in one transaction.
func commit(t *testing.T, w event.Writer, topic string, values ...string) []int64 {
	t.Helper()
	records := make([]event.Record, len(values))
	for i, v := range values {
		records[i] = rec(topic, 0, v)
	}
	offsets, err := w.Commit(testContext(t), records, nil)
	if err != nil {
		t.Fatal(err)
	}
	return offsets
}

// read opens a reader on partition 0 of the topic.
func read(t *testing.T, c *Client, topic string, at int64) event.Reader {
	t.Helper()
	r, err := c.Read(testContext(t), map[event.TopicPartition]int64{{Topic: topic}: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// drain polls until the reader has reached the high watermark of partition 0; it returns the values of the data records
// and the number of control records.
func drain(t *testing.T, c *Client, r event.Reader, topic string) (values []string, controls int) {
	t.Helper()
	ctx := testContext(t)
	spans, err := c.Spans(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	tp := event.TopicPartition{Topic: topic}
	for r.Position(tp) < spans[tp].End {
		records, err := r.Poll(ctx, 100, 100*time.Millisecond)
		if err != nil {
			t.Fatalf("at %d of %d: %v", r.Position(tp), spans[tp].End, err)
		}
		for _, k := range records {
			if k.Control {
				controls++
			} else {
				values = append(values, string(k.Value))
			}
		}
	}
	return values, controls
}

// eventually waits for what other processes bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
