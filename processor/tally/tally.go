// Package tally adds up what was told and what became of it: notifications, their mails in the queue, and their
// deliveries, joined by id. It writes nothing.
//
// Every notice of the dates asked for is in exactly one row. One that was emitted and has no final delivery is never left
// out: it waits, a connector has it in hand, it is in doubt, or it is lost, and says so.
package tally

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/numbered"
)

// Log is what is needed of Kafka.
type Log interface {
	event.ReaderOf
	Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error)
	// Since returns the offsets of the first records that were written at t or later.
	Since(ctx context.Context, t time.Time, topics ...string) (map[event.TopicPartition]int64, error)
	// Committed returns how far a group is done with a topic; partitions of which nothing was committed are missing.
	Committed(ctx context.Context, group, topic string) (map[event.TopicPartition]int64, error)
}

// Query says what to add up.
type Query struct {
	From, To event.Date // run dates, both included
	Zone     *time.Location
	Topics   Topics
	Groups   []string // of the connector, on MailSink; it is past a mail when all of them are
}

// Topics are names.
type Topics struct{ Notifications, MailSink, Deliveries string }

// Outcomes of an emitted notice beside the statuses of deliveries.
const (
	Waiting = "waiting" // in the queue, not handed over
	InHand  = "in_hand" // a connector has it, or had it when it ended
	Lost    = "lost"    // its mail went from the queue before a connector took it
	Missing = "missing" // the connector is past its mail, and recorded nothing
)

// Row counts notices of one day that have everything in common.
type Row struct {
	RunDate      string `json:"run_date"`
	Kind         string `json:"kind"`
	DocumentType string `json:"document_type,omitempty"`
	Threshold    string `json:"threshold,omitempty"`
	Decision     string `json:"decision"`
	Outcome      string `json:"outcome,omitempty"` // of emitted
	Reason       string `json:"reason,omitempty"`  // of skipped, and of the delivery
	Count        int    `json:"count"`
}

// Open is a notice that was emitted and has no final delivery.
type Open struct {
	ID              string `json:"id"`
	RunDate         string `json:"run_date"`
	Kind            string `json:"kind"`
	DocumentType    string `json:"document_type,omitempty"`
	Threshold       string `json:"threshold,omitempty"`
	RegistrationRef string `json:"registration_ref"`
	Outcome         string `json:"outcome"`
	Reason          string `json:"reason,omitempty"`
}

// Report is the answer.
type Report struct {
	From string `json:"from"`
	To   string `json:"to"`
	Rows []Row  `json:"rows"`
	Open []Open `json:"undelivered"`
}

// id is a notification id; notice is what is kept of one: a day may have a million.
type (
	id     [16]byte
	notice struct {
		class     uint32 // in classes
		fate      uint32 // in fates; 0: none recorded
		partition int32  // of its mail
		offset    int64  // -1: the queue does not hold it
		ref       id
		date      event.Date
	}
)

// class is what notices have in common before anything became of them; fate is what did.
type (
	class struct{ kind, documentType, threshold, decision, reason string }
	fate  struct{ status, reason string }
)

type tally struct {
	q       Query
	log     Log
	written time.Time // before it nothing of the dates was written; zero: not known
	notices map[id]notice
	classes numbered.Values[class]
	fates   numbered.Values[fate]
}

