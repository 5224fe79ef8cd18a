package smtp

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// job is one mail in hand, from the queue to its outcome.
type job struct {
	record   event.Record
	mail     event.Mail
	id       markID
	emitted  time.Time
	notAfter time.Time // zero: no limit
	faulty   bool      // it could not be read; only its id is known
	lastDay  bool      // it is good on the day on which it was decided only
	feed     *feed     // the queue that it came from

	attempts int    // transactions begun
	tries    int    // as recorded: a claim counts the attempt that it is for
	doubt    bool   // an attempt was in doubt; it may be sent once more
	out      bool   // it counts against the day's cap (cap.go)
	blamed   bool   // its last answer was about the relay
	via      string // the relay that it was last handed to
	pause    backoff
	due      time.Time // of the next attempt, real time
	handed   time.Time // to that relay, or to follow another there
	followed bool      // another was put ahead to follow it there
	unfit    []*route  // they do not offer what it needs
	// Refusals that may be about the relay that gave them (route.go).
	refusal   *result   // the answer to the last attempt; nil: it was another one
	undecided *route    // who gave it, while it may come to count; nil: it counts already, or does not
	refusals  int       // that count
	refusedBy []refusal // the last of each relay, in their order

	// Its claim (claims.go), while a carrier has it.
	claims    int       // how many were made; tells one from the next
	claimedAt time.Time // before the claim was written
	durable   bool      // the claim is, and what stood before it is known
	over      string    // the owner whose claim it replaces
	permit    atomic.Pointer[permit]
	ask       chan time.Time
	askedAt   time.Time
}

// refused says that its refusals are about itself.
func (j *job) refused(l Limits) bool { return j.refusals >= l.Refusals }

// usableID says whether an id can be a key of deliveries and stand in a header: up to 60 ASCII letters, digits, dots, hyphens and
// underscores, a letter or digit first.
func usableID(id string) bool {
	return id != "" && len(id) <= 60 && !strings.ContainsAny(id[:1], "._-") &&
		!strings.ContainsFunc(id, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("._-", r) })
}

// decode reads a record of the queue. ok is false where not even the id can be used.
func decode(r event.Record, o Options) (j *job, ok bool) {
	j = &job{record: r, pause: backoff{min: o.Retry.Min, max: o.Retry.Max}}
	err := json.Unmarshal(r.Value, &j.mail)
	if !usableID(j.mail.ID) {
		return j, false
	}
	j.id = makeMarkID(j.mail.ID)
	j.faulty = err != nil || !letter.Known(j.mail.Kind)
	if j.emitted, err = time.Parse(time.RFC3339Nano, j.mail.EmittedAt); err != nil {
		j.faulty = true
	}
	if j.mail.NotAfter != "" {
		if j.notAfter, err = time.Parse(time.RFC3339Nano, j.mail.NotAfter); err != nil {
			j.faulty = true
		}
	}
	j.lastDay = !j.faulty && !j.notAfter.IsZero() && j.notAfter.Sub(j.emitted) <= 25*time.Hour // the longest day
	j.record.Value = nil
	return j, true
}

// answer is what its carrier has asked for: until when its final dot may be written; zero: not at all.
func (j *job) answer(until time.Time) {
	j.ask <- until
	j.ask = nil
}

// outcome is the job's outcome for the observer.
func (j *job) outcome(status, reason string, res result) Outcome {
	o := Outcome{
		ID: j.mail.ID, Kind: j.mail.Kind, Language: j.mail.Language, Status: status, Reason: reason,
		Phase: res.phase, Relay: j.via, Attempts: j.attempts, SMTPCode: res.reply.code, EnhancedCode: res.reply.enhanced,
	}
	if j.mail.Document != nil {
		o.DocumentType = j.mail.Document.Type
	}
	if j.mail.Threshold != nil {
		o.Threshold = *j.mail.Threshold
	}
	return o
}

// delivery is what is recorded about the job.
func (j *job) delivery(status, reason string, res result, now time.Time) event.Delivery {
	d := event.Delivery{ID: j.mail.ID, Status: status, Attempts: j.tries, At: now.Format(event.TimeFormat)}
	if reason != "" {
		d.Reason = &reason
	}
	if res.phase != PhaseNone {
		via := j.via
		d.Relay = &via
	}
	if res.reply.code != 0 {
		d.SMTPCode = &res.reply.code
	}
	if res.reply.enhanced != "" {
		d.EnhancedCode = &res.reply.enhanced
	}
	if res.reply.queueID != "" {
		d.QueueID = &res.reply.queueID
	}
	return d
}
