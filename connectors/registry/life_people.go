package registry

import (
	"strconv"
	"time"
)

// liveRegistration lets a planned task happen to a registration that still exists.
func (w *World) liveRegistration(c *citizen, reg *Registration, at time.Time, t task) {
	switch t.what {
	case switchOn:
		if !reg.ServiceOn {
			reg.ServiceOn, reg.ServiceSince = true, at
			w.emitRegistration(reg, at, Update)
		}
	case correctRegistration:
		if reg.Identity != c.identity {
			reg.Holder, reg.Identity = c.holder, c.identity
			w.emitRegistration(reg, at, Update)
		}
	}
}

// changeAddress gives a registration a new address, sometimes that of the person's other registration.
func (w *World) changeAddress(c *citizen, at time.Time) bool {
	d := &c.dice
	reg := c.someRegistration(func(*Registration) bool { return true })
	if reg == nil {
		return false
	}
	reg.Email = reg.UserName + "." + digits(int64(d.below(10000)), 4) + "@" + d.frequent(domains)
	if len(c.Registrations) > 1 && d.chance(0.3) {
		other := c.someRegistration(func(r *Registration) bool { return r.ID != reg.ID })
		reg.Email = sameAddress(d, other.Email)
	}
	w.emitRegistration(reg, at, Update)
	return true
}

// move changes columns that nobody maps.
func (w *World) move(c *citizen, at time.Time) bool {
	d := &c.dice
	if reg := c.someRegistration(func(*Registration) bool { return true }); reg != nil {
		reg.PostalCode, reg.City = strconv.Itoa(d.between(1011, 9985)), d.frequent(cities)
		reg.LastLogin = at
		w.emitRegistration(reg, at, Update)
	}
	if doc := c.someDocument(func(*Document) bool { return true }); doc != nil {
		doc.Remarks = "Lakcímváltozás bejegyezve."
		w.emitDocument(doc, at, Update)
	}
	return true
}

func (w *World) switchOff(c *citizen, at time.Time) bool {
	reg := c.someRegistration(func(r *Registration) bool { return r.ServiceOn })
	if reg == nil {
		return w.switchOnAgain(c, at)
	}
	reg.ServiceOn = false
	w.emitRegistration(reg, at, Update)
	if c.dice.chance(0.6) {
		w.plan(c, w.in(c, 1, 90), task{what: switchOn, row: reg.ID})
	}
	return true
}

func (w *World) switchOnAgain(c *citizen, at time.Time) bool {
	reg := c.someRegistration(func(r *Registration) bool { return !r.ServiceOn })
	if reg == nil {
		return false
	}
	reg.ServiceOn, reg.ServiceSince = true, at
	w.emitRegistration(reg, at, Update)
	return true
}

// newlyRegister registers somebody without a registration; others seldom get a second one.
func (w *World) newlyRegister(c *citizen, at time.Time) bool {
	if w.age(c) < 16 || len(c.Registrations) > 1 || len(c.Registrations) == 1 && !c.dice.chance(0.1) {
		return false
	}
	w.register(c, at)
	return true
}

func (w *World) register(c *citizen, at time.Time) {
	d := &c.dice
	reg := w.maker.newRegistration(d, &c.Person, w.day)
	reg.CreatedAt, reg.LastLogin, reg.ServiceSince = at, at, at
	reg.ServiceOn = !d.chance(w.o.Rates.ServiceOff)
	w.maker.spell(d, &c.Person, &reg)
	if len(c.Registrations) > 0 && d.chance(w.o.Rates.SharedAddress) {
		reg.Email = sameAddress(d, c.Registrations[0].Email)
	}
	c.Registrations = append(c.Registrations, reg)
	w.emitRegistration(&c.Registrations[len(c.Registrations)-1], at, Insert)
}

// unregister deletes a registration; half of those who do so register anew.
func (w *World) unregister(c *citizen, at time.Time) bool {
	reg := c.someRegistration(func(*Registration) bool { return true })
	if reg == nil {
		return false
	}
	w.deleteRegistration(c, reg.ID, at)
	if c.dice.chance(0.5) {
		w.plan(c, w.in(c, 1, 60), task{what: register})
	}
	return true
}

