package processor

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/story"
	"lejarat/processor/watch"
)

// Question asks for the story of one row.
type Question struct {
	Kind intake.Kind
	// Topics are the source topics that may hold the row.
	Topics []string
	// Row is the row's name, as intake makes it of the record key.
	Row string
	// Value, where it is not empty, is how a row's name ends whose key has one column: =12345, whatever the column's name.
	Value string
}

// Errors of Explain.
var (
	// ErrNotHere: this instance cannot tell the whole story; the topics can.
	ErrNotHere = errors.New("this instance does not hold the row and everything that stands under its identity")
	// ErrUnknownRow: neither the journal nor the source topics hold anything of the row.
	ErrUnknownRow = errors.New("neither the journal nor the source topics hold such a row: look at the key and its form " +
		"(12345, id=12345, or office=1,id=7 with the columns in the order of the record key), and at --source")
	// ErrSeveralRows: more than one row has the key.
	ErrSeveralRows = errors.New("several rows have this key: name its source (--source) and its columns (--document id=1)")
)

// names says whether a row is the one asked for.
func (q *Question) names(row []byte) bool {
	if string(row) == q.Row {
		return true
	}
	column, ok := bytes.CutSuffix(row, []byte(q.Value))
	return ok && q.Value != "" && len(column) > 0 && oneName(column)
}

// oneName says whether the text is a column's name: no comma or equals sign stands in it but escaped.
func oneName(text []byte) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',', '=':
			return false
		}
	}
	return true
}

// sighting is a row, with all that stands under its identities.
type sighting struct {
	src      *Source
	row      string
	groups   []group
	ref      journal.Ref   // of what it was last, where it stands nowhere
	deleted  *journal.Meta // of the deletion
	hold     *journal.Meta // of a record that could not be used, where nothing else is known
	versions []story.Version
}

// group is everything under one identity of the row.
type group struct {
	place intake.Place
	rows  []watch.Row
	run   story.Run // the next run that judges it
	day   watch.Day
}

// record is what is known of a decision beside the ledger's word.
type record struct {
	RunDate, At string
	Delivery    *story.Delivery
}

// teller puts a story together.
type teller struct {
	cfg    *Config
	runs   *Runs
	ledger watch.Ledger
	record func(id journal.Ref) record
}

func (t *teller) tell(s *sighting) *story.Story {
	out := &story.Story{Kind: story.Document, Source: s.src.Topic, At: t.instant(t.cfg.Clock.Now()),
		Journal: t.cfg.journal(), ReferenceKey: t.cfg.Watch.ReferenceKeyID, Incomplete: [][]string{},
		Identities: []story.Identity{}, Notices: []story.Notice{}, Former: []story.Notice{}, Versions: s.versions}
	if s.src.Kind == intake.Registrations {
		out.Kind = story.Registration
	}
	ref := cmp.Or(s.ref, t.rowRef(s))
	if s.deleted != nil {
		p := t.position(s.deleted)
		out.Deleted = &p
	}
	if s.hold != nil {
		out.Hold = &story.Hold{Position: t.position(s.hold), Reason: holdName(journal.HoldRejected)}
	}
	slices.SortFunc(s.groups, func(a, b group) int {
		return cmp.Compare(slices.Index(t.cfg.Intake.Lists, a.place.List), slices.Index(t.cfg.Intake.Lists, b.place.List))
	})
	for i := range s.groups {
		if own := t.group(out, s, &s.groups[i]); own != (journal.Ref{}) {
			ref = own
		}
	}
	out.Ref = hexRef(ref)
	t.incomplete(out, s)
	slices.SortStableFunc(out.Notices, func(a, b story.Notice) int { return cmp.Compare(rank(&a), rank(&b)) })
	return out
}

// rank puts announcements last.
func rank(n *story.Notice) int {
	if n.Kind == event.KindAnnouncement {
		return 1
	}
	return 0
}

// rowRef is the reference of a row of which nothing can be read.
func (t *teller) rowRef(s *sighting) journal.Ref {
	core := t.cfg.Intake
	core.Source = s.src.Source
	if s.src.Kind == intake.Registrations {
		return core.RegistrationRef(s.row)
	}
	return core.DocumentRef("", "", s.row)
}

// group tells of one identity, and returns the row's own reference.
func (t *teller) group(out *story.Story, s *sighting, g *group) (own journal.Ref) {
	partition := journal.Partition(&g.place.Fingerprint, t.cfg.Partitions)
	ex := t.cfg.Watch.Explain(g.rows, g.day, t.ledger)
	id := story.Identity{Fields: g.place.List.Names(), Partition: partition, Documents: []string{}, Registrations: []string{},
		Collision: ex.Collision, Run: g.run}
	key := watch.RowID(s.src.ID, s.row)
	refs := map[string]journal.Ref{}
	types := map[string]string{}
	for _, st := range append(slices.Clone(ex.Documents), ex.Registrations...) {
		if st.Document != nil {
			refs[st.Key], types[st.Key] = st.Document.Ref, st.Document.Type
			id.Documents = append(id.Documents, hexRef(st.Document.Ref))
		} else {
			refs[st.Key] = st.Registration.Ref
			id.Registrations = append(id.Registrations, hexRef(st.Registration.Ref))
		}
		if st.Key == key {
			own = refs[key]
			out.Facts = t.facts(&st)
			if r := st.Registration; r != nil && r.Announce && r.Person == r.Ref {
				out.Incomplete = append(out.Incomplete, id.Fields)
			}
		}
	}
	for i := range g.rows {
		if k, h := &g.rows[i].Key, g.rows[i].Value.Hold; h != nil && watch.RowID(k.Source, k.Row) == key {
			out.Hold = &story.Hold{Position: t.position(&h.Meta), Reason: holdName(h.Reason)}
		}
	}
	out.Identities = append(out.Identities, id)
	for i := range ex.Lines {
		l := &ex.Lines[i]
		if out.Kind == story.Document && l.Document == key || out.Kind == story.Registration && (l.Registration == key || l.Registration == "") {
			out.Notices = append(out.Notices, t.notice(l, refs, types, g.run.Date))
		}
	}
	return own
}

