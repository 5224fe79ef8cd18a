package watch

import (
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
)

// Judge decides everything that is owed to one identity in the run of day. Of what told names the ledger is not asked; nil asks
// it of everything, and comes to the same.
func (c *Core) Judge(rows []Row, told Told, day Day, ledger Ledger) Judgement {
	return c.judge(rows, told, day, ledger, nil)
}

// judge goes through all that may be owed to one identity, and tells ex, where there is one, what it found.
func (c *Core) judge(rows []Row, told Told, day Day, ledger Ledger, ex *Explanation) Judgement {
	j := Judgement{}
	p := c.sortOut(rows, day, &j)
	d := decider{c: c, day: day, told: told, ledger: ledger, j: &j, p: p, ex: ex}
	for i := range p.documents {
		if p.documents[i].from == 0 {
			d.document(&p.documents[i])
		}
	}
	for i := range p.registrations {
		d.announcement(&p.registrations[i])
	}
	if ex != nil {
		d.explainRest()
	}
	return j
}

// decider decides for one identity.
type decider struct {
	c      *Core
	day    Day
	told   Told
	ledger Ledger
	j      *Judgement
	p      *person
	ex     *Explanation  // nil: nobody asks why
	ahead  []journal.Ref // marks of what ex says will be emitted later

	sent    map[journal.Ref]bool // see index
	indexed int                  // notices in it
}

// many is from how many notices of one judgement on a set is quicker than looking at each.
const many = 32

// decided says whether this judgement has decided on a notice.
func (d *decider) decided(id journal.Ref) bool {
	if len(d.j.Notices) >= many {
		return d.index()[id]
	}
	for i := range d.j.Notices {
		if d.j.Notices[i].ID == id {
			return true
		}
	}
	return false
}

// tells says whether this judgement tells the address behind the mark.
func (d *decider) tells(mark journal.Ref) bool {
	if len(d.j.Notices) >= many {
		return d.index()[mark] || slices.Contains(d.ahead, mark)
	}
	for i := range d.j.Notices {
		if n := &d.j.Notices[i]; n.Mark == mark && n.Reason == "" {
			return true
		}
	}
	return slices.Contains(d.ahead, mark)
}

// index is the set of what this judgement has decided, and of the marks that it tells: a wrong mapping makes an identity of
// a hundred thousand rows.
func (d *decider) index() map[journal.Ref]bool {
	if d.sent == nil {
		d.sent = map[journal.Ref]bool{}
	}
	for ; d.indexed < len(d.j.Notices); d.indexed++ {
		n := &d.j.Notices[d.indexed]
		d.sent[n.ID] = true
		if n.Reason == "" {
			d.sent[n.Mark] = true
		}
	}
	return d.sent
}

func (d *decider) document(doc *document) {
	var room [rules.Ordinary]rules.Window
	for _, w := range d.c.Rules.Windows(room[:0], doc.Type, doc.expires) {
		if w.Date > d.day.Date {
			if doc.Valid && !doc.superseded {
				d.j.later(w.Date)
			}
			return
		}
		d.threshold(doc, w.Due())
	}
}

// threshold judges one threshold that is due, for every registration of the identity.
func (d *decider) threshold(doc *document, due rules.Due) {
	open := d.day.Date < due.Closes
	fresh := open && due.Date > d.day.After
	if why := d.silent(doc, due); why != "" {
		if fresh {
			d.count(event.KindExpiry, doc, due, DecisionNone, why)
		}
		d.explainAll(doc, due, why)
		return
	}
	for i := range d.p.registrations {
		r := &d.p.registrations[i]
		if why := d.silentTo(doc, due, r); why != "" {
			if fresh {
				d.count(event.KindExpiry, doc, due, DecisionNone, why)
			}
			d.explainSilence(doc, due, r, why)
			continue
		}
		d.decide(doc, r, d.notice(doc, due, r), open, d.heldBy(doc, r))
	}
}

// silent says why nobody is told of a document's threshold, "" where whoever is registered may be.
func (d *decider) silent(doc *document, due rules.Due) string {
	switch {
	case !doc.Valid:
		return DocumentInvalid
	case doc.superseded:
		return DocumentSucceeded
	case d.day.Date-due.Closes > lateRecordDays:
		return Closed
	case len(d.p.registrations) == 0:
		return NoMatch
	}
	return ""
}

