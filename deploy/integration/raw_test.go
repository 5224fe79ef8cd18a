//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// raw is everything that stands in topics, whoever wrote it and whatever became of it.
type raw []rawRecord

type rawRecord struct {
	*kgo.Record
	fate fate
}

// fate of a record's transaction.
type fate string

const (
	committed fate = "committed"
	aborted   fate = "aborted"
	open      fate = "open"
	marker    fate = "marker" // the end of a transaction itself
)

// rawTopics reads all that the service's own topics hold, also what readers are not shown: records of transactions that
// were aborted or not ended, with the producer's id and epoch.
func (x *chaos) rawTopics() (all raw) {
	x.t.Helper()
	var topics []string
	for _, name := range []string{"notifications", "mail-sink", "runs", "journal.1"} {
		topics = append(topics, x.c.prefix+name)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(x.c.kafka, ",")...), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadUncommitted()), kgo.KeepControlRecords())
	if err != nil {
		x.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(x.t.Context(), tailLimit)
	defer cancel()
	at := map[event.TopicPartition]int64{}
	pending := map[string][]int{} // partition and producer → records whose transaction has not ended
	for tp, span := range x.c.spans(topics...) {
		for at[tp] < span.End {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				x.t.Fatalf("%s/%d: read up to %d of %d", tp.Topic, tp.Partition, at[tp], span.End)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				at[event.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
				all = append(all, rawRecord{r, committed})
				all.settle(len(all)-1, pending)
			})
		}
	}
	return all
}

// settle finds out what became of a record, or what a marker has made of those before it.
func (all raw) settle(i int, pending map[string][]int) {
	r := all[i]
	whose := fmt.Sprint(r.Topic, r.Partition, r.ProducerID)
	switch {
	case !r.Attrs.IsTransactional():
	case !r.Attrs.IsControl():
		all[i].fate = open
		pending[whose] = append(pending[whose], i)
	default:
		all[i].fate = marker
		for _, j := range pending[whose] {
			all[j].fate = map[byte]fate{0: aborted, 1: committed}[r.Key[3]] // version[2] type[2]
		}
		delete(pending, whose)
	}
}

// neverBackwards wants the epochs of each producer only to grow along each partition: an owner that was fenced has written
// nothing behind the one that fenced it.
func (all raw) neverBackwards(t *testing.T) {
	t.Helper()
	last := map[string]int16{}
	for _, r := range all {
		if !r.Attrs.IsTransactional() {
			continue
		}
		whose := fmt.Sprint(r.Topic, "/", r.Partition, " producer ", r.ProducerID)
		if r.ProducerEpoch < last[whose] {
			t.Errorf("%s: offset %d (%s) is of epoch %d, behind epoch %d", whose, r.Offset, r.fate, r.ProducerEpoch, last[whose])
		}
		last[whose] = r.ProducerEpoch
	}
	if len(last) == 0 {
		t.Error("no transaction is in the topics")
	}
}

// of returns the records of one producer and epoch, but for markers.
func (all raw) of(producer int64, epoch int16) (out raw) {
	for _, r := range all {
		if r.ProducerID == producer && r.ProducerEpoch == epoch && r.fate != marker {
			out = append(out, r)
		}
	}
	return out
}
