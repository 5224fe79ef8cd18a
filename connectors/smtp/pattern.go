package smtp

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"lejarat/processor/event"
)

// Letters of a day differ in little but the person: rendering one takes half a millisecond, filling a name and a number
// into one that was rendered before a fiftieth of it. What is kept is laid out and encoded once for all mails that say the
// same about the same kind of document on the same dates, with holes where greeting and facts stand.
//
// It is kept only where nothing but greeting and facts was made of personal data, which is seen while the wording is
// executed (person.read), and where filling it gives the letter that rendering gives. Everything else is rendered anew.

// rendered is a letter ready for a message.
type rendered struct {
	lang       string
	subject    string // encoded
	text, html []byte // quoted-printable
}

func (r rendered) size() int { return len(r.text) + len(r.html) }

// letters render letters, and keep patterns of them. They may be used by several goroutines.
type letters struct {
	templates *Templates
	mu        sync.Mutex
	known     map[saying]*pattern
}

// maxPatterns bounds what is kept: some 15 kB each. A day has a few dozen.
const maxPatterns = 500

// saying is all of a record that a letter is made of, but the person's name and number.
type saying struct {
	kind, language, documentType, threshold, due, runDate, expires string
	daysLeft                                                       int
	named, numbered                                                bool
}

func sayingOf(m event.Mail) saying {
	s := saying{kind: m.Kind, language: m.Language, runDate: m.RunDate, daysLeft: -1, named: m.To.Name != ""}
	if m.Document != nil {
		s.documentType, s.expires, s.numbered = m.Document.Type, m.Document.Expires, m.Document.NumberMasked != ""
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

// pattern is a letter without its person.
type pattern struct {
	words      Words
	subject    string
	labels     []string // of the facts
	text, html []chunk
	anew       bool // it cannot be kept
}

// chunk is a part of a layout: whole lines that are encoded already, or one with holes.
type chunk struct {
	encoded []byte
	line    string
}

func newLetters(t *Templates) *letters {
	return &letters{templates: t, known: map[saying]*pattern{}}
}

// letter renders the letter of a record.
func (ls *letters) letter(m event.Mail) (rendered, error) {
	key := sayingOf(m)
	ls.mu.Lock()
	p := ls.known[key]
	ls.mu.Unlock()
	if p != nil && !p.anew {
		if r, ok := ls.fill(p, m); ok {
			return r, nil
		}
	}
	w, err := ls.templates.words(m)
	if err != nil {
		return rendered{}, err
	}
	l, err := ls.templates.write(w, m.Kind)
	if err != nil {
		return rendered{}, err
	}
	r, err := ls.templates.render(l)
	if err != nil || p != nil {
		return r, err
	}
	p = ls.templates.pattern(w, l, r)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.known) >= maxPatterns {
		clear(ls.known)
	}
	ls.known[key] = p
	return r, nil
}

// render lays a letter out and encodes it.
func (t *Templates) render(l Letter) (rendered, error) {
	text, html, err := t.lay(l)
	if err != nil {
		return rendered{}, err
	}
	return rendered{lang: l.Lang, subject: encodeSubject(l.Subject), text: encode(text), html: encode(html)}, nil
}

func encode(text string) []byte {
	e := newEncoder()
	e.encode(text)
	return e.encoded()
}

// pattern makes the pattern of a letter that was rendered.
func (t *Templates) pattern(w Words, l Letter, r rendered) *pattern {
	if l.personal || len(l.Facts) > maxHoles-1 || hasMark(l) {
		return &pattern{anew: true}
	}
	p := &pattern{words: w, subject: r.subject}
	p.words.person = nil
	holed := l
	holed.Greeting, holed.Facts = hole(0), slices.Clone(l.Facts)
	values := []string{l.Greeting.text}
	for i, f := range l.Facts {
		holed.Facts[i].Value = hole(i + 1)
		p.labels, values = append(p.labels, f.Label), append(values, f.Value.text)
	}
	text, html, err := t.lay(holed)
	if err != nil {
		return &pattern{anew: true}
	}
	p.text, p.html = cut(text), cut(html)
	if string(fillText(p.text, values)) != string(r.text) || string(fillHTML(p.html, values)) != string(r.html) {
		return &pattern{anew: true}
	}
	return p
}

// fill fills in a person. It does not where the facts are others than the pattern's.
func (ls *letters) fill(p *pattern, m event.Mail) (rendered, bool) {
	w := p.words
	w.person = personOf(m)
	var l Letter
	if err := ls.templates.address(&l, w, m.Kind); err != nil || len(l.Facts) != len(p.labels) {
		return rendered{}, false
	}
	values := []string{l.Greeting.text}
	for i, f := range l.Facts {
		if f.Label != p.labels[i] {
			return rendered{}, false
		}
		values = append(values, f.Value.text)
	}
	return rendered{lang: w.Lang, subject: p.subject, text: fillText(p.text, values), html: fillHTML(p.html, values)}, true
}

// Marks in a layout with holes: private characters of Unicode, of which plain lets none through from a record.
const (
	firstHole  = '\uf000'
	maxHoles   = 64
	wrapBegins = '\uf8fd' // a text that wrap must break when it is filled: indent, wrapText, text, wrapEnds
	wrapText   = '\uf8fe'
	wrapEnds   = '\uf8ff'
)

func hole(i int) Personal { return Personal{string(rune(firstHole + i))} }

func isMark(r rune) bool { return r >= firstHole && r <= wrapEnds }

// errHole: a text with a hole cannot be worked on before it is filled.
var errHole = errors.New("a personal text")

// hasMark reports whether the wording itself uses characters that are marks here.
func hasMark(l Letter) bool {
	found := strings.ContainsFunc(l.Service+l.Subject+l.Heading+l.Greeting.text, isMark)
	for _, f := range l.Facts {
		found = found || strings.ContainsFunc(f.Label+f.Value.text, isMark)
	}
	for _, b := range slices.Concat(l.Body, l.Footer) {
		found = found || strings.ContainsFunc(b.Title+b.Text+strings.Join(b.Items, ""), isMark)
	}
	return found
}

// cut parts a layout into what is encoded once and the lines with holes.
func cut(layout string) (chunks []chunk) {
	fixed := newEncoder()
	flush := func() {
		if b := fixed.encoded(); len(b) > 0 {
			chunks = append(chunks, chunk{encoded: b})
		}
		fixed = newEncoder()
	}
	for line := range strings.Lines(layout) {
		if strings.ContainsFunc(line, isMark) {
			flush()
			chunks = append(chunks, chunk{line: line})
			continue
		}
		fixed.encode(line)
	}
	flush()
	return chunks
}

func fillText(chunks []chunk, values []string) []byte {
	return fillChunks(chunks, func(line string) string {
		var b strings.Builder
		for {
			before, rest, found := strings.Cut(line, string(wrapBegins))
			b.WriteString(fillHoles(before, values))
			if !found {
				return b.String()
			}
			indent, rest, _ := strings.Cut(rest, string(wrapText))
			text, after, _ := strings.Cut(rest, string(wrapEnds))
			b.WriteString(wrapped(indent, fillHoles(text, values)))
			line = after
		}
	})
}

// htmlEscaper does what html/template does in text and in quoted attributes.
var htmlEscaper = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

func fillHTML(chunks []chunk, values []string) []byte {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = htmlEscaper.Replace(v)
	}
	return fillChunks(chunks, func(line string) string { return fillHoles(line, escaped) })
}

func fillChunks(chunks []chunk, fill func(string) string) []byte {
	e := newEncoder()
	size := 0
	for _, c := range chunks {
		size += len(c.encoded) + 4*len(c.line)
	}
	e.Grow(size)
	for _, c := range chunks {
		if c.encoded != nil {
			e.Write(c.encoded)
		} else {
			e.encode(fill(c.line))
		}
	}
	return e.encoded()
}

// fillHoles puts values in the place of holes.
func fillHoles(s string, values []string) string {
	if !strings.ContainsFunc(s, isMark) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if i := int(r - firstHole); i >= 0 && i < len(values) {
			b.WriteString(values[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
