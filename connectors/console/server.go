package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options say what a Server shows. Every field but Listen may be left zero.
type Options struct {
	// Listen is host:port; port 0 takes any free one, which Addr then names.
	Listen string
	Logger *slog.Logger // nil discards
	// Gatherer is what /metrics shows. Nil: there is no such page.
	Gatherer prometheus.Gatherer
	// Live returns why the process cannot go on and must be started anew, nil as long as it can. Nil: always live.
	// Its text is shown to whoever may reach the port: no personal data.
	Live func() error
	// Ready says whether the service does its work now, and what speaks for or against it, as a value for JSON
	// without personal data. Nil: always ready.
	Ready func() (ready bool, detail any)
	// Mailbox is the local mailbox whose mails are shown. Nil: there are no mail pages.
	Mailbox *Mailbox
	// Story is what the index page tells, as a value for JSON without personal data: its fields in their order, their
	// names with blanks for underscores. It is also served as /story.json. Nil: nothing.
	Story func() any
	// Explain answers GET /explain?document=KEY and ?registration=KEY, with &source=NAME where several sources have the
	// key: an HTTP status, and a value for JSON. kind is document or registration. Nil: there is no such page.
	Explain func(ctx context.Context, kind, key, source string) (status int, answer any)
}

// Server is the running web edge.
type Server struct {
	o        Options
	http     http.Server
	listener net.Listener
	served   chan struct{} // closed when the accepting goroutine has ended
}

// Start listens and serves until Close. Its errors name the setting at fault.
func Start(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, listenError(o.Listen, err)
	}
	s := &Server{o: o, listener: limitConns(l, maxHTTPConns), served: make(chan struct{})}
	s.http = http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: httpHeaderTimeout,
		ReadTimeout:       httpReadTimeout,
		WriteTimeout:      httpWriteTimeout,
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    maxHTTPHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("console stopped serving", "error", err)
		}
	}()
	return s, nil
}

func listenError(address string, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("http.listen: %s is in use by another program: stop that one, or set http.listen to another port: %w", address, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &dns):
		return fmt.Errorf("http.listen: %s is no address of this machine: set http.listen to one, for example 127.0.0.1:8080: %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("http.listen: this user may not open %s: set http.listen to a port above 1023: %w", address, err)
	}
	return fmt.Errorf("http.listen: want host:port, for example 127.0.0.1:8080: %w", err)
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops listening, lets the requests under way end while ctx lasts, then closes what is left.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	return err
}

// handler lists every address that the server answers.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	if s.o.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{
			ErrorLog:            slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelWarn),
			ErrorHandling:       promhttp.ContinueOnError, // one broken collector must not hide the others
			MaxRequestsInFlight: maxScrapes,
			Timeout:             scrapeTimeout,
		}))
	}
	page := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, s.ownHost(h)) }
	page("GET /{$}", s.index)
	page("GET /console.css", s.style)
	if s.o.Story != nil {
		page("GET /story.json", s.story)
	}
	if s.o.Explain != nil {
		page("GET /explain", s.explain)
	}
	if s.o.Mailbox != nil {
		page("GET /mail/{$}", s.mails)
		page("GET /mail/{id}", s.mail)
		page("GET /mail/{id}/html", s.mailHTML)
		page("GET /mail/{id}/raw", s.mailRaw)
	}
	page("GET /", s.nothingHere)
	return s.guard(mux)
}
