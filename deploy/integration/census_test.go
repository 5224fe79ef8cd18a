//go:build integration

package integration

import (
	"iter"
	"testing"

	"lejarat/connectors/registry"
)

// census knows the rows of the registries and counts what kinds of change have happened to them.
type census struct {
	documents     map[int64]registry.Document
	registrations map[int64]registry.Registration
	kinds         map[string]int
}

// wantedKinds must each occur: a test in which they did not would show less than it says.
var wantedKinds = []string{
	"document inserted", "document deleted", "document renewed in place", "document replaced", "document's expiry corrected",
	"document's holder married or corrected", "document unmapped columns changed", "registration inserted", "registration deleted",
	"registration's holder married or corrected", "registration switched off", "registration switched on", "registration's address changed",
	"registration unmapped columns changed",
}

func newCensus(people iter.Seq[*registry.Person]) *census {
	c := &census{documents: map[int64]registry.Document{}, registrations: map[int64]registry.Registration{}, kinds: map[string]int{}}
	for p := range people {
		for _, d := range p.Documents {
			c.documents[d.ID] = d
		}
		for _, r := range p.Registrations {
			c.registrations[r.ID] = r
		}
	}
	return c
}

func (c *census) count(ch registry.Change) {
	switch {
	case ch.Op == registry.Delete:
		c.kinds[string(ch.Table)+" deleted"]++
		if ch.Table == registry.Documents {
			delete(c.documents, ch.Key)
		} else {
			delete(c.registrations, ch.Key)
		}
	case ch.Op == registry.Insert:
		c.kinds[string(ch.Table)+" inserted"]++
	case ch.Document != nil:
		c.kinds[documentKind(c.documents[ch.Key], *ch.Document)]++
	default:
		c.kinds[registrationKind(c.registrations[ch.Key], *ch.Registration)]++
	}
	if ch.Document != nil {
		c.documents[ch.Key] = *ch.Document
	}
	if ch.Registration != nil {
		c.registrations[ch.Key] = *ch.Registration
	}
}

func documentKind(was, now registry.Document) string {
	switch {
	case was.Identity != now.Identity:
		return "document's holder married or corrected"
	case was.IssuedOn != now.IssuedOn:
		return "document renewed in place"
	case now.Status == registry.StatusReplaced && was.Status != now.Status:
		return "document replaced"
	case was.Status != now.Status:
		return "document's status changed"
	case was.ValidUntil != now.ValidUntil:
		return "document's expiry corrected"
	}
	return "document unmapped columns changed"
}

func registrationKind(was, now registry.Registration) string {
	switch {
	case was.Identity != now.Identity:
		return "registration's holder married or corrected"
	case was.ServiceOn && !now.ServiceOn:
		return "registration switched off"
	case !was.ServiceOn && now.ServiceOn:
		return "registration switched on"
	case was.Email != now.Email:
		return "registration's address changed"
	}
	return "registration unmapped columns changed"
}

// missing fails for every kind of change that did not occur.
func (c *census) missing(t *testing.T) {
	for _, kind := range wantedKinds {
		if c.kinds[kind] == 0 {
			t.Errorf("never: %s", kind)
		}
	}
	t.Logf("changes: %v", c.kinds)
}
