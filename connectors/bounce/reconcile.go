package bounce

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"lejarat/processor/event"
)

// What a log settles, and what not.
const (
	NotInLog = "not_in_log" // it says nothing of the mail
	NotTaken = "not_taken"  // the relay saw its header and not its end: it was not delivered, or the log ends there
)

// reasonReconciled is the reason of a delivery that the relay's log has settled.
const reasonReconciled = "reconciled"

// Settled is a mail in doubt, and what the relay's log says of it. It holds no personal data.
type Settled struct {
	ID           string `json:"id"`
	Before       string `json:"before"` // in_doubt, or in_hand: claimed without an outcome
	Status       string `json:"status"` // accepted, rejected, bounced; or NotInLog, NotTaken
	QueueID      string `json:"queue_id,omitempty"`
	EnhancedCode string `json:"enhanced_code,omitempty"`
	Suppressed   bool   `json:"suppressed,omitempty"` // the address is dead: mails to it stop
}

// Reconciler settles mails in doubt from the relay's own log.
type Reconciler struct {
	Topics Topics
	Prefix string
	Now    func() time.Time
}

// doubt is what deliveries says of a mail in doubt.
type doubt struct {
	delivery event.Delivery
	before   string
}

// Reconcile reads a log for the mails that are in doubt now, and with apply records what it says. What a connector has settled
// meanwhile is left alone.
func (r *Reconciler) Reconcile(ctx context.Context, log io.Reader, apply bool) ([]Settled, error) {
	doubts, err := r.doubts(ctx, nil)
	if err != nil {
		return nil, err
	}
	wanted := map[mailID]bool{}
	for id := range doubts {
		wanted[id] = true
	}
	said, err := readPostfix(log, wanted)
	if err != nil {
		return nil, err
	}
	// A log is long: what is in doubt still? And what is known of them from before, which a late claim does not undo?
	if doubts, err = r.doubts(ctx, wanted); err != nil {
		return nil, err
	}
	mails, err := r.mails(ctx, said)
	if err != nil {
		return nil, err
	}
	out := []Settled{}
	var suppressions, deliveries []event.Record
	at := r.Now().Format(event.TimeFormat)
	for _, id := range slices.SortedFunc(maps.Keys(doubts), func(a, b mailID) int { return bytes.Compare(a[:], b[:]) }) {
		d := doubts[id]
		e := said.verdict(id)
		s, record := settle(d, e, at)
		if m := mails[id]; record != nil && e.said == failedLater && e.dead(m.To.Email) {
			suppressions = append(suppressions, suppression(r.Prefix+"suppressions", &m, at))
			s.Suppressed = true
		}
		if record != nil {
			deliveries = append(deliveries, delivery(r.Prefix+"deliveries", *record, record.Status))
		}
		out = append(out, s)
	}
	if !apply {
		return out, nil
	}
	// The suppressions first, as for bounces.
	for _, records := range [][]event.Record{suppressions, deliveries} {
		if err := r.Topics.Produce(ctx, records); err != nil {
			return nil, fmt.Errorf("recording what the log settles: %w", err)
		}
	}
	return out, nil
}

// settle says what becomes of a mail; the delivery is nil where the log settles nothing.
func settle(d doubt, e logEntry, at string) (Settled, *event.Delivery) {
	s := Settled{ID: d.delivery.ID, Before: d.before, QueueID: e.queue}
	switch e.said {
	case notLogged:
		s.Status = NotInLog
		return s, nil
	case begun:
		s.Status = NotTaken
		return s, nil
	case refusedThen:
		s.Status, s.EnhancedCode = event.DeliveryRejected, e.enhanced
	case failedLater:
		s.Status, s.EnhancedCode = event.DeliveryBounced, e.enhanced
	default:
		s.Status = event.DeliveryAccepted
	}
	out := d.delivery
	reason := reasonReconciled
	out.Status, out.Reason, out.At, out.QueueID = s.Status, &reason, at, &s.QueueID
	out.SMTPCode, out.EnhancedCode = nil, nil
	if s.EnhancedCode != "" {
		out.EnhancedCode = &s.EnhancedCode
	}
	if e.code != 0 && s.Status == event.DeliveryBounced {
		out.SMTPCode = &e.code
	}
	return s, &out
}

// dead says that the log calls the address itself dead.
func (e logEntry) dead(address string) bool {
	r := recipient{final: e.to, enhanced: e.enhanced}
	return r.hard() && r.about(address)
}

// doubts reads which mails are in doubt, or claimed without an outcome. With among only these are looked at, and one that was
// settled before it was claimed is in no doubt; to know that of all would take memory for all.
func (r *Reconciler) doubts(ctx context.Context, among map[mailID]bool) (map[mailID]doubt, error) {
	spans, err := r.Topics.Spans(ctx, r.Prefix+"deliveries")
	if err != nil {
		return nil, err
	}
	out := map[mailID]doubt{}
	settled := map[mailID]bool{}
	err = event.Scan(ctx, r.Topics, spans, func(rec *event.Record) error {
		id, ok := event.ParseID(string(rec.Key))
		if !ok || among != nil && !among[id] {
			return nil
		}
		d := doubt{delivery: event.Delivery{ID: hex.EncodeToString(id[:]), Attempts: 1}}
		switch s := stateOf(rec); {
		case s == claimed && settled[id]: // a claim that came too late
		case s == claimed:
			d.before = "in_hand"
			if rec.Value != nil {
				_ = json.Unmarshal(rec.Value, &d.delivery)
			}
			out[id] = d
		case s == inDoubt:
			d.before = event.DeliveryInDoubt
			_ = json.Unmarshal(rec.Value, &d.delivery) // stateOf has read it
			out[id] = d
		default:
			delete(out, id)
			if among != nil {
				settled[id] = rec.Value != nil
			}
		}
		return nil
	})
	return out, err
}

// mails reads the records of those mails whose failure may be their address's.
func (r *Reconciler) mails(ctx context.Context, said *postfixLog) (map[mailID]event.Mail, error) {
	out := map[mailID]event.Mail{}
	for id := range said.all {
		if said.verdict(id).said == failedLater {
			out[id] = event.Mail{}
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	spans, err := r.Topics.Spans(ctx, r.Prefix+"mail-sink")
	if err != nil {
		return nil, err
	}
	return out, event.Scan(ctx, r.Topics, spans, func(rec *event.Record) error {
		var m event.Mail
		if json.Unmarshal(rec.Value, &m) != nil {
			return nil
		}
		if id, ok := event.ParseID(m.ID); ok {
			if _, wanted := out[id]; wanted {
				out[id] = m
			}
		}
		return nil
	})
}
