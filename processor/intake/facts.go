package intake

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// facts is a row as the mapping sees it, before it is written anywhere.
type facts struct {
	docType   string
	list      identity.List // of the type
	number    string
	valid     bool
	expires   event.Date
	holderRef journal.Ref

	on       bool // active, switched on, and with an address
	switched bool // active and switched on
	email    string
	name     string
	language string
	address  journal.Ref // keyed hash of the address alone

	ref       journal.Ref
	effective time.Time // zero: not mapped, or null
	places    []Place
	persons   []journal.Ref // of each place; of registrations only
	announce  int           // index of the place that carries the announcement, -1 for a document

	content, facts uint64
	holder         identity.Holder
}

// read maps the change. With a reject f still holds what could be read, so that the row can be held.
func (c *Core) read(in *Input, f *facts) *event.Reject {
	r := &mapper{c: c, values: in.Change.Values, row: in.Change.Row}
	*f = facts{announce: -1, expires: event.NoExpiry}
	if c.Source.Kind == Documents {
		r.document(f)
	} else {
		r.registration(f)
	}
	f.effective = r.instant(c.Source.Effective)
	var readable bool
	f.holder, readable = r.holder()
	if readable && (f.docType != "" || c.Source.Kind == Registrations) {
		c.place(f, in)
	}
	c.hash(f)
	return r.bad
}

// place finds the identities of the row, one for each list that applies to it.
func (c *Core) place(f *facts, in *Input) {
	lists := c.Lists
	if c.Source.Kind == Documents {
		lists = []identity.List{f.list}
	}
	for i, l := range lists {
		fp, ok := c.Identity.Fingerprint(l, &f.holder)
		if c.Source.Kind == Registrations {
			person := c.person(l, &f.holder)
			if i == 0 {
				f.announce = 0
			}
			if !ok && i == 0 {
				// The announcement is owed to whoever registered, also where the identity is incomplete.
				fp, ok = c.Identity.Sum("row", sourceBytes(c.Source.ID), []byte(in.Change.Row)), true
				person = f.ref
			}
			if ok {
				f.persons = append(f.persons, person)
			}
		}
		if ok {
			f.places = append(f.places, Place{List: l, Fingerprint: fp, Offset: in.Record.Offset})
		}
	}
}

