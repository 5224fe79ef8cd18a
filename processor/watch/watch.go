// Package watch decides who is told what: it joins the documents and registrations of one identity and judges, on the
// day of a run, which notices are owed.
//
// The join is lazy. Applying a change never reads: it stores the row and says on which days its identity must be
// looked at (Days). When such a day comes, all rows of the identity are read and Judge decides from what is true then;
// an entry that has become pointless is harmless.
//
// The core is a function of its input: no clock, no I/O, no log. The rules are SPEC 1.1 to 1.4.
package watch

import (
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
)

// lateRecordDays: no record is written for a window that closed longer ago (SPEC 2.2).
const lateRecordDays = 30

// moveDelay: a row whose identity changed takes part from the first run that starts at least this much later (SPEC 1.2.4).
const moveDelay = 10 * time.Minute

// announcementDays is how long an announcement may wait for the mail server.
const announcementDays = 30

// Core judges identities. It may be used by several goroutines.
type Core struct {
	Rules rules.Set
	Zone  *time.Location
	// RunHour and RunMinute are the local time at which a run starts nominally.
	RunHour, RunMinute int
	Refs               *identity.Key
	// Sources are the configured sources; rows of others take no part.
	Sources map[uint32]bool
	// Pilot restricts the service to these registrations; nil is everybody.
	Pilot map[journal.Ref]bool
	// Announcements says whether announcements are made; SpreadDays over how many days those of the first run are spread.
	Announcements bool
	SpreadDays    int
	// Topics and keys named in what is emitted.
	Notifications, MailSink       string
	IdentityKeyID, ReferenceKeyID string
	Virtual                       bool // the clock in use is virtual
}

// Row is one row, or the hold of one, of an identity.
type Row struct {
	Key   journal.RowKey
	Value journal.Value
}

// Day is the run that judges.
type Day struct {
	Date event.Date
	// After is the last day that this store has judged: thresholds that fell due later are counted.
	After event.Date
	// First is the date of the service's first run: the announcements of whoever was registered by then belong to it.
	First event.Date
	// Skip records every notice as skipped (lejarat skip).
	Skip bool
	// Missed says whether that day's run did not take place because a source was behind.
	Missed func(event.Date) bool
}

// Ledger says what was decided before, in whatever partition or generation.
type Ledger interface {
	// Decided returns what was decided on a notice; the zero value is nothing yet.
	Decided(id journal.Ref) Decision
	// EmittedTo says whether the address behind the mark was told already.
	EmittedTo(mark journal.Ref) bool
}

// Decision is what was decided on a notice before.
type Decision struct {
	Emitted bool
	Reason  string      // why it was skipped
	Address journal.Ref // the address that the registration had
}

// Applied is the moment at which a change is applied.
type Applied struct {
	Today event.Date
	// Floor is the first day for new entries: today, later when today was judged already or is being judged.
	Floor event.Date
	// Bulk is a new store's first fill: only the entries of documents and announcements themselves are made.
	Bulk bool
}

// Days returns the days on which the row's identity must be looked at, appended to days. v is nil for a retraction.
func (c *Core) Days(days []event.Date, v *journal.Value, at Applied) []event.Date {
	if !at.Bulk {
		days = append(days, at.Floor)
	}
	if v == nil {
		return days
	}
	if m := v.Meta(); m.Moved != 0 {
		if d := c.takesPart(m.Moved); d > at.Today {
			days = append(days, max(d, at.Floor))
		}
	}
	switch {
	case v.Document != nil:
		if d, ok := c.documentDay(v.Document, at); ok {
			days = append(days, d)
		}
	case v.Registration != nil && v.Registration.Announce && v.Registration.On && at.Bulk:
		days = append(days, at.Today)
	}
	return days
}

// documentDay is the next day on which a threshold of the document matters: in a bulk load also a past one, as long as
// something may have to be written for it.
func (c *Core) documentDay(d *journal.Document, at Applied) (event.Date, bool) {
	var room [rules.Ordinary]rules.Window
	for _, due := range c.Rules.Windows(room[:0], d.Type, c.Rules.EffectiveExpiry(d.Type, d.Expires, at.Today)) {
		if at.Bulk && due.Closes+lateRecordDays > at.Today || !at.Bulk && due.Date >= at.Floor {
			return due.Date, true
		}
	}
	return 0, false
}

