package state

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// Batch collects writes that become visible, and survive a crash, together.
type Batch struct {
	s       *Store
	b       *pebble.Batch
	pending *pending // instead of b, of a model and of a sorted batch
}

// Batch begins an empty batch.
func (s *Store) Batch() *Batch {
	if s.model != nil {
		return s.SortedBatch()
	}
	return &Batch{s: s, b: s.db.NewBatch()}
}

// SortedBatch begins an empty batch whose writes may come in any order and are put in that of their keys at the end; of
// several on one key the last counts. Many random keys go into memory three times as fast that way: each is looked for from
// where the one before stands. A megabyte or more becomes tables as it is, and is on the disk when Commit returns. Where few are
// written it gains nothing.
func (s *Store) SortedBatch() *Batch { return &Batch{s: s, pending: pendings.Get().(*pending)} }

// Set writes a key; both slices may be reused afterwards.
func (b *Batch) Set(key, value []byte) {
	if b.pending != nil {
		b.pending.set(key, value)
		return
	}
	if err := b.b.Set(key, value, nil); err != nil {
		panic("writing to a batch in memory: " + err.Error()) // it has no way to fail but misuse
	}
}

// Delete deletes a key.
func (b *Batch) Delete(key []byte) {
	if b.pending != nil {
		b.pending.delete(key)
		return
	}
	if err := b.b.Delete(key, nil); err != nil {
		panic("writing to a batch in memory: " + err.Error())
	}
}

// Len is the number of writes collected.
func (b *Batch) Len() int {
	if b.pending != nil {
		return len(b.pending.heads)
	}
	return int(b.b.Count())
}

// Commit applies the batch and ends it.
func (b *Batch) Commit() error {
	defer b.Discard()
	if b.s.model != nil {
		return b.s.model.commit(b.pending.list())
	}
	if err := b.s.Err(); err != nil {
		return err
	}
	if b.pending != nil {
		b.pending.sort()
		if b.pending.size >= tableLeast {
			return b.asTables()
		}
		b.b = b.pending.batch(b.s.db)
	}
	b.s.work.wrote(int(b.b.Count()), b.b.Len())
	b.s.taking.RLock()
	defer b.s.taking.RUnlock()
	b.s.dirty.Store(true)
	b.s.inMemory.Store(true)
	if err := b.b.Commit(pebble.NoSync); err != nil {
		return explain("writing to", b.s.dir, err)
	}
	return nil
}

// asTables applies a large batch.
func (b *Batch) asTables() error {
	b.s.work.wrote(len(b.pending.heads), b.pending.size)
	if err := b.s.take(b.pending); err != nil {
		b.s.failed(explain("writing to", b.s.dir, err))
	}
	return b.s.Err()
}

// Discard ends the batch without applying it, where it has not ended yet.
func (b *Batch) Discard() {
	if b.pending != nil {
		b.pending.done()
	}
	if b.b != nil {
		b.b.Close()
	}
	b.pending, b.b = nil, nil // others use them now
}

// Cursor walks keys in order. It sees the store as it was when the cursor was made.
type Cursor struct {
	it    *pebble.Iterator
	model *modelCursor // instead of it
	s     *Store
	from  []byte // where Forward was last asked to go
	near  int    // how many steps it takes before it seeks
}

// Cursor walks the keys in [lower, upper).
func (s *Store) Cursor(lower, upper []byte) (*Cursor, error) {
	if s.model != nil {
		c, err := s.model.cursor(lower, upper)
		return &Cursor{model: c, near: near}, err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, s.reading(err)
	}
	return &Cursor{it: it, s: s, near: near}, nil
}

// Seek moves to the first key at or after key; Valid tells whether there is one.
func (c *Cursor) Seek(key []byte) bool {
	if c.model != nil {
		return c.model.seek(key)
	}
	return c.it.SeekGE(key)
}

// near is how many steps cost less than a seek.
const near = 8

// Forward is Seek for keys that are asked for in ascending order, and goes there by steps where it is near. Between two
// calls the cursor may be moved by Next only. A key below the last one is sought. Where keys lie far apart it soon tries no more
// than a step: eight more rows are often another block.
func (c *Cursor) Forward(key []byte) bool {
	back := bytes.Compare(key, c.from) < 0
	c.from = append(c.from[:0], key...)
	if back || !c.Valid() {
		return c.Seek(key)
	}
	for range c.near {
		if bytes.Compare(c.Key(), key) >= 0 {
			c.near = min(2*c.near, near)
			return true
		}
		if !c.Next() {
			return false
		}
	}
	c.near = max(1, c.near/2)
	return c.Seek(key)
}

// Find moves to a key within the cursor's bounds, and says whether it is there. Where many are asked for while nothing is written it
// costs less than Get, which makes a cursor for each.
func (c *Cursor) Find(key []byte) (found bool, err error) {
	if c.model != nil {
		return c.model.seek(key) && bytes.Equal(c.Key(), key), nil
	}
	if c.it.SeekPrefixGE(key) {
		return bytes.Equal(c.it.Key(), key), nil
	}
	return false, c.s.reading(c.it.Error())
}

// Next moves on by one key.
func (c *Cursor) Next() bool {
	if c.model != nil {
		return c.model.next()
	}
	return c.it.Next()
}

// Valid says whether the cursor stands on a key.
func (c *Cursor) Valid() bool {
	if c.model != nil {
		return c.model.valid()
	}
	return c.it.Valid()
}

// Key and Value are valid until the cursor moves.
func (c *Cursor) Key() []byte {
	if c.model != nil {
		return c.model.pairs[c.model.at].key
	}
	return c.it.Key()
}

// Value is the value at the cursor.
func (c *Cursor) Value() []byte {
	if c.model != nil {
		return c.model.pairs[c.model.at].value
	}
	return c.it.Value()
}

// Close ends the walk and returns what went wrong on the way.
func (c *Cursor) Close() error {
	if c.model != nil {
		return nil
	}
	c.s.work.walked(c.it)
	return c.s.reading(c.it.Close())
}
