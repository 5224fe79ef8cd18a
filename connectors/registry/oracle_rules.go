package registry

import (
	"slices"
	"strconv"
	"time"

	"lejarat/processor/event"
)

// expiries returns what is owed for one document on a day, for every registration of its identity.
func (q *Oracle) expiries(day event.Date, doc *documentFacts, h *household) []Expected {
	t, known := q.types[doc.Kind]
	if !known || doc.Status != StatusValid || doc.ValidUntil == event.NoExpiry || q.superseded(doc, t, h) {
		return nil
	}
	var owed []Expected
	dues := dueBy(t.Notices, doc.ValidUntil, day)
	for i, due := range dues {
		latest := i == len(dues)-1
		if q.o.LiveFrom != 0 && due.date < q.o.LiveFrom || !latest && !q.o.OlderLate {
			continue
		}
		if day-due.lastDay-1 <= event.Date(q.o.LateDays) {
			owed = append(owed, q.expiry(day, doc, t, h, due)...)
		}
	}
	return owed
}

// expiry returns what is owed for one threshold of a document, for every registration of its identity.
func (q *Oracle) expiry(day event.Date, doc *documentFacts, t DocumentType, h *household, due due) []Expected {
	number := doc.Kind + "/" + doc.Number
	if doc.Number == "" {
		number = "row/" + strconv.FormatInt(doc.ID, 10)
	}
	var owed []Expected
	for _, reg := range h.registrations {
		if !reg.Active || !reg.ServiceOn || !q.entitled(due.date, doc, reg) {
			continue
		}
		n := notice{number, doc.ValidUntil, due.date, reg.ID}
		reason := ""
		switch {
		case day > due.lastDay:
			reason = event.ReasonLate
		case q.collides(h):
			reason = event.ReasonCollision
		}
		decision, reason, news := q.decide(n, reg, h, reason)
		if !news {
			continue
		}
		owed = append(owed, Expected{
			Kind: event.KindExpiry, Decision: decision, Reason: reason,
			DocumentKey: doc.ID, DocumentType: t.Name, DocumentNumber: doc.Number,
			RegistrationKey: reg.ID, Address: address(reg.Email),
			Threshold: due.period, Expires: doc.ValidUntil, Due: due.date,
		})
	}
	return owed
}

// announcement returns the announcement that a registration is owed: one, ever, once it is switched on.
func (q *Oracle) announcement(reg *registrationFacts, h *household) []Expected {
	if !reg.Active || !reg.ServiceOn {
		return nil
	}
	if reg.Identity == 0 { // nobody's: alone
		h = &household{registrations: []*registrationFacts{reg}}
	}
	reason := ""
	if !q.o.CollisionsAnnounced && q.collides(h) {
		reason = event.ReasonCollision
	}
	decision, reason, news := q.decide(notice{registration: reg.ID}, reg, h, reason)
	if !news {
		return nil
	}
	return []Expected{{
		Kind: event.KindAnnouncement, Decision: decision, Reason: reason,
		RegistrationKey: reg.ID, Address: address(reg.Email),
	}}
}

// decide settles one notice for one registration, given the reason that speaks against it, and remembers it. What was
// emitted to the registration stays so; a skip is recorded once, and can still become an emission, but for a duplicate
// address: that is for good while the address stays. (The service also records another reason that comes up later while
// the window is open; where that happens the two differ.)
func (q *Oracle) decide(n notice, reg *registrationFacts, h *household, reason string) (decision, why string, news bool) {
	if q.emitted[n] {
		return "", "", false
	}
	here := addressNotice{notice: n, address: address(reg.Email)}
	there := here // the same, whoever of this person's registrations it was
	there.registration = 0
	if n.document == "" {
		there.identity = reg.Identity
		if reg.Identity == 0 {
			there.registration = reg.ID
		}
	}
	duplicate := q.reached[here] || q.reached[there]
	for _, other := range h.registrations {
		sibling := here
		sibling.registration = other.ID
		duplicate = duplicate || q.reached[sibling]
	}
	if duplicate {
		reason = event.ReasonDuplicateAddress
		q.reached[here] = true // for good, whatever becomes of the identity
	}
	if reason != "" {
		recorded := q.skipped[n]
		q.skipped[n] = true
		return event.Skipped, reason, !recorded
	}
	q.emitted[n], q.reached[here], q.reached[there] = true, true, true
	return event.Emitted, "", true
}

