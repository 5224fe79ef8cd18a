package letter

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"lejarat/processor/event"
)

// A letter is written with holes where the person's name and the document's number go, laid out, encoded, and kept for all
// mails that say the same on the same dates. A mail fills the holes: a fiftieth of the work. Templates never see a person,
// so no letter can depend on who gets it but in these places, and nothing in a name can be taken for wording or markup.

// The holes, and the signs of a text that is broken into lines when it is filled: private characters of Unicode, of which
// plain lets none through from a record.
const (
	nameHole   = "\uf8f0"
	numberHole = "\uf8f1"
	wrapBegins = "\uf8f2" // then the indent, wrapText, the text, wrapEnds
	wrapText   = "\uf8f3"
	wrapEnds   = "\uf8f4"
	marks      = nameHole + numberHole + wrapBegins + wrapText + wrapEnds
)

func hasMark(s string) bool { return strings.ContainsAny(s, marks) }

// letter is a pattern and the person that it is to be filled with.
type letter struct {
	*pattern
	who person
}

func (l letter) subject() string {
	if hasMark(l.title) {
		return encodeSubject(l.who.into(l.title))
	}
	return l.title
}

// size is about as long as the two parts become.
func (l letter) size() (n int) {
	for _, chunks := range [...][]chunk{l.text, l.html} {
		for _, c := range chunks {
			n += len(c.encoded) + 4*len(c.line)
		}
	}
	return n
}

func (l letter) appendText(b []byte) []byte { return appendFilled(b, l.text, l.who) }

func (l letter) appendHTML(b []byte) []byte {
	return appendFilled(b, l.html, person{htmlEscaper.Replace(l.who.name), htmlEscaper.Replace(l.who.number)})
}

// letters write letters, and keep their patterns. They may be used by several goroutines.
type letters struct {
	templates *templates
	mu        sync.Mutex
	known     map[saying]*pattern
}

// maxPatterns bounds what is kept: some 12 kB each. A day has a few dozen.
const maxPatterns = 500

// saying is all of a record that a letter's pattern is made of.
type saying struct {
	kind, language, documentType, threshold, due, runDate, expires string
	daysLeft                                                       int // -1: not said
	named, numbered                                                bool
}

func sayingOf(m event.Mail, p person) saying {
	s := saying{kind: m.Kind, language: m.Language, runDate: m.RunDate, daysLeft: -1, named: p.name != "", numbered: p.number != ""}
	if m.Document != nil {
		s.documentType, s.expires = m.Document.Type, m.Document.Expires
	}
	if m.Threshold != nil {
		s.threshold = *m.Threshold
	}
	if m.Due != nil {
		s.due = *m.Due
	}
	if m.DaysLeft != nil {
		s.daysLeft = *m.DaysLeft
	}
	return s
}

// person is what a letter says about its receiver alone.
type person struct{ name, number string }

func personOf(m event.Mail) person {
	p := person{name: plain(m.To.Name)}
	if m.Document != nil {
		p.number = plain(m.Document.NumberMasked)
	}
	return p
}

// pattern is a letter without its person.
type pattern struct {
	lang       string
	title      string // the subject, encoded unless it has holes
	text, html []chunk
}

// chunk is a part of a layout: whole lines that are encoded already, or a line with holes.
type chunk struct {
	encoded []byte
	line    string
}

func newLetters(t *templates) *letters {
	return &letters{templates: t, known: map[saying]*pattern{}}
}

// letter returns the letter of a record.
func (ls *letters) letter(m event.Mail) (letter, error) {
	who := personOf(m)
	key := sayingOf(m, who)
	ls.mu.Lock()
	p := ls.known[key]
	ls.mu.Unlock()
	if p == nil {
		var err error
		if p, err = ls.templates.pattern(m); err != nil {
			return letter{}, err
		}
		ls.mu.Lock()
		if len(ls.known) >= maxPatterns {
			clear(ls.known)
		}
		ls.known[key] = p
		ls.mu.Unlock()
	}
	return letter{p, who}, nil
}

// pattern writes and lays out the letter of a record.
func (t *templates) pattern(m event.Mail) (*pattern, error) {
	l, err := t.content(m)
	if err != nil {
		return nil, err
	}
	text, html, err := t.lay(l)
	if err == nil {
		err = placed(html)
	}
	if err != nil {
		return nil, err
	}
	p := &pattern{lang: l.Lang, title: l.Subject, text: cut(text), html: cut(html)}
	if !hasMark(p.title) {
		p.title = encodeSubject(p.title)
	}
	return p, nil
}

// placed makes sure that what is about the person stands where only text is, in which it is escaped.
func placed(page string) error {
	for at := strings.IndexAny(page, marks); at >= 0; {
		before := strings.ToLower(page[:at])
		if strings.LastIndexByte(before, '<') > strings.LastIndexByte(before, '>') ||
			strings.LastIndex(before, "<style") > strings.LastIndex(before, "</style") ||
			strings.LastIndex(before, "<script") > strings.LastIndex(before, "</script") {
			return fmt.Errorf("%s: what is about the person may stand in text only, not in a tag, style or script", layoutHTML)
		}
		next := strings.IndexAny(page[at+len(nameHole):], marks)
		if next < 0 {
			return nil
		}
		at += len(nameHole) + next
	}
	return nil
}

// errMarks: a template or text of the operator uses characters that have a meaning here.
var errMarks = errors.New("uses one of the private characters U+F8F0 to U+F8F4, which are taken; use others")

// cut parts a layout into what is encoded once and the lines with holes.
func cut(layout string) (chunks []chunk) {
	fixed := newEncoder(nil)
	flush := func() {
		if b := fixed.end(); len(b) > 0 {
			chunks = append(chunks, chunk{encoded: b})
		}
		fixed = newEncoder(nil)
	}
	for line := range strings.Lines(layout) {
		if hasMark(line) {
			flush()
			chunks = append(chunks, chunk{line: line})
			continue
		}
		fixed.encode(line)
	}
	flush()
	return chunks
}

// htmlEscaper does what html/template does to text.
var htmlEscaper = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

func appendFilled(b []byte, chunks []chunk, who person) []byte {
	e := newEncoder(b)
	for _, c := range chunks {
		if c.encoded != nil {
			e.b = append(e.b, c.encoded...)
		} else {
			e.encode(who.into(c.line))
		}
	}
	return e.end()
}

// into fills the person into a line, and breaks what is to be broken.
func (w person) into(line string) string {
	line = strings.ReplaceAll(strings.ReplaceAll(line, nameHole, w.name), numberHole, w.number)
	before, rest, found := strings.Cut(line, wrapBegins)
	if !found {
		return line
	}
	indent, rest, _ := strings.Cut(rest, wrapText)
	text, after, _ := strings.Cut(rest, wrapEnds)
	return before + wrapped(indent, text) + w.into(after)
}
