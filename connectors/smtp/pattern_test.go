package smtp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// people are names and numbers that differ in all that could matter to a letter's looks.
var people = []struct{ name, number string }{
	{"Kovács Anna", "*****028"}, {"x", "*"}, {"", ""}, {"Kovács Anna", ""}, {"", "*****028"}, {"<b>O'Brien</b> & \"Tsai\" + 1", "<&>"},
	{"# Anna", "# 1"}, {"- Anna: x", "a: b: c"}, {"{{.From}}", "{{.}}"}, {". Anna", ".1"}, {"28-án", "28-a"}, {"A=20B", "=3D"},
	{strings.Repeat("Árvíztűrő Tükörfúrógép ", 5), strings.Repeat("*", 120)}, {strings.Repeat("Á", 120), "**** **28"},
	{"a\r\n.\r\nMAIL FROM:<x>", "1\r\n\r\n2"}, {"\uf000\uf8fdx\uf8ff", "\uf001\uf8fe"}, {" Anna ", "*****028 "},
}

// A letter from a pattern is the letter that rendering gives, whoever gets it, and the other way round: a pattern made for
// anybody serves everybody.
func TestPatternsGiveWhatRenderingGives(t *testing.T) {
	o := sampleOptions()
	templates := mustTemplates(t, o)
	for _, sample := range templates.samples() {
		for _, first := range []int{0, 5, len(people) - 1} {
			ls := newLetters(templates)
			for i := range people {
				m := withPerson(sample.mail, (first+i)%len(people))
				got, err := ls.letter(m)
				if err != nil {
					t.Fatal(err)
				}
				comparePatterns(t, templates, m, got)
			}
			if first == 0 && len(ls.known) > 4 {
				t.Errorf("%d patterns for one letter", len(ls.known))
			}
			for key, p := range ls.known {
				if p.anew {
					t.Errorf("%+v: no pattern was kept", key)
				}
			}
		}
	}
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

func comparePatterns(t *testing.T, templates *Templates, m event.Mail, got rendered) {
	t.Helper()
	l, err := templates.letter(m)
	if err != nil {
		t.Fatal(err)
	}
	want, err := templates.render(l)
	if err != nil {
		t.Fatal(err)
	}
	if got.subject != want.subject || got.lang != want.lang || string(got.text) != string(want.text) || string(got.html) != string(want.html) {
		t.Errorf("%s %q: filled in\n%s%s\nrendered\n%s%s", m.Kind, m.To.Name, got.text, got.html, want.text, want.html)
	}
}

// Templates in which the name decides about more than its own place are rendered anew for everybody.
func TestWhatANameDecides(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		kept       bool
	}{
		"the name in the subject":      {"hu/expiry.tmpl", `{{define "subject"}}{{.Name}}: lejár{{end}}{{define "heading"}}x{{end}}{{define "facts"}}{{end}}{{define "body"}}x{{end}}`, false},
		"asked for in the body":        {"hu/expiry.tmpl", `{{define "subject"}}Lejár{{end}}{{define "heading"}}x{{end}}{{define "facts"}}{{end}}{{define "body"}}{{if eq .Name "x"}}x{{else}}y{{end}}{{end}}`, false},
		"the greeting chosen by it":    {"hu/common.tmpl", `{{define "greeting"}}{{if eq .Name "x"}}Szia!{{else}}Tisztelt {{.Name}}!{{end}}{{end}}{{define "genuine"}}{{end}}{{define "switch_off"}}{{end}}{{define "footer"}}{{end}}`, true},
		"facts chosen by it":           {"hu/expiry.tmpl", `{{define "subject"}}Lejár{{end}}{{define "heading"}}x{{end}}{{define "facts"}}{{if eq .Name "x"}}A: x{{else}}B: x` + "\n" + `C: {{.Name}}{{end}}{{end}}{{define "body"}}y{{end}}`, true},
		"a layout that cuts it":        {"layout.txt", `{{printf "%.5s" .Greeting}} {{.Subject}}`, false},
		"a layout in which it is code": {"layout.html", `<html lang="{{.Lang}}"><p title={{.Greeting}}>{{.Subject}}</p></html>`, false},
		"a layout that quotes it":      {"layout.html", `<html lang="{{.Lang}}"><p title="{{.Greeting}}">{{.Subject}}</p></html>`, true},
		"the characters of the marks":  {"layout.txt", "\uf000 {{.Greeting}} \uf8ff", false},
	} {
		o := sampleOptions()
		o.TemplateDir = t.TempDir()
		path := filepath.Join(o.TemplateDir, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := o.sender()
		templates := &Templates{sender: s, options: o.withDefaults()}
		if err := templates.load(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ls := newLetters(templates)
		for i := range people {
			m := withPerson(sampleMail(1), i)
			got, err := ls.letter(m)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			comparePatterns(t, templates, m, got)
		}
		for _, p := range ls.known {
			if p.anew == c.kept {
				t.Errorf("%s: kept %v", name, !p.anew)
			}
		}
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
