package registry

import "lejarat/processor/event"

// Census counts a world as it is now.
type Census struct {
	People        int
	Documents     int
	ByKind        map[string]int // documents by the column kind
	Valid         int            // documents with a valid status
	NoExpiry      int            // valid documents without an expiry
	Expiring      int            // valid documents that expire within a year
	Registrations int
	Registered    int // people with a registration
	SwitchedOn    int // registrations that are active, with the service on
	Matched       int // people with a switched-on registration and a valid document of one identity
	Misspelled    int // registrations whose identity is not their person's
	Respelled     int // registrations spelled otherwise than the person's name is, and yet equal
	Shared        int // switched-on registrations with the address of another one before them
	Collisions    int // people whose identity another person's documents have too
}

// Census counts everybody.
func (w *World) Census() Census {
	c := Census{People: len(w.people), ByKind: map[string]int{}}
	holders := map[uint64]map[int]bool{}
	addresses := map[string]bool{}
	for p := range w.People() {
		c.person(p, w.day)
		for _, doc := range p.Documents {
			if holders[doc.Identity] == nil {
				holders[doc.Identity] = map[int]bool{}
			}
			holders[doc.Identity][p.Index] = true
		}
		for _, reg := range p.Registrations {
			if reg.Active && reg.ServiceOn {
				c.Shared += ifElse(addresses[address(reg.Email)], 1, 0)
				addresses[address(reg.Email)] = true
			}
		}
	}
	for identity, people := range holders {
		if identity != 0 && len(people) > 1 {
			c.Collisions += len(people)
		}
	}
	return c
}

func (c *Census) person(p *Person, today event.Date) {
	valid, on := map[uint64]bool{}, map[uint64]bool{}
	for _, doc := range p.Documents {
		c.Documents++
		c.ByKind[doc.Kind]++
		if doc.Status != StatusValid {
			continue
		}
		c.Valid++
		valid[doc.Identity] = true
		switch {
		case doc.ValidUntil == event.NoExpiry:
			c.NoExpiry++
		case doc.ValidUntil >= today && doc.ValidUntil < today+365:
			c.Expiring++
		}
	}
	for _, reg := range p.Registrations {
		c.Registrations++
		switch {
		case reg.Identity != p.identity:
			c.Misspelled++
		case reg.Holder != p.holder:
			c.Respelled++
		}
		if reg.Active && reg.ServiceOn {
			c.SwitchedOn++
			on[reg.Identity] = true
		}
	}
	if len(p.Registrations) > 0 {
		c.Registered++
	}
	for identity := range on {
		if identity != 0 && valid[identity] {
			c.Matched++
			break
		}
	}
}
