package letter

import (
	"strings"
	"testing"

	"lejarat/processor/event"
)

// people are names and numbers that differ in all that could matter to a letter's looks.
var people = []struct{ name, number string }{
	{"Kovács Anna", "*****028"}, {"x", "*"}, {"", ""}, {"Kovács Anna", ""}, {"", "*****028"}, {"<b>O'Brien</b> & \"Tsai\" + 1", "<&>"},
	{"# Anna", "# 1"}, {"- Anna: x", "a: b: c"}, {"{{.From}}", "{{.}}"}, {". Anna", ".1"}, {"28-án", "28-a"}, {"A=20B", "=3D"},
	{strings.Repeat("Árvíztűrő Tükörfúrógép ", 5), strings.Repeat("*", 120)}, {strings.Repeat("Á", 120), "**** **28"},
	{"a\r\n.\r\nMAIL FROM:<x>", "1\r\n\r\n2"}, {"\uf8f0\uf8f2x\uf8f4", "\uf8f1\uf8f3"}, {" Anna ", "*****028 "},
}

// A letter has its person where the pattern has holes, and is otherwise the same for everybody.
func TestPatternsFillInThePerson(t *testing.T) {
	templates := mustTemplates(t, sampleOptions())
	for _, sample := range templates.samples() {
		ls := newLetters(templates)
		for i := range people {
			m := withPerson(sample.mail, i)
			r, err := ls.letter(m)
			if err != nil {
				t.Fatal(err)
			}
			who := personOf(m)
			text, page := unquoted(r.appendText(nil)), unquoted(r.appendHTML(nil))
			if hasMark(text + page) {
				t.Fatalf("%s, %q: holes are left", sample.name, m.To.Name)
			}
			if who.name != "" && (!strings.Contains(flat(text), flat("Tisztelt "+who.name+"!")) && !strings.Contains(flat(text), flat("Dear "+who.name)) || !strings.Contains(page, htmlEscaper.Replace(who.name))) {
				t.Errorf("%s: %q is not greeted:\n%s", sample.name, who.name, text)
			}
			if who.number != "" && (!strings.Contains(flat(text), flat(who.number)) || !strings.Contains(page, htmlEscaper.Replace(who.number))) {
				t.Errorf("%s: no number %q:\n%s", sample.name, who.number, text)
			}
			for line := range strings.Lines(text) {
				if len([]rune(line)) > 73 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, strings.Repeat("*", 70)) && !strings.Contains(line, strings.Repeat("Á", 70)) {
					t.Errorf("%s, %q: long line %q", sample.name, who.name, line)
				}
			}
			if strings.Contains(page, "<b>") || strings.Count(page, "<h2") != strings.Count(unquoted(mustLetter(t, templates, sample.mail).appendHTML(nil)), "<h2") {
				t.Errorf("%s: %q has become markup or wording", sample.name, who.name)
			}
		}
		if n := len(ls.known); n > 4 {
			t.Errorf("%s: %d patterns", sample.name, n)
		}
	}
}

func mustLetter(t *testing.T, templates *templates, m event.Mail) letter {
	t.Helper()
	r, err := newLetters(templates).letter(m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func withPerson(m event.Mail, i int) event.Mail {
	m.To.Name = people[i].name
	if m.Document != nil {
		d := *m.Document
		d.NumberMasked = people[i].number
		m.Document = &d
	}
	return m
}

// Templates cannot look at the person: they can print name and number, anywhere in a text, and ask whether there is one.
func TestTemplatesDoNotSeeThePerson(t *testing.T) {
	const rest = `{{define "heading"}}x{{end}}{{define "facts"}}{{end}}`
	for name, c := range map[string]struct{ file, text, want string }{
		"the name in the subject":    {"hu/expiry.tmpl", `{{define "subject"}}{{.Name}}: lejár{{end}}` + rest + `{{define "body"}}{{.OnDay}}{{end}}`, "Kanári Etelka: lejár"},
		"a name compared":            {"hu/expiry.tmpl", `{{define "subject"}}x{{end}}` + rest + `{{define "body"}}{{.OnDay}} {{if eq .Name "Kanári Etelka"}}ő{{else}}valaki{{end}}{{end}}`, "valaki"},
		"asked for":                  {"hu/expiry.tmpl", `{{define "subject"}}x{{end}}` + rest + `{{define "body"}}{{.OnDay}} {{with .Name}}kedves {{.}}{{end}}{{end}}`, "kedves Kanári Etelka"},
		"a name at the line's start": {"hu/expiry.tmpl", `{{define "subject"}}x{{end}}` + rest + "{{define \"body\"}}{{.OnDay}}\n\n{{.Name}}{{end}}", "\n\nKanári Etelka\n"},
		"two names in a line":        {"layout.txt", "{{wrap \"\" .Greeting}} {{wrap \"\" .Greeting}} {{.Subject}}", "Tisztelt Kanári Etelka! Tisztelt Kanári Etelka! "},
	} {
		o := sampleOptions()
		o.TemplateDir = templateDir(t, c.file, c.text)
		subject, text, _, err := mustTemplates(t, o).render(sampleMail(1))
		if err != nil || !strings.Contains(subject+"\n"+text, c.want) {
			t.Errorf("%s: %v\n%s\n%s", name, err, subject, text)
		}
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"in a tag":                {"layout.html", `<html><p title="{{.Greeting}}">{{.Subject}}</p></html>`, "may stand in text only"},
		"in a tag without marks":  {"layout.html", `<html><p title={{.Greeting}}>{{.Subject}}</p></html>`, "may stand in text only"},
		"in a style":              {"layout.html", `<html><style>p { content: {{.Greeting}} }</style></html>`, "may stand in text only"},
		"in a later tag":          {"layout.html", `<html>{{.Greeting}}<p title="{{.Greeting}}">{{.Subject}}</p></html>`, "may stand in text only"},
		"characters of the holes": {"layout.txt", nameHole + " {{.Greeting}}", "private characters"},
	} {
		o := sampleOptions()
		o.TemplateDir = templateDir(t, c.file, c.text)
		if err := newAndChecked(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := sampleOptions()
	o.Texts = map[string]map[string]string{"hu": {"help": wrapEnds}}
	if _, err := NewComposer(o); err == nil || !strings.Contains(err.Error(), "mail.texts.hu.help") {
		t.Errorf("%v", err)
	}
}

func TestPatternsAreBounded(t *testing.T) {
	ls := newLetters(mustTemplates(t, sampleOptions()))
	for n := range maxPatterns + 10 {
		ls.known[saying{daysLeft: n + 1000}] = &pattern{}
	}
	if _, err := ls.letter(sampleMail(1)); err != nil || len(ls.known) != 1 {
		t.Errorf("%v, %d patterns", err, len(ls.known))
	}
}
