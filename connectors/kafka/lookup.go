package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/processor/event"
)

// At returns one record by its place, without a reader. found is false where it is gone, or never was a record.
func (c *Client) At(ctx context.Context, tp event.TopicPartition, offset int64) (r event.Record, found bool, err error) {
	details, err := c.details(ctx, []string{tp.Topic})
	if err != nil {
		return r, false, err
	}
	if _, ok := details[tp.Topic].Partitions[tp.Partition]; !ok {
		return r, false, nil
	}
	part := c.fetch(ctx, details[tp.Topic], tp, offset, c.o.FetchPartitionBytes)
	if part == nil {
		return r, false, fmt.Errorf("reading %s/%d: %w", tp.Topic, tp.Partition, errNoAnswer)
	}
	if err := kerr.ErrorForCode(part.ErrorCode); errors.Is(err, kerr.OffsetOutOfRange) {
		return r, false, nil
	} else if err != nil {
		return r, false, fmt.Errorf("reading %s/%d: %w", tp.Topic, tp.Partition, classify(err))
	}
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: offset, IsolationLevel: kgo.ReadCommitted(),
		Topic: tp.Topic, Partition: tp.Partition}, part, kgo.DefaultDecompressor(), nil)
	if fetched.Err != nil {
		return r, false, fmt.Errorf("reading %s/%d: %w", tp.Topic, tp.Partition, classify(fetched.Err))
	}
	if len(fetched.Records) == 0 || fetched.Records[0].Offset != offset {
		return r, false, nil
	}
	return fromKafka(fetched.Records[0]), true, nil
}

var errNoAnswer = errors.New("its leader does not answer")

// Since returns for every partition of the topics the offset of the first record that was written at t or later; its end
// where there is none.
func (c *Client) Since(ctx context.Context, t time.Time, topics ...string) (map[event.TopicPartition]int64, error) {
	offsets, err := c.adm.ListOffsetsAfterMilli(ctx, t.UnixMilli(), topics...)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("listing offsets by time: %w", classify(err))
	}
	out := map[event.TopicPartition]int64{}
	for topic, partitions := range offsets {
		for p, o := range partitions {
			out[event.TopicPartition{Topic: topic, Partition: p}] = o.Offset
		}
	}
	return out, nil
}

// Committed returns how far a group is done with a topic; partitions of which it has committed nothing are missing. A cluster
// that has just started has nobody yet who keeps its groups: that is waited for.
func (c *Client) Committed(ctx context.Context, group, topic string) (map[event.TopicPartition]int64, error) {
	var offsets kadm.OffsetResponses
	var err error
	for deadline := time.Now().Add(openTimeout); ; {
		if offsets, err = c.adm.FetchOffsetsForTopics(ctx, group, topic); err == nil {
			err = offsets.Error()
		}
		if !is(err, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator) || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(coordinatorRetry):
		}
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the offsets of group %s: %w", group, classify(err))
	}
	out := map[event.TopicPartition]int64{}
	for p, o := range offsets[topic] {
		if o.At >= 0 {
			out[event.TopicPartition{Topic: topic, Partition: p}] = o.At
		}
	}
	return out, nil
}
