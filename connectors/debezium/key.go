package debezium

import (
	"bytes"
	"unicode/utf8"
)

// Reasons why a record has no row.
const (
	noKey = "the record has no key, so its row cannot be told: give the table a primary key, " +
		"or set message.key.columns in the Debezium connector"
	bigKey    = "the record key is too large"
	damaged   = "the record key is damaged JSON"
	badKey    = "the record key is not valid text"
	binaryKey = "the record key is binary (Avro, Protobuf or a plain number): " +
		"set key.converter to JsonConverter or StringConverter"
	emptyKey = "the record key is empty"
)

// null is how a null field stands in a row's name.
const null = `\N`

// keys reads record keys.
type keys struct {
	s    scanner
	top  *plan
	name []byte
	word []byte
	decimals
}

var wrapperNames = newNames("schema", "payload")

const (
	wSchema = iota
	wPayload
)

func newKeys() keys { return keys{top: newPlan(wrapperNames), decimals: newDecimals()} }

// RowName returns the name of the row that a record key belongs to, as Decode puts it into event.Change, or a reason.
func RowName(key []byte) (row, reason string) {
	k := newKeys()
	return k.row(key)
}

// FieldValue is how the value of a key's field stands in a row's name.
func FieldValue(text string) string { return string(appendEscaped(nil, []byte(text), true, false)) }

// row returns the name of the row that a key belongs to, or a reason.
func (k *keys) row(key []byte) (row, reason string) {
	if len(key) == 0 {
		return "", noKey
	}
	if len(key) > MaxKeyBytes {
		return "", bigKey
	}
	if key[0] == 0 {
		return "", binaryKey
	}
	k.name = k.name[:0]
	if reason := k.append(key); reason != "" {
		return "", reason
	}
	if len(k.name) == 0 {
		return "", emptyKey
	}
	return string(k.name), ""
}

// append appends the row's name to k.name.
func (k *keys) append(key []byte) (reason string) {
	k.s.reset(key)
	i := skipSpace(key, 0)
	switch {
	case i == len(key):
		return emptyKey
	case key[i] == '{':
		if !k.s.whole(k.s.scan(i, k.top, 0)) {
			return damaged
		}
		payload := k.s.cell(k.top, wPayload)
		if k.top.fields != 2 || payload.raw == nil ||
			!k.s.begins(k.top, wSchema, '{') && !k.s.begins(k.top, wSchema, 'n') {
			return k.fields(i)
		}
		if payload.is('{') {
			return k.fields(int(k.top.spans[wPayload].start))
		}
		return k.bare(payload)
	case key[i] == '"':
		if end, esc := k.s.str(i + 1); k.s.whole(end) {
			return k.bare(cell{key[i:end], esc})
		}
	case string(bytes.TrimSpace(key)) == "null":
		return noKey
	case bytes.HasPrefix(key, []byte("Struct{")) && key[len(key)-1] == '}':
		return k.structText(key[len("Struct{") : len(key)-1])
	}
	// What StringConverter made of a single value.
	return k.plain(key)
}

// fields appends all fields of the object that begins at i and that has been walked over.
func (k *keys) fields(i int) string {
	for i, first := i+1, true; ; first = false {
		name, v := k.s.member(i, first)
		if v <= 0 {
			if first {
				return emptyKey
			}
			return ""
		}
		if !first {
			k.name = append(k.name, ',')
		}
		var ok bool
		if k.word, ok = appendString(k.word[:0], k.s.b[name.start:name.end], name.esc); !ok {
			return badKey
		}
		k.name = append(appendEscaped(k.name, k.word, true, true), '=')
		var esc bool
		i, esc = k.s.value(v, 0)
		c := cell{k.s.b[v:i], esc}
		if c.none() {
			k.name = append(k.name, null...)
		} else if !k.decode(c) {
			return badKey
		} else {
			k.name = appendEscaped(k.name, k.word, true, false)
		}
	}
}

// bare appends a key that is one JSON value.
func (k *keys) bare(c cell) string {
	if c.none() {
		return noKey
	}
	if !k.decode(c) {
		return badKey
	}
	return k.plain(k.word)
}

// plain appends a key that is one text. With its equals signs escaped it cannot look like a row with fields.
func (k *keys) plain(text []byte) string {
	if !utf8.Valid(text) {
		return binaryKey
	}
	k.name = appendEscaped(k.name, text, false, true)
	return ""
}

// decode leaves the plain text of a value in k.word.
func (k *keys) decode(c cell) (ok bool) {
	k.word = k.word[:0]
	switch c.raw[0] {
	case '"':
		k.word, ok = appendString(k.word, c.inner(), c.esc)
		return ok
	case '{':
		if k.word, ok = k.appendVariable(k.word, c); ok {
			return true
		}
		k.word = k.word[:0]
	}
	k.word = append(k.word, c.raw...)
	return utf8.Valid(c.raw)
}

// structText appends the inside of Struct{a=1,b=2}. It escapes nothing, so a comma may stand in a value: a part without
// an equals sign belongs to the value before it.
func (k *keys) structText(b []byte) string {
	if len(b) == 0 {
		return emptyKey
	}
	if !utf8.Valid(b) {
		return binaryKey
	}
	for first := true; ; first = false {
		part, rest, more := bytes.Cut(b, []byte{','})
		name, value, field := bytes.Cut(part, []byte{'='})
		switch {
		case !field && first:
			return badKey
		case !field:
			k.name = append(k.name, `\,`...)
			k.name = appendEscaped(k.name, part, true, false)
		default:
			if !first {
				k.name = append(k.name, ',')
			}
			k.name = append(appendEscaped(k.name, name, true, true), '=')
			k.name = appendEscaped(k.name, value, true, false)
		}
		if !more {
			return ""
		}
		b = rest
	}
}

// appendEscaped appends text with backslashes, and where asked commas and equals signs, escaped.
func appendEscaped(dst, text []byte, commas, equals bool) []byte {
	for _, c := range text {
		if c == '\\' || commas && c == ',' || equals && c == '=' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
