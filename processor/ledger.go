package processor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// Ledger is everything that was ever decided, read from all partitions of the notifications topic: identities move
// between partitions, and partition counts and generations change, so only a ledger of the whole topic stays right.
// One goroutine tails the topic (step); watch tasks read, and add their own decisions once committed.
type Ledger struct {
	cfg   *Config
	store *state.Store
	refs  *identity.Key

	known *known

	mu        sync.Mutex // never held over a write: watch tasks wait for it with a chunk each
	own       ownNotices
	positions map[event.TopicPartition]int64
	reader    event.Reader

	ends     map[event.TopicPartition]event.Span // of notifications, when it was opened
	progress *Progress                           // up to there
}

// Key prefixes of the ledger store.
const (
	ledgerEmitted  = 'e' // e id[16] → address[16] ms[8] run date[4]: when it was decided
	ledgerSkipped  = 's' // s id[16] → address[16] reason
	ledgerMark     = 'a' // a mark[16] → nothing
	ledgerWhen     = 'w' // w id[16] → when the newest skip was decided: ms[8] run date[4]
	ledgerPosition = 'p' // p partition[4] → offset[8]
	ledgerMail     = 'm' // m id[16] → what became of the mail, see outcomes.go
	ledgerMailRead = 'q' // q partition[4] → offset[8] of deliveries
)

// openLedger opens the store and the reader behind it.
func openLedger(ctx context.Context, cfg *Config) (*Ledger, error) {
	l, err := openLedgerOnce(ctx, cfg)
	if errors.Is(err, state.ErrCorrupt) { // found by the first look into it: by now it is known, and set aside
		l, err = openLedgerOnce(ctx, cfg)
	}
	return l, err
}

func openLedgerOnce(ctx context.Context, cfg *Config) (*Ledger, error) {
	store, err := openStore(cfg, cfg.storeDir("ledger"), cfg.ledgerStamp())
	if err != nil {
		return nil, err
	}
	l := &Ledger{cfg: cfg, store: store, refs: cfg.Watch.Refs, known: newKnown(), own: newOwnNotices(),
		positions: map[event.TopicPartition]int64{}, progress: newProgress(cfg.Clock.Real())}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context) error {
	spans, err := l.cfg.Log.Spans(ctx, l.cfg.notifications())
	if err != nil {
		return err
	}
	for tp, span := range spans {
		at, err := l.storedPosition(tp.Partition)
		if err != nil {
			return err
		}
		l.positions[tp] = at
		l.progress.expect(span.End - at)
	}
	if err := l.checkSpans(spans, l.positions); err != nil {
		return err
	}
	l.ends = spans
	l.reader, err = l.cfg.Log.Read(ctx, l.positions)
	return err
}

