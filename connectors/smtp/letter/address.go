package letter

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrAddressMalformed: the recipient's address cannot be used. The text is a reason in lejarat.deliveries.
var ErrAddressMalformed = errors.New("address_malformed")

// mailbox is an address as it goes into envelope and header.
type mailbox struct {
	// address has its domain in ASCII (RFC 5891) whatever the relay offers: the mail is the same for every relay.
	address string
	utf8    bool // the local part is not ASCII: only a relay with SMTPUTF8 (RFC 6531) takes it
}

// parseMailbox reads an address, blanks around it taken off. Only a dot-atom at a host name passes: whatever could be
// read in two ways by two mail servers (quotes, comments, routes, literals, control characters) is refused.
func parseMailbox(address string) (mailbox, error) {
	local, domain, found := strings.Cut(strings.TrimSpace(address), "@")
	if !found || len(local) > 64 || !dotted(local, isAtext) {
		return mailbox{}, ErrAddressMalformed
	}
	if !isASCII(domain) {
		ascii, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return mailbox{}, ErrAddressMalformed
		}
		domain = ascii
	}
	if !dotted(domain, isHostRune) || len(local)+1+len(domain) > 254 {
		return mailbox{}, ErrAddressMalformed
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return mailbox{}, ErrAddressMalformed
		}
	}
	return mailbox{address: local + "@" + domain, utf8: !isASCII(local)}, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// dotted reports whether s is one or more non-empty runs of allowed characters with single dots between them.
func dotted(s string, allowed func(rune) bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return !allowed(r) }) {
			return false
		}
	}
	return true
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
}

// isAtext is RFC 5322's atext with RFC 6531's addition, of which only what can be seen passes.
func isAtext(r rune) bool {
	if r >= utf8.RuneSelf {
		return r != utf8.RuneError && unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S)
	}
	return isHostRune(r) || strings.ContainsRune("!#$%&'*+/=?^_`{|}~", r)
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
