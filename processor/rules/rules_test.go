package rules_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/rules"
)

// pandemic is Hungary's rule of 2020 as an operator would configure it, once the end was known.
func pandemic(t testing.TB) rules.Extension {
	return rules.Extension{
		Types:       []string{"identity_card", "driving_licence"},
		ExpiresFrom: date(t, "2020-03-11"), ExpiresTo: date(t, "2022-06-29"), ValidUntil: date(t, "2022-06-30"), InForceFrom: date(t, "2020-11-14"),
	}
}

func TestEffectiveExpiry(t *testing.T) {
	longer := pandemic(t)
	longer.ValidUntil, longer.InForceFrom = date(t, "2022-12-31"), date(t, "2022-01-01")
	chained := pandemic(t)
	chained.ExpiresFrom, chained.ExpiresTo, chained.ValidUntil = date(t, "2022-06-30"), date(t, "2022-07-31"), date(t, "2025-01-01")
	open := pandemic(t)
	open.ValidUntil = event.NoExpiry
	shorter := pandemic(t)
	shorter.ValidUntil = date(t, "2021-01-01")
	for _, c := range []struct {
		name                             string
		extensions                       []rules.Extension
		docType, registered, today, want string
	}{
		{"none", nil, "identity_card", "2021-05-05", "2021-01-01", "2021-05-05"},
		{"in force", []rules.Extension{pandemic(t)}, "identity_card", "2021-05-05", "2021-01-01", "2022-06-30"},
		{"in force on its first day", []rules.Extension{pandemic(t)}, "identity_card", "2021-05-05", "2020-11-14", "2022-06-30"},
		{"not yet in force", []rules.Extension{pandemic(t)}, "identity_card", "2021-05-05", "2020-11-13", "2021-05-05"},
		{"first day of the range", []rules.Extension{pandemic(t)}, "driving_licence", "2020-03-11", "2021-01-01", "2022-06-30"},
		{"before the range", []rules.Extension{pandemic(t)}, "driving_licence", "2020-03-10", "2021-01-01", "2020-03-10"},
		{"last day of the range", []rules.Extension{pandemic(t)}, "driving_licence", "2022-06-29", "2021-01-01", "2022-06-30"},
		{"after the range", []rules.Extension{pandemic(t)}, "driving_licence", "2022-07-01", "2021-01-01", "2022-07-01"},
		{"another type", []rules.Extension{pandemic(t)}, "passport", "2021-05-05", "2021-01-01", "2021-05-05"},
		{"the latest of two", []rules.Extension{longer, pandemic(t)}, "identity_card", "2021-05-05", "2022-01-01", "2022-12-31"},
		{"the latest of those in force", []rules.Extension{longer, pandemic(t)}, "identity_card", "2021-05-05", "2021-12-31", "2022-06-30"},
		{"never chained", []rules.Extension{pandemic(t), chained}, "identity_card", "2021-05-05", "2022-01-01", "2022-06-30"},
		{"never earlier", []rules.Extension{shorter}, "identity_card", "2021-05-05", "2022-01-01", "2021-05-05"},
		{"end not known", []rules.Extension{open}, "identity_card", "2021-05-05", "2021-01-01", "never"},
	} {
		s := &rules.Set{Types: rules.Defaults(), Extensions: c.extensions}
		if got := s.EffectiveExpiry(c.docType, date(t, c.registered), date(t, c.today)); got.String() != c.want {
			t.Errorf("%s: %s expiring on %s is judged on %s by %s, want %s", c.name, c.docType, c.registered, c.today, got, c.want)
		}
	}
	s := &rules.Set{Types: rules.Defaults(), Extensions: []rules.Extension{{Types: []string{"passport"}, ExpiresFrom: math.MinInt32, ExpiresTo: event.NoExpiry}}}
	if got := s.EffectiveExpiry("passport", event.NoExpiry, 0); got != event.NoExpiry {
		t.Errorf("no expiry becomes %s", got)
	}
}

func TestEffectiveExpiryIsNeverEarlier(t *testing.T) {
	day := rapid.Map(rapid.Int32(), func(d int32) event.Date { return event.Date(d) })
	extension := rapid.Custom(func(t *rapid.T) rules.Extension {
		return rules.Extension{Types: []string{"passport"}, ExpiresFrom: day.Draw(t, "from"), ExpiresTo: day.Draw(t, "to"),
			ValidUntil: day.Draw(t, "until"), InForceFrom: day.Draw(t, "in force")}
	})
	rapid.Check(t, func(t *rapid.T) {
		s := &rules.Set{Types: rules.Defaults(), Extensions: rapid.SliceOfN(extension, 0, 4).Draw(t, "extensions")}
		registered, today := day.Draw(t, "registered"), day.Draw(t, "today")
		got := s.EffectiveExpiry("passport", registered, today)
		if got < registered {
			t.Fatalf("registered %s, effective %s", registered, got)
		}
		slices.Reverse(s.Extensions)
		if again := s.EffectiveExpiry("passport", registered, today); again != got {
			t.Fatalf("in another order %s instead of %s", again, got)
		}
	})
}

