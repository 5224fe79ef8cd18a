package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"os"
	"strconv"
	"strings"
	"time"
)

// How the connection to the relay is encrypted.
const (
	StartTLS = "starttls" // required, not merely tried
	TLS      = "tls"      // from the first byte
	NoTLS    = "none"
)

// What becomes of a mail whose answer was never seen.
const (
	Resend = "resend" // reported, then sent once more
	Park   = "park"   // reported, not sent again
)

// Options configure a Connector. The zero value of everything but From and Relay.Address has a default.
type Options struct {
	// From is the fixed sender, an RFC 5322 mailbox: "Okmányértesítő <ertesites@example.hu>".
	From string
	// ReplyTo is where answers go; "" names none, and the letters then ask not to answer.
	ReplyTo string
	// EnvelopeFrom is where bounces go. Default: the address of From.
	EnvelopeFrom string
	Relay        Relay
	// Hello is the name said in EHLO. Default: the machine's.
	Hello string
	// Prefix stands before topic names. Default "lejarat.".
	Prefix string
	// TemplateDir holds files that replace the shipped ones of the same relative path. "": none.
	TemplateDir string
	// Website is the page that describes the service, shown as plain text. "": none.
	Website string
	// Texts are language → name → text, for the templates. The shipped ones use service, operator, switch_off, help
	// and renew_<document type>, each in place of its own wording.
	Texts map[string]map[string]string
	// Documents are the document types in the order in which the announcement lists them. Default: the four of SPEC 1.1.
	Documents []Document
	Retry     Retry
	// InDoubt is Resend (default) or Park.
	InDoubt string
	Limits  Limits
	// Now is the civil clock, which decides about not_after. Timeouts and pauses are always real time.
	Now    func() time.Time
	Logger *slog.Logger
	// Observer is told of every outcome, from the goroutine of Run. It must not block.
	Observer func(Outcome)
}

// Document is a document type that letters can be about.
type Document struct {
	Type    string
	Notices []string          // ISO 8601 periods, the longest first
	Names   map[string]string // language → display name; missing: the shipped name, else Type
}

// Relay is the mail server that takes the mails.
type Relay struct {
	Address        string // host:port
	TLS            string // StartTLS (default), TLS or NoTLS
	CAFile         string // PEM certificates to trust; "": the system's
	User, Password string // "": no login
	ConnectTimeout time.Duration
	CommandTimeout time.Duration // the longest wait for the answer to a command
	DataTimeout    time.Duration // the longest wait for the answer to the dot; the mail is in doubt after it
	Connections    int           // at most as many at a time; after a crash as many mails may be in doubt
}

// Retry bounds the growing pause before another attempt.
type Retry struct {
	Min, Max time.Duration
	// Budget ends a run with once when no mail was settled for that long.
	Budget time.Duration
}

