package config

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/rules"
)

func TestRules(t *testing.T) {
	c := mustParse(t, withBase(`calendar: {live_from: 2026-12-01}
documents:
  identity_card: null
  vehicle_inspection: null
  driving_licence: null
  passport: {match: [birth_date, name], notices: [{at: P12M, since: 2027-01-01, until: P7M}, P0D]}
extensions:
  - {types: [passport], expires_from: 2020-03-11, expires_to: 2020-12-31, valid_until: never, in_force_from: 2020-03-12}
`))
	match, err := identity.ParseList([]string{"name", "birth_date"})
	if err != nil {
		t.Fatal(err)
	}
	want := rules.Set{
		Types: map[string]rules.DocumentType{"passport": {
			Name: "passport", OnePerPerson: true, Match: match,
			Notices: []rules.Threshold{
				{Period: calendar.Period{Months: 12}, Since: event.NewDate(2027, 1, 1), HasSince: true, Closes: &calendar.Period{Months: 7}}, {},
			},
		}},
		Extensions: []rules.Extension{{
			Types: []string{"passport"}, ExpiresFrom: event.NewDate(2020, 3, 11), ExpiresTo: event.NewDate(2020, 12, 31),
			ValidUntil: event.NoExpiry, InForceFrom: event.NewDate(2020, 3, 12),
		}},
		LiveFrom: event.NewDate(2026, 12, 1), HasLiveFrom: true,
	}
	got := c.Rules()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	if faults := got.Validate(); faults != nil {
		t.Errorf("the engine refuses what was accepted: %v", faults)
	}
}

// TestDefaultRules: what is shipped is one thing, here and in the engine.
func TestDefaultRules(t *testing.T) {
	set := Default().Rules()
	if d := cmp.Diff(rules.Defaults(), set.Types); d != "" {
		t.Errorf("engine -, configuration +\n%s", d)
	}
	if !reflect.DeepEqual(HolderFields[:], identity.AllFields.Names()) {
		t.Errorf("HolderFields are %q", HolderFields)
	}
	for name := range set.Types {
		if len(shippedNames[name]) != 2 {
			t.Errorf("%s has no Hungarian and English name", name)
		}
	}
}

func TestOrderOfDocuments(t *testing.T) {
	d := DefaultDocuments()
	delete(d, "passport")
	d["boat_licence"], d["angling_licence"] = DocumentType{}, DocumentType{}
	want := []string{"identity_card", "driving_licence", "vehicle_inspection", "angling_licence", "boat_licence"}
	if got := d.Order(); !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// TestPlainTypeColumn: without values, a type column holds the types' own names.
func TestPlainTypeColumn(t *testing.T) {
	c := mustParse(t, withBase("documents: {passport: null, identity_card: null}"))
	want := map[string]string{"driving_licence": "driving_licence", "vehicle_inspection": "vehicle_inspection"}
	if got := c.Sources[0].Columns.Type.Values; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}
