package watch

import (
	"cmp"
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
)

// Explanation is what Explain found: everything that stands under one identity, and a line for every notice and every
// silence. It is made by the very walk that Judge decides in, so the two cannot differ.
type Explanation struct {
	Documents     []Standing
	Registrations []Standing
	// Collision: two holders of one source share the identity.
	Collision bool
	// Lines stand in the order of documents, due dates and registrations, announcements last.
	Lines []Line
}

// Standing is how a row stands with its identity on the day.
type Standing struct {
	Key          string // RowID
	Document     *journal.Document
	Registration *journal.Registration
	Hold         *journal.HoldMark // nil: not held
	Superseded   bool
	Expires      event.Date // of a document: by which it is judged, legal extensions included
	// From is the first run in which a row that moved here takes part, 0 where it does.
	From event.Date
}

// Line is one notice, or why there is none.
type Line struct {
	Kind         string // event.KindExpiry, event.KindAnnouncement
	Document     string // RowID, "" for an announcement
	Registration string // RowID, "" where the same holds whoever is registered
	Due          rules.Due
	Expires      event.Date
	ID           journal.Ref // zero without a registration
	// Code is Emitted, one of the reasons of a skip, one of those that need no decision, or one of the codes below.
	Code string
	// Was is what the ledger knew of the notice.
	Was Decision
	// New: the run of the day will record Code, as things stand.
	New bool
	// Would, of one that is not due yet, is the reason for which it would be skipped as things stand.
	Would string
	// Who, of what is held or not entitled, is the row that is at the bottom of it: one of the HeldBy words.
	Who string
	// From is the day from which it counts: of a row that waits its first run, of one that came too late its effective
	// date, of an announcement that is not due its day.
	From event.Date
}

// Codes of a Line beside the reasons of skips and of what needs no decision.
const (
	Emitted          = event.Emitted       // recorded as emitted
	Owed             = "owed"              // owed: the run of the day emits it
	NotDue           = "not_due"           // its day has not come
	Waits            = "waits"             // a row moved to this identity and takes part later
	NoAddress        = "no_address"        // there is no e-mail address to write to
	AnnouncementsOff = "announcements_off" // the service makes no announcements
	NotCounted       = "not_counted"       // due before the service went live, or before the threshold counts
)

// Who holds a notice, or came too late for it.
const (
	HeldByDocument     = "document"
	HeldByType         = "document_type" // another document of its type, of which a person has one
	HeldByRegistration = "registration"
)

// RowID names a row over all sources.
func RowID(source uint32, row string) string {
	return string([]byte{byte(source >> 24), byte(source >> 16), byte(source >> 8), byte(source)}) + row
}

// Explain judges one identity as Judge does, and says of every threshold of every document and of every announcement
// what became of it, or will. day is the next run that judges the identity.
func (c *Core) Explain(rows []Row, day Day, ledger Ledger) Explanation {
	ex := Explanation{}
	c.judge(rows, nil, day, ledger, &ex)
	return ex
}

func (d *decider) explainDecided(doc *document, r *registration, n *Notice, was Decision) {
	if d.ex == nil {
		return
	}
	l := lineOf(doc, r, n)
	l.Was, l.Code = was, decisionCode(was)
	if was == (Decision{}) { // another row of the same document number was judged just before
		i := slices.IndexFunc(d.ex.Lines, func(o Line) bool { return o.ID == n.ID })
		l.Code, l.Was, l.Who = d.ex.Lines[i].Code, d.ex.Lines[i].Was, d.ex.Lines[i].Who
	}
	if l.Code == event.ReasonHeld {
		l.Who = d.heldBy(doc, r)
	}
	d.ex.Lines = append(d.ex.Lines, l)
}

func (d *decider) explainNew(doc *document, r *registration, n *Notice, was Decision, held string) {
	if d.ex == nil {
		return
	}
	l := lineOf(doc, r, n)
	l.Was, l.New, l.Code = was, true, cmp.Or(n.Reason, Owed)
	if l.Code == event.ReasonHeld {
		l.Who = held
	}
	d.ex.Lines = append(d.ex.Lines, l)
}

func lineOf(doc *document, r *registration, n *Notice) Line {
	l := Line{Kind: n.Kind, Registration: r.key, Due: n.Due, Expires: n.Expires, ID: n.ID}
	if doc != nil {
		l.Document = doc.key
	}
	return l
}

func decisionCode(was Decision) string {
	if was.Emitted {
		return Emitted
	}
	return was.Reason
}

// explainAll says why nobody is told, and who was told before all the same.
func (d *decider) explainAll(doc *document, due rules.Due, why string) {
	if d.ex == nil {
		return
	}
	told := false
	for _, r := range d.everybody() {
		n := d.notice(doc, due, r)
		if was := d.ledger.Decided(n.ID); was != (Decision{}) {
			d.explainDecided(doc, r, &n, was)
			told = true
		}
	}
	if !told && !(why == NoMatch && len(d.p.waiting) > 0) {
		d.ex.Lines = append(d.ex.Lines, Line{Kind: event.KindExpiry, Document: doc.key, Due: due, Expires: doc.expires, Code: why})
	}
}