// plan finds the next run of every group. The ledger must be read after it: a run that is known as complete has all of its
// decisions in what is read then, while the other way round a notice could look as if the next run sent it.
func (t *teller) plan(s *sighting) {
	for i := range s.groups {
		s.groups[i].run, s.groups[i].day = t.next(journal.Partition(&s.groups[i].place.Fingerprint, t.cfg.Partitions))
	}
}

// next is the next run that judges the partition's identities, as it stands now.
func (t *teller) next(partition int32) (story.Run, watch.Day) {
	date, _ := t.cfg.today()
	if t.runs.Complete(date, partition) {
		date++
	}
	if t.cfg.HasLiveFrom {
		date = max(date, t.cfg.LiveFrom)
	}
	at := date.At(t.cfg.Watch.RunHour, t.cfg.Watch.RunMinute, t.cfg.Watch.Zone)
	run := story.Run{Date: date.String(), At: at.Format("15:04")}
	if r, ok := t.runs.get(date, partition); ok && r.State != RunMissed {
		run.State, run.Reason, run.Detail = r.State, r.Reason, r.Detail
	}
	if last := t.runs.lastComplete(partition); last != 0 {
		run.LastComplete = last.String()
	}
	return run, watch.Day{Date: date, First: t.runs.firstRun(date), Skip: t.runs.command(date) == CommandSkip, Missed: t.runs.missedStale(partition)}
}

func (t *teller) facts(st *watch.Standing) *story.Facts {
	var f story.Facts
	var m *journal.Meta
	if d := st.Document; d != nil {
		m = &d.Meta
		f.Type, f.NumberMasked, f.Valid, f.Expires = d.Type, d.Masked, d.Valid, expiry(d.Expires)
		if t.cfg.Watch.Rules.Types[d.Type].OnePerPerson {
			f.Superseded = &st.Superseded
		}
		switch {
		case st.Expires == d.Expires:
		case st.Expires == event.NoExpiry:
			never := "never"
			f.ExpiresByLaw = &never
		default:
			f.ExpiresByLaw = expiry(st.Expires)
		}
	} else {
		m = &st.Registration.Meta
		f.On, f.HasAddress = st.Registration.On, st.Registration.Email != ""
	}
	f.Position, f.Effective = t.position(m), t.effective(m)
	if st.From != 0 {
		from := st.From.String()
		f.TakesPart = &from
	}
	return &f
}

func expiry(d event.Date) *string {
	if d == event.NoExpiry {
		return nil
	}
	s := d.String()
	return &s
}

func (t *teller) effective(m *journal.Meta) *string {
	if m.Effective == journal.SinceBefore {
		return nil
	}
	s := event.DateOf(time.UnixMilli(m.Effective), t.cfg.Watch.Zone).String()
	return &s
}

func (t *teller) position(m *journal.Meta) story.Position {
	p := story.Position{Partition: m.Partition, Offset: m.Offset}
	if m.Committed != 0 {
		s := t.instant(time.UnixMilli(m.Committed))
		p.Committed = &s
	}
	return p
}

func (t *teller) instant(at time.Time) string {
	return at.In(t.cfg.Watch.Zone).Format(event.TimeFormat)
}

func holdName(r journal.HoldReason) string {
	switch r {
	case journal.HoldRedelivered:
		return "redelivered"
	case journal.HoldRedeliveredDelete:
		return "redelivered_delete"
	}
	return "rejected"
}

// notice tells of one line. next is the run that decides what is not recorded.
func (t *teller) notice(l *watch.Line, refs map[string]journal.Ref, types map[string]string, next string) story.Notice {
	n := story.Notice{Kind: l.Kind, Code: l.Code, Would: l.Would, Who: l.Who, Recorded: l.Was != (watch.Decision{}) && !l.New}
	if l.Kind == event.KindExpiry {
		n.Document, n.Type, n.Threshold = hexRef(refs[l.Document]), types[l.Document], l.Due.Label
		n.Expires, n.Due, n.LastDay = l.Expires.String(), l.Due.Date.String(), (l.Due.Closes - 1).String()
	}
	if l.Registration != "" {
		n.Registration, n.ID = hexRef(refs[l.Registration]), hexRef(l.ID)
	}
	if l.From != 0 {
		n.From = l.From.String()
	}
	if n.Recorded {
		r := t.record(l.ID)
		n.RunDate, n.At, n.Delivery = r.RunDate, r.At, r.Delivery
	}
	if l.Code != watch.Emitted {
		n.Next = next
	}
	if l.Code == watch.NotDue && t.runs.command(l.From) == CommandSkip {
		n.Would = event.ReasonOperator
	}
	return n
}

// incomplete names the lists of fields under which the row has no identity.
func (t *teller) incomplete(out *story.Story, s *sighting) {
	if s.src.Kind != intake.Registrations || s.deleted != nil {
		return
	}
	for _, l := range t.cfg.Intake.Lists {
		if !slices.ContainsFunc(s.groups, func(g group) bool { return g.place.List == l }) {
			out.Incomplete = append(out.Incomplete, l.Names())
		}
	}
}

func hexRef(r journal.Ref) string { return hex.EncodeToString(r[:]) }
