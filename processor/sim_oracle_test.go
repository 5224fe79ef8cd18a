package processor

import (
	"fmt"
	"time"

	"lejarat/processor/event"
)

// simNotice is a notice as the sim's world speaks of it. Document fields are empty for an announcement.
type simNotice struct {
	document     string // row
	expires, due event.Date
	registration string // row
	person       string // under one name: see simPerson
	email        string
}

// id is what makes a notice unique to a registration.
func (n simNotice) id() string {
	return fmt.Sprintf("%s expires=%s due=%s to %s", n.document, n.expires, n.due, n.registration)
}

// mark is what makes it unique to a person at an address.
func (n simNotice) mark() string {
	return fmt.Sprintf("%s expires=%s due=%s to %s at %s", n.document, n.expires, n.due, n.person, n.email)
}

// simPerson is a person under one name: who is the same under another is not known to the engine.
func simPerson(person, name int) string { return fmt.Sprintf("%c:%d", 'A'+person, name) }

// owed says, from the rows as they stand, who must be told what on the date: marks, because of several registrations at
// one address it is open which one is written to. Rows whose state depends on what a lost store knew are left out by
// nothingLost.
func (s *sim) owed(date event.Date) map[string]bool {
	marks := map[string]bool{}
	for _, id := range s.world.ids {
		reg := s.world.current(id)
		if reg.table != "registration" || !s.reachable(reg) {
			continue
		}
		if n := (simNotice{registration: reg.key, person: simPerson(reg.person, reg.name), email: reg.email}); s.cfg.Watch.Announcements &&
			s.dateOf(reg.effective) <= date && !s.told(n, reg) {
			marks[n.mark()] = true
		}
		for _, id := range s.world.ids {
			doc := s.world.current(id)
			if doc.table != "document" || doc.deleted || !doc.sameIdentity(reg) {
				continue
			}
			if due, ok := s.dueOn(doc, date); ok && s.entitled(doc, reg, due) {
				n := simNotice{document: doc.key, expires: doc.expires, due: due, registration: reg.key, person: simPerson(reg.person, reg.name), email: reg.email}
				if !s.told(n, reg) {
					marks[n.mark()] = true
				}
			}
		}
	}
	return marks
}

// told says whether a notice was sent: to this registration, to its person and address, or to another registration that
// now is of this person, at the address that both have.
func (s *sim) told(n simNotice, reg *simRow) bool {
	if s.checks.told(n) {
		return true
	}
	for _, id := range s.world.ids {
		o := s.world.current(id)
		if o.table != "registration" || o.deleted || o.key == reg.key || !o.sameIdentity(reg) || o.email != reg.email {
			continue
		}
		other := n
		if other.registration = o.key; s.checks.ids[other.id()] == n.email {
			return true
		}
	}
	return false
}

func (s *sim) reachable(reg *simRow) bool { return !reg.deleted && reg.on && !reg.held }

func (s *sim) dateOf(t time.Time) event.Date {
	if t.IsZero() {
		return event.NewDate(1, 1, 1)
	}
	return event.DateOf(t, s.cfg.Watch.Zone)
}

// dueOn is the due date of the notice that is open for the document on the date.
func (s *sim) dueOn(doc *simRow, date event.Date) (due event.Date, ok bool) {
	if !doc.valid || date > doc.expires {
		return 0, false
	}
	for _, days := range s.thresholds[doc.typ] {
		if d := doc.expires - event.Date(days); d <= date {
			due, ok = d, true // the latest one that is due
		}
	}
	return due, ok
}

// entitled says whether facts and registration held on the due date, and nothing holds or supersedes the document.
func (s *sim) entitled(doc, reg *simRow, due event.Date) bool {
	if s.dateOf(doc.effective) > due || s.dateOf(reg.effective) > due || doc.held {
		return false
	}
	if doc.typ != "passport" {
		return true
	}
	for _, id := range s.world.ids {
		o := s.world.current(id)
		if o.table != "document" || o == doc || o.deleted || o.typ != doc.typ || !o.sameIdentity(doc) {
			continue
		}
		if o.held || o.valid && outlastsRow(o, doc) {
			return false
		}
	}
	return true
}

