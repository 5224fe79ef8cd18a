package processor

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

func refOf(n int) (r journal.Ref) {
	binary.BigEndian.PutUint64(r[:], uint64(n))
	return r
}

// memoryStore is an empty store in memory.
func memoryStore(t *testing.T) *state.Store {
	t.Helper()
	shared := state.NewShared(1<<20, true)
	t.Cleanup(shared.Close)
	store, _, err := state.Open("ledger", shared, state.Stamp{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// TestKnownNeverForgets: of what stood in the store, was written while it was read, or came later, nothing is denied, through
// several filters; of what is not there nearly everything.
func TestKnownNeverForgets(t *testing.T) {
	const stored, during, later = 3000, 20_000, 60_000
	store := memoryStore(t)
	b := store.Batch()
	for n := range stored {
		b.Set(ledgerKey(knownPrefixes[n%len(knownPrefixes)], refOf(n)), []byte("x"))
		b.Set(ledgerKey(ledgerWhen, refOf(-1-n)), nil) // decided by whom nobody asks
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	k := newKnown()
	there := func(upTo int) {
		t.Helper()
		for n := range upTo {
			if !k.maybe(refOf(n)) {
				t.Fatalf("%d is denied", n)
			}
		}
	}
	for n := stored; !k.filled(); n++ {
		if !k.maybe(refOf(during + later + n)) {
			t.Fatal("something is denied before the store is read")
		}
		if err := k.fill(store, 700); err != nil {
			t.Fatal(err)
		}
	}
	there(stored)
	for n := stored; n < during; n++ {
		k.add(refOf(n))
	}
	there(during)
	for n := during; n < later; n += 2 {
		k.add(refOf(n), refOf(n+1))
	}
	there(later)
	wrong := 0
	for n := range later {
		if k.maybe(refOf(-1 - n)) {
			wrong++
		}
	}
	if wrong > later/50 {
		t.Errorf("%d of %d are not denied", wrong, later)
	}
	for k.room, k.filters = 0, k.filters[:1]; !k.full; k.room = 0 {
		k.add(refOf(rand.Int()))
	}
	if !k.maybe(refOf(-1)) {
		t.Error("a filter that has become too large denies something")
	}
}

// TestTooManyToKnow: a filter that has given up denies nothing, and the store is not read for it any more.
func TestTooManyToKnow(t *testing.T) {
	store := memoryStore(t)
	b := store.Batch()
	for n := range 100 {
		b.Set(ledgerKey(ledgerMark, refOf(n)), nil)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	k := newKnown()
	k.full = true
	if err := k.fill(store, 10); err != nil {
		t.Fatal(err)
	}
	if !k.filled() || !k.maybe(refOf(1)) || !k.maybe(refOf(1000)) {
		t.Errorf("filled %v, a reference that is there %v, another %v", k.filled(), k.maybe(refOf(1)), k.maybe(refOf(1000)))
	}
}

// TestOwnNoticesAreReadOnce: the tail passes over what the run itself has written, and reads it where it comes from another
// instance, before it was added, or in a second life. What does not fit is read; what was met before it was added is forgotten
// at the topic's end, so that there is room again.
func TestOwnNoticesAreReadOnce(t *testing.T) {
	o := newOwnNotices()
	of := func(topic, value string) event.Record { return event.Record{Topic: topic, Value: []byte(value)} }
	read := func(want bool, values ...string) {
		t.Helper()
		for _, v := range values {
			if got := len(o.others([]event.Record{of("n", v)})) == 1; got != want {
				t.Errorf("%q is read: %v", v, got)
			}
		}
	}
	read(true, "a")
	o.add(o.of([]event.Record{of("n", "a"), of("m", "mail"), of("n", "b")}, "n"))
	read(false, "a", "b")
	read(true, "a", "b ", "mail")
	value := func(n int) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	for n := range ownMost + 1 {
		o.add(o.of([]event.Record{of("n", value(n))}, "n"))
	}
	if len(o.hashes) > ownMost {
		t.Errorf("%d are remembered", len(o.hashes))
	}
	read(true, value(ownMost))
	read(false, value(0))
	if got := o.others([]event.Record{{Topic: "n", Control: true}, {Topic: "n"}, of("n", value(1)), of("n", "c")}); len(got) != 1 || string(got[0].Value) != "c" {
		t.Errorf("read: %v", got)
	}
	o.others(nil)
	read(true, value(2))
	o.add(o.of([]event.Record{of("n", "room")}, "n"))
	read(false, "room")
}

// TestRestartedLedgerKnows: filled from its store, it says what it said before.
func TestRestartedLedgerKnows(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.people(t, "anna", "bela", "csilla")
	h.play(t, "2026-02-28T12:00")
	if len(h.ledger.own.hashes) != 0 {
		t.Errorf("%d notices of its own have not come back", len(h.ledger.own.hashes))
	}
	h.halt()
	l, err := openLedger(context.Background(), &h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for !l.known.filled() {
		if err := l.step(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, r := range h.log.Records("lejarat.notifications") {
		if r.Control {
			continue
		}
		id, err := parseRef(string(r.Key))
		if d := l.Decided(id); err != nil || !d.Emitted {
			t.Errorf("%s: %v %v", r.Key, d, err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d notices", n)
	}
}

// TestWhenAnEmissionWasDecided: it stands with the emission, of a skip by itself, and stores of before have both by itself.
func TestWhenAnEmissionWasDecided(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	day := mustDate(t, "2026-02-28")
	at := day.At(6, 0, h.zone)
	to := &journal.Registration{}
	notices := []watch.Notice{{ID: refOf(1), Mark: refOf(2), To: to}, {ID: refOf(3), To: to, Reason: event.ReasonHeld}}
	if err := h.ledger.add(notices, day, at, nil); err != nil {
		t.Fatal(err)
	}
	b := h.ledger.store.Batch()
	b.Set(ledgerKey(ledgerEmitted, refOf(4)), make([]byte, 16))
	b.Set(ledgerKey(ledgerWhen, refOf(4)), when(day, at))
	h.ledger.known.add(refOf(4))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{1: true, 3: false, 4: true} {
		r, err := h.ledger.record(refOf(n))
		if err != nil || r.RunDate != "2026-02-28" || r.At != "2026-02-28T06:00:00.000+01:00" {
			t.Errorf("%d: %+v %v", n, r, err)
		}
		if d := h.ledger.Decided(refOf(n)); d.Emitted != want || !want && d.Reason != event.ReasonHeld {
			t.Errorf("%d: %+v", n, d)
		}
	}
	if r, err := h.ledger.record(refOf(5)); err != nil || r.RunDate != "" {
		t.Errorf("of what was never decided: %+v %v", r, err)
	}
}
