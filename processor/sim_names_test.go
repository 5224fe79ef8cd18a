package processor

import (
	"encoding/hex"
	"fmt"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// name says in the world's words what a notification is about.
func (c *simChecks) name(n *event.Notice) simNotice {
	var out simNotice
	out.registration, out.email = c.lookup(n.RegistrationRef), c.lookup(n.AddressRef)
	out.person = c.lookup(n.PersonRef)
	if n.DocumentRef == nil {
		return out
	}
	out.document = c.lookup(*n.DocumentRef)
	var err error
	out.expires, err = event.ParseDate(*n.Expires)
	c.s.check(err)
	out.due, err = event.ParseDate(*n.Due)
	c.s.check(err)
	return out
}

func (c *simChecks) lookup(ref string) string {
	if name, ok := c.names[ref]; ok {
		return name
	}
	refs := c.s.cfg.Watch.Refs
	put := func(r journal.Ref, name string) { c.names[hex.EncodeToString(r[:])] = name }
	for n := range 3 {
		email := fmt.Sprintf("m%d@example.hu", n)
		put(refs.Sum("address", []byte(email)), email)
	}
	for _, id := range c.s.world.ids {
		if r := c.s.world.current(id); r.table == "document" {
			put(c.s.cfg.Intake.DocumentRef(r.typ, "N"+r.key, r.key), r.key)
		} else {
			put(registrationRefFor(refs, r.key), r.key)
		}
	}
	for p, newest := range c.s.world.names {
		for name := range newest + 1 {
			for _, l := range c.s.cfg.Intake.Lists {
				put(c.personRef(l, p, name), simPerson(p, name))
			}
		}
	}
	if c.names[ref] == "" {
		c.s.failf("a notification of something that does not exist: %s", ref)
	}
	return c.names[ref]
}

// personRef is the pseudonym of a person under one name, as testValue writes their identity.
func (c *simChecks) personRef(l identity.List, person, name int) journal.Ref {
	args := map[string]string{"holder": simPerson(person, name)}
	var id []byte
	for field, column := range [...]string{"name", "birth_name", "birth_place", "birth_date", "mother_name"} {
		if f := identity.Field(field); l.Has(f) {
			id = append(append(id, identity.Normalise(f, testValue(column, args), identity.Options{})...), 0)
		}
	}
	return c.s.cfg.Watch.Refs.Sum("person", []byte{byte(l)}, id)
}
