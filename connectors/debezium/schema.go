package debezium

import "bytes"

// fieldType is what a schema says of one column, as far as it matters here.
type fieldType struct {
	enc      encoding // how a date counts; none where the schema does not say
	decimal  bool     // a decimal of the given scale
	scale    int
	timeOnly bool // a time type that holds no date
}

// semantics are the names that say how a value is meant.
var semantics = map[string]fieldType{
	"io.debezium.time.Date":                     {enc: days},
	"org.apache.kafka.connect.data.Date":        {enc: days},
	"io.debezium.time.IsoDate":                  {enc: iso},
	"io.debezium.time.StructuredDate":           {enc: structured},
	"io.debezium.time.Timestamp":                {enc: millis},
	"org.apache.kafka.connect.data.Timestamp":   {enc: millis},
	"io.debezium.time.MicroTimestamp":           {enc: micros},
	"io.debezium.time.NanoTimestamp":            {enc: nanos},
	"io.debezium.time.IsoTimestamp":             {enc: isoLocal},
	"io.debezium.time.ZonedTimestamp":           {enc: iso},
	"io.debezium.time.StructuredTimestamp":      {enc: structured},
	"io.debezium.time.StructuredZonedTimestamp": {enc: structured},
	"org.apache.kafka.connect.data.Decimal":     {decimal: true},
	"org.apache.kafka.connect.data.Time":        {timeOnly: true},
	"io.debezium.time.Time":                     {timeOnly: true},
	"io.debezium.time.MicroTime":                {timeOnly: true},
	"io.debezium.time.NanoTime":                 {timeOnly: true},
	"io.debezium.time.IsoTime":                  {timeOnly: true},
	"io.debezium.time.ZonedTime":                {timeOnly: true},
	"io.debezium.time.Year":                     {timeOnly: true},
	"io.debezium.time.Interval":                 {timeOnly: true},
	"io.debezium.time.MicroDuration":            {timeOnly: true},
	"io.debezium.time.NanoDuration":             {timeOnly: true},
	"io.debezium.time.StructuredTime":           {timeOnly: true},
	"io.debezium.time.StructuredDuration":       {timeOnly: true},
}

// schema is one value schema, read.
type schema struct {
	raw  []byte
	flat []fieldType // by column slot, of the top level: a flat row
	row  []fieldType // by column slot, of the field "after": an envelope
}

// schemaCache reads schemas and remembers the last ones by their bytes. The newest used stands first; a topic has one
// schema but for the moments in which its table is altered.
type schemaCache struct {
	columns *nameTable
	known   []*schema
	current *schema // what match found last
}

// match returns the position after the known schema that stands at i, or 0. A schema is one whole JSON object, so bytes
// that begin with it begin with nothing else.
func (c *schemaCache) match(b []byte, i int) int {
	c.current = nil
	for n, k := range c.known {
		if bytes.HasPrefix(b[i:], k.raw) {
			copy(c.known[1:n+1], c.known[:n])
			c.known[0], c.current = k, k
			return i + len(k.raw)
		}
	}
	return 0
}

// get returns what the schema says for which match was asked last; raw has been walked over.
func (c *schemaCache) get(raw []byte) *schema {
	if c.current != nil {
		return c.current
	}
	k := &schema{flat: make([]fieldType, len(c.columns.names)), row: make([]fieldType, len(c.columns.names))}
	c.read(raw, k.flat, k.row)
	if len(raw) > MaxSchemaBytes {
		return k
	}
	k.raw = bytes.Clone(raw)
	if len(c.known) < MaxSchemas {
		c.known = append(c.known, nil)
	}
	copy(c.known[1:], c.known)
	c.known[0] = k
	return k
}

// schemaNames are the fields of a schema.
var schemaNames = newNames("fields", "field", "name", "parameters")

const (
	sFields = iota
	sField
	sName
	sParameters
)

// read fills flat with the types of a struct's fields, and row with those of its field "after". Whatever is not as
// expected says nothing, and the columns concerned then count as having no schema type.
func (c *schemaCache) read(raw []byte, flat, row []fieldType) {
	s, p := scanner{b: raw}, newPlan(schemaNames)
	if s.scan(0, p, 0) < 0 || !s.begins(p, sFields, '[') {
		return
	}
	s.b = s.cell(p, sFields).raw
	for i, first := 1, true; ; first = false {
		v, _ := s.element(i, first)
		if v <= 0 {
			return
		}
		if i, _ = s.value(v, 0); i < 0 || s.b[v] != '{' {
			return
		}
		one := scanner{b: s.b[v:i]}
		if one.scan(0, p, 0) < 0 {
			return
		}
		name, ok := plainText(one.cell(p, sField))
		if !ok {
			continue
		}
		if row != nil && string(name) == "after" {
			c.read(one.b, row, nil)
		}
		if slot := c.columns.find(name); slot >= 0 {
			flat[slot] = typeOf(one.cell(p, sName), one.cell(p, sParameters))
		}
	}
}

var scaleNames = newNames("scale")

func typeOf(name, parameters cell) fieldType {
	text, _ := plainText(name)
	t := semantics[string(text)]
	if !t.decimal {
		return t
	}
	t.scale = MaxDecimalScale + 1 // no scale: unreadable
	s, p := scanner{b: parameters.raw}, newPlan(scaleNames)
	if !parameters.is('{') || s.scan(0, p, 0) < 0 {
		return t
	}
	scale, _ := plainText(s.cell(p, 0))
	if n, ok := parseInt(scale); ok && n >= -MaxDecimalScale && n <= MaxDecimalScale {
		t.scale = int(n)
	}
	return t
}

func plainText(c cell) ([]byte, bool) {
	if !c.is('"') {
		return nil, false
	}
	return appendString(nil, c.inner(), c.esc)
}
