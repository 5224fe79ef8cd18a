package main

import (
	"context"
	"fmt"
	"time"

	"lejarat/connectors/kafka"
	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// topicTail follows a topic from its start.
type topicTail struct {
	k       *kafka.Client
	topic   string
	reader  event.Reader
	records []event.Record // not yet taken
}

func openTail(ctx context.Context, k *kafka.Client, topic string) (*topicTail, error) {
	spans, err := k.Spans(ctx, topic)
	if err != nil {
		return nil, err
	}
	from := map[event.TopicPartition]int64{}
	for tp := range spans {
		from[tp] = 0
	}
	reader, err := k.Read(ctx, from)
	return &topicTail{k: k, topic: topic, reader: reader}, err
}

// poll reads what is there.
func (t *topicTail) poll(ctx context.Context) error {
	records, err := t.reader.Poll(ctx, 1000, 2*time.Millisecond)
	for i := range records {
		if !records[i].Control {
			t.records = append(t.records, records[i])
		}
	}
	return err
}

// toEnd reads up to the high watermark, which a transaction that is open may hide for as long as it lives.
func (t *topicTail) toEnd(ctx context.Context) error {
	spans, err := t.k.Spans(ctx, t.topic)
	if err != nil {
		return err
	}
	end := time.Now().Add(patience)
	for tp, span := range spans {
		for t.reader.Position(tp) < span.End {
			if err := t.poll(ctx); err != nil {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("%s/%d cannot be read beyond offset %d of %d: a transaction has been open there for %s",
					tp.Topic, tp.Partition, t.reader.Position(tp), span.End, patience)
			}
		}
	}
	return nil
}

func (t *topicTail) take() []event.Record {
	records := t.records
	t.records = nil
	return records
}

// takeJournal wants each row version once, and watermarks that never go back.
func (j *judge) takeJournal() {
	for _, r := range j.journal.take() {
		key, err := journal.ParseKey(r.Key)
		switch {
		case err != nil:
			j.wrongf("%s/%d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
		case key.Control:
		case key.Watermark:
			j.takeWatermark(&key, &r)
		default:
			j.takeRow(&r)
		}
	}
}

func (j *judge) takeWatermark(key *journal.Key, r *event.Record) {
	w, err := journal.DecodeWatermark(r.Value)
	if err != nil {
		j.wrongf("%s/%d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
	}
	tp := event.TopicPartition{Topic: j.sources[key.Source], Partition: key.Partition}
	j.read[tp] = max(j.read[tp], w.Next)
}

func (j *judge) takeRow(r *event.Record) {
	var meta journal.Meta
	if r.Value == nil {
		m, err := journal.DecodeMeta(r.HeaderValue(journal.Header))
		if err != nil {
			j.wrongf("%s/%d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
		}
		meta = m
	} else if v, err := journal.DecodeValue(r.Value); err != nil {
		j.wrongf("%s/%d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
	} else {
		meta = *v.Meta()
	}
	version := fmt.Sprintf("%x at %d/%d", r.Key, meta.Partition, meta.Offset)
	if j.said[version] {
		j.wrongf("twice in the journal (%s/%d offset %d): %s", r.Topic, r.Partition, r.Offset, version)
	}
	j.said[version] = true
}
