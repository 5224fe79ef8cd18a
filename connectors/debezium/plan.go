package debezium

import "bytes"

// nameTable finds the fields of interest among all fields of an object. Most fields are of no interest, and most of
// those end at an empty bucket.
type nameTable struct {
	heads [256]int16 // bucket → slot+1, 0 is none
	names []string   // by slot
	next  []int16    // slot → next slot+1 in its bucket
}

func newNames(names ...string) *nameTable {
	t := new(nameTable)
	for _, n := range names {
		t.add(n)
	}
	return t
}

// add returns the slot of the name, a new one if it has none yet.
func (t *nameTable) add(name string) int {
	if slot := t.find([]byte(name)); slot >= 0 {
		return slot
	}
	b := bucket([]byte(name))
	t.names = append(t.names, name)
	t.next = append(t.next, t.heads[b])
	t.heads[b] = int16(len(t.names))
	return len(t.names) - 1
}

// find returns the slot of the name, or -1.
func (t *nameTable) find(name []byte) int {
	for s := t.heads[bucket(name)]; s != 0; s = t.next[s-1] {
		if t.names[s-1] == string(name) {
			return int(s - 1)
		}
	}
	return -1
}

func bucket(name []byte) uint8 {
	n := len(name)
	if n == 0 {
		return 0
	}
	return uint8(n)*17 + name[0]*7 + name[n-1]*31 + name[n/2]*3
}

// A plan says what to note while walking over one object: which fields, and which of them to walk into. One pass over a
// record thus validates all of it and finds everything that any form of record may need.
type plan struct {
	names  *nameTable
	spans  []span       // by slot: what the last scan found
	sub    []*plan      // by slot; nil is walked over
	fields int          // how many fields the last scan saw
	known  *schemaCache // where the slot mSchema may be found without walking over it; else nil
	order  []heading    // of the last scan: a connector writes the fields of a table in one order
	same   *repeat      // of an object that is often the one of the record before; else nil
}

// repeat is the object that a plan's spans speak of. All rows of a snapshot have one and the same source.
type repeat struct {
	text []byte // empty: none
	at   int    // where it stood
}

// repeatMost is the longest object that is kept.
const repeatMost = 1 << 10

// within walks over an object inside another, as scan does; over one that is byte for byte the last, without looking at it again.
func (s *scanner) within(i int, p *plan, depth int) (end int) {
	was := p.same
	switch {
	case was == nil:
		return s.scan(i, p, depth)
	case len(was.text) > 0 && bytes.HasPrefix(s.b[i:], was.text):
		by := int32(i - was.at)
		for slot := range p.spans {
			if sp := &p.spans[slot]; sp.end != 0 {
				sp.start, sp.end = sp.start+by, sp.end+by
			}
		}
		was.at = i
		return i + len(was.text)
	}
	was.at, was.text = i, was.text[:0]
	if end = s.scan(i, p, depth); end > 0 && end-i <= repeatMost {
		was.text = append(was.text, s.b[i:end]...)
	}
	return end
}

// heading is what stood before a field's value, comma, name and colon, and the field's slot, -1 for one of no interest.
type heading struct {
	text []byte
	slot int
}

// Headings that are kept: a record of another kind may have any number of any length.
const (
	headingsMost = 256
	headingMost  = 80
)

// heading walks to the next member of the object, as scanner.member does, and finds its slot. What stood there in the
// record before needs no second look.
func (s *scanner) heading(i int, p *plan) (v, slot, end int) {
	n := p.fields
	if n < len(p.order) {
		// White space before the value is for member to walk over.
		h := &p.order[n]
		if v := i + len(h.text); v > i && v < len(s.b) && s.b[v] > ' ' && string(s.b[i:v]) == string(h.text) {
			return v, h.slot, 0
		}
	}
	name, v := s.member(i, n == 0)
	if v <= 0 {
		return v, -1, int(name.end)
	}
	slot = -1
	if raw := s.b[name.start:name.end]; !name.esc {
		slot = p.names.find(raw)
	} else if plain, ok := appendString(nil, raw, true); ok {
		slot = p.names.find(plain)
	}
	if n == len(p.order) && n < headingsMost {
		p.order = append(p.order, heading{})
	}
	if n < len(p.order) {
		h := &p.order[n]
		if h.text, h.slot = h.text[:0], slot; v-i <= headingMost {
			h.text = append(h.text, s.b[i:v]...)
		}
	}
	return v, slot, 0
}

func newPlan(names *nameTable) *plan {
	return &plan{names: names, spans: make([]span, len(names.names)), sub: make([]*plan, len(names.names))}
}

// scan walks over the object that begins at i.
func (s *scanner) scan(i int, p *plan, depth int) int {
	if depth >= MaxDepth {
		return s.fail(i, faultDepth)
	}
	clear(p.spans)
	p.fields = 0
	for i++; ; p.fields++ {
		v, slot, end := s.heading(i, p)
		if v <= 0 {
			return v + end
		}
		if slot < 0 {
			if i, _ = s.value(v, depth+1); i < 0 {
				return i
			}
			continue
		}
		var esc bool
		switch sub := p.sub[slot]; {
		case sub != nil && v < len(s.b) && s.b[v] == '{':
			i = s.within(v, sub, depth+1)
		case p.known != nil && slot == mSchema:
			if i = p.known.match(s.b, v); i == 0 {
				i, _ = s.value(v, depth+1)
			}
		default:
			i, esc = s.value(v, depth+1)
		}
		if i < 0 {
			return i
		}
		if p.spans[slot].end != 0 {
			return s.fail(v, faultTwice)
		}
		p.spans[slot] = span{int32(v), int32(i), esc}
	}
}

// begins tells whether the value in a slot begins with the given byte.
func (s *scanner) begins(p *plan, slot int, c byte) bool {
	sp := p.spans[slot]
	return sp.end != 0 && s.b[sp.start] == c
}

// cell returns the value in a slot; a nil raw is no value.
func (s *scanner) cell(p *plan, slot int) cell {
	sp := p.spans[slot]
	if sp.end == 0 {
		return cell{}
	}
	return cell{s.b[sp.start:sp.end], sp.esc}
}

// A cell is one JSON value as it stands.
type cell struct {
	raw []byte
	esc bool // a string with escapes
}

func (c cell) is(first byte) bool { return len(c.raw) > 0 && c.raw[0] == first }

// none tells whether the value is missing or null.
func (c cell) none() bool { return len(c.raw) == 0 || c.raw[0] == 'n' }

// inner returns the bytes between the quotes of a string.
func (c cell) inner() []byte { return c.raw[1 : len(c.raw)-1] }

// text tells whether the value is exactly this text. Words that Debezium writes have no escapes.
func (c cell) text(word string) bool {
	return c.is('"') && !c.esc && string(c.inner()) == word
}
