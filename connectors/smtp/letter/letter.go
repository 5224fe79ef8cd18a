package letter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"unicode/utf8"

	"lejarat/processor/event"
)

// Content is what the layouts see: finished wording, without a rule about documents or dates left in it.
type Content struct {
	Lang     string
	Subject  string
	Service  string
	Heading  string
	Today    bool // the day of expiry
	Greeting string
	Facts    []Fact
	Body     []Block
	Footer   []Block
}

// Fact is one line of the box at the top of a letter.
type Fact struct{ Label, Value string }

// Block is one of a title, a paragraph and a list.
type Block struct {
	Title string
	Text  string
	Items []string
}

// Words is what the wording templates see. Dates and periods are already words of the letter's language. Name and
// NumberMasked are placeholders that a mail fills in later: they can be printed, and asked for being there.
type Words struct {
	Lang         string
	Name         string // of the person; may be empty
	Type         string // the document type's id; empty in an announcement, as all up to Today
	TypeName     string // its display name
	NumberMasked string // may be empty
	Expires      string // "2026. augusztus 31., hétfő"
	OnDate       string // "2026. augusztus 31-én"
	OnDay        string // "2026. augusztus 31-én, hétfőn"
	When         string // "6 hónap múlva", "12 nap múlva", "holnap", "ma"
	Today        bool
	Date         string // of the letter: "2026. február 28."
	Service      string // the service's name
	From         string // the sender's address
	Website      string // may be empty
	Reply        bool   // answers are read
	Documents    []Listed
	texts        map[string]string
}

// Listed is a document type in the announcement.
type Listed struct{ Name, Times string }

// Text returns the operator's text of that name (Options.Texts), or "".
func (w Words) Text(name string) string { return w.texts[name] }

// The faults of a record that leave nothing to write about.
var (
	errKind     = errors.New("kind unknown")
	errDocument = errors.New("expiry notice without a document")
	errDate     = errors.New("a date cannot be read")
	errPast     = errors.New("the document has expired before the notice")
)

// content words the record, with holes for the person.
func (t *templates) content(m event.Mail) (Content, error) {
	w, err := t.words(m)
	if err != nil {
		return Content{}, err
	}
	set := t.wording[w.Lang][m.Kind]
	l := Content{Lang: w.Lang, Today: w.Today, Service: w.Service}
	var faults []error
	block := func(name string) string {
		text, err := runBlock(set, w.Lang+"/"+kinds[m.Kind], name, w)
		faults = append(faults, err)
		return text
	}
	line := func(name string) string { return strings.Join(strings.Fields(block(name)), " ") }
	l.Subject, l.Heading, l.Greeting = line("subject"), line("heading"), line("greeting")
	for fact := range strings.Lines(block("facts")) {
		label, value, found := strings.Cut(strings.TrimSpace(fact), ": ")
		if found {
			l.Facts = append(l.Facts, Fact{Label: label, Value: value})
		}
	}
	l.Body, l.Footer = blocks(block("body")), blocks(block("footer"))
	if n := utf8.RuneCountInString(l.Subject); n == 0 || n > maxSubjectRune {
		faults = append(faults, fmt.Errorf("%s/%s: the subject must have 1 to %d characters", w.Lang, kinds[m.Kind], maxSubjectRune))
	}
	return l, errors.Join(faults...)
}

func runBlock(set *template.Template, file, name string, w Words) (string, error) {
	if set.Lookup(name) == nil {
		return "", fmt.Errorf("%s: {{define %q}} is missing", file, name)
	}
	var b strings.Builder
	err := set.ExecuteTemplate(&b, name, w)
	return b.String(), err
}

