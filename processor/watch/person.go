package watch

import (
	"cmp"
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// person is one identity's rows, sorted out.
type person struct {
	documents     []document
	registrations []registration
	collision     bool
	waiting       []registration // moved here, and take no part yet
	heldTypes     []string       // one-per-person types with a held document
	holds         []hold         // by key
}

// hold is the hold of a row.
type hold struct {
	key string
	*journal.HoldMark
}

// hold is that of the row, nil where it is not held.
func (p *person) hold(key string) *journal.HoldMark {
	at, found := slices.BinarySearchFunc(p.holds, key, func(h hold, key string) int { return cmp.Compare(h.key, key) })
	if !found {
		return nil
	}
	return p.holds[at].HoldMark
}

type document struct {
	*journal.Document
	key        string
	held       bool
	superseded bool
	expires    event.Date // effective
	// from: it moved here and takes no part before this run, 0: it does. It may silence others, nobody is told of it.
	from event.Date
}

type registration struct {
	*journal.Registration
	key  string
	held bool
	from event.Date // it moved here and takes no part before this run; 0: it does
}

// sortOut pairs rows with their holds, leaves out registrations that take no part yet, and finds who supersedes whom: a
// document that does not take part yet supersedes all the same, or a replaced one would be told of meanwhile.
func (c *Core) sortOut(rows []Row, day Day, j *Judgement) *person {
	p := &person{}
	for i := range rows {
		r := &rows[i]
		if !c.Sources[r.Key.Source] {
			continue
		}
		var from event.Date
		if m := r.Value.Meta(); m.Moved != 0 {
			if from = c.takesPart(m.Moved); from > day.Date {
				j.later(from)
			} else {
				from = 0
			}
		}
		key := rowID(&r.Key)
		switch {
		case r.Value.Hold != nil:
			p.holds = append(p.holds, hold{key, r.Value.Hold})
		case r.Value.Document != nil:
			p.documents = append(p.documents, document{Document: r.Value.Document, key: key, from: from})
		case r.Value.Registration != nil && from != 0:
			p.waiting = append(p.waiting, registration{Registration: r.Value.Registration, key: key, from: from})
		case r.Value.Registration != nil:
			p.registrations = append(p.registrations, registration{Registration: r.Value.Registration, key: key})
		}
	}
	slices.SortFunc(p.holds, func(a, b hold) int { return cmp.Compare(a.key, b.key) })
	p.collision = c.collides(rows)
	c.applyHolds(p)
	c.supersede(p, day)
	slices.SortFunc(p.registrations, func(a, b registration) int { return cmp.Compare(a.key, b.key) })
	return p
}

// collides says whether the documents of one source have two holders. The next one of the source is enough to look at:
// where any two differ, two that follow each other do.
func (c *Core) collides(rows []Row) bool {
	for i := range rows {
		if holderOf(&rows[i]) == (journal.Ref{}) || !c.Sources[rows[i].Key.Source] {
			continue
		}
		for k := i + 1; k < len(rows); k++ {
			if other := holderOf(&rows[k]); rows[k].Key.Source == rows[i].Key.Source && other != (journal.Ref{}) {
				if other != holderOf(&rows[i]) {
					return true
				}
				break
			}
		}
	}
	return false
}

// holderOf is whom a document belongs to by its source's own reference, zero where nothing says so.
func holderOf(r *Row) (ref journal.Ref) {
	if r.Value.Document != nil {
		ref = r.Value.Document.Holder
	}
	return ref
}

func rowID(k *journal.RowKey) string { return RowID(k.Source, k.Row) }

func (c *Core) applyHolds(p *person) {
	hold := func(docType string) {
		if t, ok := c.Rules.Types[docType]; ok && t.OnePerPerson && !slices.Contains(p.heldTypes, docType) {
			p.heldTypes = append(p.heldTypes, docType)
		}
	}
	for _, h := range p.holds {
		hold(h.Type)
	}
	for i := range p.documents {
		d := &p.documents[i]
		if p.hold(d.key) != nil {
			d.held = true
			hold(d.Type)
		}
	}
	for i := range p.registrations {
		p.registrations[i].held = p.hold(p.registrations[i].key) != nil
	}
}

// supersede finds, for each type that a person has one valid document of, the one that counts: the latest expiry (none
// is the latest), then the later effective time, then the key (SPEC 1.2.1).
func (c *Core) supersede(p *person, day Day) {
	var best []*document // one of each type
	for i := range p.documents {
		d := &p.documents[i]
		d.expires = c.Rules.EffectiveExpiry(d.Type, d.Expires, day.Date)
		if !d.Valid || !c.Rules.Types[d.Type].OnePerPerson {
			continue
		}
		at := slices.IndexFunc(best, func(b *document) bool { return b.Type == d.Type })
		switch {
		case at < 0:
			best = append(best, d)
		case outlasts(d, best[at]):
			best[at].superseded, best[at] = true, d
		default:
			d.superseded = true
		}
	}
}

func outlasts(a, b *document) bool {
	if a.expires != b.expires {
		return a.expires > b.expires
	}
	if a.Effective != b.Effective {
		return a.Effective > b.Effective
	}
	return a.key > b.key
}
