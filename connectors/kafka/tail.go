package kafka

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

// skipEmptyTails moves the position of partitions whose rest holds nothing to deliver: batches that compaction has
// emptied keep their offsets. The library passes over them without telling; a look at the batches' heads tells.
func (r *Reader) skipEmptyTails(ctx context.Context) error {
	var topics []string
	seen := map[string]bool{}
	for tp := range r.positions {
		if !seen[tp.Topic] {
			seen[tp.Topic] = true
			topics = append(topics, tp.Topic)
		}
	}
	stable, err := r.c.adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil // the next poll meets the same brokers, and reports what lasts
	}
	for tp, at := range r.positions {
		end, ok := stable.Lookup(tp.Topic, tp.Partition)
		if !ok || end.Err != nil || at >= end.Offset {
			continue
		}
		to, err := r.c.emptyUpTo(ctx, tp, at)
		if err != nil {
			return err
		}
		r.positions[tp] = max(r.positions[tp], to)
	}
	return nil
}

// emptyUpTo fetches from at and returns the offset after the empty batches there.
func (c *Client) emptyUpTo(ctx context.Context, tp event.TopicPartition, at int64) (int64, error) {
	meta, err := c.adm.Metadata(ctx, tp.Topic)
	if err != nil {
		return at, nil
	}
	topic := meta.Topics[tp.Topic]
	leader, ok := topic.Partitions[tp.Partition]
	if !ok || leader.Err != nil {
		return at, nil
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.IsolationLevel, req.MaxWaitMillis = fetchPartitionBytes, 0, 1, 0
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = tp.Partition, at, fetchPartitionBytes
	ask := kmsg.NewFetchRequestTopic()
	ask.Topic, ask.TopicID, ask.Partitions = tp.Topic, [16]byte(topic.ID), []kmsg.FetchRequestTopicPartition{part}
	req.Topics = []kmsg.FetchRequestTopic{ask}
	answer, err := c.base.Broker(int(leader.Leader)).RetriableRequest(ctx, req)
	if err != nil {
		return at, nil
	}
	resp, ok := answer.(*kmsg.FetchResponse)
	if !ok || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return at, fmt.Errorf("fetching %s/%d: an answer of another form", tp.Topic, tp.Partition)
	}
	return emptyBatches(resp.Topics[0].Partitions[0].RecordBatches, at), nil
}

// Where the fields of a record batch's head lie (Kafka protocol, message format 2).
const (
	batchLengthAt     = 8
	batchLastOffsetAt = 23
	batchRecordsAt    = 57
	batchHead         = 61
)

// emptyBatches returns the offset after the leading batches that hold no record.
func emptyBatches(b []byte, at int64) int64 {
	for len(b) >= batchHead {
		base := int64(binary.BigEndian.Uint64(b))
		length := int(binary.BigEndian.Uint32(b[batchLengthAt:]))
		last := base + int64(binary.BigEndian.Uint32(b[batchLastOffsetAt:]))
		records := binary.BigEndian.Uint32(b[batchRecordsAt:])
		// The first batch may begin before the position: its records lie before it too.
		if last >= at && records != 0 {
			return at
		}
		at = max(at, last+1)
		if length < 0 || length+12 > len(b) {
			return at
		}
		b = b[length+12:]
	}
	return at
}