// outlastsRow: the later expiry counts, then the later effective time, then the key.
func outlastsRow(a, b *simRow) bool {
	switch {
	case a.expires != b.expires:
		return a.expires > b.expires
	case !a.effective.Equal(b.effective):
		return a.effective.After(b.effective)
	}
	return a.key > b.key
}

// stale says why a notice that is committed now must not be, "" when nothing speaks against it. What stood in the topics
// when the run can have taken its barrier at the earliest must have been joined: six o'clock, or the age at which a
// barrier is too old. So for document and registration there must be a version, that one or a later one, under which the
// notice is owed.
func (s *sim) stale(n simNotice, date event.Date, asked time.Time) string {
	six := date.At(6, 0, s.cfg.Watch.Zone)
	since := maxTime(six, asked.Add(-simBarrierAge))
	for topic, begun := range s.world.begun {
		if begun.Before(since) {
			return "a snapshot of " + topic + " has begun and not ended"
		}
	}
	ok := func(r *simRow) bool {
		return !r.deleted && (!r.held || r.unsure) && !r.moved.Add(10*time.Minute).After(six)
	}
	regs := s.world.since("registration/"+n.registration, since, func(r *simRow) bool {
		return ok(r) && r.on && r.email == n.email
	})
	if len(regs) == 0 {
		return "the registration had been deleted, switched off, moved or held since before the barrier"
	}
	if n.document == "" {
		return ""
	}
	docs := s.world.since("document/"+n.document, since, func(r *simRow) bool {
		return ok(r) && r.valid && r.expires == n.expires
	})
	if len(docs) == 0 {
		return "the document had been deleted, made invalid, moved, held or given another expiry since before the barrier"
	}
	for i := range docs {
		for j := range regs {
			if docs[i].sameIdentity(&regs[j]) && s.dateOf(docs[i].effective) <= n.due && s.dateOf(regs[j].effective) <= n.due {
				return s.outdated(&docs[i], n, since)
			}
		}
	}
	return "document and registration were of different identities, or not effective by the due date, since before the barrier"
}

// outdated says whether another document had superseded this one since before the barrier, and still does.
func (s *sim) outdated(doc *simRow, n simNotice, since time.Time) string {
	for _, id := range s.world.ids {
		o := s.world.current(id)
		if doc.typ != "passport" || o.table != "document" || o.typ != doc.typ || o.key == doc.key || !o.moved.IsZero() {
			continue
		}
		all := s.world.since(id, since, func(*simRow) bool { return true })
		good := s.world.since(id, since, func(r *simRow) bool {
			return !r.deleted && r.valid && r.expires > n.expires && r.sameIdentity(doc)
		})
		if len(good) > 0 && len(good) == len(all) && !all[0].at.After(since) && s.world.rests(doc.id(), since) {
			return id + " had superseded the document since before the barrier"
		}
	}
	return ""
}

// since are the versions of a row that may have been joined by a barrier taken at that time or later, as far as they fit.
func (w *simWorld) since(id string, at time.Time, fits func(*simRow) bool) []simRow {
	versions := w.rows[id]
	first := 0
	for i := range versions {
		if versions[i].at.Before(at) {
			first = i
		}
	}
	var out []simRow
	for i := first; i < len(versions); i++ {
		if fits(&versions[i]) {
			out = append(out, versions[i])
		}
	}
	return out
}

// rests says whether the row has not changed since.
func (w *simWorld) rests(id string, at time.Time) bool { return !w.current(id).at.After(at) }

// simBarrierAge is how old a barrier may be: the contract's figure, not the configuration's, which a sabotage may change.
const simBarrierAge = 15 * time.Minute
