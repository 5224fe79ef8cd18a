package intake

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// mapper reads mapped columns; the first fault sticks, and reading goes on as far as it can.
type mapper struct {
	c      *Core
	values []event.Value
	row    string
	bad    *event.Reject
}

func (m *mapper) fault(column int, reason string) {
	if m.bad == nil {
		m.bad = &event.Reject{Row: m.row, Column: m.c.Source.Names[column], Reason: reason}
	}
}

// value returns the column's value; ok is false for a null and for whatever cannot be used (which is a fault).
func (m *mapper) value(column int) (v *event.Value, ok bool) {
	if column == None {
		return nil, false
	}
	v = &m.values[column]
	switch v.State {
	case event.Present:
		return v, true
	case event.Missing:
		m.fault(column, "the record has no such column: it was renamed or dropped in the source, or left out of the connector's column list")
	case event.Unavailable:
		m.fault(column, "the source did not send this large value because the change did not touch it: set REPLICA IDENTITY FULL on the table")
	case event.Unreadable:
		m.fault(column, v.Reason)
	}
	return v, false
}

func (m *mapper) text(column int) string {
	if v, ok := m.value(column); ok {
		return v.Text
	}
	return ""
}

func (m *mapper) instant(column int) time.Time {
	if v, ok := m.value(column); ok {
		return v.Time
	}
	return time.Time{}
}

func (m *mapper) yes(b *Bool) bool {
	if b.Column == None {
		return true
	}
	v, ok := m.value(b.Column)
	switch {
	case !ok:
		if v.State == event.Null && b.False != nil {
			m.fault(b.Column, "null is in neither true: nor false: of this column")
		}
		return false
	case b.True[v.Text]:
		return true
	case b.False != nil && !b.False[v.Text]:
		m.fault(b.Column, "the value is in neither true: nor false: of this column")
	}
	return false
}

func (m *mapper) document(f *facts) {
	s := &m.c.Source
	f.number = strings.TrimSpace(m.text(s.Number))
	f.docType = m.docType()
	f.list = m.c.TypeList[f.docType]
	if s.Status == None {
		f.valid = true
	} else {
		status := m.text(s.Status)
		f.valid = s.Valid[status]
		if !f.valid && s.Invalid != nil && !s.Invalid[status] {
			m.fault(s.Status, "the value is listed neither under valid: nor under invalid:")
		}
	}
	for _, column := range s.Expires {
		if v, ok := m.value(column); ok {
			f.expires = min(f.expires, v.Date)
		}
	}
	if ref := m.text(s.HolderID); ref != "" {
		f.holderRef = m.c.Refs.Sum("holder", sourceBytes(s.ID), []byte(ref))
	}
	f.ref = m.c.DocumentRef(f.docType, f.number, m.row)
}

// docType is the document's type, "" for one that is not served and for a fault.
func (m *mapper) docType() string {
	s := &m.c.Source
	if s.Type == None {
		return s.Constant
	}
	v, ok := m.value(s.Type)
	if !ok {
		if v.State == event.Null {
			m.fault(s.Type, "the type is null")
		}
		return ""
	}
	docType := s.Types[v.Text]
	if docType == "" && !s.Ignored[v.Text] {
		m.fault(s.Type, "the value is listed neither under values: nor under ignored: of the type column")
	}
	return docType
}

func (m *mapper) registration(f *facts) {
	s := &m.c.Source
	f.email = Address(m.text(s.Email))
	active, service := m.yes(&s.Active), m.yes(&s.Service)
	f.switched = active && service
	f.on = f.switched && f.email != ""
	f.language = strings.ToLower(strings.TrimSpace(m.text(s.Language)))
	if s.Languages != nil {
		f.language = s.Languages[m.text(s.Language)]
	}
	if f.language != "en" {
		f.language = "hu"
	}
	f.name = string(m.appendJoined(nil, identity.Name))
	f.address = m.c.Refs.Sum("address", []byte(f.email))
	f.ref = m.c.RegistrationRef(m.row)
}

// appendJoined appends the texts of a field's columns, with a blank between them.
func (m *mapper) appendJoined(b []byte, field identity.Field) []byte {
	from := len(b)
	for _, column := range m.c.Source.Holder[field] {
		t := m.text(column)
		if t != "" && len(b) > from {
			b = append(b, ' ')
		}
		b = append(b, t...)
	}
	return b
}