// collides says whether two different holders share the identity.
func (q *Oracle) collides(h *household) bool {
	if q.o.NoHolderRef {
		return false
	}
	first := ""
	for _, doc := range h.documents {
		if doc.HolderRef == "" {
			continue
		}
		if first != "" && doc.HolderRef != first {
			return true
		}
		first = doc.HolderRef
	}
	return false
}

// superseded says whether another valid document of a type with one valid document per person counts instead: the one
// with the later expiry, then the later effective time, then the larger row id. No expiry is the latest of all.
func (q *Oracle) superseded(doc *documentFacts, t DocumentType, h *household) bool {
	if !t.OnePerPerson {
		return false
	}
	for _, other := range h.documents {
		if other.ID == doc.ID || other.Kind != doc.Kind || other.Status != StatusValid {
			continue
		}
		if other.ValidUntil != doc.ValidUntil {
			if other.ValidUntil > doc.ValidUntil {
				return true
			}
			continue
		}
		a, b := q.documentEffective(other), q.documentEffective(doc)
		if a != b && a > b || a == b && other.ID > doc.ID {
			return true
		}
	}
	return false
}

// entitled says whether document and registration were both effective on or before the due date.
func (q *Oracle) entitled(due event.Date, doc *documentFacts, reg *registrationFacts) bool {
	registered := event.DateOf(reg.ServiceSince, q.o.Zone)
	if q.o.NoEffectiveColumns {
		registered = q.dateSince(reg.since)
	}
	return q.documentEffective(doc) <= due && registered <= due
}

func (q *Oracle) documentEffective(doc *documentFacts) event.Date {
	if q.o.NoEffectiveColumns {
		return q.dateSince(doc.since)
	}
	return doc.IssuedOn
}

// dateSince is the date of a change; what the snapshot brought was there before any date.
func (q *Oracle) dateSince(since time.Time) event.Date {
	if since.IsZero() {
		return -1 << 30
	}
	return event.DateOf(since, q.o.Zone)
}

// due is one threshold of a document: its date, and the last day on which its notice may go out.
type due struct {
	period        string
	date, lastDay event.Date
}

// dueBy returns the thresholds that are due on the day, by date. Each may go out until the day before the next one,
// whether that is due or not, and the last one until the day of expiry.
func dueBy(periods []string, expires, day event.Date) []due {
	var all, dues []due
	for _, p := range periods {
		all = append(all, due{p, before(expires, p), expires})
	}
	for _, d := range all {
		for _, next := range all {
			if next.date > d.date && next.date <= d.lastDay {
				d.lastDay = next.date - 1
			}
		}
		if d.date <= day {
			dues = append(dues, d)
		}
	}
	slices.SortFunc(dues, func(a, b due) int { return int(a.date) - int(b.date) })
	return dues
}

// before counts an ISO 8601 period back from a date. Where the month has no such day, it is the month's last.
func before(from event.Date, period string) event.Date {
	n, err := strconv.Atoi(period[1 : len(period)-1])
	if period[0] != 'P' || err != nil {
		panic("registry: not a period of one unit: " + period)
	}
	year, month, day := from.Civil()
	switch period[len(period)-1] {
	case 'Y':
		year -= n
	case 'M':
		month -= time.Month(n)
	case 'W':
		return from - event.Date(7*n)
	case 'D':
		return from - event.Date(n)
	default:
		panic("registry: not a period of one unit: " + period)
	}
	last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return event.NewDate(year, month, min(day, last))
}
