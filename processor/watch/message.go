package watch

import (
	"encoding/hex"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// Records returns what the decisions of one transaction write: for each the notification, and for an emitted one the mail
// behind it.
func (c *Core) Records(notices []Notice, run event.Date, at time.Time) []event.Record {
	w := recorder{c: c, run: run, date: run.String(), at: at.In(c.Zone).Format(event.TimeFormat)}
	out := make([]event.Record, 0, 2*len(notices)+1)
	for i := range notices {
		n := &notices[i]
		id := hexRef(n.ID)
		out = append(out, event.Message(c.Notifications, id, eventID(id, n.Reason), "notification", w.at, w.notice(n, id)))
		if n.Reason == "" {
			m := w.mail(n, id)
			out = append(out, event.Message(c.MailSink, m.RegistrationRef, id, "mail", w.at, m))
		}
	}
	return out
}

// recorder makes the messages of one transaction, and keeps what many of them have in common.
type recorder struct {
	c        *Core
	run      event.Date
	date, at string // of the run, and when it was decided

	closes   event.Date // of the last mail, whose notAfter that was
	notAfter string
}

func (w *recorder) notice(n *Notice, id string) *event.Notice {
	c := w.c
	v := &event.Notice{ID: id, Kind: n.Kind, Decision: event.Emitted, RunDate: w.date,
		RegistrationRef: hexRef(n.To.Ref), AddressRef: hexRef(n.To.Address), PersonRef: hexRef(n.To.Person),
		IdentityKeyID: c.IdentityKeyID, ReferenceKeyID: c.ReferenceKeyID, Virtual: c.Virtual, At: w.at}
	if n.Reason != "" {
		v.Decision, v.Reason = event.Skipped, &n.Reason
	}
	if d := n.Document; d != nil {
		v.DocumentType, v.Threshold = &d.Type, &n.Due.Label
		v.Expires, v.Due, v.DocumentRef = text(n.Expires.String()), text(n.Due.Date.String()), text(hexRef(d.Ref))
	}
	return v
}

func (w *recorder) mail(n *Notice, id string) *event.Mail {
	m := &event.Mail{ID: id, Kind: n.Kind, RegistrationRef: hexRef(n.To.Ref), Language: n.To.Language,
		To: event.MailTo{Email: n.To.Email, Name: n.To.Name}, RunDate: w.date, EmittedAt: w.at,
		AddressHash: hexRef(n.To.Address)}
	closes := w.run + announcementDays
	if d := n.Document; d != nil {
		left := int(n.Expires - w.run)
		m.Document = &event.MailDocument{Type: d.Type, NumberMasked: d.Masked, Expires: n.Expires.String()}
		m.Threshold, m.Due, m.DaysLeft = &n.Due.Label, text(n.Due.Date.String()), &left
		closes = n.Due.Closes
	}
	if w.notAfter == "" || w.closes != closes {
		w.closes, w.notAfter = closes, closes.At(0, 0, w.c.Zone).Format(time.RFC3339)
	}
	m.NotAfter = w.notAfter
	return m
}

// eventID tells a skip from the emission, or another skip, of the same notice that may follow.
func eventID(id, reason string) string {
	if reason == "" {
		return id
	}
	return id + "/" + reason
}

func hexRef(r journal.Ref) string {
	var digits [2 * len(journal.Ref{})]byte
	hex.Encode(digits[:], r[:])
	return string(digits[:])
}

func text(s string) *string { return &s }
