package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"lejarat/processor/event"
)

var typeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (c *Config) checkDocuments(r *report) {
	if len(c.Documents) == 0 {
		r.fault("documents", "no document type is left; keep at least one")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Documents)) {
		path, d := join("documents", name), c.Documents[name]
		if !typeName.MatchString(name) {
			r.fault(path, "a type's name is of small letters, digits and underscores; write for example residence_permit")
			continue
		}
		d.checkNotices(r, path+".notices")
		if len(d.Match) == 0 {
			r.fault(path+".match", "no field is left to match; name some of %s", fieldList)
		}
		for i, f := range d.Match {
			if !slices.Contains(HolderFields[:], f) {
				r.fault(index(path+".match", i), "%q is no identity field; write some of %s", f, fieldList)
			}
		}
		noRepeats(r, path+".match", d.Match)
		checkLanguages(r, path+".names", slices.Sorted(maps.Keys(d.Names)))
	}
}

var fieldList = strings.Join(HolderFields[:], ", ")

func (d DocumentType) checkNotices(r *report, path string) {
	if len(d.Notices) == 0 {
		r.fault(path, "missing; list the periods before expiry, for example [P2M, P1M, P0D]; to drop the whole type, set it to null")
	}
	for i, t := range d.Notices {
		at := index(path, i)
		if t.At == "" {
			r.fault(at+".at", "missing; write for example P6M")
			continue
		}
		if slices.ContainsFunc(d.Notices[:i], func(o Threshold) bool { return o.At == t.At }) {
			r.fault(at, "%s stands twice in this list; keep one", t.At)
		}
		noNever(r, at+".since", t.Since)
		if t.Until == "" {
			continue
		}
		if expiry, never := neverOpen(t); never {
			r.fault(at+".until", "%s is not later than %s for an expiry on %s: it would be too late before it is due; write a shorter period before expiry, or leave it out", t.Until, t.At, expiry)
		}
	}
}

// neverOpen returns an expiry date for which the notice would be too late when it comes due. The calendar repeats every
// 400 years, and within it a month and 30 days can be either way round.
func neverOpen(t Threshold) (event.Date, bool) {
	due, late := t.At.Calendar(), t.Until.Calendar()
	first := event.NewDate(2000, 1, 1)
	for expiry := first; expiry < first+146_097; expiry++ {
		if late.Before(expiry) <= due.Before(expiry) {
			return expiry, true
		}
	}
	return 0, false
}

func (c *Config) checkExtensions(r *report) {
	for i, e := range c.Extensions {
		path := index("extensions", i)
		if len(e.Types) == 0 {
			r.fault(path+".types", "missing; list the document types whose validity is extended")
		}
		for j, t := range e.Types {
			c.checkType(r, index(path+".types", j), t)
		}
		noRepeats(r, path+".types", e.Types)
		complete := true
		for _, d := range []struct {
			key   string
			given bool
		}{{"expires_from", e.ExpiresFrom != 0}, {"expires_to", e.ExpiresTo != 0}, {"valid_until", e.ValidUntil != 0}, {"in_force_from", e.InForceFrom != 0}} {
			if !d.given {
				complete = false
				r.fault(join(path, d.key), "missing; write a date, for example 2026-12-01")
			}
		}
		if complete && e.ExpiresTo < e.ExpiresFrom {
			r.fault(path+".expires_to", "%s is before expires_from %s; exchange them", e.ExpiresTo, e.ExpiresFrom)
		}
		if complete && e.ValidUntil <= e.ExpiresFrom {
			r.fault(path+".valid_until", "%s extends nothing that expires from %s on; write a later date, or never while the end is not known", e.ValidUntil, e.ExpiresFrom)
		}
		noNever(r, path+".expires_from", e.ExpiresFrom)
		noNever(r, path+".expires_to", e.ExpiresTo)
		noNever(r, path+".in_force_from", e.InForceFrom)
	}
}

// checkType reports a document type that is not configured.
func (c *Config) checkType(r *report, path, name string) {
	if _, ok := c.Documents[name]; !ok {
		r.fault(path, "%q is no document type; write one of %s, or add it under documents", name,
			strings.Join(slices.Sorted(maps.Keys(c.Documents)), ", "))
	}
}
