package console

import (
	"encoding/json"
	"net/http"
)

// livez answers 200, or 503 with the reason for which the process must be started anew.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if s.o.Live != nil {
		if err := s.o.Live(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(err.Error() + "\n"))
			return
		}
	}
	w.Write([]byte("ok\n"))
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready  bool `json:"ready"`
	Detail any  `json:"detail"`
}

func (s *Server) ready() readiness {
	if s.o.Ready == nil {
		return readiness{Ready: true}
	}
	ready, detail := s.o.Ready()
	return readiness{ready, detail}
}

// readyz answers 200 when the service does its work, 503 when it does not, with the detail either way.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	r := s.ready()
	status := http.StatusOK
	if !r.Ready {
		status = http.StatusServiceUnavailable
	}
	s.json(w, status, r)
}

func (s *Server) story(w http.ResponseWriter, _ *http.Request) {
	s.json(w, http.StatusOK, s.o.Story())
}

func (s *Server) json(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		s.o.Logger.Error("console cannot write a value as JSON", "error", err)
		http.Error(w, "The value cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