// marry changes the current name: in the register of documents now, in the registrations minutes or days later. The
// identity card becomes invalid 30 days later; most people ask for a new one before or soon after.
func (w *World) marry(c *citizen, at time.Time) bool {
	if c.married || w.age(c) < 18 || !c.female && !c.dice.chance(0.15) {
		return false
	}
	d := &c.dice
	spouse := Name{Family: surname(d), Given: given(d, !c.female)}
	was := c.holder.Name
	if c.female {
		c.holder.Name = marriedName(d, c.holder.Birth, spouse)
	} else {
		c.holder.Name.Family += "-" + spouse.Family
	}
	c.married = true
	if c.holder.Name == was {
		return true
	}
	c.identity = identityOf(&c.holder)
	for i := range c.Documents {
		doc := &c.Documents[i]
		if doc.Status != StatusValid {
			continue
		}
		doc.Holder, doc.Identity = c.holder, c.identity
		w.emitDocument(doc, at, Update)
		if doc.Kind == KindCard {
			w.plan(c, w.day+30, task{what: cardInvalid, row: doc.ID})
			if d.chance(0.85) {
				w.plan(c, w.in(c, 5, 45), task{what: reissue, row: doc.ID})
			}
		}
	}
	if d.chance(0.5) {
		w.planAt(c, at.Add(time.Duration(d.between(3*60, 50*60))*time.Second), task{what: renameRegistrations})
	} else {
		w.plan(c, w.in(c, 1, 6), task{what: renameRegistrations})
	}
	return true
}

// renameRegistrations writes the current name into the registrations, and corrects what else is wrong there.
func (w *World) renameRegistrations(c *citizen, at time.Time) {
	for i := range c.Registrations {
		if reg := &c.Registrations[i]; reg.Identity != c.identity {
			reg.Holder, reg.Identity = c.holder, c.identity
			w.emitRegistration(reg, at, Update)
		}
	}
}

// die withdraws or deletes the documents now, and the registrations within days.
func (w *World) die(c *citizen, at time.Time) bool {
	if w.age(c) < 40 {
		return false
	}
	c.dead = true
	deleted := c.dice.chance(0.5)
	for _, doc := range append([]Document(nil), c.Documents...) {
		switch {
		case deleted:
			w.deleteDocument(c, doc.ID, at)
		case doc.Status == StatusValid:
			row := c.document(doc.ID)
			row.Status = StatusWithdrawn
			w.emitDocument(row, at, Update)
		}
	}
	w.planAt(c, at.Add(time.Duration(c.dice.between(60, 10*24*3600))*time.Second), task{what: closeRegistrations})
	return true
}

// closeRegistrations deletes or deactivates the registrations of the dead.
func (w *World) closeRegistrations(c *citizen, at time.Time) {
	for _, reg := range append([]Registration(nil), c.Registrations...) {
		if c.dice.chance(0.7) {
			w.deleteRegistration(c, reg.ID, at)
			continue
		}
		row := c.registration(reg.ID)
		row.Active = false
		w.emitRegistration(row, at, Update)
	}
}

func (w *World) mistypeRegistration(c *citizen, at time.Time) bool {
	reg := c.someRegistration(func(r *Registration) bool { return r.Identity == c.identity })
	if reg == nil {
		return false
	}
	reg.Holder = misspell(&c.dice, c.holder)
	reg.Identity = identityOf(&reg.Holder)
	w.emitRegistration(reg, at, Update)
	if c.dice.chance(0.7) {
		w.plan(c, w.in(c, 1, 30), task{what: correctRegistration, row: reg.ID})
	}
	return true
}

// respellRegistration changes the spelling and nothing else.
func (w *World) respellRegistration(c *citizen, at time.Time) bool {
	reg := c.someRegistration(func(r *Registration) bool { return r.Identity == c.identity })
	if reg == nil {
		return false
	}
	reg.Holder = respell(&c.dice, c.holder, w.o.TitlesDropped)
	w.emitRegistration(reg, at, Update)
	return true
}
