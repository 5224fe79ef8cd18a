package debezium

import (
	"time"

	"lejarat/processor/event"
)

// What Debezium writes for a large value that a change did not touch; of binary columns the base64 of it.
const (
	unavailable       = "__debezium_unavailable_value"
	unavailableBinary = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
)

const notText = "an object or array where text was expected"

// column is one mapped column.
type column struct {
	kind event.ColumnKind
	enc  encoding
	top  int // its slot among the fields of a flat row
	row  int // its slot among the fields of "after", and in a schema's types
}

// values reads the mapped columns, and what it needs for that.
type values struct {
	columns []column
	zone    *time.Location
	out     []event.Value
	// Texts are collected here and become one string at the end, of which each value is a part.
	text  []byte
	marks []mark
	word  []byte // one date or number as plain text
	decimals
	date *plan // the fields of a structured date
}

type mark struct{ column, start, end int }

// start makes room for the values of one row.
func (v *values) start() {
	clear(v.out)
	v.text, v.marks = v.text[:0], v.marks[:0]
}

// finish returns the values read.
func (v *values) finish() []event.Value {
	all := string(v.text)
	for _, m := range v.marks {
		v.out[m.column].Text = all[m.start:m.end]
	}
	return v.out
}

// read reads one column.
func (v *values) read(n int, c cell, t fieldType) {
	out := &v.out[n]
	switch {
	case c.raw == nil:
		out.State = event.Missing
		return
	case c.none():
		out.State = event.Null
		return
	case c.text(unavailable) || c.text(unavailableBinary):
		out.State = event.Unavailable
		return
	}
	if v.columns[n].kind == event.Text {
		start := len(v.text)
		if out.Reason = v.readText(c, t); out.Reason != "" {
			v.text = v.text[:start]
			out.State = event.Unreadable
			return
		}
		v.marks = append(v.marks, mark{n, start, len(v.text)})
		return
	}
	m, reason := v.readMoment(v.columns[n].enc, c, t)
	switch {
	case reason != "":
	case m.is == minusInfinity:
		reason = notEver
	case v.columns[n].kind == event.Instant && m.is == plusInfinity:
		reason = notForever
	case v.columns[n].kind == event.Instant:
		out.Time = m.instant(v.zone)
	case m.is == plusInfinity:
		out.Date = event.NoExpiry
	default:
		out.Date = m.date(v.zone)
	}
	if reason != "" {
		out.State, out.Reason = event.Unreadable, reason
	}
}

// readText appends the value's text to v.text.
func (v *values) readText(c cell, t fieldType) (reason string) {
	ok := true
	switch c.raw[0] {
	case '[':
		return notText
	case '{':
		if v.text, ok = v.appendVariable(v.text, c); !ok {
			return notText
		}
	case '"':
		if t.decimal {
			if v.text, ok = v.appendBase64(v.text, c, t.scale); !ok {
				return "not a decimal as its schema describes it"
			}
			return ""
		}
		start := len(v.text)
		if v.text, ok = appendString(v.text, c.inner(), c.esc); !ok {
			return badText
		}
		for len(v.text) > start && v.text[len(v.text)-1] == ' ' {
			v.text = v.text[:len(v.text)-1]
		}
	default:
		v.text = append(v.text, c.raw...)
	}
	return ""
}

// readMoment reads a date or timestamp; the schema's type goes before the configured encoding.
func (v *values) readMoment(enc encoding, c cell, t fieldType) (moment, string) {
	if t.timeOnly {
		return moment{}, noDateType
	}
	typed := t.enc != none
	if typed {
		enc = t.enc
	}
	isText := c.is('"') && !t.decimal
	switch enc {
	case none:
		if !isText {
			return moment{}, noEncoding
		}
	case structured:
		return v.readStructured(c)
	case days, millis, micros, nanos:
		n, ok := v.whole(c, t)
		if !ok {
			return moment{}, notANumber
		}
		return ofCount(enc, n, typed)
	case yyyymmdd:
		if !isText {
			n, ok := v.whole(c, t)
			if !ok {
				return moment{}, notADate
			}
			return ofDigits(n)
		}
	}
	if !isText {
		return moment{}, notAText
	}
	word := c.inner()
	if c.esc {
		var ok bool
		if v.word, ok = appendString(v.word[:0], word, true); !ok {
			return moment{}, badText
		}
		word = v.word
	}
	return ofText(enc, word)
}

// whole reads a whole number: a JSON number, or a decimal of Kafka Connect, in which Oracle's NUMBER comes.
func (v *values) whole(c cell, t fieldType) (int64, bool) {
	ok := true
	switch {
	case c.is('"') && t.decimal:
		v.word, ok = v.appendBase64(v.word[:0], c, t.scale)
	case c.is('{'):
		v.word, ok = v.appendVariable(v.word[:0], c)
	default:
		return parseInt(c.raw)
	}
	if !ok {
		return 0, false
	}
	return parseInt(wholePart(v.word))
}

// structuredNames are the fields of Debezium's structured dates and timestamps. The fraction of a second was in nanos at
// first and is in picoseconds since.
var structuredNames = newNames("year", "month", "day", "hour", "minute", "second", "nanos", "picoseconds",
	"offsetSeconds", "specialValue")

const (
	tYear = iota
	tMonth
	tDay
	tHour
	tMinute
	tSecond
	tNanos
	tPicos
	tOffset
	tSpecial
)

func (v *values) readStructured(c cell) (moment, string) {
	s := scanner{b: c.raw}
	if !c.is('{') || s.scan(0, v.date, 0) < 0 {
		return moment{}, notAStruct
	}
	if special := s.cell(v.date, tSpecial); !special.none() {
		switch {
		case special.text(structuredPlus):
			return moment{is: plusInfinity}, ""
		case special.text(structuredMinus):
			return moment{is: minusInfinity}, ""
		}
		return moment{}, notADate
	}
	var part [tSpecial]int64
	for n := range part {
		f := s.cell(v.date, n)
		if f.none() {
			continue
		}
		var ok bool
		if part[n], ok = parseInt(f.raw); !ok {
			return moment{}, notAStruct
		}
	}
	if y := part[tYear]; y < 1 || y > 9999 {
		return moment{}, outOfRange
	}
	if part[tMonth] > 12 || part[tDay] > 31 {
		return moment{}, notADate
	}
	m, reason := ofCivil(int(part[tYear]), int(part[tMonth]), int(part[tDay]))
	if reason != "" || s.cell(v.date, tHour).none() {
		return m, reason
	}
	return m.withClock(part, !s.cell(v.date, tOffset).none())
}

// withClock adds the time of day of a structured timestamp.
func (m moment) withClock(part [tSpecial]int64, zoned bool) (moment, string) {
	nano := part[tNanos] + part[tPicos]/1000
	for _, r := range [...]struct{ n, least, most int64 }{
		{part[tHour], 0, 23}, {part[tMinute], 0, 59}, {part[tSecond], 0, 59},
		{part[tNanos], 0, 1e9 - 1}, {part[tPicos], 0, 1e12 - 1}, {part[tOffset], -18 * 3600, 18 * 3600},
	} {
		if r.n < r.least || r.n > r.most {
			return moment{}, notADate
		}
	}
	m.second = int32(part[tHour]*3600 + part[tMinute]*60 + part[tSecond])
	m.nano, m.frame = int32(nano%1e9), wall
	if zoned {
		m.frame, m.offset = offset, int32(part[tOffset])
	}
	return m, ""
}
