package console

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

var pages = parsePages("index.html", "mails.html", "mail.html", "nothing.html")

// parsePages makes one set of templates a page: the page itself, the layout around it and the pieces that pages share.
func parsePages(names ...string) map[string]*template.Template {
	sets := map[string]*template.Template{}
	for _, name := range names {
		t := template.New("layout.html").Funcs(template.FuncMap{"when": when, "stamp": stamp, "number": func(n int) string { return grouped(strconv.Itoa(n)) }})
		sets[name] = template.Must(t.ParseFS(assets, "assets/layout.html", "assets/pieces.html", "assets/"+name))
	}
	return sets
}

// when shows an instant in its own zone, to the minute.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04")
}

// stamp shows an instant for machines.
func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// view is what every page's layout needs.
type view struct {
	Title   string
	Mailbox bool
	Here    string // the entry of the navigation that is this page
}

func (s *Server) view(title, here string) view {
	return view{Title: title, Mailbox: s.o.Mailbox != nil, Here: here}
}

func (s *Server) show(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pages[name].Execute(&body, data); err != nil {
		s.o.Logger.Error("console page failed", "template", name)
		http.Error(w, "This page failed.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

func (s *Server) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, "assets/console.css")
}

func (s *Server) nothingHere(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusNotFound, "nothing.html", s.view("Nothing here", ""))
}

type indexView struct {
	view
	Ready   bool
	Detail  []fact
	Story   []fact
	Live    bool
	Metrics bool
	Mails   []*Message
	Count   int
}

// index tells how the service stands, and shows the newest mails.
func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	v := indexView{view: s.view("Overview", "index"), Metrics: s.o.Gatherer != nil, Live: r.URL.Query().Get("live") == "1"}
	state := s.ready()
	v.Ready = state.Ready
	v.Detail = s.facts(state.Detail)
	if s.o.Story != nil {
		v.Story = s.facts(s.o.Story())
	}
	if s.o.Mailbox != nil {
		v.Mails = s.o.Mailbox.find("")
		v.Mails, v.Count = v.Mails[:min(len(v.Mails), mailsOnIndex)], s.o.Mailbox.Count()
	}
	if v.Live {
		w.Header().Set("Refresh", strconv.Itoa(liveSeconds))
	}
	s.show(w, http.StatusOK, "index.html", v)
}

func (s *Server) facts(v any) []fact {
	facts, err := factsOf(v)
	if err != nil {
		s.o.Logger.Error("console cannot show a value", "error", err)
	}
	return facts
}

type mailsView struct {
	view
	Query                  string
	Mails                  []*Message
	Found, Count, Dropped  int
	First, Last            int
	NewerPage, OlderPage   string // addresses, "" for none
	MaxSearchRunes, Capped int
}

// mails lists the mails, newest first. Parameters: q, words that a mail must hold; page, from 1.
func (s *Server) mails(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := mailsView{view: s.view("Mails", "mail"), Query: cut(strings.TrimSpace(q.Get("q")), maxSearchRunes),
		MaxSearchRunes: maxSearchRunes, Capped: MaxMails, Count: s.o.Mailbox.Count(), Dropped: s.o.Mailbox.Dropped()}
	found := s.o.Mailbox.find(v.Query)
	v.Found = len(found)
	last := max(1, (len(found)+mailsPerPage-1)/mailsPerPage)
	page, _ := strconv.Atoi(q.Get("page"))
	page = min(max(page, 1), last)
	from := (page - 1) * mailsPerPage
	v.Mails = found[from:min(from+mailsPerPage, len(found))]
	v.First, v.Last = from+1, from+len(v.Mails)
	if page > 1 {
		v.NewerPage = mailsAddress(v.Query, page-1)
	}
	if page < last {
		v.OlderPage = mailsAddress(v.Query, page+1)
	}
	s.show(w, http.StatusOK, "mails.html", v)
}

func mailsAddress(query string, page int) string {
	q := url.Values{}
	if query != "" {
		q.Set("q", query)
	}
	q.Set("page", strconv.Itoa(page))
	return "/mail/?" + q.Encode()
}