// takesPart is the date of the first run in which a row that moved at ms takes part.
func (c *Core) takesPart(ms int64) event.Date {
	t := time.UnixMilli(ms).Add(moveDelay)
	d := event.DateOf(t, c.Zone)
	if d.At(c.RunHour, c.RunMinute, c.Zone).Before(t) {
		d++
	}
	return d
}

// effectiveDate is the civil date from which facts count.
func (c *Core) effectiveDate(m *journal.Meta) event.Date {
	if m.Effective == journal.SinceBefore {
		return event.NewDate(1, 1, 1)
	}
	return event.DateOf(time.UnixMilli(m.Effective), c.Zone)
}

// Notice is one decision.
type Notice struct {
	ID       journal.Ref
	Mark     journal.Ref // of the address, see Ledger.EmittedTo
	Kind     string
	Reason   string            // "": emitted
	Document *journal.Document // nil for an announcement
	To       *journal.Registration
	Due      rules.Due
	Expires  event.Date
}

// Count is one line of a run's figures.
type Count struct {
	Kind      string `json:"kind"`
	Type      string `json:"document_type,omitempty"`
	Threshold string `json:"threshold,omitempty"`
	Decision  string `json:"decision"` // emitted, skipped, or none: nothing to decide
	Reason    string `json:"reason,omitempty"`
}

// Reasons of what needed no decision (SPEC 2.2: due with no match, with no registration).
const (
	DecisionNone      = "none"
	NoMatch           = "no_match"     // nobody with this identity is registered
	SwitchedOff       = "switched_off" // registered, but inactive or the service is off
	NotEntitled       = "not_entitled" // document or registration took effect after the due date
	Closed            = "closed"       // its window closed more than 30 days ago: nothing is recorded, nor counted
	OutsidePilot      = "outside_pilot"
	DocumentInvalid   = "document_invalid"
	DocumentSucceeded = "document_superseded"
)

// Judgement is what Judge found.
type Judgement struct {
	Notices []Notice
	Counts  []Count // one for each figure that grows by one
	// Next is the next day on which the identity must be looked at, 0 for none.
	Next event.Date
	// Told are the emitted notices of what was judged, those of this judgement included: of use once it is committed.
	Told Told
}

// Part is the first n notices of a judgement, and what is counted of them. Judged again, once they are in the ledger, the
// identity is owed the others.
func (j *Judgement) Part(n int) Judgement {
	p := Judgement{Notices: j.Notices[:n]}
	for i := range j.Counts { // in the order of the notices
		if len(p.Counts) < n && j.Counts[i].Decision != DecisionNone {
			p.Counts = append(p.Counts, j.Counts[i])
		}
	}
	return p
}

func (j *Judgement) later(d event.Date) {
	if j.Next == 0 || d < j.Next {
		j.Next = d
	}
}

// NoticeID is the id of a notice: the same for the same document, expiry, due date and registration, whatever is
// replayed or rebuilt. It holds the due date, not the threshold's label. doc is zero for an announcement.
func NoticeID(refs *identity.Key, kind string, doc journal.Ref, expires, due event.Date, registration journal.Ref) journal.Ref {
	return refs.Sum("notice", []byte(kind), doc[:], dateBytes(expires), dateBytes(due), registration[:])
}

// AddressMark is to a person at an address what NoticeID is to a registration. Two people who share an address are two.
func AddressMark(refs *identity.Key, kind string, doc journal.Ref, expires, due event.Date, address, person journal.Ref) journal.Ref {
	return refs.Sum("address mark", []byte(kind), doc[:], dateBytes(expires), dateBytes(due), address[:], person[:])
}

func dateBytes(d event.Date) []byte {
	return []byte{byte(d >> 24), byte(d >> 16), byte(d >> 8), byte(d)}
}
