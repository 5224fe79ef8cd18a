package letter

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lejarat/processor/event"
)

// Finding is something wrong with a letter as the templates write it.
type Finding struct {
	Letter string `json:"letter"` // the first of those that have it: hu-passport-P6M
	More   int    `json:"more"`   // how many others have it
	Rule   string `json:"rule"`
	Text   string `json:"text"` // what is wrong and, where it is not plain, what to do
}

func (f Finding) String() string {
	where := f.Letter
	if f.More > 0 {
		where = fmt.Sprintf("%s and %d more", where, f.More)
	}
	return where + ": " + f.Rule + ": " + f.Text
}

// Rules of the lint.
const (
	ruleTemplate   = "template"   // it does not run, or a block or value is missing
	ruleRemote     = "remote"     // something would be fetched, run or filled in
	ruleLine       = "line"       // longer than mail programs or relays like
	ruleDifference = "difference" // text and HTML do not say the same
	ruleFact       = "fact"       // what every letter must say is missing
	ruleSize       = "size"       // so large that mail programs cut it off
	ruleInjection  = "injection"  // data of a record got out of its place
)

const (
	maxTextLine = 78         // RFC 5322 2.1.1
	maxLetter   = 100 * 1024 // Gmail shows the first 102 kB
)

// Check composes every letter that the configured documents can lead to, and returns all that is wrong with them, so that it
// shows now and not on a citizen's mail.
func (c *Composer) Check() error {
	var faults []error
	for _, f := range c.lint() {
		faults = append(faults, errors.New(f.String()))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("checking the mail templates against sample data: %w", err)
	}
	return nil
}

// lint composes every letter and looks at it.
func (c *Composer) lint() (all []Finding) {
	at := map[[2]string]int{}
	for _, s := range c.letters.templates.samples() {
		c.lintSample(s, func(rule, format string, args ...any) {
			f := Finding{Letter: s.name, Rule: rule, Text: fmt.Sprintf(format, args...)}
			key := [2]string{f.Rule, f.Text}
			if i, known := at[key]; known {
				all[i].More++
				return
			}
			at[key] = len(all)
			all = append(all, f)
		})
	}
	return all
}

type reporter func(rule, format string, args ...any)

func (c *Composer) lintSample(s sample, report reporter) {
	t := c.letters.templates
	_, text, page, err := t.render(s.mail)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			report(ruleTemplate, "%s", strings.TrimSpace(line))
		}
		return
	}
	lintParts(text, page, report)
	t.lintFacts(s.mail, text, page, report)
	msg, err := c.sampleMessage(s.mail)
	if err != nil {
		report(ruleTemplate, "the mail cannot be composed: %v", err)
		return
	}
	lintMessage(msg, report)
	if s.first {
		c.lintHostile(s.mail, msg, report)
	}
}

// A mail shows nothing that must be fetched, asks for nothing and runs nothing. These are the beginnings of tags,
// attributes and styles that do, in small letters and without blanks before "=" and "(".
var forbiddenHTML = []string{
	"<script", "<form", "<input", "<button", "<iframe", "<frame", "<object", "<embed", "<link", "<img", "<image", "<picture", "<source",
	"<video", "<audio", "<track", "<svg", "<base", "src=", "srcset=", "poster=", "background=", "action=", "onload=", "onerror=", "onclick=",
	"onmouseover=", "onfocus=", "url(", "@import", "http-equiv=refresh", `http-equiv="refresh`, `http-equiv='refresh`, "javascript:",
}

// remote returns what of a page would fetch, ask or run something; "" for nothing.
func remote(page string) string {
	page = strings.Join(strings.Fields(strings.ToLower(page)), " ")
	page = strings.NewReplacer(" =", "=", "= ", "=", " (", "(").Replace(page)
	for _, f := range forbiddenHTML {
		if strings.Contains(page, f) {
			return f
		}
	}
	return ""
}

// lintParts looks at the two parts of a letter.
func lintParts(text, page string, report reporter) {
	if strings.Contains(text+page, "<no value>") {
		report(ruleTemplate, "a value is missing (<no value>)")
	}
	lintValues(page, report)
	if found := remote(page); found != "" {
		report(ruleRemote, "%s: %q: nothing in a mail may be fetched, run or filled in", layoutHTML, found)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if n := utf8.RuneCountInString(line); n > maxTextLine && strings.Contains(line, " ") { // a long address cannot be broken
			report(ruleLine, "%s: a line of the text has more than %d characters; put wrap before what is long", layoutText, maxTextLine)
		}
	}
	inText, inHTML := wordsOf(text), wordsOf(visible(page))
	if only := without(inText, inHTML); len(only) > 0 {
		report(ruleDifference, "only the text says %s", strings.Join(only, " "))
	}
	if only := without(inHTML, inText); len(only) > 0 {
		report(ruleDifference, "only the HTML says %s", strings.Join(only, " "))
	}
}

// lintValues looks for values that html/template had to leave out.
func lintValues(page string, report reporter) {
	if strings.Contains(page, "ZgotmplZ") {
		report(ruleInjection, "%s: a value stands where it cannot be made safe (a style, an address)", layoutHTML)
	}
}

