package letter

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Unsubscribe is where a mail program finds the way to switch the service off, shown as a button beside the sender
// (RFC 2369). What it leads to switches off at the registry; lejarat does not.
type Unsubscribe struct {
	// URL is a page (https). {registration} in it becomes the registration's reference, which is nobody's name.
	URL string
	// Mail is an address that takes such wishes, with the reference in the subject.
	Mail string
	// OneClick says that a POST to URL switches off without asking anything more (RFC 8058).
	OneClick bool
}

// registrationMark stands in a URL for the registration's reference.
const registrationMark = "{registration}"

// validate returns all faults, each with its key behind path.
func (u Unsubscribe) validate(path string) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(path+format, args...))
	}
	if u.URL == "" && u.Mail == "" {
		fault(": give a url, a mail, or both")
	}
	if u.URL != "" {
		parsed, err := url.Parse(strings.ReplaceAll(u.URL, registrationMark, "x"))
		if err != nil || parsed.Scheme != "https" || parsed.Host == "" || strings.ContainsAny(u.URL, "<> ,") || !printable(u.URL) {
			fault(".url: want an https address, for example https://example.hu/ki?r=%s", registrationMark)
		}
	}
	if m, err := parseMailbox(u.Mail); u.Mail != "" && (err != nil || m.utf8) {
		fault(".mail: want an address, ASCII before the @")
	}
	if u.OneClick && !strings.Contains(u.URL, registrationMark) {
		fault(".one_click: the url must hold %s, or a click would not say whose service to switch off", registrationMark)
	}
	return errors.Join(faults...)
}

// validateUnsubscribe checks what is configured for each kind of letter.
func (o Options) validateUnsubscribe() error {
	var faults []error
	for kind, u := range o.Unsubscribe {
		if !Known(kind) {
			faults = append(faults, fmt.Errorf("mail.unsubscribe: no letter %q; there are %s", kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")))
			continue
		}
		faults = append(faults, u.validate("mail.unsubscribe."+kind))
	}
	return errors.Join(faults...)
}

// appendFields writes the header fields for a registration.
func (u Unsubscribe) appendFields(b []byte, registration string) []byte {
	reference := url.QueryEscape(registration)
	var ways []string
	if u.URL != "" {
		ways = append(ways, "<"+strings.ReplaceAll(u.URL, registrationMark, reference)+">")
	}
	if u.Mail != "" {
		m, _ := parseMailbox(u.Mail) // checked by validate
		ways = append(ways, "<mailto:"+(&url.URL{Path: m.address}).EscapedPath()+"?subject=unsubscribe%20"+strings.ReplaceAll(reference, "+", "%20")+">")
	}
	if len(ways) == 0 {
		return b
	}
	b = appendField(b, "List-Unsubscribe", strings.Join(ways, ",\r\n "))
	if u.OneClick {
		b = appendField(b, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	return b
}
