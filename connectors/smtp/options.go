package smtp

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// What becomes of a mail whose answer was never seen.
const (
	Resend = "resend" // reported, then sent once more
	Park   = "park"   // reported, not sent again
)

// Options configure a Connector. The zero value of everything but Letters.From and the relays' addresses has a default.
type Options struct {
	// Letters say what the mails are like.
	Letters letter.Options
	// Sender makes the envelope sender of a mail of its id and where its record stands in the queue, so that a bounce names
	// the mail. nil: Letters.EnvelopeFrom for all.
	Sender func(id string, partition int32, offset int64) string
	// Relays take the mails: each the next one that those before it cannot take at the moment. At least one.
	Relays []Relay
	// Hello is the name said in EHLO. Default: the machine's.
	Hello string
	// Prefix stands before topic names. Default "lejarat.".
	Prefix string
	// DailyCap is how many mails may be handed over on a civil day of Zone, by all instances together; 0: any number.
	DailyCap int
	Zone     *time.Location // default UTC
	// LastDay is a second consumer group on the queue's topic, through which the mails that are good for one day only are
	// found ahead of all others. nil: they are in the queue with the rest, and go before what is in hand of it.
	LastDay Queue
	Retry   Retry
	// InDoubt is Resend (default) or Park.
	InDoubt string
	Limits  Limits
	// Now is the civil clock, which decides about not_after. Timeouts and pauses are always real time.
	Now    func() time.Time
	Logger *slog.Logger
	// Observer is told of every outcome, from the goroutine of Run. It must not block.
	Observer func(Outcome)
	// Lost is told of mails that are gone from the queue and may not have been sent, as Observer is.
	Lost func(*event.Lost)
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
	RefusalsInARow          int           // as many that may be about the relay, and it is set aside; as many other decisions, and it is healthy
	Refusal                 time.Duration // how long such a mail waits at least until it is tried again
	Refusals                int           // as many that count, and the mail is rejected (route.go)
	ConnectionAge           time.Duration // then too
	Idle                    time.Duration // an unused connection is closed after it
	Drain                   time.Duration // what a started mail is given to end when Run is told to stop
	Remember                time.Duration // deliveries older than this are forgotten; must exceed what mail-sink keeps
	Freshness               time.Duration // how old the last look at suppressions may be when a mail's final dot is asked for
	Look                    time.Duration // how old it becomes while mails only wait
	Search                  time.Duration // how long mails that can wait do so, under a cap, until those of the last day are found in the queue
	Claim                   time.Duration // how long after claiming a mail its final dot may be written; twice that, and others may claim it
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	def(&o.Prefix, "lejarat.")
	o.Relays = slices.Clone(o.Relays)
	for i := range o.Relays {
		x := &o.Relays[i]
		def(&x.TLS, StartTLS)
		def(&x.ConnectTimeout, 30*time.Second)
		def(&x.CommandTimeout, 5*time.Minute)
		def(&x.DataTimeout, 10*time.Minute)
		def(&x.Connections, 8)
	}
	def(&o.Retry.Min, time.Second)
	def(&o.Retry.Max, 5*time.Minute)
	def(&o.Retry.Budget, 5*time.Minute)
	def(&o.InDoubt, Resend)
	def(&o.Limits.Batch, 500)
	def(&o.Limits.Deferred, 1000)
	def(&o.Limits.MailsPerConnection, 1000)
	def(&o.Limits.RejectionsPerConnection, 8)
	def(&o.Limits.RefusalsInARow, 5)
	def(&o.Limits.Refusal, 30*time.Second)
	def(&o.Limits.Refusals, 3)
	def(&o.Limits.ConnectionAge, 5*time.Minute)
	def(&o.Limits.Idle, 30*time.Second)
	def(&o.Limits.Drain, 20*time.Second)
	def(&o.Limits.Remember, 60*24*time.Hour)
	def(&o.Limits.Freshness, 20*time.Millisecond)
	def(&o.Limits.Look, 2*time.Second)
	def(&o.Limits.Search, 15*time.Minute)
	def(&o.Limits.Claim, 20*time.Second)
	if o.Zone == nil {
		o.Zone = time.UTC
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
	if o.Lost == nil {
		o.Lost = func(*event.Lost) {}
	}
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate checks what is not about the letters, and returns all faults at once.
func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(o.Relays) == 0 {
		fault("mail.relay: want a relay")
	}
	for i, x := range o.Relays {
		faults = append(faults, x.validate(relayKey(i)))
	}
	if o.DailyCap < 0 {
		fault("mail.daily_cap: want a number of mails, or 0 for any number")
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
