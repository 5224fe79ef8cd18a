package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/story"
)

// lastRecord is a row's newest record in its source topic, as intake would read it for the first time.
type lastRecord struct {
	src *Source
	row string
	at  journal.Meta
	out intake.Output
	op  event.Op
}

// findInSources looks in the source topics for a row of which the journal holds nothing: it may have no identity, it may
// have been deleted long ago, or its only record could not be used.
func findInSources(ctx context.Context, cfg *Config, q *Question) (*sighting, error) {
	var last *lastRecord
	for i := range cfg.Sources {
		src := &cfg.Sources[i]
		if src.Kind != q.Kind || !slices.Contains(q.Topics, src.Topic) {
			continue
		}
		found, err := lastInSource(ctx, cfg, src, q)
		switch {
		case err != nil:
			return nil, err
		case found != nil && last != nil:
			return nil, ErrSeveralRows
		case found != nil:
			last = found
		}
	}
	if last == nil {
		return nil, ErrUnknownRow
	}
	s := &sighting{src: last.src, row: last.row, versions: []story.Version{}}
	switch {
	case last.op == event.Delete || last.op == event.Tombstone:
		s.deleted = &last.at
	case last.out.Verdict == intake.Rejected:
		s.hold = &last.at
	case last.out.Row != nil && len(last.out.Row.IDs) > 0:
		return nil, fmt.Errorf("the row stands in %s/%d at offset %d and is not in the journal yet: the service is behind, or stopped",
			last.src.Topic, last.at.Partition, last.at.Offset)
	}
	return s, nil
}

func lastInSource(ctx context.Context, cfg *Config, src *Source, q *Question) (last *lastRecord, err error) {
	dec, err := src.NewDecoder()
	if err != nil {
		return nil, err
	}
	core := cfg.Intake
	core.Source, core.Partitions, core.Generation = src.Source, cfg.Partitions, cfg.Generation
	spans, err := cfg.Log.Spans(ctx, src.Topic)
	if err != nil {
		return nil, err
	}
	part := plainPart(q.Row)
	return last, event.Scan(ctx, cfg.Log, spans, func(r *event.Record) error {
		if !bytes.Contains(r.Key, part) {
			return nil
		}
		in := intake.Input{Record: r, Now: cfg.Clock.Now()}
		in.Change, err = dec.Decode(r)
		row := in.Change.Row
		if errors.As(err, &in.Reject) {
			row = in.Reject.Row
		} else if err != nil {
			return err
		}
		if row == "" || !q.names([]byte(row)) {
			return nil
		}
		if in.Change.Op == event.Tombstone && last != nil && last.op == event.Delete {
			return nil // belongs to the delete before it
		}
		last = &lastRecord{src: src, row: row, at: journal.Meta{Partition: r.Partition, Offset: r.Offset}, out: core.Step(&in, nil), op: in.Change.Op}
		if !in.Change.Committed.IsZero() {
			last.at.Committed = in.Change.Committed.UnixMilli()
		}
		return nil
	})
}

// plainPart is what every key of the row holds, however it is written: the last value of its name, where that is plain.
func plainPart(row string) []byte {
	value := row[strings.LastIndexByte(row, '=')+1:]
	for _, c := range []byte(value) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return nil
		}
	}
	return []byte(value)
}
