package registry

import (
	"container/heap"
	"iter"
	"time"

	"lejarat/processor/event"
)

// World is an invented register that lives on. It is not safe for concurrent use.
type World struct {
	o       Options
	maker   *maker
	people  []citizen
	day     event.Date
	agenda  agenda
	pushed  uint64
	changes []Change
}

// citizen is a person that lives on: every person's life is a stream of chance of its own.
type citizen struct {
	Person
	dice dice
}

// New invents a world.
func New(o Options) *World {
	o = o.withDefaults()
	w := &World{o: o, maker: newMaker(o), day: o.Start}
	w.people = make([]citizen, 0, o.People)
	for p := range People(o) {
		c := citizen{Person: *p}
		c.Documents = append([]Document(nil), p.Documents...)
		c.Registrations = append([]Registration(nil), p.Registrations...)
		c.dice.throw(o.Seed, streamLife, uint64(p.Index))
		w.people = append(w.people, c)
	}
	for i := range w.people {
		c := &w.people[i]
		w.nextEvent(c, o.Start)
		for j := range c.Documents {
			w.planRenewal(c, &c.Documents[j], o.Start)
		}
	}
	return w
}

// Day is the day that the next Advance lives; first the day of the snapshot.
func (w *World) Day() event.Date { return w.day }

// Zone is the registries' time zone.
func (w *World) Zone() *time.Location { return w.o.Zone }

// SnapshotAt is the instant at which the snapshot of the first day is taken.
func (w *World) SnapshotAt() time.Time { return w.o.Start.At(SnapshotHour, 0, w.o.Zone) }

// People yields everybody with the rows that the registers hold now. They must not be changed, and are valid until Advance.
func (w *World) People() iter.Seq[*Person] {
	return func(yield func(*Person) bool) {
		for i := range w.people {
			if !yield(&w.people[i].Person) {
				return
			}
		}
	}
}

// Advance lives one civil day and returns its changes in the order of their time, all between 08:00 and 20:00.
func (w *World) Advance() []Change {
	w.changes = nil
	evening := w.day.At(20, 0, w.o.Zone).Unix()
	for len(w.agenda) > 0 && w.agenda[0].at < evening {
		t := heap.Pop(&w.agenda).(task)
		w.live(&w.people[t.person], t)
	}
	w.day++
	return w.changes
}

// task is something that happens to a person at an instant.
type task struct {
	at     int64 // Unix seconds
	order  uint64
	row    int64 // the document or registration concerned
	expiry event.Date
	person int
	what   what
}

// agenda is a heap of tasks by time, person, and the order in which they were planned.
type agenda []task

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at != a[j].at {
		return a[i].at < a[j].at
	}
	if a[i].person != a[j].person {
		return a[i].person < a[j].person
	}
	return a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(task)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// plan puts a task for a person at a random time of a day.
func (w *World) plan(c *citizen, day event.Date, t task) {
	w.planAt(c, w.maker.clock(&c.dice, day), t)
}

// planAt puts a task at an instant; what falls into the night is left to the next morning.
func (w *World) planAt(c *citizen, at time.Time, t task) {
	day := event.DateOf(at, w.o.Zone)
	if !at.Before(day.At(20, 0, w.o.Zone)) {
		day++
	}
	if opening := day.At(8, 0, w.o.Zone); at.Before(opening) {
		at = opening.Add(time.Duration(c.dice.between(1, 3000)) * time.Second)
	}
	t.at, t.person, t.order = at.Unix(), c.Index, w.pushed
	w.pushed++
	heap.Push(&w.agenda, t)
}

// planRenewal decides whether and when a holder will renew a document: mostly some weeks before it expires, sometimes
// late, sometimes never; not before the given day.
func (w *World) planRenewal(c *citizen, doc *Document, earliest event.Date) {
	if doc.ValidUntil == event.NoExpiry || doc.Status != StatusValid || !c.dice.chance(0.9) {
		return
	}
	early, late := 75, 25
	switch doc.Kind {
	case KindPassport:
		early = 200
	case KindVehicle:
		early, late = 45, 10
	}
	early = min(early, int(doc.ValidUntil-earliest))
	if early < -late {
		return
	}
	day := doc.ValidUntil - event.Date(c.dice.between(-late, early))
	w.plan(c, day, task{what: renew, row: doc.ID, expiry: doc.ValidUntil})
}

// nextEvent plans the next event of a life, not before the given day.
func (w *World) nextEvent(c *citizen, earliest event.Date) {
	if w.o.Churn > 0 {
		w.plan(c, earliest+event.Date(c.dice.wait(365.25/w.o.Churn)), task{what: lifeEvent})
	}
}
