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
	notifications, mails := event.MessagesOf(c.Notifications, "notification", w.at), event.MessagesOf(c.MailSink, "mail", w.at)
	out := make([]event.Record, 0, 2*len(notices)+1)
	for i := range notices {
		n := &notices[i]
		v := w.notice(n)
		id := []byte(v.ID)
		out = append(out, notifications.Message(id, eventID(id, n.Reason), v))
		if n.Reason == "" {
			out = append(out, mails.Message([]byte(v.RegistrationRef), id, w.mail(n, v)))
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

func (w *recorder) notice(n *Notice) *event.Notice {
	c := w.c
	v := &event.Notice{ID: hexRef(n.ID), Kind: n.Kind, Decision: event.Emitted, RunDate: w.date,
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

// mail is the mail of a notice of which the notification says v.
func (w *recorder) mail(n *Notice, v *event.Notice) *event.Mail {
	m := &event.Mail{ID: v.ID, Kind: n.Kind, RegistrationRef: v.RegistrationRef, Language: n.To.Language,
		To: event.MailTo{Email: n.To.Email, Name: n.To.Name}, RunDate: w.date, EmittedAt: w.at,
		AddressHash: v.AddressRef}
	closes := w.run + announcementDays
	if d := n.Document; d != nil {
		left := int(n.Expires - w.run)
		m.Document = &event.MailDocument{Type: d.Type, NumberMasked: d.Masked, Expires: *v.Expires}
		m.Threshold, m.Due, m.DaysLeft = v.Threshold, v.Due, &left
		closes = n.Due.Closes
	}
	if w.notAfter == "" || w.closes != closes {
		w.closes, w.notAfter = closes, closes.At(0, 0, w.c.Zone).Format(time.RFC3339)
	}
	m.NotAfter = w.notAfter
	return m
}

// eventID tells a skip from the emission, or another skip, of the same notice that may follow.
func eventID(id []byte, reason string) []byte {
	if reason == "" {
		return id
	}
	return append(append(append(make([]byte, 0, len(id)+1+len(reason)), id...), '/'), reason...)
}

func hexRef(r journal.Ref) string {
	var digits [2 * journal.RefBytes]byte
	hex.Encode(digits[:], r[:])
	return string(digits[:])
}

func text(s string) *string { return &s }
