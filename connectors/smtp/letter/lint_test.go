package letter

import (
	"bytes"
	"io/fs"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// templateDir makes a folder of an operator's templates from pairs of file and text. A text of the form
// "old => new" is the shipped file with that changed.
func templateDir(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		text := pairs[i+1]
		if was, now, ok := strings.Cut(text, " => "); ok {
			source, err := fs.ReadFile(shipped, "templates/"+pairs[i])
			if err != nil || !strings.Contains(string(source), was) {
				t.Fatalf("%s has no %q: %v", pairs[i], was, err)
			}
			text = strings.ReplaceAll(string(source), was, now)
		}
		path := filepath.Join(dir, pairs[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each fault of a template is found, and nothing else with it.
func TestLint(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"shipped":                   {"README.md", "notes", ""},
		"missing variable":          {"hu/expiry.tmpl", "{{.TypeName}} => {{.Typename}}", "template: template: hu/expiry.tmpl"},
		"missing block":             {"en/common.tmpl", "define \"greeting\" => define \"hello\"", `template: en/expiry.tmpl: {{define "greeting"}} is missing`},
		"long subject":              {"hu/announcement.tmpl", `define "subject"}}Ezentúl => define "subject"}}` + strings.Repeat("Ezentúl ", 30), "template: hu/announcement.tmpl: the subject"},
		"image":                     {"layout.html", "<h1 => <img alt=\"\" src=\"https://example.com/a.png\"><h1", "remote: layout.html: \"<img\""},
		"style from elsewhere":      {"layout.html", ":root { => @import \"x.css\"; :root {", "remote: layout.html: \"@import\""},
		"background":                {"layout.html", "background-color:#eef1f4;-webkit => background:url( 'x.png' );-webkit", "remote: layout.html: \"url(\""},
		"source with blanks":        {"layout.html", "<h1 => <i SRC = 'x'></i><h1", "remote: layout.html: \"src=\""},
		"script":                    {"layout.html", "<h1 => <SCRIPT>1</SCRIPT><h1", "remote: layout.html: \"<script\""},
		"line not broken":           {"layout.txt", `{{wrap "" .Text}} => {{.Text}}`, "line: layout.txt: a line of the text has more than 78"},
		"no facts in the text":      {"layout.txt", "{{range .Facts}}\n  {{wrap \"    \" (printf \"%s: %s\" .Label .Value)}}{{end}} => ", "difference: only the HTML has the document's type"},
		"no facts in the HTML":      {"layout.html", "{{.Value}} => ", "difference: only the text has the masked number"},
		"no renewal in the HTML":    {"layout.html", "{{whole .Text}} => ", "difference: only the text has where to renew"},
		"words of the layout alone": {"layout.html", "</body> => <p>Figyelem</p></body>", "difference: only the HTML says Figyelem"},
		"the same in the text":      {"layout.txt", "{{.Service}} => {{.Service}} GDPR", "difference: only the text says GDPR"},
		"no date":                   {"hu/expiry.tmpl", `{{define "subject"}}Lejár{{end}}{{define "heading"}}x{{end}}{{define "facts"}}{{end}}{{define "body"}}Hamarosan.{{end}}`, "fact: text and HTML must both say when"},
		"too large":                 {"layout.html", "<h1 => " + strings.Repeat("<span></span>", 8000) + "<h1", "size: the mail has more than 100 kB"},
		"a value in a style":        {"layout.html", `<h1 class => <p style="color:{{.Heading}}">a</p><h1 class`, "injection: layout.html: a value stands where it cannot be made safe"},
	} {
		t.Run(name, func(t *testing.T) {
			o := sampleOptions()
			o.TemplateDir = templateDir(t, c.file, c.text)
			composer, err := NewComposer(o)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, f := range composer.lint() {
				found = append(found, f.String())
			}
			all := strings.Join(found, "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("want %q, found\n%s", c.want, all)
			}
		})
	}
}

// All faults of all files come at once.
func TestCheckReportsAllFindings(t *testing.T) {
	o := sampleOptions()
	o.TemplateDir = templateDir(t, "layout.html", "<h1 => <img><h1", "layout.txt", `{{wrap "" .Text}} => {{.Text}}`)
	err := mustComposer(t, o).Check()
	for _, want := range []string{"hu-announcement and", "remote: ", "line: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A preview is a folder with every letter for every configured document and threshold, in each language.
func TestPreview(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	n, findings, err := Preview(sampleOptions(), dir)
	if err != nil || len(findings) != 0 || n < 30 {
		t.Fatalf("%d letters, %v, %v", n, findings, err)
	}
	for _, lang := range languages {
		for _, d := range shippedDocuments() {
			for _, notice := range d.Notices {
				msg, err := os.ReadFile(filepath.Join(dir, lang+"-"+d.Type+"-"+notice+".eml"))
				if err != nil {
					t.Fatal(err)
				}
				parsed, err := netmail.ReadMessage(bytes.NewReader(msg))
				if err != nil || parsed.Header.Get("Content-Language") != lang {
					t.Errorf("%v %v", err, parsed)
				}
				page, err := os.ReadFile(filepath.Join(dir, lang+"-"+d.Type+"-"+notice+".html"))
				if err != nil || !bytes.Contains(page, []byte("</html>")) {
					t.Error(err)
				}
			}
		}
		for _, file := range []string{"-announcement.eml", "-announcement.html", "-passport-P6M-late.eml"} {
			if _, err := os.Stat(filepath.Join(dir, lang+file)); err != nil {
				t.Error(err)
			}
		}
	}
	o := sampleOptions()
	o.TemplateDir = templateDir(t, "layout.html", "<h1 => <img><h1")
	if n, findings, err := Preview(o, dir); err != nil || n < 30 || len(findings) != 1 || findings[0].More != n-1 {
		t.Errorf("%d letters, %v, %v", n, findings, err)
	}
	if _, _, err := Preview(sampleOptions(), filepath.Join(dir, "hu-announcement.eml")); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func TestSampleDates(t *testing.T) {
	unnamed := 0
	for _, s := range mustTemplates(t, sampleOptions()).samples() {
		if s.mail.To.Name == "" {
			unnamed++
		}
		if s.name == "hu-passport-P6M" && (s.mail.RunDate != "2026-02-28" || *s.mail.DaysLeft != 184) {
			t.Errorf("%+v", s.mail)
		}
		if s.name == "hu-identity_card-P2M-late" && (s.mail.RunDate != "2026-07-01" || *s.mail.DaysLeft != 61) {
			t.Errorf("%+v %d", s.mail, *s.mail.DaysLeft)
		}
	}
	if unnamed != 2*len(languages) {
		t.Errorf("%d samples to somebody without a name", unnamed)
	}
}
