package console

import "net/http"

// explain tells the story of one row. It is for programs of this service's operators, hence for no page of another site:
// a browser says where a request comes from.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "none" && from != "same-origin" {
		http.Error(w, "This answer is for no other site.", http.StatusForbidden)
		return
	}
	q := r.URL.Query()
	document, registration := q.Get("document"), q.Get("registration")
	kind, key := "document", document
	if registration != "" {
		kind, key = "registration", registration
	}
	if (document == "") == (registration == "") {
		s.json(w, http.StatusBadRequest, map[string]string{"error": "name one row: ?document=KEY or ?registration=KEY"})
		return
	}
	status, answer := s.o.Explain(r.Context(), kind, key, q.Get("source"))
	s.json(w, status, answer)
}
