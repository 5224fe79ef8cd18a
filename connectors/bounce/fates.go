package bounce

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"lejarat/processor/event"
)

// Topics is what is needed of Kafka.
type Topics interface {
	Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error)
	Read(ctx context.Context, from map[event.TopicPartition]int64) (event.Reader, error)
	// Since returns the offsets of the first records that were written at t or later.
	Since(ctx context.Context, t time.Time, topics ...string) (map[event.TopicPartition]int64, error)
	// At returns one record by its place; not found where it is gone.
	At(ctx context.Context, tp event.TopicPartition, offset int64) (r event.Record, found bool, err error)
	Produce(ctx context.Context, records []event.Record) error
}

// state is what deliveries says of a mail, as far as it matters here.
type state uint8

const (
	unknown  state = iota // nothing, or that it never reached the relay
	claimed               // a connector has it in hand, or had when it ended
	inDoubt               // it may have reached the relay
	taken                 // the relay took it
	disliked              // it did, and the receiver complained
	returned              // it came back
)

// fate is what is remembered of a mail: its state, and where its record stands.
type fate struct {
	offset    int64
	partition uint16
	day       uint16 // of the record, since 1970, for forgetting
	state     state
}

type mailID [16]byte

// fates tells what became of mails of the last days, and which addresses are suppressed. It is for one goroutine.
type fates struct {
	topics       Topics
	deliveries   string
	suppressions string
	remember     time.Duration

	reader    event.Reader // nil: not open
	positions map[event.TopicPartition]int64
	mails     map[mailID]fate
	addresses map[string]string // registration reference → hash of the address that is suppressed
	newest    uint16
}

func newFates(t Topics, deliveries, suppressions string, remember time.Duration) *fates {
	return &fates{topics: t, deliveries: deliveries, suppressions: suppressions, remember: remember,
		mails: map[mailID]fate{}, addresses: map[string]string{}}
}

// refresh reads both topics up to the ends that they have now.
func (f *fates) refresh(ctx context.Context) error {
	spans, err := f.topics.Spans(ctx, f.deliveries, f.suppressions)
	if err == nil {
		err = f.open(ctx, spans)
	}
	for err == nil && !f.reached(spans) {
		err = f.poll(ctx)
	}
	if err != nil {
		f.close() // opened again at the positions kept
		return fmt.Errorf("reading %s and %s: %w", f.deliveries, f.suppressions, err)
	}
	return nil
}

func (f *fates) open(ctx context.Context, spans map[event.TopicPartition]event.Span) error {
	if f.positions == nil {
		since, err := f.topics.Since(ctx, time.Now().Add(-f.remember), f.deliveries)
		if err != nil {
			return err
		}
		f.positions = map[event.TopicPartition]int64{}
		for tp, span := range spans {
			f.positions[tp] = max(span.Start, since[tp])
		}
	}
	if f.reader != nil {
		return nil
	}
	from := map[event.TopicPartition]int64{}
	for tp, at := range f.positions {
		from[tp] = max(at, spans[tp].Start)
	}
	var err error
	f.reader, err = f.topics.Read(ctx, from)
	return err
}

func (f *fates) reached(spans map[event.TopicPartition]event.Span) bool {
	for tp, span := range spans {
		if span.End > span.Start && f.positions[tp] < span.End {
			return false
		}
	}
	return true
}

func (f *fates) poll(ctx context.Context) error {
	records, err := f.reader.Poll(ctx, 5000, 100*time.Millisecond)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	for i := range records {
		switch r := &records[i]; {
		case r.Control:
		case r.Topic == f.suppressions:
			f.suppression(r)
		default:
			f.delivery(r)
		}
	}
	for tp := range f.positions {
		f.positions[tp] = max(f.positions[tp], f.reader.Position(tp))
	}
	return nil
}

func (f *fates) close() {
	if f.reader != nil {
		f.reader.Close()
		f.reader = nil
	}
}

func (f *fates) suppression(r *event.Record) {
	ref, ok := strings.CutSuffix(string(r.Key), "/"+event.SuppressAddress)
	var s event.Suppression
	switch {
	case !ok:
	case r.Value == nil:
		delete(f.addresses, ref)
	case json.Unmarshal(r.Value, &s) == nil && s.AddressHash != nil:
		f.addresses[ref] = *s.AddressHash
	}
}

func (f *fates) delivery(r *event.Record) {
	id, ok := event.ParseID(string(r.Key))
	if !ok {
		return
	}
	now := fate{offset: r.Offset, partition: uint16(r.Partition), day: uint16(max(0, r.Time.Unix()/86400)), state: stateOf(r)}
	was := f.mails[id]
	switch {
	case now.state == claimed && was.state > claimed && was.state != inDoubt:
		return // a claim that came too late: its connector will repeat what was recorded before
	case now.state == claimed && was.state != unknown:
		now.offset, now.partition = was.offset, was.partition
	}
	if now.state == unknown {
		delete(f.mails, id)
	} else {
		f.mails[id] = now
	}
	if now.day > f.newest {
		f.newest = now.day
		f.forget()
	}
}

// forget drops what is older than any bounce that can still come.
func (f *fates) forget() {
	days := int(f.remember/(24*time.Hour)) + 1
	for id, m := range f.mails {
		if int(m.day)+days < int(f.newest) {
			delete(f.mails, id)
		}
	}
}

// reasonComplaint is the reason of an accepted mail about which its receiver complained.
const reasonComplaint = "complaint"

// stateOf reads a record of deliveries.
func stateOf(r *event.Record) state {
	if r.HeaderValue(event.ClaimHeader) != nil {
		return claimed
	}
	var d event.Delivery
	if r.Value == nil || json.Unmarshal(r.Value, &d) != nil {
		return unknown
	}
	switch d.Status {
	case event.DeliveryAccepted:
		if d.Reason != nil && *d.Reason == reasonComplaint {
			return disliked
		}
		return taken
	case event.DeliveryInDoubt:
		return inDoubt
	case event.DeliveryBounced:
		return returned
	}
	return unknown
}
