package processor

import (
	"errors"
	"time"

	"github.com/cespare/xxhash/v2"

	"lejarat/processor/bloom"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/state"
)

// firstLoad is how an intake store that was empty is filled, from its source or from the journal. It knows of which rows nothing can
// stand there: a look-up that finds nothing costs 7 us, and hardly any finds something. What was committed waits until it is
// worth a table; meanwhile the store is behind the journal, by what a restart would read from there, and does not change: rows are
// looked up with one cursor.
type firstLoad struct {
	met     *bloom.Filter // rows
	stored  *state.Cursor // over the store's rows; nil: none has been looked up since the store changed
	batch   *state.Batch  // what waits; nil for nothing
	waiting *bloom.Filter // the rows in batch
	begun   time.Time     // real time of the first of them
	// Behind the last transaction in batch: the task's own are ahead of them while it takes records.
	mark journal.Watermark
	held int64
}

// metMost rows have room, in 128 MB; of more, more are looked up in vain.
const metMost = 64 << 20

// Limits of what waits: how many rows, and for how long.
const (
	waitRows = 100_000
	waitMost = 10 * time.Second
)

// newFirstLoad expects so many records.
func newFirstLoad(records int64) *firstLoad { return &firstLoad{met: bloom.New(min(records, metMost))} }

// meet notes rows, and which of them were met before. It is asked for many at once: the filter is far larger than the caches, and
// one answer after the other would each wait for memory. Without a first load any row can stand in the store.
func (l *firstLoad) meet(names []rowName) {
	if l == nil {
		return
	}
	for i := range names {
		names[i].met = names[i].row == "" || l.met.Add(xxhash.Sum64String(names[i].row))
	}
}

// waits is false if what the store says of the row is the newest.
func (l *firstLoad) waits(row string) bool {
	return l.batch != nil && l.waiting.Has(xxhash.Sum64String(row))
}

// row is a row as the store has it, nil where there is none.
func (l *firstLoad) row(store *state.Store, name string) (*intake.Row, error) {
	if l.stored == nil {
		var err error
		if l.stored, err = store.Cursor([]byte{intakeRow}, []byte{intakeRow + 1}); err != nil {
			return nil, err
		}
	}
	found, err := l.stored.Find(rowStoreKey(name))
	if err != nil || !found {
		return nil, err
	}
	return intake.DecodeRow(l.stored.Value())
}

// letGo ends the look-ups in the store as it is.
func (l *firstLoad) letGo() error {
	if l == nil || l.stored == nil {
		return nil
	}
	cur := l.stored
	l.stored = nil
	return cur.Close()
}

// put takes in the rows of a transaction and the positions behind it; without a first load the store does at once.
func (t *intakeTask) put(b *intakeBatch) error {
	l := t.load
	if l == nil {
		batch := t.store.Batch()
		t.write(batch, b)
		t.setPositions(batch, &t.mark, t.held)
		return batch.Commit()
	}
	now := t.cfg.Clock.Real()
	if l.batch == nil {
		l.batch, l.waiting, l.begun = t.store.SortedBatch(), bloom.New(waitRows), now
	}
	for i := range b.rows {
		l.waiting.Add(xxhash.Sum64String(b.rows[i].name))
	}
	t.write(l.batch, b)
	l.mark, l.held = t.mark, t.held
	if l.batch.Len() < waitRows && now.Sub(l.begun) < waitMost {
		return nil
	}
	return t.settle()
}

// settle brings the store to what was committed. Whoever reads its rows in order calls it before.
func (t *intakeTask) settle() error {
	l := t.load
	if err := l.letGo(); err != nil || l == nil || l.batch == nil {
		return err
	}
	b := l.batch
	l.batch = nil
	t.setPositions(b, &l.mark, l.held)
	return b.Commit()
}

// loaded ends the first load.
func (t *intakeTask) loaded() error {
	err := t.settle()
	t.load = nil
	return errors.Join(err, t.store.Filled())
}

// close leaves out what waits: it is read again, from the journal.
func (l *firstLoad) close() error {
	if l == nil {
		return nil
	}
	if l.batch != nil {
		l.batch.Discard()
	}
	return l.letGo()
}
