package state

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
)

// Model is a disk for simulations: its stores are sorted slices in memory, and a seed decides what a crash leaves of them.
// It is used by one goroutine.
type Model struct {
	// Survives says how many of the batches that were committed since the last flush a crash leaves; without it none.
	// A real store leaves any number too: memtables are flushed when they are full.
	Survives func(batches int) int
	// Call, where set, is called before every call of a store that may fail, and may make it fail. What failed has no effect.
	Call func(name string) error

	disk map[string]*modelStore
}

// NewModel makes what stores over the model have in common.
func NewModel(m *Model) *Shared {
	m.disk = map[string]*modelStore{}
	return &Shared{model: m}
}

// modelStore is one directory. Slices are shared with cursors and with flushed, hence replaced and never changed once they are.
type modelStore struct {
	*Model
	now, flushed []pair
	lent         bool      // now is seen by others: copy it before the next change
	since        [][]write // batches committed since the flush
	open         bool
}

type pair struct{ key, value []byte }

// write is one write of a batch; a nil value deletes.
type write pair

func (m *Model) call(name string) error {
	if m.Call == nil {
		return nil
	}
	return m.Call(name)
}

func (m *Model) openStore(dir string) (*modelStore, error) {
	if err := m.call("open store"); err != nil {
		return nil, err
	}
	d := m.disk[dir]
	if d == nil {
		d = &modelStore{Model: m}
		m.disk[dir] = d
	}
	if d.open {
		return nil, fmt.Errorf("opening %s twice: %w", dir, syscall.EAGAIN)
	}
	d.open = true
	return d, nil
}

func (m *Model) rename(from, to string) {
	if d := m.disk[from]; d != nil {
		delete(m.disk, from)
		if to != "" {
			m.disk[to] = d
		}
	}
}

func search(pairs []pair, key []byte) (int, bool) {
	return slices.BinarySearchFunc(pairs, key, func(p pair, key []byte) int { return bytes.Compare(p.key, key) })
}

func (d *modelStore) get(key []byte) ([]byte, bool, error) {
	if err := d.call("read store"); err != nil {
		return nil, false, err
	}
	at, found := search(d.now, key)
	if !found {
		return nil, false, nil
	}
	return append([]byte(nil), d.now[at].value...), true, nil
}

func (d *modelStore) commit(writes []write) error {
	if err := d.call("write store"); err != nil {
		return err
	}
	d.since = append(d.since, writes)
	if d.lent {
		d.now, d.lent = slices.Clone(d.now), false
	}
	d.now = apply(d.now, writes)
	return nil
}

// apply changes pairs in place.
func apply(pairs []pair, writes []write) []pair {
	for _, w := range writes {
		at, found := search(pairs, w.key)
		switch {
		case w.value == nil && found:
			pairs = slices.Delete(pairs, at, at+1)
		case w.value == nil:
		case found:
			pairs[at].value = w.value
		default:
			pairs = slices.Insert(pairs, at, pair(w))
		}
	}
	return pairs
}

func (d *modelStore) flush() error {
	if err := d.call("flush store"); err != nil {
		return err
	}
	d.flushed, d.lent, d.since = d.now, true, nil
	return nil
}

func (d *modelStore) crash() {
	n := 0
	if d.Survives != nil {
		n = d.Survives(len(d.since))
	}
	d.now = slices.Clone(d.flushed)
	for _, writes := range d.since[:n] {
		d.now = apply(d.now, writes)
	}
	d.flushed, d.lent, d.since, d.open = d.now, true, nil, false
}

// Crash ends the process: stores that are open are no more, and hold what Survives leaves.
func (m *Model) Crash() {
	for _, d := range m.disk {
		if d.open {
			d.crash()
		}
	}
}

// modelCursor walks what stood between two keys.
type modelCursor struct {
	pairs []pair
	at    int
}

func (d *modelStore) cursor(lower, upper []byte) (*modelCursor, error) {
	if err := d.call("read store"); err != nil {
		return nil, err
	}
	from, _ := search(d.now, lower)
	to := len(d.now)
	if upper != nil {
		to, _ = search(d.now, upper)
	}
	d.lent = true
	return &modelCursor{pairs: d.now[from:max(from, to)], at: -1}, nil
}

func (c *modelCursor) valid() bool { return c.at >= 0 && c.at < len(c.pairs) }

func (c *modelCursor) seek(key []byte) bool {
	c.at, _ = search(c.pairs, key)
	return c.valid()
}

func (c *modelCursor) next() bool {
	if c.at < len(c.pairs) {
		c.at++
	}
	return c.valid()
}
