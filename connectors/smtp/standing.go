package smtp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lejarat/processor/event"
)

// standing is what the topics say about mails and registrations: which ids are settled or claimed, which registrations
// are suppressed. It is read from the start, and on whenever a round looks. One goroutine at a time reads; what it has
// found is for all.
type standing struct {
	owner        string
	topics       Topics
	suppressions string // topic
	deliveries   string // topic
	remember     int    // days
	capped       bool   // mails are counted by the day
	zone         *time.Location
	log          *slog.Logger

	reader   event.Reader // nil: not open
	position map[event.TopicPartition]int64

	mu          sync.Mutex                        // for all below
	suppressed  map[string]map[string]suppression // registration → reason
	marks       map[markID]mark
	claims      map[markID]claim
	overwritten map[markID]bool      // settled, and then claimed by this owner, who did not know
	own         map[markID]written   // what this run has recorded and not read back yet
	paused      *event.Suppression   // of all mails; nil: they go out
	perDay      map[event.Date]int64 // mails handed over, where they are counted
	doubts      int64                // marks that are in doubt
	newest      uint16               // the newest day of a delivery, by the brokers' clock
}

// pollMax bounds what is read at a time from the topics that are followed.
const pollMax = 5000

func newStanding(t Topics, o Options, owner string) *standing {
	return &standing{
		owner: owner, topics: t, log: o.Logger, suppressions: o.Prefix + "suppressions", deliveries: o.Prefix + "deliveries",
		remember: int(o.Limits.Remember / (24 * time.Hour)), capped: o.DailyCap > 0, zone: o.Zone, perDay: map[event.Date]int64{},
		position:   map[event.TopicPartition]int64{},
		suppressed: map[string]map[string]suppression{}, marks: map[markID]mark{},
		claims: map[markID]claim{}, overwritten: map[markID]bool{}, own: map[markID]written{},
	}
}

// refresh reads both topics up to the ends that they have now.
func (s *standing) refresh(ctx context.Context) error {
	spans, err := s.topics.Spans(ctx, s.suppressions, s.deliveries)
	if err != nil {
		return fmt.Errorf("asking for the ends of %s and %s: %w", s.suppressions, s.deliveries, err)
	}
	if err := s.open(ctx, spans); err != nil {
		return err
	}
	for !s.reached(spans) {
		if err := s.poll(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// open makes a reader for all partitions of the spans where there is none yet.
func (s *standing) open(ctx context.Context, spans map[event.TopicPartition]event.Span) error {
	known := s.reader != nil
	for tp, span := range spans {
		at, ok := s.position[tp]
		known = known && ok
		s.position[tp] = max(at, span.Start)
	}
	if known {
		return nil
	}
	s.close()
	from := make(map[event.TopicPartition]int64, len(s.position))
	for tp, at := range s.position {
		from[tp] = at
	}
	reader, err := s.topics.Read(ctx, from)
	if err != nil {
		return fmt.Errorf("reading %s and %s: %w", s.suppressions, s.deliveries, err)
	}
	s.reader = reader
	return nil
}

func (s *standing) reached(spans map[event.TopicPartition]event.Span) bool {
	for tp, span := range spans {
		if span.End > span.Start && s.position[tp] < span.End {
			return false
		}
	}
	return true
}

func (s *standing) poll(ctx context.Context, wait time.Duration) error {
	records, err := s.reader.Poll(ctx, pollMax, wait)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.close() // opened again at the positions kept
		return fmt.Errorf("reading %s and %s: %w", s.suppressions, s.deliveries, err)
	}
	for i := range records {
		s.apply(&records[i])
	}
	for tp := range s.position {
		s.position[tp] = max(s.position[tp], s.reader.Position(tp))
	}
	return nil
}

func (s *standing) close() {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
}

func (s *standing) apply(r *event.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.Control:
	case r.Topic == s.suppressions && string(r.Key) == event.PauseKey:
		s.applyPause(r)
	case r.Topic == s.suppressions:
		s.applySuppression(r)
	case r.Topic == s.deliveries && !s.applyClaim(r):
		s.applyDelivery(r)
	}
}

func (s *standing) unreadable(r *event.Record) {
	s.log.Warn("record cannot be read; taken for the case in which nothing is sent", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
}
