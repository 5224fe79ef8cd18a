// Package identity decides when two registers mean the same person: exact equality of the natural identity data after
// lossless normalisation, carried on as a keyed fingerprint.
//
// Rules of normalisation (SPEC 1.4), in the order in which they act:
//   - invisible characters are dropped: soft hyphen, zero-width space and joiners, direction marks, byte order mark. A soft
//     hyphen is a hint where a line may break, not a dash;
//   - Unicode NFC, so that a letter and its combining accent are one;
//   - lower case. Hungarian has no case rule of its own, so it is Unicode's, letter by letter; the Greek final sigma is a sigma;
//   - every run of Unicode white space, no-break spaces among it, is one blank; none at either end;
//   - every dash glyph (Unicode's dash punctuation and the minus sign) is "-", without blanks around it; two dashes stay two;
//   - õ is ő and û is ű where the source is declared damaged;
//   - in a place of birth a trailing "(magyarország)" is dropped, and a Budapest district is written "budapest 07";
//   - a leading academic title of a name is dropped where configured.
//
// Kept apart: accents, old spellings (Cz, th, y, ß), hyphen against blank, -né forms, second given names, foreign countries.
// A value without any letter or digit ("-", "()"), with bytes that are not UTF-8 or with U+FFFD in place of a lost character
// becomes "", which never matches: it does not say who somebody is.
package identity

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Options say what is known of a source's texts (SPEC 1.4).
type Options struct {
	// DropTitle drops a leading academic title ("dr.", "Dr.", "dr ") of names.
	DropTitle bool
	// Damaged turns õ into ő and û into ű: the source's texts once passed through Latin-1. Foreign names may hold a real
	// õ, so it is never assumed.
	Damaged bool
}

// Normalise returns the form of a field in which equal means the same (the rules are in the package comment). It is
// idempotent. "" means not known; it never matches. A date of birth comes as ISO text, 1970-01-31.
func Normalise(f Field, s string, o Options) string {
	var in, room [128]byte // on the stack: an ordinary value costs at most the one allocation of its result
	b := AppendNormalised(room[:0], f, append(in[:0], s...), o)
	if string(b) == s {
		return s
	}
	return string(b)
}

// AppendNormalised appends what Normalise returns.
func AppendNormalised(dst []byte, f Field, text []byte, o Options) []byte {
	marked := needsComposing(text)
	if marked {
		text = compose(text)
	}
	all, ok := fold(dst, text, o.Damaged)
	if !ok {
		return dst
	}
	b := all[len(dst):]
	if marked { // H with a line below has no capital of its own, but a small letter: ẖ
		b = []byte(norm.NFC.String(string(b)))
	}
	switch {
	case f == BirthPlace:
		b = place(b)
	case f.isName() && o.DropTitle:
		b = dropTitle(b)
	}
	if !saysAnything(b) {
		return dst
	}
	return append(all[:len(dst)], b...)
}

// needsComposing reports whether the text may change under NFC or by dropping invisible characters first. Below
// U+0300, where the combining characters begin, everything is composed already; so is all general punctuation that is
// neither white space nor dropped.
func needsComposing(s []byte) bool {
	before := byte(0)
	for i := 0; i < len(s); i++ {
		// Bytes below 0xCC make characters below U+0300. Of those only the soft hyphen, C2 AD, is looked at.
		if b := s[i]; b >= 0xCC || b == 0xAD && before == 0xC2 {
			return mayChange(s)
		}
		before = s[i]
	}
	return false
}

func mayChange(s []byte) bool {
	for _, r := range string(s) {
		if r >= 0x300 && (r < 0x2000 || r > 0x206F) || isInvisible(r) {
			return true
		}
	}
	return false
}

// compose drops what is invisible, which could keep an accent from its letter, and applies NFC.
func compose(s []byte) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRune(s[i:])
		if !isInvisible(r) {
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return norm.NFC.Bytes(b)
}

// fold appends the text in lower case with its blanks and dashes unified. It is not ok where the text is not whole.
func fold(b, s []byte, damaged bool) (folded []byte, ok bool) {
	blank, glued := false, true // a blank waits to be written; none may follow here (at the start and after a dash)
	for i := 0; i < len(s); {
		if c := s[i]; 'a' <= c|0x20 && c|0x20 <= 'z' { // nearly all there is
			if blank {
				b = append(b, ' ')
			}
			b = append(b, c|0x20)
			blank, glued = false, false
			i++
			continue
		}
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			if r, size = utf8.DecodeRune(s[i:]); r == utf8.RuneError {
				return nil, false
			}
		}
		i += size
		switch {
		case unicode.IsSpace(r):
			blank = !glued
		case isDash(r):
			b = append(b, '-')
			blank, glued = false, true
		default:
			if blank {
				b = append(b, ' ')
			}
			b = appendLower(b, r, damaged)
			blank, glued = false, false
		}
	}
	return b, true
}

// appendLower appends the lower case of r: Unicode's full mapping, but for the final sigma, which depends on its place.
func appendLower(b []byte, r rune, damaged bool) []byte {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(b, byte(r))
	}
	switch r {
	case 'İ': // the one letter whose full mapping is not a single letter
		return append(b, "i\u0307"...)
	case 'ς':
		r = 'σ'
	default:
		if int(r) < len(lowerLatin) {
			r = rune(lowerLatin[r])
		} else {
			r = unicode.ToLower(r)
		}
	}
	if damaged {
		switch r {
		case 'õ':
			r = 'ő'
		case 'û':
			r = 'ű'
		}
	}
	return utf8.AppendRune(b, r)
}

// lowerLatin is unicode.ToLower of the letters in which nearly all names are written: Unicode's own tables are searched.
var lowerLatin = func() (lower [0x180]uint16) {
	for r := range lower {
		lower[r] = uint16(unicode.ToLower(rune(r)))
	}
	return lower
}()

// isDash reports whether r is a dash glyph: hyphens, non-breaking hyphen, figure, en and em dash, their small and wide
// forms (all of Unicode's dash punctuation), and the minus sign.
func isDash(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '-'
	}
	return r == '\u2212' || r >= 0x58A && unicode.Is(unicode.Pd, r)
}

// isInvisible reports whether r shows nothing and separates nothing.
func isInvisible(r rune) bool {
	return r == '\u00AD' || '\u200B' <= r && r <= '\u200F' || r == '\u2060' || r == '\uFEFF'
}

// dropTitle drops every leading "dr." or "dr " of a folded name. "drágos" has none.
func dropTitle(b []byte) []byte {
	for {
		rest, ok := bytes.CutPrefix(b, []byte("dr"))
		if !ok {
			return b
		}
		name := trimBlank(rest)
		name, dot := bytes.CutPrefix(name, []byte("."))
		if !dot && len(name) == len(rest) {
			return b
		}
		b = trimBlank(name)
	}
}

// trimBlank drops the one blank that a folded text may begin with.
func trimBlank(b []byte) []byte { return bytes.TrimPrefix(b, []byte(" ")) }

// saysAnything reports whether there is a letter or a digit: nearly always the first character is one.
func saysAnything(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return true
		}
		b = b[size:]
	}
	return false
}
