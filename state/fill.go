package state

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// Fill says that much will be written before anything is read in order: nothing is compacted until Compact or Filled is called. Of a
// store of 3 million rows, compaction on the way would write each six times.
func (s *Store) Fill() { s.filling.Store(true) }

// Filled ends Fill, where it was called: what was written is compacted behind the scenes.
func (s *Store) Filled() error {
	if !s.filling.Swap(false) || s.model != nil {
		return nil
	}
	if _, err := s.db.AsyncFlush(); err != nil { // behind a flush Pebble asks whether a compaction may begin
		return explain("writing to", s.dir, err)
	}
	return nil
}

// Compact ends Fill, where it was called, and returns when the store is in order: a cursor passes over one table then, instead
// of a hundred at once. It takes a second for every 20 MB; what is written meanwhile is taken in, and ctx ends the wait. A store
// that a former process has put in order is not written again.
func (s *Store) Compact(ctx context.Context) error {
	if !s.filling.Swap(false) || s.model != nil || s.inOrder() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.fault.met: // Pebble would try again for ever
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.db.Compact(ctx, []byte{0}, []byte{0xff}, false)
	if fault := s.Err(); fault != nil {
		return fault
	}
	if err != nil && ctx.Err() == nil {
		return explain("writing to", s.dir, err)
	}
	return ctx.Err()
}

// inOrder says whether less than a tenth of the store stands apart.
func (s *Store) inOrder() bool {
	m := s.db.Metrics()
	all := m.Total()
	return 10*m.Levels[0].TablesSize < all.TablesSize
}

// compactions are how many may run at once in this store: Pebble asks again whenever one could begin. Where the least is less
// than the most, it takes as many more than the least as L0CompactionConcurrency and CompactionDebtConcurrency say.
func (s *Store) compactions() (least, most int) {
	if s.filling.Load() {
		return 0, 1
	}
	return 1, 1
}

// Expect makes room beside the block cache for what so many stores hold in memory until it is on disk. Pebble takes that from
// the cache, and a dozen stores that are being filled would leave nothing of it: every look-up would read the disk. It is
// called before the first store is opened.
func (s *Shared) Expect(stores int) {
	if s.model != nil {
		return
	}
	s.cache.Unref()
	s.cache = pebble.NewCache(s.cacheBytes + int64(stores)*roomOfStore)
}

// roomOfStore is a quarter of what a store holds in memory while much is written to it in small batches (of large ones nothing
// stands there). The rest still comes from the cache: once that is over all of it is for blocks, and the memory of a run is
// bounded too.
const roomOfStore = memTableBytes / 4
