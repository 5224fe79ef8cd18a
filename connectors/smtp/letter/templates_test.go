package letter

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The shipped letters ask for nothing, link nowhere, fetch nothing, press nobody, and can be read by everyone.
func TestShippedLettersKeepTheRules(t *testing.T) {
	templates := mustTemplates(t, sampleOptions())
	small := regexp.MustCompile(`font-size:(1[0-5]|[0-9])px`)
	urgent := regexp.MustCompile(`(?i)azonnal|sürgős|haladéktalanul|urgent|immediately|kattintson|click`)
	for _, s := range templates.samples() {
		m := s.mail
		subject, text, html, err := templates.render(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{"<a ", "href", "http://", "https://", "<img", "src="} {
			if strings.Contains(html, never) || strings.Contains(text, never) {
				t.Errorf("%s: holds %q", subject, never)
			}
		}
		if found := small.FindString(html); found != "" {
			t.Errorf("%s: %s", subject, found)
		}
		if found := urgent.FindString(subject + text); found != "" {
			t.Errorf("%s: says %q", subject, found)
		}
		if !strings.Contains(html, `<html lang="`+m.Language+`"`) || !strings.Contains(html, "max-width:600px") {
			t.Errorf("%s: no language or width", subject)
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 73 {
				t.Errorf("%s: long line %q", subject, line)
			}
		}
		if strings.Contains(text, "\n\n\n\n") || strings.Contains(text, "  \n") {
			t.Errorf("%s: blank lines:\n%s", subject, text)
		}
	}
}

// newAndChecked returns what keeps a connector with these options from starting.
func newAndChecked(o Options) error {
	c, err := NewComposer(o)
	if err != nil {
		return err
	}
	return c.Check()
}

func TestOperatorsTemplates(t *testing.T) {
	cases := []struct{ file, text, want string }{
		{"hu/expiry.tmpl", `{{define "subject"}}Lejár{{end}}{{define "heading"}}H{{end}}{{define "facts"}}{{end}}{{define "body"}}{{.OnDay}}{{end}}`, ""},
		{"hu/expiry.tmpl", "{{define \"subject\"}}x{{end}}\n{{define \"heading\"}}x{{end}}{{define \"facts\"}}{{end}}\n{{define \"body\"}}\n{{.Expiry}}{{end}}", "hu/expiry.tmpl:4"},
		{"hu/expiry.tmpl", "{{define \"subject\"}}\n{{if}}{{end}}", "hu/expiry.tmpl:2"},
		{"hu/expiry.tmpl", `{{define "heading"}}x{{end}}`, `hu/expiry.tmpl: {{define "subject"}} is missing`},
		{"hu/expiry.tmpl", `{{define "subject"}} {{end}}{{define "heading"}}x{{end}}{{define "facts"}}{{end}}{{define "body"}}x{{end}}`, "the subject must have 1"},
		{"en/announcement.tmpl", "\n\n{{end}}", "en/announcement.tmpl:3"},
		{"layout.html", `<html>{{.Subject}}<img src="https://track.example/x.gif"></html>`, "nothing in a mail may be fetched"},
		{"layout.html", "<html>\n{{.Subjekt}}</html>", "layout.html:2"},
		{"layout.txt", "\n{{range .Body}}{{.Titel}}{{end}}", "layout.txt:2"},
		{"hu/expiri.tmpl", "x", "hu/expiri.tmpl: replaces no shipped template"},
		{"README.md", "notes", ""},
	}
	for _, c := range cases {
		o := sampleOptions()
		o.TemplateDir = t.TempDir()
		path := filepath.Join(o.TemplateDir, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := newAndChecked(o)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %q: %v", c.file, c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %q: got %v, want %q", c.file, c.text, err, c.want)
		}
	}
	o := sampleOptions()
	o.TemplateDir = filepath.Join(t.TempDir(), "nowhere")
	if _, err := NewComposer(o); err == nil || !strings.Contains(err.Error(), "mail.template_dir "+o.TemplateDir) {
		t.Errorf("a folder that does not exist: %v", err)
	}
}

func TestOperatorsTextsAndNames(t *testing.T) {
	o := sampleOptions()
	o.ReplyTo = "ugyfelszolgalat@example.hu"
	o.Documents = append(shippedDocuments(), Document{Type: "fishing_licence", Notices: []string{"P30D"}, Names: map[string]string{"hu": "horgászjegy"}})
	o.Texts = map[string]map[string]string{"hu": {
		"service": "Lejárati Értesítő", "operator": "Küldi: a Mintahivatal", "switch_off": "Írjon nekünk.", "help": "Telefon: 1818.",
		"renew_passport": "Jöjjön be a Mintahivatalba.", "renew_fishing_licence": "A horgászegyesületnél.",
	}}
	templates := mustTemplates(t, o)
	_, text, html, err := templates.render(sampleMail(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Lejárati Értesítő", "a Mintahivatal", "Írjon nekünk.", "Telefon: 1818.", "Jöjjön be a Mintahivatalba.", "válaszolhat rá"} {
		if !strings.Contains(text, want) || !strings.Contains(html, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	m := sampleMail(1)
	m.Document.Type = "fishing_licence"
	if subject, text, _, err := templates.render(m); err != nil || !strings.HasSuffix(subject, "lejár a következő okmánya: horgászjegy") ||
		!strings.Contains(text, "A horgászegyesületnél.") {
		t.Errorf("%s %v\n%s", subject, err, text)
	}
	if _, text, _, _ := templates.render(announcementMail("hu")); !strings.Contains(text, "horgászjegy: 30 nappal a lejárat előtt") {
		t.Errorf("announcement:\n%s", text)
	}
	o.Texts = map[string]map[string]string{"de": nil}
	if _, err := NewComposer(o); err == nil {
		t.Error("texts of an unknown language were accepted")
	}
}
