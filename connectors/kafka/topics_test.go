package kafka

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"lejarat/processor/event"
)

func TestTopicsAreMadeOnceAndVerified(t *testing.T) {
	brokers, broker := testBrokers(t)
	c := open(t, brokers, nil)
	ctx := testContext(t)
	a, b, missing := unique("topic"), unique("topic"), unique("missing")
	specs := []TopicSpec{
		{Name: a, Partitions: 3, Replication: -1, Configs: map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "86400000"}},
		{Name: b, Partitions: 1, Replication: 1, Configs: map[string]string{"retention.ms": "1000000"}},
	}
	if broker != nil {
		specs = EmbeddedSpecs(specs)
	}
	if made, err := c.CreateTopics(ctx, specs); err != nil || !slices.Equal(made, []string{a, b}) {
		t.Fatal(made, err)
	}
	if made, err := c.CreateTopics(ctx, specs); err != nil || len(made) != 0 {
		t.Fatal("a second time:", made, err)
	}
	if differs, err := c.VerifyTopics(ctx, specs); err != nil || len(differs) != 0 {
		t.Fatal(differs, err)
	}
	if n, err := c.Partitions(ctx, a); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	specs[0].Partitions = 4
	specs[1].Configs = map[string]string{"retention.ms": "5"}
	specs = append(specs, TopicSpec{Name: missing, Partitions: 1})
	differs, err := c.VerifyTopics(ctx, specs)
	retention := "1000000"
	if broker != nil {
		retention = "-1"
	}
	want := []Difference{{a, "partitions", "4", "3"}, {b, "retention.ms", "5", retention}, {missing, "topic", "present", "missing (or not allowed)"}}
	if err != nil || !slices.Equal(differs, want) {
		t.Fatalf("got %v, %v\nwant %v", differs, err, want)
	}
}

func TestTopicIDsTellTopicsOfOneNameApart(t *testing.T) {
	brokers, broker := testBrokers(t)
	if broker == nil {
		t.Skip("deletes a topic and makes it anew at once, which Kafka does not promise")
	}
	c := open(t, brokers, nil)
	topic := topic(t, c, 1, nil)
	id := func() string {
		ids, err := c.TopicIDs(testContext(t), topic)
		if err != nil || ids[topic] == "" {
			t.Fatal(ids, err)
		}
		return ids[topic]
	}
	before := id()
	if before != id() {
		t.Fatal("one topic, two ids")
	}
	if err := broker.cluster.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateTopics(testContext(t), []TopicSpec{{Name: topic, Partitions: 1, Replication: 1}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another id", func() bool { return before != id() }) // what brokers have said is believed for 100 ms
}

func TestEmbeddedSpecsNeverCompactNorForget(t *testing.T) {
	specs := []TopicSpec{
		{Name: "a", Partitions: 2, Replication: 3, Configs: map[string]string{"cleanup.policy": "compact", "delete.retention.ms": "1", "min.insync.replicas": "2", "max.compaction.lag.ms": "1", "max.message.bytes": "5"}},
		{Name: "b", Partitions: 1},
	}
	for _, s := range EmbeddedSpecs(specs) {
		if s.Replication != 1 || s.Configs["cleanup.policy"] != "delete" || s.Configs["retention.ms"] != "-1" || s.Configs["retention.bytes"] != "-1" ||
			s.Configs["min.insync.replicas"] != "" || s.Configs["max.compaction.lag.ms"] != "" {
			t.Errorf("%+v", s)
		}
	}
	if specs[0].Configs["cleanup.policy"] != "compact" || EmbeddedSpecs(specs)[0].Configs["max.message.bytes"] != "5" {
		t.Error("the specs given were changed, or a setting that is harmless was lost")
	}
}

func TestEmbeddedBrokerListensWhereItIsTold(t *testing.T) {
	embeddedOnly(t)
	e, err := StartEmbedded(EmbeddedOptions{Ports: []int{0, 0}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if len(e.Brokers()) != 2 {
		t.Fatal(e.Brokers())
	}
	c := open(t, e.Brokers(), nil)
	topic := topic(t, c, 4, nil)
	w := fence(t, c, unique("id"))
	var records []event.Record
	for p := range int32(4) {
		records = append(records, rec(topic, p, "v"))
	}
	if _, err := w.Commit(testContext(t), records, nil); err != nil {
		t.Fatal(err)
	}
}

func TestDeletingNamesTheSettings(t *testing.T) {
	brokers, _ := testBrokers(t)
	c := open(t, brokers, nil)
	compacted := topic(t, c, 1, map[string]string{"cleanup.policy": "compact"})
	kept := topic(t, c, 1, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"})
	both := topic(t, c, 1, map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "5000"})
	bySize := topic(t, c, 1, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "1000000"})
	got, err := c.Deleting(testContext(t), compacted, kept, both, bySize)
	want := map[string]string{both: "cleanup.policy=compact,delete retention.ms=5000", bySize: "cleanup.policy=delete retention.bytes=1000000"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	if got, err := c.Deleting(testContext(t), unique("missing")); !errors.Is(err, event.ErrTopic) {
		t.Errorf("of a missing topic: %v, %v", got, err)
	}
}

// TestTopicMadeAnewIsNotAdopted: who reads or writes a topic does not go on with another one of its name.
func TestTopicMadeAnewIsNotAdopted(t *testing.T) {
	embeddedOnly(t)
	brokers, _ := testBrokers(t)
	c := open(t, brokers, nil)
	ctx := testContext(t)
	topic := topic(t, c, 1, nil)
	w := fence(t, c, unique("id"))
	commit(t, w, topic, "former")
	r := read(t, c, topic, 0)
	drain(t, c, r, topic)
	if _, err := c.adm.DeleteTopics(ctx, topic); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateTopics(ctx, []TopicSpec{{Name: topic, Partitions: 1, Replication: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(ctx, []event.Record{rec(topic, 0, "latter")}, nil); err == nil {
		t.Error("written to a topic made anew")
	} else {
		t.Log(err)
	}
	for {
		_, err := r.Poll(ctx, 10, 100*time.Millisecond)
		if ctx.Err() != nil {
			t.Fatal("read on in a topic made anew")
		}
		if err != nil {
			if !errors.Is(err, event.ErrTopic) {
				t.Errorf("the reader says %v", err)
			}
			break
		}
	}
	if values, _ := drain(t, c, read(t, c, topic, 0), topic); len(values) > 0 {
		t.Errorf("the topic made anew holds %q", values)
	}
}
