package letter

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"mime"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"lejarat/processor/event"
)

//go:embed templates
var shipped embed.FS

// The files of a template set. The wording of a language is plain text, laid out twice: by layout.txt and layout.html.
const (
	layoutText     = "layout.txt"
	layoutHTML     = "layout.html"
	commonFile     = "common.tmpl"
	maxTemplate    = 256 << 10
	maxSubjectRune = 200
)

// templates turn records into letters.
type templates struct {
	sender    sender
	options   Options
	documents map[string]Document
	wording   map[string]map[string]*template.Template // language → kind → blocks
	text      *template.Template
	html      *htmltemplate.Template
}

// kinds is what a letter can be, with the file of its wording in each language's folder.
var kinds = map[string]string{event.KindExpiry: "expiry.tmpl", event.KindAnnouncement: "announcement.tmpl"}

// Known says whether there is a letter of that kind.
func Known(kind string) bool { return kinds[kind] != "" }

// newTemplates loads the shipped templates, those of Options.TemplateDir in their place.
func newTemplates(s sender, o Options) (*templates, error) {
	t := &templates{sender: s, options: o}
	if err := t.load(); err != nil {
		return nil, fmt.Errorf("reading the mail templates: %w", err)
	}
	return t, nil
}

// render returns the letter of a record as a mail program shows it: its subject, and its body as text and as HTML.
func (t *templates) render(mail event.Mail) (subject, text, html string, err error) {
	p, err := t.pattern(mail)
	if err != nil {
		return "", "", "", err
	}
	l := letter{p, personOf(mail)}
	subject, err = new(mime.WordDecoder).DecodeHeader(l.subject())
	return subject, unquoted(l.appendText(nil)), unquoted(l.appendHTML(nil)), err
}

func unquoted(encoded []byte) string {
	text, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(encoded))) // which we have encoded
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// load reads what the options name.
func (t *templates) load() error {
	t.documents, t.wording = map[string]Document{}, map[string]map[string]*template.Template{}
	for _, d := range t.options.Documents {
		t.documents[d.Type] = d
	}
	faults := []error{foreignFiles(t.options.TemplateDir)}
	for lang := range t.options.Texts {
		if !slices.Contains(languages, lang) {
			faults = append(faults, fmt.Errorf("mail.texts: no language %q; there are %s", lang, strings.Join(languages, ", ")))
		}
	}
	marked := func(key, text string) {
		if hasMark(text) {
			faults = append(faults, fmt.Errorf("%s %w", key, errMarks))
		}
	}
	marked("mail.from", t.sender.from.Name)
	for _, lang := range languages {
		for name, text := range t.options.Texts[lang] {
			marked("mail.texts."+lang+"."+name, text)
		}
		for _, d := range t.options.Documents {
			marked("documents."+d.Type+".names."+lang, d.Names[lang])
		}
	}
	return errors.Join(append(faults, t.parse())...)
}

// parse reads all files and reports all that cannot be read.
func (t *templates) parse() error {
	var faults []error
	source := func(path string) string {
		text, err := t.source(path)
		if hasMark(text) {
			err = fmt.Errorf("%s %w", path, errMarks)
		}
		faults = append(faults, err)
		return text
	}
	for _, lang := range languages {
		t.wording[lang] = map[string]*template.Template{}
		common := source(lang + "/" + commonFile)
		for kind, file := range kinds {
			set, err := template.New(lang + "/" + commonFile).Funcs(template.FuncMap{"capital": capital}).
				Option("missingkey=error").Parse(common)
			if err == nil {
				_, err = set.New(lang + "/" + file).Parse(source(lang + "/" + file))
			}
			faults = append(faults, err)
			if err == nil {
				t.wording[lang][kind] = set
			}
		}
	}
	var err error
	t.text, err = template.New(layoutText).Funcs(template.FuncMap{"wrap": wrap}).Option("missingkey=error").Parse(source(layoutText))
	faults = append(faults, err)
	t.html, err = htmltemplate.New(layoutHTML).Funcs(htmltemplate.FuncMap{"whole": whole}).Option("missingkey=error").Parse(source(layoutHTML))
	return errors.Join(append(faults, err)...)
}

// source returns the operator's file where there is one, else the shipped one.
func (t *templates) source(path string) (string, error) {
	if t.options.TemplateDir != "" {
		b, err := os.ReadFile(filepath.Join(t.options.TemplateDir, filepath.FromSlash(path)))
		if err == nil && len(b) > maxTemplate {
			err = fmt.Errorf("%s: larger than %d bytes", path, maxTemplate)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return string(b), err
		}
	}
	b, err := shipped.ReadFile("templates/" + path)
	return string(b), err
}

// foreignFiles refuses files in the operator's folder that replace nothing: a misspelt name would otherwise be a
// replacement that silently does not happen.
func foreignFiles(dir string) error {
	if dir == "" {
		return nil
	}
	var faults []error
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".tmpl", ".txt", ".html"}, filepath.Ext(path)) {
			return err
		}
		if _, err := fs.Stat(shipped, "templates/"+path); err != nil {
			faults = append(faults, fmt.Errorf("%s: replaces no shipped template", path))
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("mail.template_dir %s: %w", dir, err)
	}
	return errors.Join(append(faults, err)...)
}
