package event

import (
	"context"
	"fmt"
	"time"
)

// ReaderOf opens readers: the part of a Log that Scan needs.
type ReaderOf interface {
	Read(ctx context.Context, from map[TopicPartition]int64) (Reader, error)
}

// scanBatch is how many records a scan takes from the reader at once.
const scanBatch = 20000

// Scan shows every record of the spans to visit, in the order of each partition, without control records; a few that came
// after the spans were asked for may be among them. An error of visit ends it, and is returned with the record's position.
func Scan(ctx context.Context, log ReaderOf, spans map[TopicPartition]Span, visit func(*Record) error) error {
	from := map[TopicPartition]int64{}
	for tp, span := range spans {
		if span.Start < span.End {
			from[tp] = span.Start
		}
	}
	if len(from) == 0 {
		return nil
	}
	reader, err := log.Read(ctx, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	reached := func() bool {
		for tp := range from {
			if reader.Position(tp) < spans[tp].End {
				return false
			}
		}
		return true
	}
	for !reached() {
		records, err := reader.Poll(ctx, scanBatch, 100*time.Millisecond)
		if err != nil {
			return err
		}
		for i := range records {
			if r := &records[i]; !r.Control {
				if err := visit(r); err != nil {
					return fmt.Errorf("reading %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
