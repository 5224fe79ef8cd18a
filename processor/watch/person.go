package watch

import (
	"sort"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// person is one identity's rows, sorted out.
type person struct {
	documents     []document
	registrations []registration
	collision     bool
	waiting       []registration  // moved here, and take no part yet
	heldTypes     map[string]bool // one-per-person types with a held document
	holds         map[string]*journal.HoldMark
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
	p := &person{heldTypes: map[string]bool{}, holds: map[string]*journal.HoldMark{}}
	holders := map[uint32]journal.Ref{}
	for i := range rows {
		r := &rows[i]
		if !c.Sources[r.Key.Source] {
			continue
		}
		if d := r.Value.Document; d != nil && d.Holder != (journal.Ref{}) {
			if other, ok := holders[r.Key.Source]; ok && other != d.Holder {
				p.collision = true
			}
			holders[r.Key.Source] = d.Holder
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
			p.holds[key] = r.Value.Hold
		case r.Value.Document != nil:
			p.documents = append(p.documents, document{Document: r.Value.Document, key: key, from: from})
		case r.Value.Registration != nil && from != 0:
			p.waiting = append(p.waiting, registration{Registration: r.Value.Registration, key: key, from: from})
		case r.Value.Registration != nil:
			p.registrations = append(p.registrations, registration{Registration: r.Value.Registration, key: key})
		}
	}
	c.applyHolds(p)
	c.supersede(p, day)
	sort.Slice(p.registrations, func(a, b int) bool { return p.registrations[a].key < p.registrations[b].key })
	return p
}

func rowID(k *journal.RowKey) string { return RowID(k.Source, k.Row) }

func (c *Core) applyHolds(p *person) {
	hold := func(docType string) {
		if t, ok := c.Rules.Types[docType]; ok && t.OnePerPerson {
			p.heldTypes[docType] = true
		}
	}
	for _, h := range p.holds {
		hold(h.Type)
	}
	for i := range p.documents {
		d := &p.documents[i]
		if p.holds[d.key] != nil {
			d.held = true
			hold(d.Type)
		}
	}
	for i := range p.registrations {
		p.registrations[i].held = p.holds[p.registrations[i].key] != nil
	}
}

// supersede finds, for each type that a person has one valid document of, the one that counts: the latest expiry (none
// is the latest), then the later effective time, then the key (SPEC 1.2.1).
func (c *Core) supersede(p *person, day Day) {
	best := map[string]*document{}
	for i := range p.documents {
		d := &p.documents[i]
		d.expires = c.Rules.EffectiveExpiry(d.Type, d.Expires, day.Date)
		if !d.Valid || !c.Rules.Types[d.Type].OnePerPerson {
			continue
		}
		switch b := best[d.Type]; {
		case b == nil:
			best[d.Type] = d
		case outlasts(d, b):
			b.superseded = true
			best[d.Type] = d
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
