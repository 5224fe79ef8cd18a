package registry

import "lejarat/processor/event"

// Due fixes what falls due on one day after the snapshot: one notice each for Count people, and nothing else, however
// large the world is. No document of the snapshot, or that is made later, has a threshold of DefaultTypes on that day but
// one more of each of the first Count people who have exactly one registration, switched on, that matches.
type Due struct {
	On    event.Date // 0: no such day
	Count int
	// Idle is a day on which nothing falls due at all; 0: no such day.
	Idle event.Date
}

// dueKind is the kind of the documents that are added: one of which a person may have several.
const dueKind = KindVehicle

// DueOn says whether one of the document's thresholds (DefaultTypes) falls on a day.
func DueOn(doc *Document, day event.Date) bool {
	const longest = 190 // days: the longest threshold is six months
	if doc.Status != StatusValid || doc.ValidUntil < day || doc.ValidUntil > day+longest {
		return false
	}
	for _, t := range DefaultTypes {
		if t.Column != doc.Kind {
			continue
		}
		for _, period := range t.Notices {
			if before(doc.ValidUntil, period) == day {
				return true
			}
		}
	}
	return false
}

// avoid moves a document's expiry by the few days that take its thresholds off the two days.
func (m *maker) avoid(doc *Document) {
	due := &m.o.Due
	for due.On != 0 && DueOn(doc, due.On) || due.Idle != 0 && DueOn(doc, due.Idle) {
		doc.ValidUntil++
	}
}

// fallDue gives the two neighbours what is due on the day. It draws last of all, so that the rest of the world stays as it is.
func (m *maker) fallDue(d *dice, a, b *Person) {
	if a.identity == b.identity {
		return // nobody is told anything
	}
	for _, p := range [...]*Person{a, b} {
		if m.due >= m.o.Due.Count || p.Index >= m.o.People || len(p.Registrations) != 1 {
			continue
		}
		r := &p.Registrations[0]
		if !r.Active || !r.ServiceOn || r.Identity != p.identity || p.identity == 0 {
			continue
		}
		m.due++
		// Issued on the eve: nobody is entitled to the thresholds before.
		doc := m.newDocument(d, p, dueKind, m.o.Start-1, 1)
		doc.ValidUntil = dueExpiry(m.o.Due.On)
		p.Documents = append(p.Documents, doc)
	}
}

// dueExpiry is the first date whose P1M falls on the day; where there is none (the 30th of January), the day itself.
func dueExpiry(day event.Date) event.Date {
	for x := day + 28; x <= day+31; x++ {
		if before(x, "P1M") == day {
			return x
		}
	}
	return day
}
