package smtp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
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
	paused      *event.Suppression   // of all mails; nil: they go out
	perDay      map[event.Date]int64 // mails handed over, where they are counted
	doubts      int64                // marks that are in doubt
	newest      uint16               // the newest day of a delivery, by the brokers' clock
}

// markID is a notification id in 16 bytes.
type markID [16]byte

// mark is what deliveries says about an id.
type mark struct {
	day      uint16 // of the record, since 1970
	state    markState
	attempts uint8
	status   uint8      // in deliveryStatuses
	handed   event.Date // to a relay, last; 0: never, or not counted
}

type markState uint8

const (
	unsettled    markState = iota
	claimedState           // somebody is at it, or was when it ended
	doubtful               // in doubt, may be sent once more
	doubtfulEnd            // in doubt, may not be sent any more
	settled
)

var deliveryStatuses = [...]string{event.DeliveryRejected, event.DeliveryAccepted, event.DeliveryExpired, event.DeliverySuppressed,
	event.DeliveryInDoubt, event.DeliveryBounced}

// pollMax bounds what is read at a time from the topics that are followed.
const pollMax = 5000

func newStanding(t Topics, o Options, owner string) *standing {
	return &standing{
		owner: owner, topics: t, log: o.Logger, suppressions: o.Prefix + "suppressions", deliveries: o.Prefix + "deliveries",
		remember: int(o.Limits.Remember / (24 * time.Hour)), capped: o.DailyCap > 0, zone: o.Zone, perDay: map[event.Date]int64{},
		position:   map[event.TopicPartition]int64{},
		suppressed: map[string]map[string]suppression{}, marks: map[markID]mark{},
		claims: map[markID]claim{}, overwritten: map[markID]bool{},
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

func (s *standing) applyDelivery(r *event.Record) {
	id := makeMarkID(string(r.Key))
	if r.Value == nil {
		s.drop(id)
		return
	}
	var d event.Delivery
	if err := json.Unmarshal(r.Value, &d); err != nil {
		s.unreadable(r)
		d.Status = event.DeliveryRejected // something was recorded: rather no mail than a second one
	}
	s.settle(id, d, r.Time)
}

// note takes in what was recorded just now, before it comes back.
func (s *standing) note(id markID, d event.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(id, d, time.Time{})
}

// settle takes in an outcome. What is settled stays settled: our own earlier records come back late.
func (s *standing) settle(id markID, d event.Delivery, at time.Time) {
	m := mark{state: settled, attempts: uint8(min(d.Attempts, 255)), status: uint8(max(0, slices.Index(deliveryStatuses[:], d.Status)))}
	if d.Status == event.DeliveryInDoubt {
		m.state = doubtful
		if d.Reason != nil {
			m.state = doubtfulEnd
		}
	}
	if day := s.handedOver(&d); day != 0 {
		if m.handed = day; s.marks[id].handed != day {
			s.perDay[day]++
		}
	}
	delete(s.claims, id)
	delete(s.overwritten, id)
	if s.marks[id].state == settled && m.state != settled {
		return
	}
	s.setMark(id, at, m)
}

// setMark stores a mark under the day of its record.
func (s *standing) setMark(id markID, at time.Time, m mark) {
	s.doubts += doubt(m) - doubt(s.marks[id])
	if m.state == unsettled {
		delete(s.marks, id)
		return
	}
	if m.handed == 0 {
		m.handed = s.marks[id].handed
	}
	m.day = s.newest
	if !at.IsZero() {
		m.day = uint16(max(0, at.Unix()/86400))
	}
	s.marks[id] = m
	if m.day > s.newest {
		s.newest = m.day
		s.forget()
	}
}

// forget drops what is older than any mail that can still be in the queue.
func (s *standing) forget() {
	for id, m := range s.marks {
		if int(m.day)+s.remember < int(s.newest) {
			s.drop(id)
		}
	}
}

// drop forgets an id.
func (s *standing) drop(id markID) {
	s.doubts -= doubt(s.marks[id])
	delete(s.marks, id)
	delete(s.claims, id)
	delete(s.overwritten, id)
}

// doubt is 1 for a mark that is in doubt.
func doubt(m mark) int64 {
	if m.state == doubtful || m.state == doubtfulEnd {
		return 1
	}
	return 0
}

// inDoubt is the number of mails in doubt.
func (s *standing) inDoubt() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubts
}

func (s *standing) mark(id markID) mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[id]
}

// overwrote says whether this owner's claim has come after the mail was settled, and what stood there.
func (s *standing) overwrote(id markID) (mark, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[id], s.overwritten[id]
}

// makeMarkID takes the 32 hex digits of an id; of anything else a hash.
func makeMarkID(id string) markID {
	var m markID
	if len(id) == 32 {
		if _, err := hex.Decode(m[:], []byte(id)); err == nil {
			return m
		}
	}
	sum := sha256.Sum256([]byte(id))
	copy(m[:], sum[:])
	return m
}
