package smtp

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lejarat/processor/event"
)

// Over random orders of outcomes: what may be committed is always the offset before the first record without one,
// and what is kept is bounded by the records in hand.
func TestLanesAgainstAModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newLanes()
		open := map[int32][]int64{}
		next := map[int32]int64{}
		for range 300 {
			p := rng.Int32N(2)
			if rng.IntN(2) == 0 || len(open[p]) == 0 {
				r := event.Record{Topic: "q", Partition: p, Offset: next[p]}
				if !l.add(r) || l.add(r) {
					t.Fatalf("seed %d: add", seed)
				}
				open[p] = append(open[p], next[p])
				next[p] += 1 + rng.Int64N(3)
				continue
			}
			i := rng.IntN(len(open[p]))
			before := open[p][0]
			l.done(event.Record{Topic: "q", Partition: p, Offset: open[p][i]})
			open[p] = slices.Delete(open[p], i, i+1)
			tp := event.TopicPartition{Topic: "q", Partition: p}
			got, ok := l.ready[tp]
			switch {
			case i == 0 && !ok, ok && len(open[p]) > 0 && got >= open[p][0], ok && i == 0 && got < before:
				t.Fatalf("seed %d: may commit %v, open %v", seed, got, open[p])
			}
			if len(l.open[tp]) > 2*len(open[p])+1 {
				t.Fatalf("seed %d: %d slots for %d records", seed, len(l.open[tp]), len(open[p]))
			}
		}
	}
}

// A record that comes again behind one that is still open must not take the commit back.
func TestLanesAfterARewind(t *testing.T) {
	l := newLanes()
	rec := func(offset int64) event.Record { return event.Record{Topic: "q", Offset: offset} }
	for _, offset := range []int64{7, 8} {
		l.add(rec(offset))
	}
	l.done(rec(7))
	l.add(rec(7))
	l.done(rec(7))
	l.done(rec(8))
	if got := l.committable(); len(got) != 1 || got[0].Offset != 8 || len(l.open) != 0 {
		t.Errorf("may commit %v", got)
	}
}

// What is remembered of deliveries is bounded by time, counted from the newest delivery.
func TestOldDeliveriesAreForgotten(t *testing.T) {
	s := newStanding(nil, Options{Logger: slog.New(slog.DiscardHandler)}.withDefaults(), "")
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	id := func(day int) string { return fmt.Sprintf("%032x", day) }
	for day := range 365 {
		value, _ := json.Marshal(event.Delivery{ID: id(day), Status: event.DeliveryAccepted})
		s.apply(&event.Record{Topic: "lejarat.deliveries", Key: []byte(id(day)), Value: value, Time: start.AddDate(0, 0, day)})
	}
	if len(s.marks) != 61 || s.mark(makeMarkID(id(304))).state != settled || s.mark(makeMarkID(id(303))).state != unsettled {
		t.Errorf("%d remembered", len(s.marks))
	}
}

// Our own earlier record, read back late, does not make a settled mail open again.
func TestSettledStaysSettled(t *testing.T) {
	s := newStanding(nil, Options{}.withDefaults(), "")
	id := makeMarkID("some-id")
	s.settle(id, event.Delivery{Status: event.DeliveryAccepted}, time.Now())
	s.settle(id, event.Delivery{Status: event.DeliveryInDoubt}, time.Now())
	if s.mark(id).state != settled {
		t.Error("open again")
	}
}

// A delivery that this run has recorded itself is not parsed when it comes back, and takes its place among what others have
// written all the same; other bytes under the same id are read.
func TestOwnDeliveriesAreNotParsedAgain(t *testing.T) {
	s := newStanding(nil, Options{Logger: slog.New(slog.DiscardHandler)}.withDefaults(), "me")
	key := fmt.Sprintf("%032x", 1)
	id := makeMarkID(key)
	bytes := []byte("not JSON, so that parsing it shows")
	comes := func(value []byte, headers ...event.Header) {
		s.apply(&event.Record{Topic: "lejarat.deliveries", Key: []byte(key), Value: value, Headers: headers, Time: time.Now()})
	}
	s.note(id, written{bytes, event.Delivery{ID: key, Status: event.DeliveryInDoubt, Attempts: 1}})
	comes(nil, event.Header{Key: claimHeader, Value: []byte("other")}) // stands before ours
	if c, held := s.claimOn(id); !held || c.owner != "other" {
		t.Fatalf("claim %+v", c)
	}
	comes(bytes)
	if _, held := s.claimOn(id); held || s.mark(id).state != doubtful {
		t.Errorf("claimed %v, %+v", held, s.mark(id))
	}
	if len(s.own) != 0 {
		t.Error("kept after it came back")
	}
	s.note(id, written{bytes, event.Delivery{ID: key, Status: event.DeliveryInDoubt, Attempts: 1}})
	value, _ := json.Marshal(event.Delivery{ID: key, Status: event.DeliveryAccepted})
	comes(value)
	if s.mark(id).state != settled {
		t.Errorf("%+v", s.mark(id))
	}
}
