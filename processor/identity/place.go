package identity

import "bytes"

// romanDistricts are the districts of Budapest as they are written, I to XXIII, in lower case.
var romanDistricts = [...]string{
	"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii",
	"xiii", "xiv", "xv", "xvi", "xvii", "xviii", "xix", "xx", "xxi", "xxii", "xxiii",
}

var (
	hungary  = []byte("(magyarország)")
	budapest = []byte("budapest")
)

// place applies the rules of a place of birth to a folded text (SPEC 1.4): home country dropped, foreign ones kept,
// a Budapest district in its one form.
func place(b []byte) []byte {
	for bytes.HasSuffix(b, hungary) {
		b = bytes.TrimSuffix(b[:len(b)-len(hungary)], []byte(" "))
	}
	if d := district(b); d != 0 {
		return append(b[:0], 'b', 'u', 'd', 'a', 'p', 'e', 's', 't', ' ', '0'+byte(d/10), '0'+byte(d%10))
	}
	return b
}

// district reads a place like "budapest 07", "budapest vii.", "budapest, vii. ker." or "budapest 7. kerület" and returns
// the number of the district, 1 to 23; 0 for every other place. Nothing may follow, and a blank or comma must precede
// the number: anything less certain stays as it is written.
func district(b []byte) int {
	rest, ok := bytes.CutPrefix(b, budapest)
	if !ok {
		return 0
	}
	number := trimBlank(rest)
	number = bytes.TrimPrefix(number, []byte(","))
	number = trimBlank(number)
	if len(number) == len(rest) {
		return 0
	}
	end := bytes.IndexAny(number, ". ")
	if end < 0 {
		end = len(number)
	}
	d := districtNumber(number[:end])
	if d == 0 {
		return 0
	}
	switch string(trimBlank(bytes.TrimPrefix(number[end:], []byte(".")))) {
	case "", "ker", "ker.", "kerület":
		return d
	}
	return 0
}

func districtNumber(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if isDigit(b[0]) {
		d := int(b[0] - '0')
		switch {
		case len(b) == 2 && isDigit(b[1]):
			d = d*10 + int(b[1]-'0')
		case len(b) != 1:
			return 0
		}
		if d > len(romanDistricts) {
			return 0
		}
		return d
	}
	for i, roman := range romanDistricts {
		if string(b) == roman {
			return i + 1
		}
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
