package config

import (
	"maps"
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/rules"
)

// Documents are the document types by name.
type Documents map[string]DocumentType

// Order returns the names of the types as people are told of them: the shipped ones as SPEC 1.1 lists them, then the
// others by name.
func (d Documents) Order() []string {
	var order []string
	for _, name := range shippedOrder {
		if _, ok := d[name]; ok {
			order = append(order, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	return order
}

// DocumentType says when notices of one type are due and how its holders are matched.
type DocumentType struct {
	// Notices are the thresholds, counted back from the expiry date. Required for a new type.
	Notices []Threshold `yaml:"notices"`
	// OnePerPerson: a person has one valid document of this type; a later expiry supersedes. Default false.
	OnePerPerson bool `yaml:"one_per_person"`
	// Match lists the identity fields that must be equal, of HolderFields. Default: all five.
	Match []string `yaml:"match"`
	// Names are the words for the type in mails and on the console, by language. Default: the type's own name.
	Names map[string]string `yaml:"names"`
}

// DisplayName returns the type's name in a language, else in Hungarian, else the fallback.
func (d DocumentType) DisplayName(language, fallback string) string {
	for _, l := range []string{language, "hu"} {
		if name := d.Names[l]; name != "" {
			return name
		}
	}
	return fallback
}

// Threshold is one notice before expiry: "P6M", or a mapping with at, since and until.
type Threshold struct {
	// At is the period before the expiry date on which the notice is due.
	At Period `yaml:"at"`
	// Since: the threshold counts only for due dates from then on. Zero: always.
	Since event.Date `yaml:"since,omitempty"`
	// Until closes the window early: from this period before the expiry date on the notice is too late. Default: it is
	// too late when the next threshold is due; P0D, when its day is over.
	Until Period `yaml:"until,omitempty"`
}

// Extension is a legal extension of validity. All fields are required.
type Extension struct {
	// Types are the document types concerned.
	Types []string `yaml:"types"`
	// ExpiresFrom and ExpiresTo are the first and the last registered expiry date concerned.
	ExpiresFrom event.Date `yaml:"expires_from"`
	ExpiresTo   event.Date `yaml:"expires_to"`
	// ValidUntil is the expiry date that holds instead, where it is the later one; "never" while the end of the
	// extension is not known.
	ValidUntil event.Date `yaml:"valid_until"`
	// InForceFrom is the first run date for which the extension counts.
	InForceFrom event.Date `yaml:"in_force_from"`
}

// HolderFields are the identity fields, in the order of Mapping.Holder.
var HolderFields = [5]string{"name", "birth_name", "birth_place", "birth_date", "mother_name"}

var shippedOrder = []string{"identity_card", "passport", "driving_licence", "vehicle_inspection"}

// shippedNames are the words for the shipped types.
var shippedNames = map[string]map[string]string{
	"identity_card":      {"hu": "személyazonosító igazolvány", "en": "identity card"},
	"passport":           {"hu": "magánútlevél", "en": "passport"},
	"driving_licence":    {"hu": "vezetői engedély", "en": "driving licence"},
	"vehicle_inspection": {"hu": "forgalmi engedély műszaki érvényessége", "en": "vehicle inspection"},
}

// DefaultDocuments returns the shipped document types, those of rules.Defaults.
func DefaultDocuments() Documents {
	documents := Documents{}
	for name, t := range rules.Defaults() {
		d := DocumentType{OnePerPerson: t.OnePerPerson, Match: t.Match.Names(), Names: maps.Clone(shippedNames[name])}
		for _, n := range t.Notices {
			d.Notices = append(d.Notices, Threshold{At: Period(n.Period.String())})
		}
		documents[name] = d
	}
	return documents
}

// Rules returns the documents and extensions as the engine judges by them.
func (c *Config) Rules() rules.Set {
	set := rules.Set{Types: map[string]rules.DocumentType{}, LiveFrom: c.Calendar.LiveFrom, HasLiveFrom: c.Calendar.LiveFrom != 0}
	for name, d := range c.Documents {
		match, err := identity.ParseList(d.Match)
		if err != nil {
			panic("config: unchecked document type: " + err.Error())
		}
		t := rules.DocumentType{Name: name, OnePerPerson: d.OnePerPerson, Match: match}
		for _, n := range d.Notices {
			threshold := rules.Threshold{Period: n.At.Calendar(), Since: n.Since, HasSince: n.Since != 0}
			if n.Until != "" {
				closes := n.Until.Calendar()
				threshold.Closes = &closes
			}
			t.Notices = append(t.Notices, threshold)
		}
		set.Types[name] = t
	}
	for _, e := range c.Extensions {
		set.Extensions = append(set.Extensions, rules.Extension{
			Types: slices.Clone(e.Types), ExpiresFrom: e.ExpiresFrom, ExpiresTo: e.ExpiresTo, ValidUntil: e.ValidUntil, InForceFrom: e.InForceFrom,
		})
	}
	return set
}
