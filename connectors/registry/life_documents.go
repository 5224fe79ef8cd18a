package registry

import (
	"time"

	"lejarat/processor/event"
)

// liveDocument lets a planned task happen to a document that still exists.
func (w *World) liveDocument(c *citizen, doc *Document, at time.Time, t task) {
	switch t.what {
	case renew:
		if doc.Status == StatusValid && doc.ValidUntil == t.expiry {
			w.renew(c, doc, at)
		}
	case replaceOld:
		if doc.Status == StatusValid {
			doc.Status = StatusReplaced
			w.emitDocument(doc, at, Update)
		}
	case cardInvalid:
		if doc.Status == StatusValid {
			doc.Status = StatusWithdrawn
			w.emitDocument(doc, at, Update)
		}
	case reissue:
		w.issue(c, doc.Kind, at)
	case found:
		if doc.Status == StatusStolen || doc.Status == StatusLost {
			doc.Status = StatusValid
			w.emitDocument(doc, at, Update)
			w.planRenewal(c, doc, w.day+1)
		}
	case resetExpiry:
		doc.ValidUntil = t.expiry
		w.emitDocument(doc, at, Update)
		w.planRenewal(c, doc, w.day+1)
	case correctDocument:
		if doc.Identity != c.identity {
			doc.Holder, doc.Identity = c.holder, c.identity
			w.emitDocument(doc, at, Update)
		}
	}
}

// issue inserts a new document, valid from today; of two on one day nobody could say which one counts.
func (w *World) issue(c *citizen, kind string, at time.Time) {
	if c.someDocument(func(d *Document) bool { return d.Kind == kind && d.IssuedOn == w.day }) != nil {
		return
	}
	doc := w.maker.newDocument(&c.dice, &c.Person, kind, w.day, w.maker.years(&c.dice, &c.Person, kind, w.day))
	w.insert(c, doc, at)
}

func (w *World) insert(c *citizen, doc Document, at time.Time) {
	doc.CreatedAt = at
	c.Documents = append(c.Documents, doc)
	w.emitDocument(&c.Documents[len(c.Documents)-1], at, Insert)
	w.planRenewal(c, &doc, w.day+1)
}

// renew replaces a document by a new one; a vehicle's inspection changes its row in place.
func (w *World) renew(c *citizen, doc *Document, at time.Time) {
	if doc.Kind == KindVehicle {
		doc.IssuedOn = w.day
		doc.ValidUntil = expiry(c.born, KindVehicle, w.day, 2)
		w.emitDocument(doc, at, Update)
		w.planRenewal(c, doc, w.day+1)
		return
	}
	old := doc.ID
	switch roll := c.dice.below(100); {
	case roll < 80:
		doc.Status = StatusReplaced
		w.emitDocument(doc, at, Update)
	case roll < 92:
		w.plan(c, w.in(c, 1, 10), task{what: replaceOld, row: old})
	}
	w.issue(c, doc.Kind, at)
}

// lose makes a document lost or stolen; it is found, or replaced, or neither, or both.
func (w *World) lose(c *citizen, at time.Time) bool {
	doc := c.someDocument(func(d *Document) bool {
		return d.Status == StatusValid && d.Kind != KindVehicle && d.ValidUntil > w.day
	})
	if doc == nil {
		return false
	}
	doc.Status = ifElse(c.dice.chance(0.5), StatusStolen, StatusLost)
	w.emitDocument(doc, at, Update)
	if c.dice.chance(0.45) {
		w.plan(c, w.in(c, 2, 60), task{what: found, row: doc.ID})
	}
	if c.dice.chance(0.5) {
		w.plan(c, w.in(c, 3, 25), task{what: reissue, row: doc.ID})
	}
	return true
}

// misdate changes the expiry of a document, which is a correction, or an error that is taken back later.
func (w *World) misdate(c *citizen, at time.Time) bool {
	doc := c.someDocument(func(d *Document) bool { return d.Status == StatusValid && d.ValidUntil != event.NoExpiry })
	if doc == nil {
		return false
	}
	was := doc.ValidUntil
	steps := [...]event.Date{1, -1, 7, -7, 30, -30, 31, 60, -60, 365, -365}
	doc.ValidUntil += steps[c.dice.below(len(steps))]
	if doc.ValidUntil <= doc.IssuedOn {
		doc.ValidUntil = doc.IssuedOn + 365
	}
	if c.dice.chance(0.05) {
		doc.ValidUntil = event.NoExpiry
	}
	w.emitDocument(doc, at, Update)
	if c.dice.chance(0.35) {
		w.plan(c, w.in(c, 1, 20), task{what: resetExpiry, row: doc.ID, expiry: was})
	} else {
		w.planRenewal(c, doc, w.day+1)
	}
	return true
}

// mistypeDocument makes an error in the holder's data of a document, corrected later.
func (w *World) mistypeDocument(c *citizen, at time.Time) bool {
	doc := c.someDocument(func(d *Document) bool { return d.Status == StatusValid && d.Identity == c.identity })
	if doc == nil {
		return false
	}
	doc.Holder = misspell(&c.dice, c.holder)
	doc.Identity = identityOf(&doc.Holder)
	w.emitDocument(doc, at, Update)
	w.plan(c, w.in(c, 1, 30), task{what: correctDocument, row: doc.ID})
	return true
}

func (w *World) buyVehicle(c *citizen, at time.Time) bool {
	if w.age(c) < 18 {
		return false
	}
	doc := w.maker.newDocument(&c.dice, &c.Person, KindVehicle, w.day, 2)
	doc.ValidUntil = w.in(c, 20, 1400)
	w.insert(c, doc, at)
	return true
}

func (w *World) sellVehicle(c *citizen, at time.Time) bool {
	doc := c.someDocument(func(d *Document) bool { return d.Kind == KindVehicle && d.Status == StatusValid })
	if doc == nil {
		return false
	}
	if c.dice.chance(0.5) {
		w.deleteDocument(c, doc.ID, at)
		return true
	}
	doc.Status = StatusWithdrawn
	w.emitDocument(doc, at, Update)
	return true
}

// firstDocument issues a document of a kind that the person has no valid one of.
func (w *World) firstDocument(c *citizen, at time.Time) bool {
	kind := ifElse(c.dice.chance(0.5) || w.age(c) < 18, KindPassport, KindLicence)
	if c.someDocument(func(d *Document) bool { return d.Kind == kind && d.Status == StatusValid }) != nil {
		return false
	}
	w.issue(c, kind, at)
	return true
}
