package smtp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"lejarat/processor/event"
)

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

func (s *standing) applyDelivery(r *event.Record) {
	id := makeMarkID(string(r.Key))
	if r.Value == nil {
		s.drop(id)
		return
	}
	d, known := s.ownDelivery(id, r.Value)
	if !known {
		if err := json.Unmarshal(r.Value, &d); err != nil {
			s.unreadable(r)
			d.Status = event.DeliveryRejected // something was recorded: rather no mail than a second one
		}
	}
	s.settle(id, d, r.Time)
}

// written is a delivery with the bytes that it was recorded as.
type written struct {
	value    []byte
	delivery event.Delivery
}

// ownMost bounds what is kept until it comes back; without it, what comes is read like everybody else's.
const ownMost = 1 << 14

// note takes in what was recorded just now, before it comes back.
func (s *standing) note(id markID, w written) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(id, w.delivery, time.Time{})
	if len(s.own) >= ownMost {
		clear(s.own)
	}
	s.own[id] = w
}

// ownDelivery is what value says, where it is the very bytes that this run has recorded of the mail: they need not be parsed
// again, and take their place in the topic's order all the same.
func (s *standing) ownDelivery(id markID, value []byte) (event.Delivery, bool) {
	w, ok := s.own[id]
	if !ok || !bytes.Equal(w.value, value) {
		return event.Delivery{}, false
	}
	delete(s.own, id)
	return w.delivery, true
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
