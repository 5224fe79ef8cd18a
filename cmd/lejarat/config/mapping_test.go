package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
)

// TestMapping: every column is decoded once, whatever it is used for.
func TestMapping(t *testing.T) {
	c := mustParse(t, withBase(`sources:
  - topic: documents
    kind: documents
    columns:
      type: {column: kind, values: {U: passport}}
      status: {column: kind, valid: [U]}
      expires: [until, {column: licence_until, date: days}]
      holder: {name: [family, given], birth_name: [family, given], birth_place: place, birth_date: {column: born, date: yyyymmdd}, mother_name: mother}
      holder_ref: person
  - topic: registrations
    kind: registrations
    columns:
      holder: {name: [family, given], birth_name: [born_as], birth_place: [country, place], birth_date: born, mother_name: mother}
      email: email
      active: status
      service: {column: status, true: [on]}
      effective: {column: since, date: millis}
`))
	none := Mapping{Type: None, Number: None, Status: None, HolderRef: None, Effective: None, Email: None, Active: None, Service: None, Language: None}
	documents := none
	documents.Columns = []event.Column{
		{Name: "kind"}, {Name: "until", Kind: event.CivilDate}, {Name: "licence_until", Kind: event.CivilDate, Encoding: "days"},
		{Name: "family"}, {Name: "given"}, {Name: "place"}, {Name: "born", Kind: event.CivilDate, Encoding: "yyyymmdd"}, {Name: "mother"}, {Name: "person"},
	}
	documents.Type, documents.Status, documents.HolderRef, documents.Expires = 0, 0, 8, []int{1, 2}
	documents.Holder = [5][]int{{3, 4}, {3, 4}, {5}, {6}, {7}}
	registrations := none
	registrations.Columns = []event.Column{
		{Name: "since", Kind: event.Instant, Encoding: "millis"}, {Name: "family"}, {Name: "given"}, {Name: "born_as"}, {Name: "country"}, {Name: "place"},
		{Name: "born", Kind: event.CivilDate}, {Name: "mother"}, {Name: "email"}, {Name: "status"},
	}
	registrations.Effective, registrations.Email, registrations.Active, registrations.Service = 0, 8, 9, 9
	registrations.Holder = [5][]int{{1, 2}, {3}, {4, 5}, {6}, {7}}
	for i, want := range []Mapping{documents, registrations} {
		if d := cmp.Diff(want, c.Sources[i].Mapping()); d != "" {
			t.Errorf("source %d: want -, got +\n%s", i, d)
		}
	}
}

// TestMappedOnce: a source that maps nothing but what it must has no more columns than that.
func TestMappedOnce(t *testing.T) {
	c := mustParse(t, withBase(""))
	for i, want := range []int{8, 8} {
		if got := len(c.Sources[i].Mapping().Columns); got != want {
			t.Errorf("source %d decodes %d columns, want %d", i, got, want)
		}
	}
}