func (l *Ledger) storedPosition(partition int32) (int64, error) {
	v, found, err := l.store.Get(positionKey(partition))
	if err != nil || !found || len(v) != 8 {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func positionKey(partition int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{ledgerPosition}, uint32(partition))
}

// step applies what the topic holds by now, waiting for it up to wait. The reader is past what it delivered: an error in
// taking that in is the end of this ledger (broken), since going on would leave it out.
func (l *Ledger) step(ctx context.Context, wait time.Duration) error {
	if !l.known.filled() {
		if err := l.known.fill(l.store, fillAtOnce); err != nil {
			return broken{err}
		}
		wait = 0
	}
	records, err := l.reader.Poll(ctx, l.cfg.Limits.BatchRecords, wait)
	if err != nil {
		return fmt.Errorf("reading %s: %w", l.cfg.notifications(), err)
	}
	if err := l.apply(records); err != nil {
		return broken{err}
	}
	return nil
}

// apply takes in what is not the instance's own.
func (l *Ledger) apply(records []event.Record) error {
	l.mu.Lock()
	theirs := l.own.others(records)
	l.mu.Unlock()
	entries, err := l.readNotices(theirs)
	if err != nil {
		return err
	}
	b := l.store.SortedBatch()
	if err := l.enter(b, entries); err != nil {
		b.Discard()
		return err
	}
	moved := map[event.TopicPartition]int64{}
	for tp, at := range l.positions {
		if p := l.reader.Position(tp); p > at {
			l.progress.add(p - at)
			moved[tp] = p
			b.Set(positionKey(tp.Partition), binary.BigEndian.AppendUint64(nil, uint64(p)))
		}
	}
	if b.Len() == 0 {
		b.Discard()
	} else if err := b.Commit(); err != nil {
		return err
	}
	l.mu.Lock()
	maps.Copy(l.positions, moved)
	l.mu.Unlock()
	return l.store.Maintain(l.cfg.Clock.Real(), l.cfg.Limits.FlushEvery)
}

// enter puts what notifications say into b. Of two skips of one notice the later one stays.
func (l *Ledger) enter(b *state.Batch, entries []ledgerEntry) error {
	skips := map[journal.Ref]skip{}
	emitted := map[journal.Ref]bool{}
	for i := range entries {
		e := &entries[i]
		if !e.Emitted {
			skips[e.id] = e.skip
			continue
		}
		emitted[e.id] = true
		l.setEmitted(b, e.id, e.mark, e.Address, e.when)
	}
	for id, s := range skips {
		if emitted[id] {
			continue
		}
		if err := l.setSkipped(b, id, s); err != nil {
			return err
		}
	}
	return nil
}

func ledgerKey(kind byte, r journal.Ref) []byte { return append([]byte{kind}, r[:]...) }

// setEmitted records an emission.
func (l *Ledger) setEmitted(b *state.Batch, id, mark, address journal.Ref, when []byte) {
	l.known.add(id, mark)
	b.Set(ledgerKey(ledgerEmitted, id), append(address[:], when...))
	b.Set(ledgerKey(ledgerMark, mark), nil)
}

// setSkipped records a skip, unless the notice was emitted. Where it is being emitted at the same moment both are recorded,
// under keys of their own, and the emission is what counts.
func (l *Ledger) setSkipped(b *state.Batch, id journal.Ref, s skip) error {
	done, err := l.holds(ledgerEmitted, id)
	if err == nil && !done {
		l.known.add(id)
		b.Set(ledgerKey(ledgerSkipped, id), append(s.Address[:], s.Reason...))
		b.Set(ledgerKey(ledgerWhen, id), s.when)
	}
	return err
}

// add takes in what a watch task has just committed in the run of a date, ahead of the topic's tail. records are
// what it wrote.
func (l *Ledger) add(notices []watch.Notice, run event.Date, at time.Time, records []event.Record) error {
	b := l.store.SortedBatch()
	decided := when(run, at)
	for i := range notices {
		n := &notices[i]
		if n.Reason == "" {
			l.setEmitted(b, n.ID, n.Mark, n.To.Address, decided)
		} else if err := l.setSkipped(b, n.ID, skip{watch.Decision{Reason: n.Reason, Address: n.To.Address}, decided}); err != nil {
			b.Discard()
			return err
		}
	}
	if err := b.Commit(); err != nil {
		return err
	}
	hashes := l.own.of(records, l.cfg.notifications())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own.add(hashes)
	return nil
}

// reached says whether the ledger has read up to the given ends.
func (l *Ledger) reached(ends map[event.TopicPartition]event.Span) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return reached(l.positions, ends)
}

// restored says whether everything is read that was decided when the ledger was opened.
func (l *Ledger) restored() bool { return l.reached(l.ends) }

// unreadable is what a look into a ledger that cannot be read panics with: no answer could be given that does not look like
// "not sent yet", or like "sent". See asking.
type unreadable struct{ err error }

// asking runs what asks the ledger, and makes an error of a ledger that cannot be read.
func asking(ask func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case unreadable:
			err = broken{fmt.Errorf("reading the ledger: %w", r.err)}
		default:
			panic(r)
		}
	}()
	return ask()
}

// Decided implements watch.Ledger; it panics when it cannot know.
func (l *Ledger) Decided(id journal.Ref) watch.Decision {
	if !l.known.maybe(id) {
		return watch.Decision{}
	}
	v, found, err := l.store.Get(ledgerKey(ledgerEmitted, id))
	if err != nil {
		panic(unreadable{err})
	}
	if found {
		return watch.Decision{Emitted: true, Address: journal.Ref(v[:journal.RefBytes])}
	}
	v, found, err = l.store.Get(ledgerKey(ledgerSkipped, id))
	if err != nil {
		panic(unreadable{err})
	}
	if !found {
		return watch.Decision{}
	}
	return watch.Decision{Address: journal.Ref(v[:journal.RefBytes]), Reason: string(v[journal.RefBytes:])}
}

// EmittedTo implements watch.Ledger; it panics when it cannot know.
func (l *Ledger) EmittedTo(mark journal.Ref) bool {
	done, err := l.holds(ledgerMark, mark)
	if err != nil {
		panic(unreadable{err})
	}
	return done
}

// holds says whether the store has a reference under a prefix.
func (l *Ledger) holds(prefix byte, ref journal.Ref) (bool, error) {
	if !l.known.maybe(ref) {
		return false, nil
	}
	return l.store.Has(ledgerKey(prefix, ref))
}

func (l *Ledger) close() error {
	l.reader.Close()
	return l.store.Close()
}
