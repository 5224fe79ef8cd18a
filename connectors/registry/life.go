package registry

import (
	"slices"
	"time"

	"lejarat/processor/event"
)

// what happens.
type what uint8

const (
	lifeEvent what = iota
	renew
	replaceOld
	reissue
	cardInvalid
	found
	resetExpiry
	correctDocument
	correctRegistration
	renameRegistrations
	switchOn
	register
	closeRegistrations
)

// live lets a task happen.
func (w *World) live(c *citizen, t task) {
	at := time.Unix(t.at, 0).In(w.o.Zone)
	if t.what == closeRegistrations {
		w.closeRegistrations(c, at)
	}
	if c.dead {
		return
	}
	doc, reg := c.document(t.row), c.registration(t.row)
	switch t.what {
	case lifeEvent:
		w.happen(c, at)
		w.nextEvent(c, w.day+1)
	case register:
		w.register(c, at)
	case renameRegistrations:
		w.renameRegistrations(c, at)
	}
	if doc != nil {
		w.liveDocument(c, doc, at, t)
	}
	if reg != nil {
		w.liveRegistration(c, reg, at, t)
	}
}

// happen draws one event of a life. What cannot happen to this person becomes a change in columns that do not matter.
func (w *World) happen(c *citizen, at time.Time) {
	events := [...]struct {
		weight int
		try    func(*citizen, time.Time) bool
	}{
		{130, w.changeAddress}, {170, w.move}, {90, w.switchOff}, {90, w.newlyRegister}, {25, w.unregister},
		{40, w.marry}, {w.deathWeight(), w.die}, {50, w.lose}, {45, w.misdate}, {30, w.mistypeRegistration},
		{15, w.mistypeDocument}, {90, w.buyVehicle}, {70, w.sellVehicle}, {50, w.respellRegistration}, {60, w.firstDocument},
	}
	total := 0
	for _, e := range events {
		total += e.weight
	}
	roll := c.dice.below(total)
	for _, e := range events {
		if roll -= e.weight; roll < 0 {
			if !e.try(c, at) {
				w.move(c, at)
			}
			return
		}
	}
}

// deathWeight keeps people alive in a world whose churn is raised.
func (w *World) deathWeight() int {
	return int(35 * min(1, 0.35/w.o.Churn))
}

// emitDocument reports a document as it now is.
func (w *World) emitDocument(doc *Document, at time.Time, op Op) {
	doc.UpdatedAt = at
	row := *doc
	w.changes = append(w.changes, Change{At: at, Table: Documents, Op: op, Key: doc.ID, Document: &row})
}

// emitRegistration reports a registration as it now is.
func (w *World) emitRegistration(reg *Registration, at time.Time, op Op) {
	reg.UpdatedAt = at
	row := *reg
	w.changes = append(w.changes, Change{At: at, Table: Registrations, Op: op, Key: reg.ID, Registration: &row})
}

func (w *World) deleteDocument(c *citizen, id int64, at time.Time) {
	c.Documents = slices.DeleteFunc(c.Documents, func(d Document) bool { return d.ID == id })
	w.changes = append(w.changes, Change{At: at, Table: Documents, Op: Delete, Key: id})
}

func (w *World) deleteRegistration(c *citizen, id int64, at time.Time) {
	c.Registrations = slices.DeleteFunc(c.Registrations, func(r Registration) bool { return r.ID == id })
	w.changes = append(w.changes, Change{At: at, Table: Registrations, Op: Delete, Key: id})
}

// document returns the person's document with this row id, or nil.
func (c *citizen) document(id int64) *Document {
	for i := range c.Documents {
		if c.Documents[i].ID == id {
			return &c.Documents[i]
		}
	}
	return nil
}

// registration returns the person's registration with this row id, or nil.
func (c *citizen) registration(id int64) *Registration {
	for i := range c.Registrations {
		if c.Registrations[i].ID == id {
			return &c.Registrations[i]
		}
	}
	return nil
}

// someDocument returns one of the documents that fit, or nil: of two drawn, the one that expires first, since there is
// more to see.
func (c *citizen) someDocument(fits func(*Document) bool) *Document {
	var fitting []*Document
	for i := range c.Documents {
		if fits(&c.Documents[i]) {
			fitting = append(fitting, &c.Documents[i])
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	one, other := fitting[c.dice.below(len(fitting))], fitting[c.dice.below(len(fitting))]
	if other.ValidUntil < one.ValidUntil {
		return other
	}
	return one
}

// someRegistration returns one of the registrations that fit, or nil.
func (c *citizen) someRegistration(fits func(*Registration) bool) *Registration {
	var fitting []*Registration
	for i := range c.Registrations {
		if fits(&c.Registrations[i]) {
			fitting = append(fitting, &c.Registrations[i])
		}
	}
	if len(fitting) == 0 {
		return nil
	}
	return fitting[c.dice.below(len(fitting))]
}

// age is the person's age on the day that is being lived, to a few days.
func (w *World) age(c *citizen) int { return int(float64(w.day-c.born) / 365.25) }

// in returns a day some days ahead.
func (w *World) in(c *citizen, least, most int) event.Date {
	return w.day + event.Date(c.dice.between(least, most))
}
