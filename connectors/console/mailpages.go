package console

import (
	"net/http"
	"strconv"
)

type mailView struct {
	view
	Mail         *Message
	Headers      string
	Newer, Older int // ids, 0 for none
}

// named returns the mail that the address names, or answers that there is none.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (*Message, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err == nil {
		if m, ok := s.o.Mailbox.get(id); ok {
			return m, true
		}
	}
	s.show(w, http.StatusNotFound, "nothing.html", s.view("No such mail", "mail"))
	return nil, false
}

// mail shows one mail. Its HTML part is a document of its own, which the page frames.
func (s *Server) mail(w http.ResponseWriter, r *http.Request) {
	m, ok := s.named(w, r)
	if !ok {
		return
	}
	v := mailView{view: s.view(m.Subject, "mail"), Mail: m, Headers: headerBlock(m.Raw)}
	if v.Title == "" {
		v.Title = "Mail without a subject"
	}
	if _, ok := s.o.Mailbox.get(m.ID + 1); ok {
		v.Newer = m.ID + 1
	}
	if _, ok := s.o.Mailbox.get(m.ID - 1); ok {
		v.Older = m.ID - 1
	}
	s.show(w, http.StatusOK, "mail.html", v)
}

// mailHTML serves a mail's HTML as it came, under a policy that leaves it nothing but its own style.
func (s *Server) mailHTML(w http.ResponseWriter, r *http.Request) {
	m, ok := s.named(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", mailPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte(m.HTML))
}

// mailRaw serves a mail's bytes as plain text.
func (s *Server) mailRaw(w http.ResponseWriter, r *http.Request) {
	m, ok := s.named(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Security-Policy", rawPolicy)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(m.Raw)
}