// Make reads the topics and adds up. Memory grows with the notices of the dates, about 150 bytes each.
//
// The order matters: what the connector has committed is asked for before deliveries are read, so a mail that it is past has
// its delivery in what is read then.
func Make(ctx context.Context, log Log, q Query) (*Report, error) {
	t := &tally{q: q, log: log, notices: map[id]notice{}}
	t.fates.Number(fate{})
	if virtual, err := t.virtual(ctx); err != nil {
		return nil, err
	} else if !virtual {
		t.written = q.From.At(0, 0, q.Zone).Add(-time.Hour) // clocks may differ by a minute
	}
	if err := t.read(ctx, q.Topics.Notifications, t.notification); err != nil {
		return nil, err
	}
	if err := t.read(ctx, q.Topics.MailSink, t.mail); err != nil {
		return nil, err
	}
	committed, err := t.committed(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.read(ctx, q.Topics.Deliveries, t.delivery); err != nil {
		return nil, err
	}
	return t.report(committed), nil
}

// committed is how far all groups are; partitions of which one has committed nothing are missing.
func (t *tally) committed(ctx context.Context) (all map[event.TopicPartition]int64, err error) {
	for i, group := range t.q.Groups {
		one, err := t.log.Committed(ctx, group, t.q.Topics.MailSink)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			all = one
			continue
		}
		for tp, at := range all {
			other, known := one[tp]
			if all[tp] = min(at, other); !known {
				delete(all, tp)
			}
		}
	}
	return all, nil
}

var errFound = errors.New("found")

// virtual says whether the notices are a virtual clock's: their dates then say nothing of when they were written.
func (t *tally) virtual(ctx context.Context) (virtual bool, err error) {
	spans, err := t.log.Spans(ctx, t.q.Topics.Notifications)
	if err != nil {
		return false, err
	}
	err = event.Scan(ctx, t.log, spans, func(r *event.Record) error {
		var n event.Notice
		if json.Unmarshal(r.Value, &n) != nil {
			return nil
		}
		virtual = n.Virtual
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return virtual, err
}

// read shows the records of a topic that can concern the dates.
func (t *tally) read(ctx context.Context, topic string, visit func(*event.Record) error) error {
	spans, err := t.log.Spans(ctx, topic)
	if err != nil {
		return err
	}
	if !t.written.IsZero() {
		since, err := t.log.Since(ctx, t.written, topic)
		if err != nil {
			return err
		}
		for tp, span := range spans {
			spans[tp] = event.Span{Start: max(span.Start, since[tp]), End: span.End}
		}
	}
	return event.Scan(ctx, t.log, spans, visit)
}

func (t *tally) notification(r *event.Record) error {
	var n event.Notice
	key, ok := event.ParseID(string(r.Key))
	if !ok || r.Value == nil {
		return nil
	}
	if err := json.Unmarshal(r.Value, &n); err != nil {
		return errors.New("a notification cannot be read")
	}
	date, err := event.ParseDate(n.RunDate)
	if err != nil || date < t.q.From || date > t.q.To {
		delete(t.notices, key) // decided anew on another day
		return nil
	}
	ref, _ := event.ParseID(n.RegistrationRef)
	t.notices[key] = notice{date: date, offset: -1, ref: ref,
		class: t.classes.Number(class{n.Kind, deref(n.DocumentType), deref(n.Threshold), n.Decision, deref(n.Reason)})}
	return nil
}

func (t *tally) mail(r *event.Record) error {
	var m struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(r.Value, &m) != nil {
		return nil // the connector reports it
	}
	key, _ := event.ParseID(m.ID)
	if n, ok := t.notices[key]; ok {
		n.partition, n.offset = r.Partition, r.Offset
		t.notices[key] = n
	}
	return nil
}

func (t *tally) delivery(r *event.Record) error {
	key, _ := event.ParseID(string(r.Key))
	n, ok := t.notices[key]
	if !ok {
		return nil
	}
	var d event.Delivery
	var f fate
	switch {
	case r.HeaderValue(event.ClaimHeader) != nil:
		if was := t.fates.Value(n.fate).status; final(was) {
			return nil // it came too late: its connector will repeat what was recorded before
		}
		f = fate{status: InHand}
	case r.Value == nil:
	case json.Unmarshal(r.Value, &d) != nil:
		return errors.New("a delivery cannot be read")
	default:
		f = fate{d.Status, deref(d.Reason)}
	}
	n.fate = t.fates.Number(f)
	t.notices[key] = n
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
