package rules_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/rules"
)

// hashed is the set that the changes below start from, and the day it is hashed on.
func hashed(t testing.TB) (*rules.Set, event.Date) {
	types := rules.Defaults()
	card := types["identity_card"]
	card.Notices = append(card.Notices, notice(t, "P4M", "2021-01-01", "P3M"))
	types["identity_card"] = card
	later := pandemic(t)
	later.ValidUntil, later.InForceFrom = date(t, "2023-01-31"), date(t, "2022-01-01")
	return &rules.Set{Types: types, Extensions: []rules.Extension{pandemic(t), later}, LiveFrom: date(t, "2020-12-01"), HasLiveFrom: true}, date(t, "2021-06-01")
}

func TestHashChangesWithEverythingThatDecides(t *testing.T) {
	card := func(change func(*rules.DocumentType)) func(*rules.Set) {
		return func(s *rules.Set) {
			d := s.Types["identity_card"]
			change(&d)
			s.Types["identity_card"] = d
		}
	}
	seen := map[[16]byte]string{}
	for _, c := range []struct {
		name   string
		change func(*rules.Set)
	}{
		{"nothing", func(*rules.Set) {}},
		{"type added", func(s *rules.Set) { s.Types["visa"] = rules.DocumentType{Name: "visa", Match: 1} }},
		{"type removed", func(s *rules.Set) { delete(s.Types, "passport") }},
		{"type renamed", func(s *rules.Set) { s.Types["pass"] = s.Types["passport"]; delete(s.Types, "passport") }},
		{"threshold added", card(func(d *rules.DocumentType) { d.Notices = append(d.Notices, notice(t, "P1D", "", "")) })},
		{"threshold removed", card(func(d *rules.DocumentType) { d.Notices = d.Notices[1:] })},
		{"months", card(func(d *rules.DocumentType) { d.Notices[0].Period.Months++ })},
		{"days", card(func(d *rules.DocumentType) { d.Notices[0].Period.Days++ })},
		{"since moved", card(func(d *rules.DocumentType) { d.Notices[3].Since++ })},
		{"since dropped", card(func(d *rules.DocumentType) { d.Notices[3].HasSince = false })},
		{"since added", card(func(d *rules.DocumentType) { d.Notices[0].HasSince = true })},
		{"closes moved", card(func(d *rules.DocumentType) { d.Notices[3].Closes = &calendar.Period{Months: 2} })},
		{"closes dropped", card(func(d *rules.DocumentType) { d.Notices[3].Closes = nil })},
		{"closes added", card(func(d *rules.DocumentType) { d.Notices[0].Closes = &calendar.Period{} })},
		{"one per person", card(func(d *rules.DocumentType) { d.OnePerPerson = false })},
		{"match list", card(func(d *rules.DocumentType) { d.Match = identity.AllFields &^ 1 })},
		{"live from moved", func(s *rules.Set) { s.LiveFrom++ }},
		{"live from dropped", func(s *rules.Set) { s.HasLiveFrom = false }},
		{"extension dropped", func(s *rules.Set) { s.Extensions = s.Extensions[1:] }},
		{"extension's first date", func(s *rules.Set) { s.Extensions[0].ExpiresFrom++ }},
		{"extension's last date", func(s *rules.Set) { s.Extensions[0].ExpiresTo++ }},
		{"extension's end", func(s *rules.Set) { s.Extensions[0].ValidUntil++ }},
		{"extension's types", func(s *rules.Set) { s.Extensions[0].Types = []string{"identity_card"} }},
		{"another extension comes into force", func(s *rules.Set) { s.Extensions[1].InForceFrom = date(t, "2021-06-01") }},
	} {
		s, today := hashed(t)
		c.change(s)
		h := s.Hash(today)
		if other, ok := seen[h]; ok {
			t.Errorf("the hash of %q is that of %q", c.name, other)
		}
		seen[h] = c.name
	}
}

func TestHashDoesNotChangeWithAnythingElse(t *testing.T) {
	base, today := hashed(t)
	want := base.Hash(today)
	for _, c := range []struct {
		name   string
		change func(*rules.Set)
	}{
		{"order of thresholds", func(s *rules.Set) { slices.Reverse(s.Types["identity_card"].Notices) }},
		{"since without its mark", func(s *rules.Set) { s.Types["identity_card"].Notices[0].Since = 5 }},
		{"order of extensions", func(s *rules.Set) { slices.Reverse(s.Extensions) }},
		{"an extension twice", func(s *rules.Set) { s.Extensions = append(s.Extensions, s.Extensions[0]) }},
		{"order of an extension's types", func(s *rules.Set) { slices.Reverse(s.Extensions[0].Types) }},
		{"since when an extension is in force", func(s *rules.Set) { s.Extensions[0].InForceFrom++ }},
		{"an extension that comes later", func(s *rules.Set) { s.Extensions[1].ValidUntil++ }},
		{"no extension that comes later", func(s *rules.Set) { s.Extensions = s.Extensions[:1] }},
	} {
		s, _ := hashed(t)
		c.change(s)
		if s.Hash(today) != want {
			t.Errorf("the hash changes with: %s", c.name)
		}
	}
	unmarked := one()
	hash := unmarked.Hash(today)
	unmarked.LiveFrom = 7
	if unmarked.Hash(today) != hash {
		t.Error("the hash changes with a live from without its mark")
	}
}

func TestHashChangesOnTheDayAnExtensionComesIntoForce(t *testing.T) {
	s, _ := hashed(t)
	first := date(t, "2022-01-01")
	if s.Hash(first-1) == s.Hash(first) {
		t.Error("the hash stays the same")
	}
	if s.Hash(first) != s.Hash(first+1) || s.Hash(first-1) != s.Hash(first-100) {
		t.Error("the hash changes on an ordinary day")
	}
}

func TestHashLeavesTheSetAlone(t *testing.T) {
	s, today := hashed(t)
	slices.Reverse(s.Extensions[0].Types)
	types := slices.Clone(s.Extensions[0].Types)
	s.Hash(today)
	if !slices.Equal(types, s.Extensions[0].Types) {
		t.Error("hashing sorts the configuration")
	}
}

// Sets of one hash have the same dues.
func TestSameHashSameDues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := aSet(t)
		b := one(slices.Clone(a.Types["card"].Notices)...)
		b.LiveFrom, b.HasLiveFrom = a.LiveFrom, a.HasLiveFrom
		if ns := b.Types["card"].Notices; len(ns) > 0 {
			n := &ns[rapid.IntRange(0, len(ns)-1).Draw(t, "changed")]
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				n.Since++
			case 1:
				n.HasSince = !n.HasSince
			case 2:
				n.Period.Days++
			case 3:
				b.HasLiveFrom = !b.HasLiveFrom
			}
		}
		if a.Hash(0) != b.Hash(0) {
			return
		}
		expiry := event.Date(rapid.Int32Range(20000, 22000).Draw(t, "expiry"))
		if x, y := written(a.Due("card", expiry)), written(b.Due("card", expiry)); !slices.Equal(x, y) {
			t.Fatalf("of one hash, and due are %v and %v", x, y)
		}
	})
}
