package debezium

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// appendString appends the text of a JSON string that the scanner has walked over, given without its quotes. It is
// false where that is not text: invalid UTF-8, or half a surrogate pair, which must not become a replacement character
// that then looks like everybody else's.
func appendString(dst, raw []byte, esc bool) ([]byte, bool) {
	if !ascii(raw) && !utf8.Valid(raw) {
		return dst, false
	}
	if !esc {
		return append(dst, raw...), true
	}
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		if i+1 >= len(raw) {
			return dst, false
		}
		if c = raw[i+1]; c != 'u' {
			dst = append(dst, plainEscape(c))
			i += 2
			continue
		}
		r, n := unicodeEscape(raw[i:])
		if n == 0 {
			return dst, false
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst, true
}

// ascii is a quick look before utf8.Valid, which takes 10 ns for the shortest text.
func ascii(b []byte) bool {
	if len(b) < 8 {
		var any byte
		for _, c := range b {
			any |= c
		}
		return any < utf8.RuneSelf
	}
	for i := 0; i < len(b)-8; i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&highs != 0 {
			return false
		}
	}
	return binary.LittleEndian.Uint64(b[len(b)-8:])&highs == 0
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unicodeEscape reads \uXXXX, or two of them that make one character. A length of 0 is half a pair.
func unicodeEscape(b []byte) (rune, int) {
	if len(b) < 6 {
		return 0, 0
	}
	r, ok := hex4(b[2:6])
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
		return 0, 0
	}
	low, ok := hex4(b[8:12])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// parseInt reads a whole number, exactly.
func parseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	u, ok := parseUint(b)
	if neg {
		return -int64(u), ok && u <= 1<<63
	}
	return int64(u), ok && u < 1<<63
}

func parseUint(b []byte) (uint64, bool) {
	const most = ^uint64(0)
	var n uint64
	for _, c := range b {
		c -= '0'
		if c > 9 || n > most/10 || n*10 > most-uint64(c) {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, len(b) > 0
}
