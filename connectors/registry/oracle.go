package registry

import (
	"iter"
	"slices"
	"strings"
	"time"

	"lejarat/processor/event"
)

// OracleOptions are the rules, as plain data.
type OracleOptions struct {
	// RunHour and RunMinute are the daily run's nominal local start; both zero is 06:00.
	RunHour, RunMinute int
	Zone               *time.Location // nil is Europe/Budapest
	// LiveFrom is calendar.live_from: no run before it, and nothing for thresholds due before it. Zero is none.
	LiveFrom event.Date
	// Types are the document types: DefaultTypes where there are none.
	Types []DocumentType
	// NoEffectiveColumns says that issued_on and service_since are not mapped: facts are then effective since the
	// change that brought them, those of the snapshot since before.
	NoEffectiveColumns bool
	// NoHolderRef says that holder_ref is not mapped, so that collisions cannot be seen.
	NoHolderRef bool
	// CollisionsAnnounced lets announcements go out where two holders share an identity; notices never do.
	CollisionsAnnounced bool
	// LateDays is for how many days a notice is recorded as late, counted from the first day that is too late: 30.
	LateDays int
	// OlderLate records as late also older thresholds than the latest one due, which are never sent.
	OlderLate bool
}

// DocumentType is one document type and its rules.
type DocumentType struct {
	Column       string   // as the column kind spells it
	Name         string   // as notices spell it
	Notices      []string // ISO 8601 periods before the expiry
	OnePerPerson bool
}

// DefaultTypes are the shipped defaults (SPEC 1.1).
var DefaultTypes = []DocumentType{
	{KindCard, "identity_card", []string{"P2M", "P1M", "P0D"}, true},
	{KindPassport, "passport", []string{"P6M", "P1M", "P0D"}, true},
	{KindLicence, "driving_licence", []string{"P2M", "P1M", "P0D"}, true},
	{KindVehicle, "vehicle_inspection", []string{"P2M", "P1M", "P0D"}, false},
}

// Expected is one notice that a run owes: emitted, or skipped with a reason.
type Expected struct {
	Kind     string // event.KindExpiry, event.KindAnnouncement
	Decision string // event.Emitted, event.Skipped
	Reason   string // of a skipped one
	// DocumentKey is the document's row id; 0 for an announcement, like the other document fields.
	DocumentKey     int64
	DocumentType    string
	DocumentNumber  string
	RegistrationKey int64
	// Address is the receiver's, trimmed and with its domain in lower case. Of several registrations of one person at
	// one address it is left open which one is written to: the oracle takes the one with the lowest row id, the service
	// the first row key, as text. The two agree where ids have equally many digits.
	Address      string
	Threshold    string
	Expires, Due event.Date
}

// moveDelay is how long before a run an identity must have changed to take part in it.
const moveDelay = 10 * time.Minute

// Oracle says what notices are owed, in the simplest way there is: each day it looks at every document, every threshold
// and every registration. It knows who is who from the truth of the rows. A run day may be left out; days must ascend.
type Oracle struct {
	o             OracleOptions
	types         map[string]DocumentType
	documents     map[int64]*documentFacts
	registrations map[int64]*registrationFacts
	emitted       map[notice]bool        // what went out
	reached       map[addressNotice]bool // and where to
	skipped       map[notice]bool        // what was recorded as skipped
}

type documentFacts struct {
	Document
	since time.Time // when these facts came; zero for the snapshot's
	// moved is when the identity last changed. A row that is deleted and comes back waits too in the service; here it
	// does not: the invented registries never use a row id again.
	moved time.Time
}

type registrationFacts struct {
	Registration
	since, moved time.Time
}

// notice is what a notification id is made of.
type notice struct {
	document     string // type and number; empty for an announcement
	expires, due event.Date
	registration int64
}

// addressNotice is a notice seen from an address: registration is set where the registration matters beside it, identity
// where the person does. A document has one holder, so identity is set in announcements only; a document that comes to
// somebody else at the same address would be taken for told, which the service does not do.
type addressNotice struct {
	notice
	identity uint64
	address  string
}

