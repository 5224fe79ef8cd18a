package smtp

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Why an address cannot be used. The texts are reasons in lejarat.deliveries.
var (
	errAddressMalformed = errors.New("address_malformed")
	errAddressNotASCII  = errors.New("address_not_ascii") // needs SMTPUTF8 or IDNA, which are not offered
)

// checkAddress returns the address as it goes into an envelope, blanks around it taken off. Only a dot-atom at a host
// name passes: whatever could be read in two ways by two mail servers (quotes, comments, routes, literals, control
// characters) is refused.
func checkAddress(address string) (string, error) {
	address = strings.TrimSpace(address)
	for _, r := range address {
		if r >= utf8.RuneSelf {
			if unicode.IsControl(r) || r == utf8.RuneError {
				return "", errAddressMalformed
			}
			return "", errAddressNotASCII
		}
	}
	local, domain, found := strings.Cut(address, "@")
	if !found || len(address) > 254 || len(local) > 64 || !dotted(local, isAtext) || !dotted(domain, isHostByte) {
		return "", errAddressMalformed
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", errAddressMalformed
		}
	}
	return address, nil
}

// dotted reports whether s is one or more non-empty runs of allowed bytes with single dots between them.
func dotted(s string, allowed func(byte) bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			if !allowed(part[i]) {
				return false
			}
		}
	}
	return true
}

func isHostByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-'
}

// isAtext is RFC 5322's atext.
func isAtext(b byte) bool {
	return isHostByte(b) || strings.IndexByte("!#$%&'*+/=?^_`{|}~", b) >= 0
}

// maxPlain bounds what a record may bring into a letter: a name, a document number.
const maxPlain = 120

// plain makes a text from a record safe for a header and for one line of a letter: no control or invisible
// characters, single blanks, bounded length.
func plain(s string) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u200b':
			return ' '
		case unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxPlain {
		s = strings.TrimSpace(string([]rune(s)[:maxPlain]))
	}
	return s
}
