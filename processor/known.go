package processor

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"

	"lejarat/processor/bloom"
	"lejarat/processor/journal"
	"lejarat/state"
)

// known tells which ids and marks the ledger's store cannot hold. Nearly all that a run asks for is new, and the store takes
// up to 15 us to say so. A yes means nothing; a no is certain: a reference is added here before it is written there, and
// neither forgets any.
type known struct {
	mu      sync.RWMutex
	filters []*bloom.Filter
	room    int64  // references that the last one still takes
	filling []byte // where the store is read on; nil once all of it is taken in
	full    bool   // there are too many
}

// Each filter is for four times as many as the one before, the last ones are of one size: a question goes to all of them. Most
// are 37 million references, in 74 MB: a larger ledger is asked each time.
const (
	knownFirst   = 256 << 10
	knownLast    = 16 << 20
	knownFilters = 5
	fillAtOnce   = 100_000 // keys of one call of fill
)

// knownPrefixes are the keys under which a reference means that something was decided, ascending.
var knownPrefixes = []byte{ledgerMark, ledgerEmitted, ledgerSkipped}

// newKnown is a filter of a store that is yet to be read.
func newKnown() *known { return &known{filling: knownPrefixes[:1]} }

// add takes in references that are about to be written to the store.
func (k *known) add(refs ...journal.Ref) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range refs {
		if k.room == 0 {
			k.grow()
		}
		if k.full {
			return
		}
		k.room--
		k.filters[len(k.filters)-1].Add(xxhash.Sum64(refs[i][:]))
	}
}

func (k *known) grow() {
	if len(k.filters) == knownFilters {
		k.full, k.filters = true, nil
		return
	}
	k.room = min(knownLast, int64(knownFirst)<<(2*len(k.filters)))
	k.filters = append(k.filters, bloom.New(k.room))
}

// maybe is false for a reference that the store does not hold.
func (k *known) maybe(ref journal.Ref) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.filling != nil || k.full {
		return true
	}
	hash := xxhash.Sum64(ref[:])
	for _, f := range k.filters {
		if f.Has(hash) {
			return true
		}
	}
	return false
}

// filled says whether all that the store held when it was opened is taken in.
func (k *known) filled() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.filling == nil
}

// fill takes in another part of what the store held when it was opened, most keys of it. What is written meanwhile is
// added by whoever writes it, so it does not matter whether the cursor sees it.
func (k *known) fill(store *state.Store, most int) error {
	if k.filled() {
		return nil
	}
	from := k.filling // nobody else changes it
	cur, err := store.Cursor(from, []byte{from[0] + 1})
	if err != nil {
		return err
	}
	next := nextPrefix(from[0])
	for ok := cur.Seek(from); ok; ok = cur.Next() {
		if most--; most < 0 {
			next = append([]byte(nil), cur.Key()...)
			break
		}
		k.add(journal.Ref(cur.Key()[1:]))
	}
	if err := cur.Close(); err != nil {
		return fmt.Errorf("reading what was decided: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.filling = next; k.full {
		k.filling = nil // there is nothing left to fill
	}
	return nil
}

// nextPrefix is nil after the last one.
func nextPrefix(after byte) []byte {
	if i := bytes.IndexByte(knownPrefixes, after); i+1 < len(knownPrefixes) {
		return knownPrefixes[i+1 : i+2]
	}
	return nil
}