// explainSilence says why one registration is not told, unless it was before.
func (d *decider) explainSilence(doc *document, due rules.Due, r *registration, why string) {
	if d.ex == nil {
		return
	}
	n := d.notice(doc, due, r)
	if was := d.ledger.Decided(n.ID); was != (Decision{}) {
		d.explainDecided(doc, r, &n, was)
		return
	}
	l := lineOf(doc, r, &n)
	l.Code = why
	switch {
	case why == SwitchedOff && r.Email == "":
		l.Code = NoAddress
	case why == NotEntitled && d.c.effectiveDate(&doc.Meta) > due.Date:
		l.Who, l.From = HeldByDocument, d.c.effectiveDate(&doc.Meta)
	case why == NotEntitled:
		l.Who, l.From = HeldByRegistration, d.c.effectiveDate(&r.Meta)
	}
	d.ex.Lines = append(d.ex.Lines, l)
}

func (d *decider) explainAnnouncement(r *registration, why string, on event.Date) {
	if d.ex == nil {
		return
	}
	n := d.announce(r)
	if was := d.ledger.Decided(n.ID); was != (Decision{}) {
		d.explainDecided(nil, r, &n, was)
		return
	}
	l := lineOf(nil, r, &n)
	l.Code, l.From = why, on
	switch {
	case why == SwitchedOff && r.Email == "":
		l.Code = NoAddress
	case why == NotDue:
		l.Would = d.reason(&n, true, false, d.heldBy(nil, r) != "")
		l.Who = d.heldBy(nil, r)
	}
	d.ex.Lines = append(d.ex.Lines, l)
}

func (d *decider) everybody() (all []*registration) {
	for i := range d.p.registrations {
		all = append(all, &d.p.registrations[i])
	}
	for i := range d.p.waiting {
		all = append(all, &d.p.waiting[i])
	}
	return all
}

// explainRest says what Judge has no need to look at: thresholds that are not due yet or do not count, and rows that wait.
func (d *decider) explainRest() {
	for i := range d.p.documents {
		doc := &d.p.documents[i]
		for _, due := range d.c.Rules.Due(doc.Type, doc.expires) {
			d.explainDue(doc, due)
		}
		for _, due := range d.c.Rules.NotCounted(doc.Type, doc.expires) {
			d.explainAll(doc, due, NotCounted)
		}
	}
	for i := range d.p.waiting {
		if r := &d.p.waiting[i]; r.Announce {
			d.explainAnnouncement(r, Waits, r.from)
		}
	}
	d.explainRows()
	d.sortLines()
}

// explainDue says what one threshold comes to that Judge has not looked at: it is not due yet, or a row waits.
func (d *decider) explainDue(doc *document, due rules.Due) {
	why := d.silent(doc, due)
	if why == NoMatch && len(d.p.waiting) > 0 {
		why = ""
	}
	judged := due.Date <= d.day.Date && doc.from == 0
	switch {
	case judged && why == "":
		for i := range d.p.waiting {
			d.explainAhead(doc, due, &d.p.waiting[i])
		}
	case judged:
	case why != "":
		d.explainAll(doc, due, why)
	default:
		for _, r := range d.everybody() {
			d.explainAhead(doc, due, r)
		}
	}
}

// explainAhead says what a registration will be told, as things stand, on the day when the threshold is due and all rows
// take part.
func (d *decider) explainAhead(doc *document, due rules.Due, r *registration) {
	n := d.notice(doc, due, r)
	was := d.ledger.Decided(n.ID)
	if was != (Decision{}) {
		d.explainDecided(doc, r, &n, was)
		return
	}
	if why := d.silentTo(doc, due, r); why != "" {
		d.explainSilence(doc, due, r, why)
		return
	}
	l := lineOf(doc, r, &n)
	l.Code, l.From, l.Who = NotDue, due.Date, d.heldBy(doc, r)
	if from := max(doc.from, r.from); from > due.Date {
		l.Code, l.From = Waits, from
	}
	if l.Would = d.reason(&n, l.From < due.Closes, false, l.Who != ""); l.Would == "" {
		d.ahead = append(d.ahead, n.Mark)
	}
	d.ex.Lines = append(d.ex.Lines, l)
}

func (d *decider) explainRows() {
	for i := range d.p.documents {
		o := &d.p.documents[i]
		d.ex.Documents = append(d.ex.Documents, Standing{Key: o.key, Document: o.Document, Hold: d.p.hold(o.key),
			Superseded: o.superseded, Expires: o.expires, From: o.from})
	}
	for _, r := range d.everybody() {
		d.ex.Registrations = append(d.ex.Registrations, Standing{Key: r.key, Registration: r.Registration, Hold: d.p.hold(r.key), From: r.from})
	}
	d.ex.Collision = d.p.collision
}

func (d *decider) sortLines() {
	place := map[string]int{"": len(d.p.documents)}
	for i := range d.p.documents {
		place[d.p.documents[i].key] = i
	}
	slices.SortStableFunc(d.ex.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(place[a.Document], place[b.Document]), cmp.Compare(a.Due.Date, b.Due.Date), cmp.Compare(a.Registration, b.Registration))
	})
}
