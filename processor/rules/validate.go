package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
)

// Validate returns every fault of the set, in a stable order, each naming the document type and threshold, or the
// extension by its place in the configuration; nil when there is none. A type without notices is no fault.
func (s *Set) Validate() []error {
	var faults []error
	if len(s.Types) == 0 {
		faults = append(faults, errors.New("documents: no document type is configured"))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		t := s.Types[name]
		for _, fault := range t.validate(name) {
			faults = append(faults, fmt.Errorf("documents: %s: %w", name, fault))
		}
	}
	for i := range s.Extensions {
		for _, fault := range s.validateExtension(&s.Extensions[i]) {
			faults = append(faults, fmt.Errorf("extension %d: %w", i+1, fault))
		}
	}
	if s.HasLiveFrom && s.LiveFrom == event.NoExpiry {
		faults = append(faults, errors.New("live_from is no date"))
	}
	return faults
}

func (t *DocumentType) validate(name string) []error {
	var faults []error
	if name == "" {
		faults = append(faults, errors.New("the type has no name"))
	}
	if t.Name != name {
		faults = append(faults, fmt.Errorf("the type is called %q here and %q there", name, t.Name))
	}
	if !t.Match.Valid() {
		faults = append(faults, errors.New("match: the list of identity fields is empty or names unknown fields"))
	}
	seen := make(map[calendar.Period]bool)
	for i := range t.Notices {
		n := &t.Notices[i]
		if seen[n.Period] {
			faults = append(faults, fmt.Errorf("threshold %s: it stands there twice", n.Period))
		}
		seen[n.Period] = true
		if err := n.validate(); err != nil {
			faults = append(faults, fmt.Errorf("threshold %s: %w", n.Period, err))
		}
	}
	return faults
}

func (n *Threshold) validate() error {
	switch {
	case !n.Period.Valid():
		return errors.New("the period is negative or longer than 9999 years")
	case n.HasSince && n.Since == event.NoExpiry:
		return errors.New("since is no date")
	case n.Closes == nil:
		return nil
	case !n.Closes.Valid():
		return errors.New("closes: the period is negative or longer than 9999 years")
	}
	if expiry, ok := neverOpen(n.Period, *n.Closes); ok {
		return fmt.Errorf("closes %s: for an expiry on %s it closes (%s) before it could be sent (%s); closes must be a shorter period",
			*n.Closes, expiry, n.Closes.Before(expiry), n.Period.Before(expiry))
	}
	return nil
}

// neverOpen looks for an expiry date for which the window closes on or before the due date. The calendar repeats every 400
// years, and clamping can turn the order of a month and 30 days around, so each of their days is tried.
func neverOpen(period, closes calendar.Period) (event.Date, bool) {
	first := event.NewDate(2000, 1, 1)
	const days = 146097
	for expiry := first; expiry < first+days; expiry++ {
		if closes.Before(expiry) <= period.Before(expiry) {
			return expiry, true
		}
	}
	return 0, false
}

func (s *Set) validateExtension(e *Extension) []error {
	var faults []error
	if len(e.Types) == 0 {
		faults = append(faults, errors.New("it names no document type"))
	}
	for _, name := range e.Types {
		if _, ok := s.Types[name]; !ok {
			faults = append(faults, fmt.Errorf("document type %q is not configured", name))
		}
	}
	if e.ExpiresFrom > e.ExpiresTo {
		faults = append(faults, fmt.Errorf("the expiry range ends (%s) before it begins (%s)", e.ExpiresTo, e.ExpiresFrom))
	}
	if e.ValidUntil <= e.ExpiresFrom {
		faults = append(faults, fmt.Errorf("valid until %s extends nothing that expires from %s on", e.ValidUntil, e.ExpiresFrom))
	}
	if e.InForceFrom == event.NoExpiry {
		faults = append(faults, errors.New("in force from is no date"))
	}
	return faults
}