// NewOracle makes an oracle that knows no rows.
func NewOracle(o OracleOptions) *Oracle {
	if o.RunHour == 0 && o.RunMinute == 0 {
		o.RunHour = 6
	}
	if o.Types == nil {
		o.Types = DefaultTypes
	}
	if o.LateDays == 0 {
		o.LateDays = 30
	}
	o.Zone = Options{Zone: o.Zone}.withDefaults().Zone
	q := &Oracle{
		o: o, types: map[string]DocumentType{},
		documents: map[int64]*documentFacts{}, registrations: map[int64]*registrationFacts{},
		emitted: map[notice]bool{}, reached: map[addressNotice]bool{}, skipped: map[notice]bool{},
	}
	for _, t := range o.Types {
		q.types[t.Column] = t
	}
	return q
}

// Load tells the oracle the rows of a snapshot.
func (q *Oracle) Load(people iter.Seq[*Person]) {
	for p := range people {
		for _, doc := range p.Documents {
			q.documents[doc.ID] = &documentFacts{Document: doc}
		}
		for _, reg := range p.Registrations {
			q.registrations[reg.ID] = &registrationFacts{Registration: reg}
		}
	}
}

// Apply tells the oracle a change that has happened at c.At.
func (q *Oracle) Apply(c Change) {
	switch {
	case c.Op == Delete && c.Table == Documents:
		delete(q.documents, c.Key)
	case c.Op == Delete:
		delete(q.registrations, c.Key)
	case c.Document != nil:
		now, was := *c.Document, q.documents[c.Key]
		next := &documentFacts{Document: now, since: c.At}
		if was != nil {
			next.moved = was.moved
			if was.Identity != now.Identity {
				next.moved = c.At
			} else if was.Status == now.Status && was.Kind == now.Kind && was.ValidUntil == now.ValidUntil {
				next.since = was.since
			}
		}
		q.documents[c.Key] = next
	case c.Registration != nil:
		now, was := *c.Registration, q.registrations[c.Key]
		next := &registrationFacts{Registration: now, since: c.At}
		if was != nil {
			next.moved = was.moved
			if was.Identity != now.Identity {
				next.moved = c.At
			} else if was.Active == now.Active && was.ServiceOn == now.ServiceOn {
				next.since = was.since
			}
		}
		q.registrations[c.Key] = next
	}
}

// Run returns what the run of a day owes, by document, registration and kind.
func (q *Oracle) Run(day event.Date) []Expected {
	if q.o.LiveFrom != 0 && day < q.o.LiveFrom {
		return nil
	}
	start := day.At(q.o.RunHour, q.o.RunMinute, q.o.Zone)
	var people = map[uint64]*household{}
	of := func(identity uint64) *household {
		if people[identity] == nil {
			people[identity] = &household{}
		}
		return people[identity]
	}
	for _, id := range sortedKeys(q.documents) {
		if doc := q.documents[id]; doc.Identity != 0 && !start.Before(notBefore(doc.moved)) {
			h := of(doc.Identity)
			h.documents = append(h.documents, doc)
		}
	}
	var registrations []*registrationFacts
	for _, id := range sortedKeys(q.registrations) {
		if reg := q.registrations[id]; !start.Before(notBefore(reg.moved)) {
			registrations = append(registrations, reg)
			if reg.Identity != 0 {
				h := of(reg.Identity)
				h.registrations = append(h.registrations, reg)
			}
		}
	}
	var owed []Expected
	for _, id := range sortedKeys(q.documents) {
		doc := q.documents[id]
		if h := people[doc.Identity]; h != nil && slices.Contains(h.documents, doc) {
			owed = append(owed, q.expiries(day, doc, h)...)
		}
	}
	for _, reg := range registrations {
		owed = append(owed, q.announcement(reg, people[reg.Identity])...)
	}
	return owed
}

// household is everything under one identity.
type household struct {
	documents     []*documentFacts
	registrations []*registrationFacts
}

// notBefore is the earliest start of a run in which a row takes part whose identity changed at moved.
func notBefore(moved time.Time) time.Time {
	if moved.IsZero() {
		return moved
	}
	return moved.Add(moveDelay)
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// address is how addresses are compared.
func address(email string) string {
	name, domain, _ := strings.Cut(strings.TrimSpace(email), "@")
	return name + "@" + strings.ToLower(domain)
}
