package config

import (
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var dnsLabels = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// registrationMark stands in a URL for the registration's reference.
const registrationMark = "{registration}"

// checkLetters reports what is wrong about signatures and the ways to switch off.
func (c *Config) checkLetters(r *report) {
	for i, k := range c.Mail.DKIM {
		path := index("mail.dkim", i)
		if k.Domain != "" && !dnsLabels.MatchString(k.Domain) {
			r.fault(path+".domain", "%q is no domain; write for example example.hu, or leave it out", k.Domain)
		}
		if !dnsLabels.MatchString(k.Selector) {
			r.fault(path+".selector", "%q is no selector; write the label before ._domainkey in the DNS, for example lejarat2026", k.Selector)
		}
		required(r, path+".key_file", k.KeyFile, "name the file of the private key (PEM, mode 600)")
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Mail.Unsubscribe)) {
		checkUnsubscribe(r, join("mail.unsubscribe", kind), kind, c.Mail.Unsubscribe[kind])
	}
}

func checkUnsubscribe(r *report, path, kind string, u Unsubscribe) {
	if kind != "expiry" && kind != "announcement" {
		r.fault(path, "there is no such letter; write expiry or announcement")
		return
	}
	if u.URL == "" && u.Mail == "" {
		r.fault(path, "names no way; give a url, a mail, or both")
	}
	if u.URL != "" {
		parsed, err := url.Parse(strings.ReplaceAll(u.URL, registrationMark, "x"))
		if err != nil || parsed.Scheme != "https" || parsed.Host == "" || strings.ContainsAny(u.URL, "<> ,") {
			r.fault(path+".url", "%q is no https address; write for example https://example.hu/ki?r=%s", u.URL, registrationMark)
		}
	}
	if _, err := mail.ParseAddress(u.Mail); u.Mail != "" && err != nil {
		r.fault(path+".mail", "this is no address; write for example ki@example.hu")
	}
	if u.OneClick && !strings.Contains(u.URL, registrationMark) {
		r.fault(path+".one_click", "the url must hold %s, or a click would not say whose service to switch off", registrationMark)
	}
}
