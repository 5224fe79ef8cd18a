package processor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/story"
	"lejarat/state"
)

// Outcomes is what became of every mail, tailed from lejarat.deliveries into the ledger's store, so that an instance can
// tell it in milliseconds. Nothing is decided by it. One goroutine tails (step); readers read the store.
type Outcomes struct {
	cfg       *Config
	store     *state.Store
	reader    event.Reader // nil: there is no such topic, or it may not be read
	positions map[event.TopicPartition]int64
}

func openOutcomes(ctx context.Context, cfg *Config, store *state.Store) (*Outcomes, error) {
	o := &Outcomes{cfg: cfg, store: store, positions: map[event.TopicPartition]int64{}}
	spans, err := cfg.Log.Spans(ctx, o.topic())
	if errors.Is(err, event.ErrTopic) {
		cfg.Logger.Warn("explain cannot tell what became of mails: the topic does not exist or may not be read", "topic", o.topic())
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	for tp, span := range spans {
		v, found, err := store.Get(o.key(tp))
		if err != nil {
			return nil, err
		}
		if at := span.Start; !found || len(v) != 8 {
			o.positions[tp] = at
		} else if at = int64(binary.BigEndian.Uint64(v)); at < span.Start || at > span.End {
			o.positions[tp] = span.Start // made anew, or shortened: nothing depends on it
		} else {
			o.positions[tp] = at
		}
	}
	o.reader, err = cfg.Log.Read(ctx, o.positions)
	return o, err
}

func (o *Outcomes) topic() string { return o.cfg.topic("deliveries") }

func (o *Outcomes) key(tp event.TopicPartition) []byte {
	return binary.BigEndian.AppendUint32([]byte{ledgerMailRead}, uint32(tp.Partition))
}

// step takes in what the topic holds by now, waiting for it up to wait. What cannot be read is passed over.
func (o *Outcomes) step(ctx context.Context, wait time.Duration) error {
	if o.reader == nil {
		return sleep(ctx, wait)
	}
	records, err := o.reader.Poll(ctx, o.cfg.Limits.BatchRecords, wait)
	switch {
	case err != nil && harmful(err): // nothing is decided by it: no reason to end
		o.cfg.Logger.Error("explain cannot tell any more what became of mails", "topic", o.topic(), "error", err)
		o.reader.Close()
		o.reader = nil
		return nil
	case err != nil:
		return fmt.Errorf("reading %s: %w", o.topic(), err)
	}
	b := o.store.Batch()
	for i := range records {
		r := &records[i]
		id, err := parseRef(string(r.Key))
		if r.Control || err != nil {
			continue
		}
		if r.Value == nil {
			b.Delete(ledgerKey(ledgerMail, id))
		} else if d, err := readDelivery(r.Value); err == nil {
			b.Set(ledgerKey(ledgerMail, id), encodeDelivery(d))
		}
	}
	for tp, at := range o.positions {
		if p := o.reader.Position(tp); p > at {
			o.positions[tp] = p
			b.Set(o.key(tp), binary.BigEndian.AppendUint64(nil, uint64(p)))
		}
	}
	if b.Len() == 0 {
		b.Discard()
		return nil
	}
	return b.Commit()
}

// readAll reads the deliveries up to their present end.
func (o *Outcomes) readAll(ctx context.Context) error {
	ends, err := o.cfg.Log.Spans(ctx, o.topic())
	if err != nil {
		return err
	}
	return readAll(ctx, func() bool { return reached(o.positions, ends) }, o.step)
}

func (o *Outcomes) close() {
	if o.reader != nil {
		o.reader.Close()
	}
}

// encodeDelivery keeps what is told of a delivery in few bytes: see state/FORMAT.md.
func encodeDelivery(d *story.Delivery) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(d.Attempts)), uint64(d.SMTPCode))
	for _, s := range []string{d.Status, d.Reason, d.EnhancedCode, d.At} {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

func decodeDelivery(b []byte) (*story.Delivery, error) {
	d := &story.Delivery{}
	for _, n := range []*int{&d.Attempts, &d.SMTPCode} {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, fmt.Errorf("reading what became of a mail: %w", journal.ErrFormat)
		}
		*n, b = int(v), b[k:]
	}
	for _, s := range []*string{&d.Status, &d.Reason, &d.EnhancedCode, &d.At} {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return nil, fmt.Errorf("reading what became of a mail: %w", journal.ErrFormat)
		}
		*s, b = string(b[k:k+int(n)]), b[k+int(n):]
	}
	return d, nil
}

// record is what an instance knows of a decision.
func (l *Ledger) record(id journal.Ref) (record, error) {
	var r record
	v, err := l.when(id)
	if err != nil {
		return r, err
	}
	if len(v) == 12 {
		r.RunDate = event.Date(int32(binary.BigEndian.Uint32(v[8:]))).String()
		r.At = time.UnixMilli(int64(binary.BigEndian.Uint64(v))).In(l.cfg.Watch.Zone).Format(event.TimeFormat)
	}
	v, found, err := l.store.Get(ledgerKey(ledgerMail, id))
	if err != nil || !found {
		return r, err
	}
	r.Delivery, err = decodeDelivery(v)
	return r, err
}

// when is the time of the newest decision on a notice, empty where there is none.
func (l *Ledger) when(id journal.Ref) ([]byte, error) {
	v, _, err := l.store.Get(ledgerKey(ledgerEmitted, id))
	if err != nil || len(v) > journal.RefBytes {
		return v[min(journal.RefBytes, len(v)):], err
	}
	v, _, err = l.store.Get(ledgerKey(ledgerWhen, id)) // of a skip; older stores had it of an emission too
	return v, err
}
