package watch

import (
	"sort"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
)

// person is one identity's rows, sorted out.
type person struct {
	documents     []document
	registrations []registration
	collision     bool
	heldTypes     map[string]bool // one-per-person types with a held document
}

type document struct {
	*journal.Document
	key        string
	held       bool
	superseded bool
	expires    event.Date // effective
	// waiting: it moved here and does not take part yet. It may silence others, nobody is told of it.
	waiting bool
}

type registration struct {
	*journal.Registration
	key  string
	held bool
}

// Judge decides everything that is owed to one identity in the run of day.
func (c *Core) Judge(rows []Row, day Day, ledger Ledger) Judgement {
	j := Judgement{Counts: map[Count]int{}}
	p := c.sortOut(rows, day, &j)
	d := decider{c: c, day: day, ledger: ledger, j: &j, sent: map[journal.Ref]bool{}, p: p}
	for i := range p.documents {
		if !p.documents[i].waiting {
			d.document(&p.documents[i])
		}
	}
	for i := range p.registrations {
		d.announcement(&p.registrations[i])
	}
	return j
}

// sortOut pairs rows with their holds, leaves out registrations that take no part yet, and finds who supersedes whom: a
// document that does not take part yet supersedes all the same, or a replaced one would be told of meanwhile.
func (c *Core) sortOut(rows []Row, day Day, j *Judgement) *person {
	p := &person{heldTypes: map[string]bool{}}
	holds := map[string]*journal.HoldMark{}
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
		waiting := false
		if m := r.Value.Meta(); m.Moved != 0 {
			if from := c.takesPart(m.Moved); from > day.Date {
				j.later(from)
				waiting = true
			}
		}
		key := rowID(&r.Key)
		switch {
		case r.Value.Hold != nil:
			holds[key] = r.Value.Hold
		case r.Value.Document != nil:
			p.documents = append(p.documents, document{Document: r.Value.Document, key: key, waiting: waiting})
		case r.Value.Registration != nil && !waiting:
			p.registrations = append(p.registrations, registration{Registration: r.Value.Registration, key: key})
		}
	}
	c.applyHolds(p, holds)
	c.supersede(p, day)
	sort.Slice(p.registrations, func(a, b int) bool { return p.registrations[a].key < p.registrations[b].key })
	return p
}

func rowID(k *journal.RowKey) string {
	return string([]byte{byte(k.Source >> 24), byte(k.Source >> 16), byte(k.Source >> 8), byte(k.Source)}) + k.Row
}

