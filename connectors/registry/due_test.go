package registry

import (
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestDue has the oracle say what is owed on a day whose notices are counted out, and on an idle one, in worlds of different
// sizes; the 30th of January is no month before any day.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		start, on     event.Date
		people, count int
	}{
		{event.NewDate(2026, 11, 27), event.NewDate(2026, 11, 30), 600, 0},
		{event.NewDate(2026, 11, 27), event.NewDate(2026, 11, 30), 600, 100},
		{event.NewDate(2026, 11, 27), event.NewDate(2026, 11, 30), 3000, 100},
		{event.NewDate(2027, 1, 28), event.NewDate(2027, 1, 30), 600, 100},
		{event.NewDate(2027, 2, 25), event.NewDate(2027, 2, 28), 600, 100}, // three more days fall on it
	} {
		o := Options{Seed: 3, People: c.people, Start: c.start, Due: Due{On: c.on, Count: c.count, Idle: c.on - 1}}
		q := NewOracle(OracleOptions{OlderLate: true})
		q.Load(People(o))
		for day := c.start; day < c.on; day++ {
			if owed := q.Run(day); day == c.on-1 && len(owed) > 0 {
				t.Errorf("%s is idle, and owes %+v", day, owed)
			}
		}
		owed := q.Run(c.on)
		for _, e := range owed {
			if e.Kind != event.KindExpiry || e.Decision != event.Emitted || e.Due != c.on {
				t.Errorf("%s: %+v", c.on, e)
			}
		}
		if len(owed) != c.count {
			t.Errorf("%d people: want %d notices on %s, got %d", c.people, c.count, c.on, len(owed))
		}
	}
}

// TestDueLeavesTheRest: whoever is told nothing more is as he was, but for expiries that were moved off the day.
func TestDueLeavesTheRest(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		t.Fatal(err)
	}
	plain := Options{Seed: 3, People: 3000, Start: event.NewDate(2026, 11, 27), Zone: zone}
	due := plain
	due.Due = Due{On: event.NewDate(2026, 11, 30), Count: 50}
	var was []Document
	for p := range People(plain) {
		was = append(was, p.Documents...)
	}
	more, moved, at := 0, 0, 0
	for p := range People(due) {
		for _, doc := range p.Documents {
			if doc.IssuedOn == due.Start-1 && DueOn(&doc, due.Due.On) {
				more++
				continue
			}
			old := was[at]
			at++
			if old.ValidUntil != doc.ValidUntil {
				moved++
				old.ValidUntil = doc.ValidUntil
			}
			if old != doc {
				t.Fatalf("document %d is another one: %+v, %+v", at, old, doc)
			}
		}
	}
	if at != len(was) || more != 50 || moved == 0 || moved > 50 {
		t.Errorf("%d of %d documents, %d more, %d moved", at, len(was), more, moved)
	}
}