// lintFacts looks for what a notice is about.
func (t *templates) lintFacts(m event.Mail, text, page string, report reporter) {
	w, err := t.words(m)
	if err != nil || m.Document == nil {
		return
	}
	who := personOf(m)
	text, page = flat(text), flat(visible(page))
	renew := ""
	if set := t.wording[w.Lang][m.Kind]; set.Lookup("renew") != nil {
		renew, _ = runBlock(set, "", "renew", w)
	}
	facts := []struct{ what, value string }{{"the document's type", w.TypeName}, {"the masked number", who.number}}
	for _, b := range blocks(renew) {
		facts = append(facts, struct{ what, value string }{"where to renew", who.into(b.Text + strings.Join(b.Items, ""))})
	}
	for _, f := range facts {
		switch value := flat(f.value); {
		case strings.Contains(text, value) == strings.Contains(page, value):
		case strings.Contains(text, value):
			report(ruleDifference, "only the text has %s", f.what)
		default:
			report(ruleDifference, "only the HTML has %s", f.what)
		}
	}
	says := func(part string) bool {
		return slices.ContainsFunc([]string{w.Expires, w.OnDate, w.OnDay}, func(date string) bool { return strings.Contains(part, flat(date)) })
	}
	if !says(text) || !says(page) {
		report(ruleFact, "text and HTML must both say when the document expires (Expires, OnDate or OnDay)")
	}
}

// sampleMessage is a sample as a message, signed where mails are.
func (c *Composer) sampleMessage(m event.Mail) ([]byte, error) {
	emitted, err := time.Parse(time.RFC3339Nano, m.EmittedAt)
	if err != nil {
		return nil, err
	}
	to, err := parseMailbox(m.To.Email)
	if err != nil {
		return nil, err
	}
	p, err := c.letters.templates.pattern(m)
	if err != nil {
		return nil, err
	}
	return c.message(nil, m, letter{p, personOf(m)}, to, emitted)
}

func lintMessage(msg []byte, report reporter) {
	if len(msg) > maxLetter {
		report(ruleSize, "the mail has more than %d kB; mail programs show no more", maxLetter/1024)
	}
	_, body, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	for line := range bytes.Lines(body) {
		if len(line) > maxTextLine+2 {
			report(ruleLine, "a line of the mail has more than %d bytes", maxTextLine)
		}
	}
}

// hostile is what a register's row may hold at the worst.
const hostile = "Anna\r\nBcc: x@example.com\r\n\r\n.\r\nMAIL FROM:<x> --lejarat-sample <i id=evil>\u202e\x00{{.From}}"

// lintHostile compares a letter with the same to somebody whose name and number would break out of it.
func (c *Composer) lintHostile(m event.Mail, ordinary []byte, report reporter) {
	m.To.Name = hostile
	if m.Document != nil {
		d := *m.Document
		d.NumberMasked, m.Document = hostile, &d
	}
	msg, err := c.sampleMessage(m)
	if err != nil {
		report(ruleInjection, "a name with line breaks and markup makes a mail that cannot be composed: %v", err)
		return
	}
	parsed, err := netmail.ReadMessage(bytes.NewReader(msg))
	if err != nil || !slices.Equal(fieldNames(msg), fieldNames(ordinary)) || parsed.Header.Get("Bcc") != "" ||
		bytes.Count(msg, []byte("\r\n--lejarat-sample")) != bytes.Count(ordinary, []byte("\r\n--lejarat-sample")) ||
		bytes.Contains(msg, []byte("\r\n.\r\n")) {
		report(ruleInjection, "a name with line breaks and markup changes the mail's structure")
	}
	_, _, page, err := c.letters.templates.render(m)
	if err != nil || strings.Contains(page, "<i id") {
		report(ruleInjection, "markup in a name is markup in the HTML")
	}
	lintValues(page, report)
}

var (
	unseen   = regexp.MustCompile(`(?is)<(head|style)\b.*?</(head|style)>|<!--.*?-->`)
	breaking = regexp.MustCompile(`(?s)<[^>]*>`)
)

// visible is what a reader sees of an HTML page.
func visible(page string) string {
	for {
		shorter := unseen.ReplaceAllString(page, " ")
		if shorter == page {
			break
		}
		page = shorter
	}
	return html.UnescapeString(breaking.ReplaceAllString(page, " "))
}

// flat is a text with single blanks and one kind of hyphen.
func flat(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\u2011", "-")), " ")
}

// wordsOf returns the words of a text, each once, in order.
func wordsOf(s string) (words []string) {
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(flat(s)) {
		word = strings.TrimFunc(word, unicode.IsPunct)
		if word != "" && !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words
}

// without returns the first words of a that b lacks.
func without(a, b []string) (only []string) {
	const most = 8
	has := map[string]bool{}
	for _, word := range b {
		has[word] = true
	}
	for _, word := range a {
		if !has[word] && len(only) < most {
			only = append(only, word)
		}
	}
	return only
}