func (c *Core) applyHolds(p *person, holds map[string]*journal.HoldMark) {
	hold := func(docType string) {
		if t, ok := c.Rules.Types[docType]; ok && t.OnePerPerson {
			p.heldTypes[docType] = true
		}
	}
	for _, h := range holds {
		hold(h.Type)
	}
	for i := range p.documents {
		d := &p.documents[i]
		if holds[d.key] != nil {
			d.held = true
			hold(d.Type)
		}
	}
	for i := range p.registrations {
		p.registrations[i].held = holds[p.registrations[i].key] != nil
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

// decider decides for one identity.
type decider struct {
	c      *Core
	day    Day
	ledger Ledger
	j      *Judgement
	p      *person
	sent   map[journal.Ref]bool // ids and marks emitted by this judgement
}

func (d *decider) document(doc *document) {
	for _, due := range d.c.Rules.Due(doc.Type, doc.expires) {
		if due.Date > d.day.Date {
			if doc.Valid && !doc.superseded {
				d.j.later(due.Date)
			}
			return
		}
		d.threshold(doc, due)
	}
}

// threshold judges one threshold that is due, for every registration of the identity.
func (d *decider) threshold(doc *document, due rules.Due) {
	open := d.day.Date < due.Closes
	fresh := open && due.Date > d.day.After
	none := func(reason string) {
		if fresh {
			d.count(event.KindExpiry, doc, due, DecisionNone, reason)
		}
	}
	switch {
	case !doc.Valid:
		none(DocumentInvalid)
		return
	case doc.superseded:
		none(DocumentSucceeded)
		return
	case !open && d.day.Date-due.Closes > lateRecordDays:
		return
	case len(d.p.registrations) == 0:
		none(NoMatch)
		return
	}
	for i := range d.p.registrations {
		r := &d.p.registrations[i]
		switch {
		case !r.On:
			none(SwitchedOff)
		case d.c.Pilot != nil && !d.c.Pilot[r.Ref]:
			none(OutsidePilot)
		case d.c.effectiveDate(&doc.Meta) > due.Date || d.c.effectiveDate(&r.Meta) > due.Date:
			none(NotEntitled)
		default:
			d.decide(Notice{
				ID:   NoticeID(d.c.Refs, event.KindExpiry, doc.Ref, doc.expires, due.Date, r.Ref),
				Mark: AddressMark(d.c.Refs, event.KindExpiry, doc.Ref, doc.expires, due.Date, r.Address, r.Person),
				Kind: event.KindExpiry, Document: doc.Document, To: r.Registration, Due: due, Expires: doc.expires,
			}, open, doc.held || d.p.heldTypes[doc.Type] || r.held)
		}
	}
}

func (d *decider) announcement(r *registration) {
	if !d.c.Announcements || !r.Announce || !r.On || d.c.Pilot != nil && !d.c.Pilot[r.Ref] {
		return
	}
	if on := max(d.c.effectiveDate(&r.Meta), d.announcementDay(r)); on > d.day.Date {
		d.j.later(on)
		return
	}
	d.decide(Notice{
		ID:   NoticeID(d.c.Refs, event.KindAnnouncement, journal.Ref{}, 0, 0, r.Ref),
		Mark: AddressMark(d.c.Refs, event.KindAnnouncement, journal.Ref{}, 0, 0, r.Address, r.Person),
		Kind: event.KindAnnouncement, To: r.Registration,
	}, true, r.held)
}

// announcementDay spreads the announcements of those who were registered when the service went live.
func (d *decider) announcementDay(r *registration) event.Date {
	if d.c.SpreadDays < 2 || d.c.effectiveDate(&r.Meta) > d.day.First {
		return d.day.First
	}
	sum := uint32(r.Ref[0])<<24 | uint32(r.Ref[1])<<16 | uint32(r.Ref[2])<<8 | uint32(r.Ref[3])
	return d.day.First + event.Date(sum%uint32(d.c.SpreadDays))
}

// decide emits or skips one notice, unless that was decided before. Emitted is final; so is what an operator skipped, and
// what another registration of the person received at the same address: the two have one mail between them, for good,
// also when a typing error sets them apart later.
// Another reason than the one recorded is recorded while the window is open.
func (d *decider) decide(n Notice, open, held bool) {
	was := d.ledger.Decided(n.ID)
	before := was.Reason
	if was.Emitted || d.sent[n.ID] || before == event.ReasonOperator ||
		before == event.ReasonDuplicateAddress && was.Address == n.To.Address {
		return
	}
	told := d.sent[n.Mark] || d.ledger.EmittedTo(n.Mark) || d.siblingTold(&n)
	switch {
	case told:
		n.Reason = event.ReasonDuplicateAddress
	case !open && d.day.Missed != nil && d.day.Missed(n.Due.Closes-1):
		n.Reason = event.ReasonStaleSource
	case !open:
		n.Reason = event.ReasonLate
	case d.day.Skip:
		n.Reason = event.ReasonOperator
	case held:
		n.Reason = event.ReasonHeld
	case d.p.collision:
		n.Reason = event.ReasonCollision
	}
	if n.Reason != "" && (n.Reason == before || before != "" && !open) {
		return
	}
	d.sent[n.ID] = true
	if n.Reason == "" {
		d.sent[n.Mark] = true
	}
	d.j.Notices = append(d.j.Notices, n)
	decision := event.Emitted
	if n.Reason != "" {
		decision = event.Skipped
	}
	d.count(n.Kind, nil, n.Due, decision, n.Reason, n.Document)
}

// siblingTold says whether another registration of this identity was told at the same address. The address mark alone
// does not know it where the two came to one identity later, by a marriage or a corrected name.
func (d *decider) siblingTold(n *Notice) bool {
	doc := journal.Ref{}
	if n.Document != nil {
		doc = n.Document.Ref
	}
	for i := range d.p.registrations {
		o := d.p.registrations[i].Registration
		if o.Ref == n.To.Ref || o.Address != n.To.Address {
			continue
		}
		was := d.ledger.Decided(NoticeID(d.c.Refs, n.Kind, doc, n.Expires, n.Due.Date, o.Ref))
		if was.Emitted && was.Address == n.To.Address {
			return true
		}
	}
	return false
}

func (d *decider) count(kind string, doc *document, due rules.Due, decision, reason string, of ...*journal.Document) {
	k := Count{Kind: kind, Threshold: due.Label, Decision: decision, Reason: reason}
	switch {
	case doc != nil:
		k.Type = doc.Type
	case len(of) == 1 && of[0] != nil:
		k.Type = of[0].Type
	}
	d.j.Counts[k]++
}
