package config

import (
	"maps"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"lejarat/connectors/bounce"
)

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f.:a-zA-Z]+\]$`)

func (c *Config) checkMail(r *report) {
	m := c.Mail
	if _, err := mail.ParseAddress(m.From); err != nil {
		r.fault("mail.from", "this is no sender; write for example \"Okmányértesítő <ertesites@example.hu>\"")
	}
	for _, a := range []struct{ path, value string }{{"mail.reply_to", m.ReplyTo}, {"mail.envelope_from", m.EnvelopeFrom}} {
		if _, err := mail.ParseAddress(a.value); a.value != "" && err != nil {
			r.fault(a.path, "this is no address; write for example ertesites@example.hu")
		}
	}
	c.checkBounces(r)
	seen := map[string]bool{}
	for i, l := range m.Relays() {
		checkRelay(r, relayPath(i), l)
		if l.Address != "" && seen[l.Address] {
			r.fault(join(relayPath(i), "address"), "%s stands twice among the relays; keep one", l.Address)
		}
		seen[l.Address] = true
	}
	if m.Hello != "" && !hostName.MatchString(m.Hello) {
		r.fault("mail.hello", "%q is no host name; write for example mail.example.hu", m.Hello)
	}
	between(r, "mail.retry.min", m.Retry.Min, time.Millisecond, time.Hour)
	between(r, "mail.retry.max", m.Retry.Max, m.Retry.Min, day)
	between(r, "mail.daily_cap", m.DailyCap, 0, 100_000_000)
	oneOf(r, "mail.in_doubt", m.InDoubt, "park", "resend")
	if m.Website != "" {
		if u, err := url.Parse(m.Website); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			r.fault("mail.website", "%q is no web address; write for example https://example.hu/", m.Website)
		}
	}
	checkLanguages(r, "mail.texts", slices.Sorted(maps.Keys(m.Texts)))
}

func checkRelay(r *report, path string, l Relay) {
	if !isAddress(l.Address, false) {
		r.fault(path+".address", "%q is not host:port; write for example 127.0.0.1:25", l.Address)
	}
	oneOf(r, path+".tls", l.TLS, "starttls", "tls", "none")
	if l.User != "" {
		checkPassword(r, path, l.Password, l.PasswordFile)
		if l.TLS == "none" && !isLoopback(l.Address) {
			r.fault(path+".tls", "the password would cross the network in clear; use starttls or tls, or log in to no other machine")
		}
	} else if l.Password != "" || l.PasswordFile != "" {
		r.fault(path+".user", "missing beside the password; give the user, or remove the password")
	}
	between(r, path+".connect_timeout", l.ConnectTimeout, time.Second, 10*time.Minute)
	between(r, path+".command_timeout", l.CommandTimeout, time.Second, time.Hour)
	between(r, path+".data_timeout", l.DataTimeout, time.Second, time.Hour)
	between(r, path+".connections", l.Connections, 1, 100)
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func checkLanguages(r *report, path string, codes []string) {
	for _, code := range codes {
		if !languageCode.MatchString(code) {
			r.fault(join(path, code), "%q is no language; write a code as hu or en", code)
		}
	}
}

func (c *Config) checkBounces(r *report) {
	m := c.Mail
	if m.BounceAddress == "" {
		if m.BounceKeyFile != "" {
			r.fault("mail.bounce_address", "missing beside bounce_key_file; give the address, or remove the key")
		}
		return
	}
	if _, err := bounce.NewTokens(m.BounceAddress, nil); err != nil || !isPlainAddress(m.BounceAddress) {
		r.fault("mail.bounce_address", "this is no address for bounces; write for example bounces@example.hu, with at most %d letters before the @", bounce.MaxLocalPart)
	}
	if m.EnvelopeFrom != "" {
		r.fault("mail.bounce_address", "bounces cannot go to envelope_from too; remove one of the two")
	}
}

// isPlainAddress says whether a is an address alone, in ASCII.
func isPlainAddress(a string) bool {
	parsed, err := mail.ParseAddress(a)
	return err == nil && parsed.Address == a && !strings.ContainsFunc(a, func(c rune) bool { return c > '~' })
}
