package journal

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"lejarat/processor/event"
)

// SinceBefore is the effective time of facts that were there before the service first looked (a source's first
// snapshot without a mapped column): earlier than any due date.
const SinceBefore int64 = math.MinInt64 / 2

// Meta is what intake must remember of a row, so that its store can be rebuilt from the journal. It stands in
// every value, and in header "m" of every retraction.
type Meta struct {
	Partition int32  // source partition
	Offset    int64  // source offset of the record that made this
	Order     uint64 // the source's own order (LSN), 0 unknown
	Committed int64  // source commit time, ms; 0 unknown
	Content   uint64 // hash of all that is used of the row
	Facts     uint64 // hash of the facts that carry the effective time
	Effective int64  // ms, or SinceBefore
	Moved     int64  // ms at which intake read the change of identity, 0 never
	Deleted   bool
	On        bool // a registration: active and switched on
	Address   Ref  // a registration: keyed hash of its address
}

// Header is the name of the header that carries the Meta of a retraction.
const Header = "m"

// Document is the facts of a document row.
type Document struct {
	Meta
	Type    string
	Ref     Ref // pseudonym: of type and number, else of the row
	Masked  string
	Valid   bool
	Expires event.Date // as registered; NoExpiry
	Holder  Ref        // keyed hash of the registry's own holder reference, zero without one
}

// Registration is the facts of a registration row. The e-mail address and the name stand in clear: they are needed to
// write the mail.
type Registration struct {
	Meta
	Ref      Ref // pseudonym of the row
	Person   Ref // pseudonym of the person under the list of this place
	Announce bool
	Email    string
	Name     string
	Language string
}

// HoldMark says why a row is held, and what it is as far as that could be read.
type HoldMark struct {
	Meta
	Reason HoldReason
	Type   string // of a document, "" where unreadable
}

// HoldReason is why a row is held.
type HoldReason uint8

const (
	// HoldNone: not held.
	HoldNone HoldReason = iota
	// HoldRejected: the row's newest record could not be used.
	HoldRejected
	// HoldRedelivered: the row's newest record is older than what was known.
	HoldRedelivered
	// HoldRedeliveredDelete: as before, and that record was a delete, whose tombstone follows.
	HoldRedeliveredDelete
)

// The first byte of a value.
const (
	valueOldDocument  = 1 // of an earlier version: read, not written
	valueRegistration = 2
	valueHold         = 3
	valueWatermark    = 4
	valueDocument     = 5
)

// shortTypes are types of documents that a value names by their place here, from 1. More may be added behind them.
var shortTypes = []string{"identity_card", "passport", "driving_licence", "vehicle_inspection"}

// mostStars are hidden characters of a number: more make a value unreadable.
const mostStars = 1 << 16

// AppendMeta appends what EncodeMeta returns.
func AppendMeta(b []byte, m *Meta) []byte {
	b = binary.AppendUvarint(b, uint64(m.Partition))
	b = binary.AppendUvarint(b, uint64(m.Offset))
	b = binary.AppendUvarint(b, m.Order)
	b = binary.AppendVarint(b, m.Committed)
	b = binary.LittleEndian.AppendUint64(b, m.Content)
	b = binary.LittleEndian.AppendUint64(b, m.Facts)
	if m.Effective == SinceBefore {
		b = append(b, 0)
	} else {
		b = binary.AppendVarint(append(b, 1), m.Effective)
	}
	b = binary.AppendVarint(b, m.Moved)
	b = append(b, flags(m.Deleted, m.On, m.Address != Ref{}))
	if m.Address != (Ref{}) {
		b = append(b, m.Address[:]...)
	}
	return b
}

func flags(bits ...bool) byte {
	var f byte
	for i, set := range bits {
		if set {
			f |= 1 << i
		}
	}
	return f
}

// EncodeMeta returns the header value of a retraction.
func EncodeMeta(m *Meta) []byte { return AppendMeta(make([]byte, 0, 64), m) }

