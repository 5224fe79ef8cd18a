package console

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Content-Security-Policies. A page may load its own style sheet and frame its own mails, nothing else.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	// mailPolicy is for the HTML of a mail: it is sandboxed also for whoever opens it outside our frame.
	mailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
	rawPolicy  = "sandbox; default-src 'none'; frame-ancestors 'none'"
)

// guard sets the headers that every answer carries, bounds the request, and survives a page that panics.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			// The value of a panic may quote what the page was about; its type does not.
			s.o.Logger.Error("console page failed", "page", r.Pattern, "panic", fmt.Sprintf("%T", p))
			http.Error(w, "This page failed.", http.StatusInternalServerError)
		}()
		r.Body = http.MaxBytesReader(w, r.Body, maxHTTPBodyBytes)
		next.ServeHTTP(w, r)
	})
}

// ownHost refuses requests under a foreign name to a server that only this machine can reach: a web site whose name
// is made to point to 127.0.0.1 could otherwise have its visitor's browser read the pages.
func (s *Server) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && at.IP.IsLoopback() && !loopbackName(r.Host) {
			http.Error(w, "This page is served under the name localhost only.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