// Limits are the named bounds of the connector.
type Limits struct {
	Batch                   int           // records taken from the queue at a time
	Deferred                int           // mails held for a retry; nothing is taken from the queue while as many are held
	MailsPerConnection      int           // then the connection is made anew
	RejectionsPerConnection int           // in a row; Postfix slows a client down after nine
	ConnectionAge           time.Duration // then too
	Idle                    time.Duration // an unused connection is closed after it
	Drain                   time.Duration // what a started mail is given to end when Run is told to stop
	Remember                time.Duration // deliveries older than this are forgotten; must exceed what mail-sink keeps
	MessageBytes            int           // the largest mail
	Freshness               time.Duration // how old the last look at suppressions may be when a mail's final dot is asked for
	Claim                   time.Duration // how long after claiming a mail its final dot may be written; twice that, and others may claim it
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	def(&o.Prefix, "lejarat.")
	def(&o.Relay.TLS, StartTLS)
	def(&o.Relay.ConnectTimeout, 30*time.Second)
	def(&o.Relay.CommandTimeout, 5*time.Minute)
	def(&o.Relay.DataTimeout, 10*time.Minute)
	def(&o.Relay.Connections, 8)
	def(&o.Retry.Min, time.Second)
	def(&o.Retry.Max, 5*time.Minute)
	def(&o.Retry.Budget, 5*time.Minute)
	def(&o.InDoubt, Resend)
	def(&o.Limits.Batch, 500)
	def(&o.Limits.Deferred, 1000)
	def(&o.Limits.MailsPerConnection, 1000)
	def(&o.Limits.RejectionsPerConnection, 8)
	def(&o.Limits.ConnectionAge, 5*time.Minute)
	def(&o.Limits.Idle, 30*time.Second)
	def(&o.Limits.Drain, 20*time.Second)
	def(&o.Limits.Remember, 60*24*time.Hour)
	def(&o.Limits.MessageBytes, 256<<10)
	def(&o.Limits.Freshness, 20*time.Millisecond)
	def(&o.Limits.Claim, 20*time.Second)
	if o.Documents == nil {
		o.Documents = shippedDocuments()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = func(Outcome) {}
	}
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// sender is what Options say about who sends, checked.
type sender struct {
	from     *netmail.Address
	replyTo  *netmail.Address // nil: none
	envelope string
}

// domain is the part of the sender's address that Message-IDs carry.
func (s sender) domain() string { return s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:] }

func (o Options) sender() (sender, error) {
	var s sender
	var faults []error
	parse := func(key, text string) *netmail.Address {
		a, err := netmail.ParseAddress(text)
		var checked mailbox
		if err == nil {
			checked, err = parseMailbox(a.Address)
		}
		if err != nil || checked.utf8 {
			faults = append(faults, fmt.Errorf("mail.%s: want a mailbox such as \"Name <name@example.hu>\", ASCII before the @", key))
			return nil
		}
		a.Address = checked.address
		return a
	}
	if s.from = parse("from", o.From); s.from != nil {
		s.envelope = s.from.Address
	}
	if o.ReplyTo != "" {
		s.replyTo = parse("reply_to", o.ReplyTo)
	}
	if o.EnvelopeFrom != "" {
		if a := parse("envelope_from", o.EnvelopeFrom); a != nil {
			s.envelope = a.Address
		}
	}
	return s, errors.Join(faults...)
}

// validate checks what is not about the sender or the templates, and returns all faults at once.
func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	host, port, err := net.SplitHostPort(o.Relay.Address)
	if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
		fault("mail.relay.address: want host:port, for example 127.0.0.1:25")
	}
	switch o.Relay.TLS {
	case StartTLS, TLS, NoTLS:
	default:
		fault("mail.relay.tls: want starttls, tls or none")
	}
	if o.Relay.User != "" && o.Relay.TLS == NoTLS && !isLocal(host) {
		fault("mail.relay.user: a password is not sent over an unencrypted connection; set tls to starttls or tls")
	}
	if o.Relay.Connections < 1 || o.Relay.Connections > 100 {
		fault("mail.relay.connections: want 1 to 100")
	}
	if o.InDoubt != Resend && o.InDoubt != Park {
		fault("mail.in_doubt: want resend or park")
	}
	if o.Retry.Min < 0 || o.Retry.Max < o.Retry.Min {
		fault("mail.retry: want 0 < min <= max")
	}
	if strings.ContainsFunc(o.Hello, func(r rune) bool { return r <= ' ' || r > '~' }) {
		fault("mail.hello: want a host name")
	}
	return errors.Join(faults...)
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tlsConfig returns the settings for the relay's certificate.
func (r Relay) tlsConfig() (*tls.Config, error) {
	host, _, _ := net.SplitHostPort(r.Address) // checked by validate
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if r.CAFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, fmt.Errorf("mail.relay.ca_file: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mail.relay.ca_file: %s holds no PEM certificate", r.CAFile)
	}
	return cfg, nil
}
