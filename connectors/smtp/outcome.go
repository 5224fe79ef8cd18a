package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"lejarat/connectors/smtp/letter"
)

// Phase is where in an SMTP transaction something happened.
type Phase uint8

// The phases, in order. Everything before PhaseDot was provably not delivered when it failed.
const (
	PhaseNone    Phase = iota // the relay was not asked
	PhaseConnect              // dialling, TLS, EHLO, AUTH
	PhaseMail
	PhaseRcpt
	PhaseData // DATA and its 354
	PhaseBody // writing the message, up to the final dot
	PhaseDot  // from the final dot to its answer
)

var phaseNames = [...]string{"none", "connect", "MAIL", "RCPT", "DATA", "body", "dot"}

func (p Phase) String() string { return phaseNames[p] }

// class is what a transaction means for its mail.
type class uint8

const (
	accepted  class = iota
	deferred        // not now: this mail later, others at once
	slowed          // not now: the relay has too much of us, or no room
	relayAway       // not now: the relay or the connection, not the mail
	refused         // never
	inDoubt         // the dot was written, its answer not seen
	calledOff       // ready said no before the dot
	unfit           // not by this relay: it does not offer what the mail needs
)

// result is the end of one transaction.
type result struct {
	class class
	phase Phase
	reply reply
	cause string // of an I/O error: its kind, never the relay's words
}

// Error says phase and codes; it fits into logs.
func (r result) Error() string {
	switch {
	case r.reply.code == 0:
		return fmt.Sprintf("%s: %s", r.phase, r.cause)
	case r.reply.enhanced != "":
		return fmt.Sprintf("%s: answered %d %s", r.phase, r.reply.code, r.reply.enhanced)
	}
	return fmt.Sprintf("%s: answered %d", r.phase, r.reply.code)
}

// classify says what an answer in a phase means. bad says that the connection is of no more use.
func classify(phase Phase, a reply) (c class, bad bool) {
	switch {
	case a.code == 421: // the relay closes the connection
		return slowed, true
	case a.code == 503, a.code == 530, a.code == 534, a.code == 535, a.code == 538:
		// The session is at fault, not the mail: commands out of order, or a login that is wanted.
		return relayAway, true
	case a.code/10 == 50 && (phase == PhaseMail || phase == PhaseData): // nor is a command that is not understood
		return relayAway, true
	case a.code/100 == 4 && relayFull(phase, a):
		return slowed, false
	case a.code/100 == 4:
		return deferred, false
	case a.code/100 == 5:
		return refused, false
	case phase == PhaseDot && a.code/100 == 2:
		return accepted, false
	case phase == PhaseDot: // an answer that means nothing here
		return inDoubt, true
	}
	return relayAway, true
}

// relayFull tells a 4xx that is about the relay from one about a recipient, such as greylisting (450, or 451 4.7.1).
func relayFull(phase Phase, a reply) bool {
	switch {
	case phase == PhaseMail: // the sender is always the same: it is not about this mail
		return true
	case a.code == 454: // throttled
		return true
	case a.enhanced != "":
		// The mail system itself, its congestion, or our sender.
		return strings.HasPrefix(a.enhanced, "4.3.") || a.enhanced == "4.4.5" || a.enhanced == "4.1.7" || a.enhanced == "4.1.8"
	}
	return a.code == 452 || a.code == 451 && phase > PhaseRcpt // no room, or an error of its own
}

// aboutRelay says whether a refusal may be one of us or of everything, and not of its mail: security and policy (5.7),
// the mail system (5.3) but for the size of a mail, our sender; without an enhanced code what means that there is no
// service, or nothing at all (521, 554).
func (r result) aboutRelay() bool {
	e := r.reply.enhanced
	switch {
	case r.reply.code == 0, r.reply.code == 552, e == "5.3.4":
		return false
	case r.phase == PhaseMail:
		return true
	case e == "":
		return r.reply.code == 521 || r.reply.code == 554
	}
	return strings.HasPrefix(e, "5.7.") || strings.HasPrefix(e, "5.3.") || e == "5.1.7" || e == "5.1.8"
}

// outOfTurn says of an envelope that went out behind a message that the relay may not have expected it there: it lost it, refused
// it or hung up.
func (r result) outOfTurn() bool {
	return r.phase == PhaseMail && (r.class == relayAway || r.class == refused && r.aboutRelay())
}

// Outcome is what happened to one mail at one attempt. It holds no personal data.
type Outcome struct {
	ID           string
	Kind         string
	DocumentType string // "" for an announcement
	Threshold    string
	Language     string
	// Status is one of event.Delivery…, or StatusRetry or StatusSkipped.
	Status       string
	Reason       string // as in the delivery
	Phase        Phase  // how far the transaction came
	Relay        string // host:port; "" where no relay was asked
	Attempts     int
	SMTPCode     int // 0: none
	EnhancedCode string
}

// Statuses of an Outcome that lejarat.deliveries does not have.
const (
	StatusRetry   = "retry"   // not delivered for now; tried again
	StatusSkipped = "skipped" // settled before: delivered to the connector once more
)

// Summary counts what a run did.
type Summary struct {
	Accepted, Rejected, Expired, Suppressed int64
	// InDoubt are mails whose answer was never seen, each counted once however often it was sent.
	InDoubt     int64
	Skipped     int64 // already settled before
	Undecodable int64 // among them those counted as Rejected because their id was readable
	Retries     int64
	// Lost are offsets of the queue that were deleted before the group was done with them; a few of them are not mails.
	Lost int64
	// Left is what is still queued when the run ends, as far as the queue could tell.
	Left int64
}

// finalDot ends the message.
var finalDot = []byte(".\r\n")

// errNeedsSMTPUTF8: the recipient's local part is not ASCII, and no relay can take such. The text is a reason in
// lejarat.deliveries.
var errNeedsSMTPUTF8 = errors.New("address_needs_smtputf8")

// oneLine refuses what would be two commands.
func oneLine(e letter.Envelope) bool {
	const parting = "\r\n\x00"
	return !strings.ContainsAny(e.From, parting) && !strings.ContainsAny(e.To, parting) && !strings.ContainsAny(e.ID, parting)
}

// stuffed is a message with the dot doubled that begins a line (RFC 5321 4.5.2).
func stuffed(msg []byte) []byte {
	if bytes.Contains(msg, []byte("\r\n.")) {
		msg = bytes.ReplaceAll(msg, []byte("\r\n."), []byte("\r\n.."))
	}
	if bytes.HasPrefix(msg, []byte(".")) {
		msg = append([]byte("."), msg...)
	}
	return msg
}