// silentTo says why a registration is not told of a document's threshold of which others may be.
func (d *decider) silentTo(doc *document, due rules.Due, r *registration) string {
	switch {
	case !r.On:
		return SwitchedOff
	case d.c.Pilot != nil && !d.c.Pilot[r.Ref]:
		return OutsidePilot
	case d.c.effectiveDate(&doc.Meta) > due.Date || d.c.effectiveDate(&r.Meta) > due.Date:
		return NotEntitled
	}
	return ""
}

// notice is what a registration is owed for a document's threshold; nothing is decided yet.
func (d *decider) notice(doc *document, due rules.Due, r *registration) Notice {
	return Notice{
		ID:   NoticeID(d.c.Refs, event.KindExpiry, doc.Ref, doc.expires, due.Date, r.Ref),
		Mark: AddressMark(d.c.Refs, event.KindExpiry, doc.Ref, doc.expires, due.Date, r.Address, r.Person),
		Kind: event.KindExpiry, Document: doc.Document, To: r.Registration, Due: due, Expires: doc.expires,
	}
}

// heldBy says what holds a notice: its document, another one of its type, or its registration; "" for nothing.
func (d *decider) heldBy(doc *document, r *registration) string {
	switch {
	case doc != nil && doc.held:
		return HeldByDocument
	case doc != nil && slices.Contains(d.p.heldTypes, doc.Type):
		return HeldByType
	case r.held:
		return HeldByRegistration
	}
	return ""
}

func (d *decider) announcement(r *registration) {
	if !r.Announce {
		return
	}
	why, on := d.unannounced(r)
	if why == NotDue {
		d.j.later(on)
	}
	if why != "" {
		d.explainAnnouncement(r, why, on)
		return
	}
	d.decide(nil, r, d.announce(r), true, d.heldBy(nil, r))
}

// unannounced says why a registration's announcement is not decided; on is its day where it is not due yet.
func (d *decider) unannounced(r *registration) (why string, on event.Date) {
	switch {
	case !d.c.Announcements:
		return AnnouncementsOff, 0
	case !r.On:
		return SwitchedOff, 0
	case d.c.Pilot != nil && !d.c.Pilot[r.Ref]:
		return OutsidePilot, 0
	}
	if on := max(d.c.effectiveDate(&r.Meta), d.announcementDay(r)); on > d.day.Date {
		return NotDue, on
	}
	return "", 0
}

// announce is a registration's announcement; nothing is decided yet.
func (d *decider) announce(r *registration) Notice {
	return Notice{
		ID:   NoticeID(d.c.Refs, event.KindAnnouncement, journal.Ref{}, 0, 0, r.Ref),
		Mark: AddressMark(d.c.Refs, event.KindAnnouncement, journal.Ref{}, 0, 0, r.Address, r.Person),
		Kind: event.KindAnnouncement, To: r.Registration,
	}
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
func (d *decider) decide(doc *document, r *registration, n Notice, open bool, held string) {
	was := Decision{Emitted: d.told.Has(n.ID)}
	if !was.Emitted {
		was = d.ledger.Decided(n.ID)
	}
	if was.Emitted {
		d.j.Told = d.j.Told.with(n.ID)
	}
	before := was.Reason
	if was.Emitted || d.decided(n.ID) || before == event.ReasonOperator ||
		before == event.ReasonDuplicateAddress && was.Address == n.To.Address {
		d.explainDecided(doc, r, &n, was)
		return
	}
	n.Reason = d.reason(&n, open, d.day.Skip, held != "")
	if n.Reason != "" && (n.Reason == before || before != "" && !open) {
		d.explainDecided(doc, r, &n, was)
		return
	}
	d.j.Notices = append(d.j.Notices, n)
	decision := event.Skipped
	if n.Reason == "" {
		decision = event.Emitted
		d.j.Told = d.j.Told.with(n.ID)
	}
	d.count(n.Kind, nil, n.Due, decision, n.Reason, n.Document)
	d.explainNew(doc, r, &n, was, held)
}

// reason is why a notice that is owed is skipped, "" where it is emitted: of several reasons the first.
func (d *decider) reason(n *Notice, open, skip, held bool) string {
	switch {
	case d.tells(n.Mark) || d.ledger.EmittedTo(n.Mark) || d.siblingTold(n):
		return event.ReasonDuplicateAddress
	case !open && d.day.Missed != nil && d.day.Missed(n.Due.Closes-1):
		return event.ReasonStaleSource
	case !open:
		return event.ReasonLate
	case skip:
		return event.ReasonOperator
	case held:
		return event.ReasonHeld
	case d.p.collision:
		return event.ReasonCollision
	}
	return ""
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
	d.j.Counts = append(d.j.Counts, k)
}