// DecodeMeta reads the header value of a retraction.
func DecodeMeta(b []byte) (Meta, error) {
	r := reader{b: b}
	m := r.meta()
	return m, r.done("meta")
}

// Append appends the value.
func (d *Document) Append(b []byte) []byte {
	b = AppendMeta(append(b, valueDocument), &d.Meta)
	b = appendType(b, d.Type)
	b = append(b, d.Ref[:]...)
	b = appendMasked(b, d.Masked)
	b = append(b, flags(d.Valid, d.Holder != Ref{}))
	b = binary.AppendVarint(b, int64(d.Expires))
	if d.Holder != (Ref{}) {
		b = append(b, d.Holder[:]...)
	}
	return b
}

// Append appends the value.
func (g *Registration) Append(b []byte) []byte {
	b = AppendMeta(append(b, valueRegistration), &g.Meta)
	b = append(b, g.Ref[:]...)
	b = append(b, g.Person[:]...)
	b = append(b, flags(g.Announce))
	b = appendText(b, g.Email)
	b = appendText(b, g.Name)
	return appendText(b, g.Language)
}

// Append appends the value.
func (h *HoldMark) Append(b []byte) []byte {
	b = AppendMeta(append(b, valueHold), &h.Meta)
	b = append(b, byte(h.Reason))
	return appendText(b, h.Type)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendType(b []byte, t string) []byte {
	if i := slices.Index(shortTypes, t); i >= 0 {
		return append(b, byte(i+1))
	}
	return appendText(append(b, 0), t)
}

// appendMasked appends how many stars the text begins with, and the rest.
func appendMasked(b []byte, s string) []byte {
	rest := strings.TrimLeft(s, "*")
	if stars := len(s) - len(rest); stars <= mostStars {
		return appendText(binary.AppendUvarint(b, uint64(stars)), rest)
	}
	return appendText(append(b, 0), s)
}

// Value is a decoded row value: exactly one pointer is set.
type Value struct {
	Document     *Document
	Registration *Registration
	Hold         *HoldMark
}

// Meta returns the part that every value has.
func (v *Value) Meta() *Meta {
	switch {
	case v.Document != nil:
		return &v.Document.Meta
	case v.Registration != nil:
		return &v.Registration.Meta
	}
	return &v.Hold.Meta
}

// DecodeValue reads the value of a row or hold.
func DecodeValue(b []byte) (Value, error) { return decode(b, reader{}, Value{}) }

// Glance decodes values that are looked at one by one and not kept, into the same memory each time.
type Glance struct {
	room  Value
	types map[string]string // each text once
}

// NewGlance makes one.
func NewGlance() *Glance {
	return &Glance{room: Value{new(Document), new(Registration), new(HoldMark)}, types: map[string]string{}}
}

// Decode reads a value as DecodeValue does, but of its texts the type of a document only: the others are "". The value is
// valid until the next one.
func (g *Glance) Decode(b []byte) (Value, error) {
	return decode(b, reader{noText: true, types: g.types}, g.room)
}

// decode reads a value with r, into what room has for its kind; nil: into new memory.
func decode(b []byte, r reader, room Value) (v Value, err error) {
	if len(b) == 0 {
		return v, fmt.Errorf("reading an empty value: %w", ErrFormat)
	}
	r.b = b[1:]
	switch b[0] {
	case valueDocument, valueOldDocument:
		v.Document = orNew(room.Document)
		*v.Document = r.document(b[0] == valueOldDocument)
	case valueRegistration:
		v.Registration = orNew(room.Registration)
		*v.Registration = r.registration()
	case valueHold:
		v.Hold = orNew(room.Hold)
		*v.Hold = r.hold()
	default:
		return v, fmt.Errorf("reading a value of kind %d: %w", b[0], ErrFormat)
	}
	return v, r.done("value")
}

func orNew[T any](room *T) *T {
	if room == nil {
		return new(T)
	}
	return room
}

// Head is what every record of a row says, whatever else it holds.
type Head struct {
	Meta
	Hold       HoldReason // HoldNone for facts
	Retraction bool
}

// DecodeHead reads the head of a row's record: of its value, or of its header "m" where there is none, a retraction. The
// rest of the value is checked as DecodeValue does.
func DecodeHead(value, header []byte) (h Head, err error) {
	if value == nil {
		h.Retraction = true
		h.Meta, err = DecodeMeta(header)
		return h, err
	}
	var (
		document     Document
		registration Registration
		hold         HoldMark
	)
	v, err := decode(value, reader{noText: true}, Value{&document, &registration, &hold})
	if err != nil {
		return h, err
	}
	h.Meta = *v.Meta()
	if v.Hold != nil {
		h.Hold = v.Hold.Reason
	}
	return h, nil
}

func (r *reader) document(old bool) Document {
	d := Document{Meta: r.meta()}
	if old {
		d.Type, d.Ref, d.Masked = r.typeName(), r.ref(), r.text()
	} else {
		d.Type, d.Ref, d.Masked = r.docType(), r.ref(), r.masked()
	}
	f := r.byte()
	d.Valid = f&1 != 0
	d.Expires = event.Date(r.varint())
	if f&2 != 0 {
		d.Holder = r.ref()
	}
	return d
}

func (r *reader) registration() Registration {
	g := Registration{Meta: r.meta(), Ref: r.ref(), Person: r.ref()}
	g.Announce = r.byte()&1 != 0
	g.Email, g.Name, g.Language = r.text(), r.text(), r.text()
	return g
}

func (r *reader) hold() HoldMark {
	return HoldMark{Meta: r.meta(), Reason: HoldReason(r.byte()), Type: r.text()}
}

// reader reads the fields of a value; the first fault sticks.
type reader struct {
	b      []byte
	bad    bool
	noText bool              // texts are passed over
	types  map[string]string // but for types of documents, which are taken from here
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(n)
	return v
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) text() string {
	if b := r.sized(); !r.noText {
		return string(b)
	}
	return ""
}

func (r *reader) docType() string {
	switch i := int(r.byte()); {
	case i == 0:
		return r.typeName()
	case i <= len(shortTypes):
		return shortTypes[i-1]
	}
	r.bad = true
	return ""
}

func (r *reader) masked() string {
	stars := r.uvarint()
	if stars > mostStars {
		r.bad = true
		return ""
	}
	rest := r.text()
	if r.noText {
		return ""
	}
	return strings.Repeat("*", int(stars)) + rest
}

// typeName is the text of a type of documents.
func (r *reader) typeName() string {
	if r.types == nil {
		return r.text()
	}
	b := r.sized()
	t, ok := r.types[string(b)]
	if !ok {
		t = string(b)
		r.types[t] = t
	}
	return t
}

// sized are bytes with their length before them.
func (r *reader) sized() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

func (r *reader) ref() (out Ref) {
	copy(out[:], r.take(len(out)))
	return out
}

func (r *reader) meta() Meta {
	m := Meta{Partition: int32(r.uvarint()), Offset: int64(r.uvarint()), Order: r.uvarint(), Committed: r.varint(),
		Content: r.uint64(), Facts: r.uint64(), Effective: SinceBefore}
	if r.byte() != 0 {
		m.Effective = r.varint()
	}
	m.Moved = r.varint()
	f := r.byte()
	m.Deleted, m.On = f&1 != 0, f&2 != 0
	if f&4 != 0 {
		m.Address = r.ref()
	}
	return m
}

func (r *reader) done(what string) error {
	if r.bad || len(r.b) != 0 {
		return fmt.Errorf("reading a %s: %w", what, ErrFormat)
	}
	return nil
}
