package watch

import (
	"encoding/hex"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// Records returns what a decision writes: the notification, and for an emitted one the mail.
func (c *Core) Records(n *Notice, run event.Date, at time.Time) []event.Record {
	stamp := at.In(c.Zone).Format(event.TimeFormat)
	id := hex.EncodeToString(n.ID[:])
	out := []event.Record{event.Message(c.Notifications, id, eventID(id, n.Reason), "notification", stamp, c.notice(n, run, id, stamp))}
	if n.Reason == "" {
		ref := hex.EncodeToString(n.To.Ref[:])
		out = append(out, event.Message(c.MailSink, ref, id, "mail", stamp, c.mail(n, run, id, stamp)))
	}
	return out
}

func (c *Core) notice(n *Notice, run event.Date, id, at string) event.Notice {
	v := event.Notice{ID: id, Kind: n.Kind, Decision: event.Emitted, RunDate: run.String(),
		RegistrationRef: hexRef(n.To.Ref), AddressRef: hexRef(n.To.Address), PersonRef: hexRef(n.To.Person),
		IdentityKeyID: c.IdentityKeyID, ReferenceKeyID: c.ReferenceKeyID, Virtual: c.Virtual, At: at}
	if n.Reason != "" {
		v.Decision, v.Reason = event.Skipped, &n.Reason
	}
	if d := n.Document; d != nil {
		v.DocumentType, v.Threshold = &d.Type, &n.Due.Label
		v.Expires, v.Due, v.DocumentRef = text(n.Expires.String()), text(n.Due.Date.String()), text(hexRef(d.Ref))
	}
	return v
}

func (c *Core) mail(n *Notice, run event.Date, id, at string) event.Mail {
	m := event.Mail{ID: id, Kind: n.Kind, RegistrationRef: hexRef(n.To.Ref), Language: n.To.Language,
		To: event.MailTo{Email: n.To.Email, Name: n.To.Name}, RunDate: run.String(), EmittedAt: at,
		AddressHash: hexRef(n.To.Address)}
	closes := run + announcementDays
	if d := n.Document; d != nil {
		left := int(n.Expires - run)
		m.Document = &event.MailDocument{Type: d.Type, NumberMasked: d.Masked, Expires: n.Expires.String()}
		m.Threshold, m.Due, m.DaysLeft = &n.Due.Label, text(n.Due.Date.String()), &left
		closes = n.Due.Closes
	}
	m.NotAfter = closes.At(0, 0, c.Zone).Format(time.RFC3339)
	return m
}

// eventID tells a skip from the emission, or another skip, of the same notice that may follow.
func eventID(id, reason string) string {
	if reason == "" {
		return id
	}
	return id + "/" + reason
}

func hexRef(r journal.Ref) string { return hex.EncodeToString(r[:]) }

func text(s string) *string { return &s }