// holder reads and normalises the identity; readable is false when a column of it cannot be used.
func (m *mapper) holder() (h identity.Holder, readable bool) {
	before := m.bad
	m.bad = nil
	var room, own, joined [256]byte
	var ends [identity.Fields]int
	all := room[:0] // the fields become parts of one string
	name := m.appendJoined(own[:0], identity.Name)
	for field := range ends {
		switch f := identity.Field(field); f {
		case identity.Name:
			all = identity.AppendNormalised(all, f, name, m.c.Source.Options)
		case identity.BirthDate:
			all = m.appendBirthDate(all)
		default:
			text := m.appendJoined(joined[:0], f)
			if f == identity.BirthName && bytes.Equal(text, name) { // most people's: the same rules make the same of it
				all = append(all, all[:ends[identity.Name]]...)
				break
			}
			all = identity.AppendNormalised(all, f, text, m.c.Source.Options)
		}
		ends[field] = len(all)
	}
	text, from := string(all), 0
	for field, end := range ends {
		h[field], from = text[from:end], end
	}
	readable = m.bad == nil
	if before != nil {
		m.bad = before
	}
	return h, readable
}

func (m *mapper) appendBirthDate(b []byte) []byte {
	columns := m.c.Source.Holder[identity.BirthDate]
	if len(columns) == 0 {
		return b
	}
	v, ok := m.value(columns[0])
	switch {
	case !ok:
		return b
	case v.Date == event.NoExpiry:
		m.fault(columns[0], "a date of birth cannot be infinite")
		return b
	}
	return v.Date.Append(b)
}

// suppressions tells the mail connector what must not be handed over any more, and lifts what no longer holds.
func (c *Core) suppressions(in *Input, f *facts, old, next *Row) {
	if old == nil {
		c.firstSuppressions(in, f)
		return
	}
	if !next.On && (old.On || old.Deleted) {
		c.suppress(in, f.ref, event.SuppressSwitchedOff, nil)
	}
	if next.On && !old.On {
		c.lift(f.ref, event.SuppressSwitchedOff)
	}
	if old.Deleted {
		c.lift(f.ref, event.SuppressDeleted)
	}
	if old.Address != next.Address && (old.Address != journal.Ref{} || old.Deleted) {
		hash := hex.EncodeToString(next.Address[:])
		c.suppress(in, f.ref, event.SuppressMoved, &hash)
		c.lift(f.ref, event.SuppressAddress)
	}
}

// firstSuppressions is for a registration that is not known. In the first snapshot of the first generation nothing can
// stand against it; later a suppression may have outlived what was known of the row, and would silence it for good.
func (c *Core) firstSuppressions(in *Input, f *facts) {
	switch {
	case in.First && c.Generation <= 1:
		return
	case f.on:
		c.lift(f.ref, event.SuppressSwitchedOff)
	case c.Generation > 1:
		c.suppress(in, f.ref, event.SuppressSwitchedOff, nil)
	}
	c.lift(f.ref, event.SuppressDeleted)
	if c.Generation > 1 && f.address != (journal.Ref{}) {
		// A compacted source does not tell that the address is another one than a mail still waits for.
		hash := hex.EncodeToString(f.address[:])
		c.suppress(in, f.ref, event.SuppressMoved, &hash)
		return
	}
	c.lift(f.ref, event.SuppressMoved)
}

func (c *Core) suppress(in *Input, ref journal.Ref, reason string, hash *string) {
	at := in.Now.Format(event.TimeFormat)
	key := suppressionKey(ref, reason)
	c.records = append(c.records, event.Message(c.Suppressions, key, key+"@"+at, "suppression", at,
		event.Suppression{Since: at, AddressHash: hash}))
}

func (c *Core) lift(ref journal.Ref, reason string) {
	c.records = append(c.records, event.Record{Topic: c.Suppressions, Partition: event.AnyPartition, Key: []byte(suppressionKey(ref, reason))})
}

func suppressionKey(ref journal.Ref, reason string) string {
	return event.SuppressionKey(hex.EncodeToString(ref[:]), reason)
}

func sourcePosition(r *event.Record) string {
	return r.Topic + "/" + strconv.Itoa(int(r.Partition)) + "/" + strconv.FormatInt(r.Offset, 10)
}
