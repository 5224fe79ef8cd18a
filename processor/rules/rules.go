// Package rules says which notices a document owes and when (SPEC 1.1, 1.2): document types, thresholds before expiry,
// legal extensions. It knows nothing of people.
package rules

import (
	"cmp"
	"slices"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
)

// Threshold is one notice of a document type: so long before the expiry date it comes due (SPEC 1.1).
type Threshold struct {
	// Period is counted back from the expiry date; its String is the threshold's label.
	Period calendar.Period
	// Since, where HasSince is set, is the first due date for which the threshold counts. Without HasSince it has no meaning.
	Since    event.Date
	HasSince bool
	// Closes, where not nil, closes the window from the civil date expiry − Closes on (SPEC 1.2, 6): it is too late then,
	// even if the next threshold is not due yet. It never keeps a window open longer.
	Closes *calendar.Period
}

// DocumentType is a kind of document and what is owed for it.
type DocumentType struct {
	// Name is the type's name in configuration and in topics: the key in Set.Types.
	Name string
	// Notices are the thresholds, in any order. None is allowed: nothing is ever due for such a type.
	Notices []Threshold
	// OnePerPerson: a person has one valid document of this type; a later one supersedes it (SPEC 1.2, 1).
	OnePerPerson bool
	// Match lists the identity fields by which a document's holder and a registration are joined (SPEC 1.4).
	Match identity.List
}

// Extension is a legal extension (SPEC 1.1): documents of these types whose registered expiry lies in a range stay valid
// until another date, which stands neither on the document nor in the register.
type Extension struct {
	Types []string
	// ExpiresFrom and ExpiresTo are the first and last registered expiry date concerned.
	ExpiresFrom, ExpiresTo event.Date
	// ValidUntil is the expiry date that holds instead, where it is the later one; event.NoExpiry while the end of the
	// extension is not known: such documents are never due.
	ValidUntil event.Date
	// InForceFrom is the first day on which the extension counts.
	InForceFrom event.Date
}

// Set is all that decides what is due when. It is not changed once in use, and may then be read by many goroutines at once.
type Set struct {
	Types      map[string]DocumentType
	Extensions []Extension
	// LiveFrom, where HasLiveFrom is set, is the day the service goes live: due dates before it do not count (SPEC 1.2, 4).
	LiveFrom    event.Date
	HasLiveFrom bool
}

// Defaults returns the document types of SPEC 1.1 as shipped: each call a new map, for the caller to change.
func Defaults() map[string]DocumentType {
	types := make(map[string]DocumentType)
	for _, d := range []struct {
		name         string
		firstMonths  int
		onePerPerson bool
	}{
		{"identity_card", 2, true},
		{"passport", 6, true},
		{"driving_licence", 2, true},
		{"vehicle_inspection", 2, false},
	} {
		types[d.name] = DocumentType{
			Name:         d.name,
			Notices:      []Threshold{{Period: calendar.Period{Months: d.firstMonths}}, {Period: calendar.Period{Months: 1}}, {}},
			OnePerPerson: d.onePerPerson,
			Match:        identity.AllFields,
		}
	}
	return types
}

// Lists returns the distinct match lists in use: the ones under which each registration is written. The order is stable:
// most fields first, then by value. Announcements are decided under the first.
func (s *Set) Lists() []identity.List {
	lists := make([]identity.List, 0, len(s.Types))
	for _, t := range s.Types {
		lists = append(lists, t.Match)
	}
	slices.SortFunc(lists, func(a, b identity.List) int {
		return cmp.Or(cmp.Compare(b.Len(), a.Len()), cmp.Compare(a, b))
	})
	return slices.Compact(lists)
}

// EffectiveExpiry returns the expiry date by which a document of this type is judged on the day today: the registered one,
// or the latest that a legal extension in force on that day puts in its place (SPEC 1.1). Every extension looks at the
// registered date, never at what another one made of it. The result is never before registered; event.NoExpiry stays.
func (s *Set) EffectiveExpiry(docType string, registered event.Date, today event.Date) event.Date {
	expiry := registered
	for i := range s.Extensions {
		e := &s.Extensions[i]
		if e.InForceFrom <= today && e.ExpiresFrom <= registered && registered <= e.ExpiresTo &&
			e.ValidUntil > expiry && slices.Contains(e.Types, docType) {
			expiry = e.ValidUntil
		}
	}
	return expiry
}