func sourceBytes(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

// person is a pseudonym of the person under one identity list, made with the reference key: equal for two rows exactly
// when their identities are equal under the list, also after the identity key has changed.
func (c *Core) person(l identity.List, h *identity.Holder) journal.Ref {
	return c.Refs.Sum("person", []byte{byte(l)}, appendFields(make([]byte, 0, 160), l, h))
}

// appendFields appends the fields of a list, each with a zero behind it.
func appendFields(b []byte, l identity.List, h *identity.Holder) []byte {
	for field := identity.Field(0); field < identity.Fields; field++ {
		if l.Has(field) {
			b = append(append(b, h[field]...), 0)
		}
	}
	return b
}

// hash fills the two hashes. The one of the facts is made with the reference key, so that it survives a new identity
// key, and over the fields that take part only, so that another column's change does not move the effective time.
func (c *Core) hash(f *facts) {
	all := c.appendFacts(make([]byte, 0, 256), f)
	all = append(append(all, f.docType...), 0)
	all = binary.AppendVarint(all, int64(f.expires))
	all = append(all, bit(f.valid), bit(f.switched))
	sum := c.Refs.Quick(all)
	f.facts = binary.LittleEndian.Uint64(sum[:])
	all = append(append(all[:0], sum[:]...), f.ref[:]...)
	all = append(all, f.holderRef[:]...)
	all = append(all, f.address[:]...)
	for _, s := range [...]string{f.number, f.email, f.name, f.language} {
		all = append(append(all, s...), 0)
	}
	if !f.effective.IsZero() {
		all = binary.AppendVarint(all, f.effective.UnixMilli())
	}
	f.content = xxhash.Sum64(all)
}

// appendFacts appends the fields of the holder that take part.
func (c *Core) appendFacts(b []byte, f *facts) []byte {
	fields := f.list
	if c.Source.Kind == Registrations {
		for _, l := range c.Lists {
			fields |= l
		}
	}
	return appendFields(b, fields, &f.holder)
}

// sameFacts says whether a stored hash is that of the facts: as it is made now, or as it was before Quick.
func (c *Core) sameFacts(hash uint64, f *facts) bool {
	if hash == f.facts {
		return true
	}
	sum := c.Refs.Sum("facts", c.appendFacts(nil, f), []byte(f.docType), binary.AppendVarint(nil, int64(f.expires)), []byte{bit(f.valid), bit(f.switched)})
	return hash == binary.LittleEndian.Uint64(sum[:])
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// appendValue appends the journal value of the row's i-th place.
func (c *Core) appendValue(b []byte, f *facts, next *Row, i int) []byte {
	if c.Source.Kind == Documents {
		d := journal.Document{Meta: next.Meta, Type: f.docType, Ref: f.ref, Masked: Mask(f.number), Valid: f.valid,
			Expires: f.expires, Holder: f.holderRef}
		return d.Append(b)
	}
	g := journal.Registration{Meta: next.Meta, Ref: f.ref, Person: f.persons[i], Announce: i == f.announce,
		Email: f.email, Name: f.name, Language: f.language}
	return g.Append(b)
}

// Mask hides a document number but for its last characters: three, fewer of a short one.
func Mask(number string) string {
	all := utf8.RuneCountInString(number)
	shown, from := min(3, all/3), len(number)
	for range shown {
		_, size := utf8.DecodeLastRuneInString(number[:from])
		from -= size
	}
	return strings.Repeat("*", all-shown) + number[from:]
}

// Address normalises an e-mail address for comparison: trimmed, domain in lower case (SPEC 1.2).
func Address(s string) string {
	s = strings.TrimSpace(s)
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return s[:at] + strings.ToLower(s[at:])
	}
	return s
}

// DocumentRef is the pseudonym of a document: by its type and number, or by its row where it has none (SPEC 2.2).
func (c *Core) DocumentRef(docType, number, row string) journal.Ref {
	if number != "" {
		return c.Refs.Sum("document", []byte(docType), []byte(number))
	}
	return c.Refs.Sum("document row", sourceBytes(c.Source.ID), []byte(row))
}

// RegistrationRef is the pseudonym of a registration row.
func (c *Core) RegistrationRef(row string) journal.Ref {
	return c.Refs.Sum("registration", sourceBytes(c.Source.ID), []byte(row))
}

// reject writes down why the record cannot be used, and holds its row.
func (c *Core) reject(in *Input, old *Row, why *event.Reject, f *facts) Output {
	out := Output{Verdict: Rejected}
	r := in.Record
	sum := c.Refs.Sum("key", r.Key)
	at := in.Now.Format(event.TimeFormat)
	v := event.Rejected{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, KeyHash: hex.EncodeToString(sum[:]), Reason: why.Reason, At: at}
	if why.Column != "" {
		v.Column = &why.Column
	}
	c.records = append(c.records, event.Message(c.Rejects, sourcePosition(r), sourcePosition(r), "reject", at, v))
	if why.Row == "" {
		return out
	}
	next := &Row{Meta: c.meta(in, old)}
	docType := ""
	if f != nil {
		docType = f.docType
	}
	switch {
	case old != nil && !old.Deleted:
		if old.Hold == journal.HoldRejected && next.Order <= old.Order {
			return out
		}
		kept := *old
		kept.Offset = r.Offset
		kept.Order, kept.Committed = max(old.Order, next.Order), max(old.Committed, next.Committed)
		next = &kept
	case f != nil && len(f.places) > 0:
		next.IDs = f.places
	default:
		return out
	}
	next.Hold = journal.HoldRejected
	out.Row = next
	c.hold(why.Row, next, docType)
	return out
}
