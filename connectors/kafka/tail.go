package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// How long nothing must have come from a partition before its tail is looked at: at first, and at most, as looks that
// find nothing make the next one later.
const (
	tailPatience     = 300 * time.Millisecond
	tailPatienceMost = 5 * time.Second
)

// skipEmptyTails moves the position of partitions whose rest holds nothing to deliver: compaction takes records away,
// but a batch keeps its last offset. The library passes over such offsets without telling. Errors do not count here:
// the next poll meets the same brokers, and reports what lasts.
//
// It goes by partition: one that is busy must not keep another from reaching its end.
func (r *Reader) skipEmptyTails(ctx context.Context, now time.Time) {
	quiet := map[event.TopicPartition]int64{}
	var topics []string
	seen := map[string]bool{}
	r.mu.Lock()
	for tp, part := range r.parts {
		if now.Sub(part.looked) < part.patience {
			continue
		}
		part.looked, part.patience = now, min(2*part.patience, tailPatienceMost)
		quiet[tp] = part.position
		if !seen[tp.Topic] {
			seen[tp.Topic] = true
			topics = append(topics, tp.Topic)
		}
	}
	r.mu.Unlock()
	if len(quiet) == 0 {
		return
	}
	stable, err := r.c.adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return
	}
	var meta kadm.TopicDetails
	for tp, at := range quiet {
		end, ok := stable.Lookup(tp.Topic, tp.Partition)
		if !ok || end.Err != nil || at >= end.Offset {
			continue
		}
		if meta == nil {
			if meta, err = r.c.details(ctx, topics); err != nil {
				return
			}
		}
		to := r.c.invisibleUpTo(ctx, meta[tp.Topic], tp, at)
		if to == at {
			continue
		}
		r.mu.Lock()
		*r.parts[tp] = reading{position: to, looked: now, patience: tailPatience}
		r.mu.Unlock()
	}
}

// invisibleUpTo returns the offset after what follows at and is never delivered.
func (c *Client) invisibleUpTo(ctx context.Context, topic kadm.TopicDetail, tp event.TopicPartition, at int64) int64 {
	for {
		part := c.fetch(ctx, topic, tp, at, lookBytes)
		if part == nil {
			return at
		}
		next := invisible(part, tp, at)
		if next == at {
			return at
		}
		at = next
	}
}

// lookBytes is how much of a tail is looked at in one go. The brokers answer with one batch at least, and where anything is
// to be delivered, that is all that a look wants to know.
const lookBytes = 16 << 10

// fetch asks the leader for what stands in a partition from an offset on, most bytes of it; nil: it could not be asked.
func (c *Client) fetch(ctx context.Context, topic kadm.TopicDetail, tp event.TopicPartition, at int64, most int32) *kmsg.FetchResponseTopicPartition {
	leader, ok := topic.Partitions[tp.Partition]
	if !ok || leader.Err != nil || leader.Leader < 0 {
		return nil
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.IsolationLevel, req.MaxWaitMillis = most, 0, 1, 0
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = tp.Partition, at, most
	ask := kmsg.NewFetchRequestTopic()
	ask.Topic, ask.TopicID, ask.Partitions = tp.Topic, [16]byte(topic.ID), []kmsg.FetchRequestTopicPartition{part}
	req.Topics = []kmsg.FetchRequestTopic{ask}
	answer, err := c.base.Broker(int(leader.Leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil
	}
	return &resp.Topics[0].Partitions[0]
}

// invisible returns where to fetch next when a fetch at an offset has brought nothing to deliver, else that offset. It
// leaves to the library, which delivers, what is visible: neither records of aborted transactions nor offsets that
// compaction has emptied, at the end of a batch or in all of it.
func invisible(part *kmsg.FetchResponseTopicPartition, tp event.TopicPartition, at int64) int64 {
	if part.ErrorCode != 0 {
		return at
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: at,
		IsolationLevel: kgo.ReadCommitted(), Topic: tp.Topic, Partition: tp.Partition}, part, kgo.DefaultDecompressor(), nil)
	if fetched.Err != nil || len(fetched.Records) > 0 {
		return at
	}
	return next
}
