package debezium

import (
	"encoding/binary"
	"math/bits"
)

// A span is where a JSON value stands: quotes and braces included for values, quotes excluded for names.
// A zero end is no value. esc: a string that has escapes.
type span struct {
	start, end int32
	esc        bool
}

// scanner walks over JSON by position and checks it on the way. Its methods return the position after what they
// walked over, or -1 after noting the fault.
type scanner struct {
	b   []byte
	at  int
	why string
}

const (
	faultTruncated = "the JSON ends too early"
	faultSyntax    = "the JSON is malformed"
	faultDepth     = "the JSON nests too deep"
	faultTwice     = "a field stands twice"
	faultTrailing  = "there is something after the JSON value"
)

func (s *scanner) reset(b []byte) { s.b, s.at, s.why = b, 0, "" }

// fail notes the first fault.
func (s *scanner) fail(i int, why string) int {
	if s.why == "" {
		s.at, s.why = i, why
		if i >= len(s.b) && why == faultSyntax {
			s.why = faultTruncated
		}
	}
	return -1
}

// skipSpace returns the position of the first byte from i on that is not white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str walks over a string whose opening quote stands before i.
func (s *scanner) str(i int) (end int, esc bool) {
	b := s.b
	for {
		// Eight bytes at a time up to a quote, a backslash or a control character. A borrow can only mark bytes
		// above the first one found, so the lowest mark is right.
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote, back := w^(ones*'"'), w^(ones*'\\')
			m := ((quote-ones)&^quote | (back-ones)&^back | (w-ones*' ')&^w) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
			i++
		}
		if i >= len(b) {
			return s.fail(i, faultTruncated), esc
		}
		if b[i] == '"' {
			return i + 1, esc
		}
		if b[i] < ' ' {
			return s.fail(i, faultSyntax), esc
		}
		esc = true
		if i = s.escape(i + 1); i < 0 {
			return i, esc
		}
	}
}

// escape walks over what follows a backslash.
func (s *scanner) escape(i int) int {
	if i >= len(s.b) {
		return s.fail(i, faultTruncated)
	}
	switch s.b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(s.b) {
			return s.fail(len(s.b), faultTruncated)
		}
		if _, ok := hex4(s.b[i+1 : i+5]); ok {
			return i + 5
		}
	}
	return s.fail(i, faultSyntax)
}

// digits walks over at least one digit.
func (s *scanner) digits(i int) int {
	from := i
	for i < len(s.b) && s.b[i]-'0' <= 9 {
		i++
	}
	if i == from {
		return s.fail(i, faultSyntax)
	}
	return i
}

func (s *scanner) number(i int) int {
	b := s.b
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return i
	}
	if i < len(b) && b[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return i
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = s.digits(i)
	}
	return i
}

func (s *scanner) literal(i int, word string) int {
	if len(s.b)-i >= len(word) && string(s.b[i:i+len(word)]) == word {
		return i + len(word)
	}
	return s.fail(i, faultSyntax)
}

// value walks over the value that begins at i. esc is told for strings.
func (s *scanner) value(i, depth int) (end int, esc bool) {
	if i >= len(s.b) {
		return s.fail(i, faultTruncated), false
	}
	switch s.b[i] {
	case '"':
		return s.str(i + 1)
	case '{':
		return s.object(i, depth), false
	case '[':
		return s.array(i, depth), false
	case 't':
		return s.literal(i, "true"), false
	case 'f':
		return s.literal(i, "false"), false
	case 'n':
		return s.literal(i, "null"), false
	}
	return s.number(i), false
}

func (s *scanner) object(i, depth int) int {
	if depth >= MaxDepth {
		return s.fail(i, faultDepth)
	}
	for i, first := i+1, true; ; first = false {
		name, v := s.member(i, first)
		if v <= 0 {
			return v + int(name.end)
		}
		if i, _ = s.value(v, depth+1); i < 0 {
			return i
		}
	}
}

// member walks to the next member of an object: over the comma where one is due, the name and the colon. It returns
// where the name stands (without quotes) and where the value begins; v is -1 after a fault, and 0 at the object's end,
// name.end being the position after it.
func (s *scanner) member(i int, first bool) (name span, v int) {
	b := s.b
	i = skipSpace(b, i)
	if i < len(b) && b[i] == '}' {
		return span{end: int32(i + 1)}, 0
	}
	if !first {
		if i >= len(b) || b[i] != ',' {
			return span{}, s.fail(i, faultSyntax)
		}
		i = skipSpace(b, i+1)
	}
	if i >= len(b) || b[i] != '"' {
		return span{}, s.fail(i, faultSyntax)
	}
	end, esc := s.str(i + 1)
	if end < 0 {
		return span{}, end
	}
	name = span{int32(i + 1), int32(end - 1), esc}
	i = skipSpace(b, end)
	if i >= len(b) || b[i] != ':' {
		return span{}, s.fail(i, faultSyntax)
	}
	return name, skipSpace(b, i+1)
}

func (s *scanner) array(i, depth int) int {
	if depth >= MaxDepth {
		return s.fail(i, faultDepth)
	}
	for i, first := i+1, true; ; first = false {
		v, end := s.element(i, first)
		if v <= 0 {
			return v + end
		}
		if i, _ = s.value(v, depth+1); i < 0 {
			return i
		}
	}
}

// element walks to the next element of an array and returns where it begins; v is -1 after a fault, and 0 at the
// array's end, end being the position after it.
func (s *scanner) element(i int, first bool) (v, end int) {
	i = skipSpace(s.b, i)
	if i < len(s.b) && s.b[i] == ']' {
		return 0, i + 1
	}
	if !first {
		if i >= len(s.b) || s.b[i] != ',' {
			return s.fail(i, faultSyntax), 0
		}
		i = skipSpace(s.b, i+1)
	}
	// A bracket after a comma is no value either: value refuses it.
	return i, 0
}

// whole checks that nothing but white space follows the value that ends before i.
func (s *scanner) whole(i int) bool {
	if i < 0 {
		return false
	}
	if i = skipSpace(s.b, i); i < len(s.b) {
		s.fail(i, faultTrailing)
		return false
	}
	return true
}
