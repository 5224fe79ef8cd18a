package processor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/story"
	"lejarat/processor/watch"
)

// decisions are the notifications about the rows of one story: its ledger.
type decisions struct {
	refs  *identity.Key
	ids   map[journal.Ref]event.Notice
	marks map[journal.Ref]bool
}

// concerned are the references of all rows and addresses of a story, as they stand in notifications.
func concerned(s *sighting, row journal.Ref) map[string]bool {
	refs := map[string]bool{hexRef(row): true, hexRef(s.ref): true}
	for i := range s.groups {
		for k := range s.groups[i].rows {
			switch v := &s.groups[i].rows[k].Value; {
			case v.Document != nil:
				refs[hexRef(v.Document.Ref)] = true
			case v.Registration != nil:
				refs[hexRef(v.Registration.Ref)], refs[hexRef(v.Registration.Address)] = true, true
			}
		}
	}
	delete(refs, hexRef(journal.Ref{}))
	return refs
}

// read takes in every notification in which one of the references stands.
func (d *decisions) read(ctx context.Context, cfg *Config, refs map[string]bool) error {
	spans, err := cfg.Log.Spans(ctx, cfg.notifications())
	if err != nil {
		return err
	}
	return event.Scan(ctx, cfg.Log, spans, func(r *event.Record) error {
		if !names(r.Value, refs) {
			return nil
		}
		var n event.Notice
		if err := json.Unmarshal(r.Value, &n); err != nil {
			return fmt.Errorf("not a notification: %w", journal.ErrFormat)
		}
		id, err := parseRef(n.ID)
		if err != nil {
			return err
		}
		if d.ids[id].Decision == event.Emitted {
			return nil // for good
		}
		d.ids[id] = n
		if n.Decision != event.Emitted {
			return nil
		}
		mark, err := noticeMark(d.refs, &n)
		d.marks[mark] = true
		return err
	})
}

// Fields of a notification that hold references.
var refFields = [][]byte{[]byte(`"document_ref":"`), []byte(`"registration_ref":"`), []byte(`"address_ref":"`)}

// names says whether a notification holds one of the references: cheaper than decoding all of them.
func names(value []byte, refs map[string]bool) bool {
	const length = 2 * journal.RefBytes
	for _, field := range refFields {
		at := bytes.Index(value, field)
		if at < 0 || len(value) < at+len(field)+length {
			continue
		}
		if refs[string(value[at+len(field):at+len(field)+length])] {
			return true
		}
	}
	return false
}

// Decided implements watch.Ledger.
func (d *decisions) Decided(id journal.Ref) watch.Decision {
	n, ok := d.ids[id]
	if !ok {
		return watch.Decision{}
	}
	address, err := parseRef(n.AddressRef)
	if err != nil {
		return watch.Decision{}
	}
	if n.Decision == event.Emitted {
		return watch.Decision{Emitted: true, Address: address}
	}
	return watch.Decision{Reason: deref(n.Reason), Address: address}
}

// EmittedTo implements watch.Ledger.
func (d *decisions) EmittedTo(mark journal.Ref) bool { return d.marks[mark] }

// readDeliveries reads what became of the mails of notices.
func readDeliveries(ctx context.Context, cfg *Config, notices map[journal.Ref]event.Notice) (map[string]*story.Delivery, error) {
	ids := map[string]bool{}
	for _, n := range notices {
		if n.Decision == event.Emitted {
			ids[n.ID] = true
		}
	}
	out := map[string]*story.Delivery{}
	if len(ids) == 0 {
		return out, nil
	}
	spans, err := cfg.Log.Spans(ctx, cfg.topic("deliveries"))
	if err != nil {
		return nil, err
	}
	return out, event.Scan(ctx, cfg.Log, spans, func(r *event.Record) error {
		if !ids[string(r.Key)] {
			return nil
		}
		if r.Value == nil {
			delete(out, string(r.Key))
			return nil
		}
		d, err := readDelivery(r.Value)
		out[string(r.Key)] = d
		return err
	})
}

func readDelivery(value []byte) (*story.Delivery, error) {
	var d event.Delivery
	if err := json.Unmarshal(value, &d); err != nil {
		return nil, fmt.Errorf("not a delivery: %w", journal.ErrFormat)
	}
	out := &story.Delivery{Status: d.Status, Reason: deref(d.Reason), Attempts: d.Attempts, EnhancedCode: deref(d.EnhancedCode), At: d.At}
	if d.SMTPCode != nil {
		out.SMTPCode = *d.SMTPCode
	}
	return out, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// former are the decisions about the row that its present facts do not lead to.
func (t *teller) former(out *story.Story, said *decisions) {
	told := map[string]bool{}
	for i := range out.Notices {
		told[out.Notices[i].ID] = true
	}
	for id, n := range said.ids {
		ref := deref(n.DocumentRef)
		if out.Kind == story.Registration {
			ref = n.RegistrationRef
		}
		if ref != out.Ref || told[n.ID] {
			continue
		}
		r := t.record(id)
		f := story.Notice{Kind: n.Kind, Document: deref(n.DocumentRef), Type: deref(n.DocumentType), Registration: n.RegistrationRef, ID: n.ID,
			Threshold: deref(n.Threshold), Expires: deref(n.Expires), Due: deref(n.Due), Code: n.Decision, Recorded: true,
			RunDate: r.RunDate, At: r.At, Delivery: r.Delivery}
		if n.Decision != event.Emitted {
			f.Code = deref(n.Reason)
		}
		f.LastDay = t.lastDay(&n)
		out.Former = append(out.Former, f)
	}
	slices.SortFunc(out.Former, func(a, b story.Notice) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.RunDate, b.RunDate), cmp.Compare(a.ID, b.ID))
	})
}

// lastDay is the last day of a former notice's window by the rules of today, "" where they have no such notice.
func (t *teller) lastDay(n *event.Notice) string {
	expires, err := event.ParseDate(deref(n.Expires))
	if err != nil {
		return ""
	}
	for _, due := range t.cfg.Watch.Rules.Due(deref(n.DocumentType), expires) {
		if due.Date.String() == deref(n.Due) {
			return (due.Closes - 1).String()
		}
	}
	return ""
}
