package processor

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/watch"

	"golang.org/x/sync/errgroup"
)

// ledgerEntry is what one notification says.
type ledgerEntry struct {
	id, mark journal.Ref // of a skip no mark
	skip
}

// readNotices reads notifications, on all cores: a million of them may stand between a start and its being ready.
func (l *Ledger) readNotices(records []*event.Record) ([]ledgerEntry, error) {
	out := make([]ledgerEntry, len(records))
	var all errgroup.Group
	share := len(records)/runtime.GOMAXPROCS(0) + 1
	for from := 0; from < len(records); from += share {
		all.Go(func() error {
			for i := from; i < min(from+share, len(records)); i++ {
				if err := l.read(&out[i], records[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return out, all.Wait()
}

// read reads one notification. A notification of another reference key means that all ids would differ: everybody
// would be mailed again. One that cannot be read may be anybody's: without it somebody would be.
func (l *Ledger) read(e *ledgerEntry, r *event.Record) error {
	var n event.Notice
	if err := json.Unmarshal(r.Value, &n); err != nil {
		return unreadableNotice(r, fmt.Errorf("not a notification: %w", journal.ErrFormat))
	}
	if err := checkNotice(l.cfg, r.Topic, &n); err != nil {
		return err
	}
	if err := e.parse(l.refs, &n); err != nil {
		return unreadableNotice(r, err)
	}
	return nil
}

func (e *ledgerEntry) parse(refs *identity.Key, n *event.Notice) (err error) {
	if e.id, err = parseRef(n.ID); err != nil {
		return err
	}
	if e.Address, err = parseRef(n.AddressRef); err != nil {
		return err
	}
	e.when = noticeWhen(n)
	if e.Emitted = n.Decision == event.Emitted; e.Emitted {
		e.mark, err = noticeMark(refs, n)
		return err
	}
	if n.Reason == nil {
		return fmt.Errorf("a skip without a reason: %w", journal.ErrFormat)
	}
	e.Reason = *n.Reason
	return nil
}

func unreadableNotice(r *event.Record, err error) error {
	return refuse("%s/%d offset %d cannot be read (%v): whoever it was about would be mailed again; restore the topic without it (see the runbook: lost notifications)",
		r.Topic, r.Partition, r.Offset, err)
}

// skip is a skipped notice on its way into the store.
type skip struct {
	watch.Decision
	when []byte
}

// when is how the time of a decision is kept.
func when(run event.Date, at time.Time) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli())), uint32(run))
}

// noticeWhen is when a notification was decided. It is shown, never decided by: what cannot be read is left zero.
func noticeWhen(n *event.Notice) []byte {
	run, _ := event.ParseDate(n.RunDate)
	at, _ := time.Parse(event.TimeFormat, n.At)
	return when(run, at)
}

// noticeMark recomputes the address mark of a notification.
func noticeMark(refs *identity.Key, n *event.Notice) (journal.Ref, error) {
	address, err := parseRef(n.AddressRef)
	if err != nil {
		return journal.Ref{}, err
	}
	person, err := parseRef(n.PersonRef)
	if err != nil || n.Kind == event.KindAnnouncement {
		return watch.AddressMark(refs, n.Kind, journal.Ref{}, 0, 0, address, person), err
	}
	if n.DocumentRef == nil || n.Expires == nil || n.Due == nil {
		return journal.Ref{}, fmt.Errorf("a notification without document, expiry or due date: %w", journal.ErrFormat)
	}
	doc, err := parseRef(*n.DocumentRef)
	if err != nil {
		return journal.Ref{}, err
	}
	expires, err := event.ParseDate(*n.Expires)
	if err != nil {
		return journal.Ref{}, err
	}
	due, err := event.ParseDate(*n.Due)
	if err != nil {
		return journal.Ref{}, err
	}
	return watch.AddressMark(refs, n.Kind, doc, expires, due, address, person), nil
}

func parseRef(s string) (r journal.Ref, err error) {
	if len(s) != 2*len(r) {
		return r, fmt.Errorf("a reference of %d characters: %w", len(s), journal.ErrFormat)
	}
	if _, err := hex.Decode(r[:], []byte(s)); err != nil {
		return r, fmt.Errorf("a reference that is not hexadecimal: %w", journal.ErrFormat)
	}
	return r, nil
}
