package smtp

import (
	"time"

	"lejarat/processor/event"
)

// lanes know which offsets may be committed: in each partition, those before the first record without an outcome.
// Their size is bounded by the mails in hand, not by what passes a mail that waits.
type lanes struct {
	open   map[event.TopicPartition][]slot
	ready  map[event.TopicPartition]int64 // the last offset that may be committed, not yet committed
	newest map[event.TopicPartition]int64 // that was added: what is newer is not in hand
}

// slot is a record in hand, or, when done, the last of a run of records with outcomes.
type slot struct {
	offset int64
	at     time.Time // of the record
	done   bool
}

func newLanes() *lanes {
	return &lanes{open: map[event.TopicPartition][]slot{}, ready: map[event.TopicPartition]int64{}, newest: map[event.TopicPartition]int64{}}
}

// add takes a record in. False: it is already in hand (its partition went away and came back), nothing is to do.
func (l *lanes) add(r event.Record) bool {
	tp := event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
	if r.Offset <= l.newest[tp] {
		for _, s := range l.open[tp] {
			if !s.done && s.offset == r.Offset {
				return false
			}
		}
	}
	l.newest[tp] = max(l.newest[tp], r.Offset)
	l.open[tp] = append(l.open[tp], slot{offset: r.Offset, at: r.Time})
	return true
}

// done notes that the record has its outcome.
func (l *lanes) done(r event.Record) {
	tp := event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
	lane := l.open[tp]
	for i := range lane {
		if lane[i].offset != r.Offset || lane[i].done {
			continue
		}
		lane[i].done = true
		if i+1 < len(lane) && lane[i+1].done { // one run of records with outcomes is one slot
			lane[i].offset = max(lane[i].offset, lane[i+1].offset)
			lane = append(lane[:i+1], lane[i+2:]...)
		}
		if i > 0 && lane[i-1].done {
			lane[i-1].offset = max(lane[i-1].offset, lane[i].offset)
			lane = append(lane[:i], lane[i+1:]...)
		}
		break
	}
	if len(lane) > 0 && lane[0].done {
		// One that came again, after its partition had gone away and come back, stands behind newer ones.
		ready, ok := l.ready[tp]
		if !ok || ready < lane[0].offset {
			l.ready[tp] = lane[0].offset
		}
		lane = lane[1:]
	}
	if len(lane) == 0 {
		delete(l.open, tp)
		return
	}
	l.open[tp] = lane
}

// oldest is when the oldest record in hand came into the queue; zero: none is in hand.
func (l *lanes) oldest() (at time.Time) {
	for _, lane := range l.open {
		if first := lane[0].at; at.IsZero() || first.Before(at) {
			at = first
		}
	}
	return at
}

// committable returns what may be committed; committed forgets of it what was.
func (l *lanes) committable() []event.Record {
	records := make([]event.Record, 0, len(l.ready))
	for tp, offset := range l.ready {
		records = append(records, event.Record{Topic: tp.Topic, Partition: tp.Partition, Offset: offset})
	}
	return records
}

func (l *lanes) committed(records []event.Record) {
	for _, r := range records {
		tp := event.TopicPartition{Topic: r.Topic, Partition: r.Partition}
		if l.ready[tp] <= r.Offset {
			delete(l.ready, tp)
		}
	}
}