func TestLists(t *testing.T) {
	const (
		noMother = identity.AllFields &^ (1 << identity.MotherName)
		noPlace  = identity.AllFields &^ (1 << identity.BirthPlace)
		two      = identity.List(1<<identity.Name | 1<<identity.BirthDate)
	)
	s := &rules.Set{Types: map[string]rules.DocumentType{
		"a": {Match: two}, "b": {Match: noMother}, "c": {Match: identity.AllFields}, "d": {Match: noPlace}, "e": {Match: noMother}, "f": {Match: identity.AllFields},
	}}
	for range 20 { // maps come in any order
		if got, want := s.Lists(), []identity.List{identity.AllFields, noMother, noPlace, two}; !slices.Equal(got, want) {
			t.Fatalf("Lists() = %v, want %v", got, want)
		}
	}
	if got := (&rules.Set{}).Lists(); len(got) != 0 {
		t.Errorf("without types there are lists %v", got)
	}
}

func TestValidate(t *testing.T) {
	with := func(ns ...rules.Threshold) *rules.Set { return one(ns...) }
	extended := func(change func(*rules.Extension)) *rules.Set {
		e := pandemic(t)
		change(&e)
		return &rules.Set{Types: rules.Defaults(), Extensions: []rules.Extension{pandemic(t), e}}
	}
	for _, c := range []struct {
		name string
		set  *rules.Set
		want []string // one part of each fault, in order
	}{
		{"defaults", &rules.Set{Types: rules.Defaults(), Extensions: []rules.Extension{pandemic(t)}}, nil},
		{"no notices", with(), nil},
		{"closes", with(notice(t, "P6M", "2026-01-01", "P2M"), notice(t, "P1M", "", "P0D"), notice(t, "P1D", "", "P0D")), nil},
		{"no types", &rules.Set{}, []string{"no document type"}},
		{"no match list", &rules.Set{Types: map[string]rules.DocumentType{"card": {Name: "card"}}}, []string{"documents: card: match"}},
		{"unknown field", &rules.Set{Types: map[string]rules.DocumentType{"card": {Name: "card", Match: 33}}}, []string{"documents: card: match"}},
		{"another name", &rules.Set{Types: map[string]rules.DocumentType{"card": {Name: "cards", Match: 1}}}, []string{`"card" here and "cards" there`}},
		{"no name", &rules.Set{Types: map[string]rules.DocumentType{"": {Match: 1}}}, []string{"has no name"}},
		{"twice", with(notices(t, "P1M", "P2M", "P1M", "P12M", "P1Y")...), []string{"card: threshold P1M: it stands there twice", "card: threshold P1Y: it stands there twice"}},
		{"negative", with(rules.Threshold{Period: calendar.Period{Months: -1}}), []string{"card: threshold P-1M: the period is negative"}},
		{"too long", with(rules.Threshold{Period: calendar.Period{Days: math.MaxInt}}), []string{"longer than 9999 years"}},
		{"bad closes", with(rules.Threshold{Closes: &calendar.Period{Days: -1}}), []string{"threshold P0D: closes: the period is negative"}},
		{"closes P0D before it opens", with(notice(t, "P0D", "", "P0D")), []string{"card: threshold P0D: closes P0D: for an expiry on 2000-01-01"}},
		{"closes after a longer period", with(notice(t, "P1M", "", "P2M")), []string{"card: threshold P1M: closes P2M"}},
		{"closes after 30 days in February", with(notice(t, "P1M", "", "P30D")), []string{"for an expiry on 2000-03-01 it closes (2000-01-31) before it could be sent (2000-02-01)"}},
		{"since no date", with(rules.Threshold{HasSince: true, Since: event.NoExpiry}), []string{"since is no date"}},
		{"live from no date", &rules.Set{Types: rules.Defaults(), HasLiveFrom: true, LiveFrom: event.NoExpiry}, []string{"live_from"}},
		{"extension of nothing", extended(func(e *rules.Extension) { e.Types = nil }), []string{"extension 2: it names no document type"}},
		{"extension of an unknown type", extended(func(e *rules.Extension) { e.Types = []string{"passport", "visa"} }), []string{`extension 2: document type "visa"`}},
		{"extension of an empty range", extended(func(e *rules.Extension) { e.ExpiresTo = e.ExpiresFrom - 1 }), []string{"extension 2: the expiry range"}},
		{"extension that shortens", extended(func(e *rules.Extension) { e.ValidUntil = e.ExpiresFrom }), []string{"extension 2: valid until 2020-03-11 extends nothing"}},
		{"extension never in force", extended(func(e *rules.Extension) { e.InForceFrom = event.NoExpiry }), []string{"extension 2: in force from"}},
		{"all at once", &rules.Set{
			Types:      map[string]rules.DocumentType{"b": {Name: "b"}, "a": {Name: "x", Match: 1, Notices: []rules.Threshold{{}, {}}}},
			Extensions: []rules.Extension{{Types: []string{"c"}}},
		}, []string{"a: the type is called", "a: threshold P0D: it stands there twice", "b: match", `"c" is not configured`, "valid until"}},
	} {
		faults := c.set.Validate()
		ok := len(faults) == len(c.want)
		for i := range min(len(faults), len(c.want)) {
			ok = ok && strings.Contains(faults[i].Error(), c.want[i])
		}
		if !ok {
			t.Errorf("%s: faults are %q, want %q", c.name, faults, c.want)
		}
	}
}
