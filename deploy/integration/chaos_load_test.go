//go:build integration

package integration

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"lejarat/connectors/registry"
)

// book is what the registry has written so far. Whoever changes a row has the lock from looking at the row until its
// record is at the broker: a record that carries what a row was before would be a change back.
type book struct {
	mu      sync.Mutex
	rows    *census
	oracle  *registry.Oracle
	enc     *registry.Encoder
	written int

	documents, registrations []int64 // keys of rows, some of them deleted since
	arrivals                 []registry.Person
}

// write applies changes to rows and oracle, and returns their records. The caller has the lock.
func (b *book) write(changes []registry.Change) (messages []registry.Message) {
	for _, c := range changes {
		if c.Op == registry.Insert {
			b.note(c)
		}
		b.rows.count(c)
		b.oracle.Apply(c)
		messages = append(messages, b.enc.ChangeAt(c, time.Now())...)
	}
	b.written += len(changes)
	return messages
}

func (b *book) note(c registry.Change) {
	if c.Table == registry.Documents {
		b.documents = append(b.documents, c.Key)
	} else {
		b.registrations = append(b.registrations, c.Key)
	}
}

// keysOfRows fills in the keys of a new book, in an order that follows from the seed.
func (b *book) keysOfRows() {
	for key := range b.rows.documents {
		b.documents = append(b.documents, key)
	}
	for key := range b.rows.registrations {
		b.registrations = append(b.registrations, key)
	}
	slices.Sort(b.documents)
	slices.Sort(b.registrations)
}

// comeIn are the rows of n new people.
func (b *book) comeIn(at time.Time, n int) (changes []registry.Change) {
	n = min(n, len(b.arrivals))
	for _, p := range b.arrivals[:n] {
		for i := range p.Documents {
			changes = append(changes, registry.Change{At: at, Table: registry.Documents, Op: registry.Insert, Key: p.Documents[i].ID, Document: &p.Documents[i]})
		}
		for i := range p.Registrations {
			changes = append(changes, registry.Change{At: at, Table: registry.Registrations, Op: registry.Insert, Key: p.Registrations[i].ID, Registration: &p.Registrations[i]})
		}
	}
	b.arrivals = b.arrivals[n:]
	return changes
}

// idle are changes in columns that nobody maps. They must pass intake, and mean nothing to anybody.
func (b *book) idle(dice *rand.Rand, at time.Time, n int) (changes []registry.Change) {
	for range n {
		if dice.IntN(10) < 3 {
			key := b.registrations[dice.IntN(len(b.registrations))]
			if r, ok := b.rows.registrations[key]; ok {
				r.LastLogin, r.UpdatedAt = at, at
				changes = append(changes, registry.Change{At: at, Table: registry.Registrations, Op: registry.Update, Key: key, Registration: &r})
			}
			continue
		}
		key := b.documents[dice.IntN(len(b.documents))]
		if d, ok := b.rows.documents[key]; ok {
			d.Remarks, d.UpdatedAt = "Adategyeztetés megtörtént.", at
			changes = append(changes, registry.Change{At: at, Table: registry.Documents, Op: registry.Update, Key: key, Document: &d})
		}
	}
	return changes
}

// loadEvery is how often the steady load writes.
const loadEvery = 100 * time.Millisecond

// load writes so many changes a second that mean nothing, until stop is called; the day's own changes come on top.
func (x *chaos) load(perSecond int) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		dice := rand.New(rand.NewPCG(x.seed, 2))
		tick := time.NewTicker(loadEvery)
		defer tick.Stop()
		for began, made := time.Now(), 0; ; {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			// What brokers that were gone have held up is made up for.
			due := int(time.Since(began).Seconds()*float64(perSecond)) - made
			made += due
			x.book.mu.Lock()
			err := x.produce(x.book.write(x.book.idle(dice, x.c.now(), due)))
			x.book.mu.Unlock()
			if err != nil && x.t.Context().Err() == nil {
				x.t.Errorf("writing the steady load: %v", err)
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}