// words turns what the record says into words.
func (t *templates) words(m event.Mail) (Words, error) {
	lang := m.Language
	if t.wording[lang] == nil {
		lang = languages[0]
	}
	if kinds[m.Kind] == "" {
		return Words{}, errKind
	}
	run, err := event.ParseDate(m.RunDate)
	if err != nil {
		return Words{}, errDate
	}
	w := Words{
		Lang: lang, Date: shortDate(lang, run), From: t.sender.from.Address,
		Website: t.options.Website, Reply: t.sender.replyTo != nil, texts: t.options.Texts[lang],
	}
	who := personOf(m)
	if who.name != "" {
		w.Name = nameHole
	}
	if who.number != "" {
		w.NumberMasked = numberHole
	}
	w.Service = first(w.Text("service"), t.sender.from.Name, t.sender.from.Address)
	if m.Kind == event.KindAnnouncement {
		for _, d := range t.options.Documents {
			w.Documents = append(w.Documents, Listed{Name: t.typeName(lang, d.Type), Times: noticeTimes(lang, d.Notices)})
		}
		return w, nil
	}
	if m.Document == nil {
		return Words{}, errDocument
	}
	expires, err := event.ParseDate(m.Document.Expires)
	if err != nil {
		return Words{}, errDate
	}
	days := int(expires - run)
	if m.DaysLeft != nil {
		days = *m.DaysLeft
	}
	if days < 0 {
		return Words{}, errPast
	}
	w.Type, w.TypeName = plain(m.Document.Type), plain(t.typeName(lang, m.Document.Type))
	w.Expires, w.OnDate, w.OnDay = longDate(lang, expires), onDate(lang, expires), onDay(lang, expires)
	w.Today, w.When = days == 0, when(lang, m, days)
	return w, nil
}

// when says how far the expiry is from the letter's date: in the threshold's own unit on the day the notice was due,
// in days where it comes later.
func when(lang string, m event.Mail, days int) string {
	if days == 0 {
		if lang == "en" {
			return "today"
		}
		return "ma"
	}
	if m.Threshold != nil && m.Due != nil && *m.Due == m.RunDate {
		if p := parsePeriod(*m.Threshold); p.unit != 0 && p.n > 0 {
			return p.in(lang)
		}
	}
	if lang == "en" && days == 1 {
		return "tomorrow"
	}
	return period{days, 'D'}.in(lang)
}

func (t *templates) typeName(lang, documentType string) string {
	return first(t.documents[documentType].Names[lang], shippedNames[lang][documentType], documentType)
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// blocks reads wording: blank lines part paragraphs, "# " begins a title, "- " an item of a list.
func blocks(text string) []Block {
	var out []Block
	open := false // the last block is a paragraph or item that the next line goes on with
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		last := len(out) - 1
		switch {
		case line == "":
			open = false
		case strings.HasPrefix(line, "# "):
			out, open = append(out, Block{Title: line[2:]}), false
		case strings.HasPrefix(line, "- "):
			if last < 0 || out[last].Items == nil {
				out, last = append(out, Block{}), last+1
			}
			out[last].Items, open = append(out[last].Items, line[2:]), true
		case open && out[last].Items != nil:
			out[last].Items[len(out[last].Items)-1] += " " + line
		case open:
			out[last].Text += " " + line
		default:
			out, open = append(out, Block{Text: line}), true
		}
	}
	return out
}

// lay puts content into both layouts.
func (t *templates) lay(l Content) (text, html string, err error) {
	var b, h strings.Builder
	if err := t.text.Execute(&b, l); err != nil {
		return "", "", err
	}
	if err := t.html.Execute(&h, l); err != nil {
		return "", "", err
	}
	return strings.TrimSpace(b.String()) + "\n", h.String(), nil
}

var daySuffix = regexp.MustCompile(`(\d)-(\p{L})`)

// whole keeps "28-án" on one line, which a browser would break at the hyphen.
func whole(text string) string {
	if !strings.Contains(text, "-") {
		return text
	}
	return daySuffix.ReplaceAllString(text, "$1\u2011$2")
}

// wrap breaks text into lines of at most 72 characters, each after the first behind indent. One with holes is broken
// when they are filled.
func wrap(indent, text string) string {
	if hasMark(text) {
		return wrapBegins + indent + wrapText + text + wrapEnds
	}
	return wrapped(indent, text)
}

func wrapped(indent, text string) string {
	var b strings.Builder
	width := utf8.RuneCountInString(indent)
	column := width
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > 72:
			b.WriteString("\n" + indent)
			column = width
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
