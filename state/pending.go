package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// pending are the writes of a batch until they are sorted. They hold no pointer for each: there are tens of thousands, and
// the collector would follow all of them.
type pending struct {
	heads []head
	spare []head   // room to sort them
	pages [][]byte // of writes: length of the key, length of the value and one (0: deleted), key, value
	used  int      // how many pages
	size  int      // what the writes take in a batch of Pebble, at most
}

// head stands for a write while it is sorted: the first bytes of its key decide nearly always, and numbers are compared and
// moved ten times as fast as slices.
type head struct {
	first    uint64
	page, at uint32 // where it stands
}

const (
	pageBytes     = 64 << 10
	lengthBytes   = 8
	writeOverhead = 7        // that Pebble adds to a key and a value of moderate length in a batch
	pendingKept   = 16 << 20 // of a batch, in bytes, for the next one
)

var pendings = sync.Pool{New: func() any { return new(pending) }}

// done gives the memory to another batch.
func (p *pending) done() {
	if p.size <= pendingKept {
		p.heads, p.used, p.size = p.heads[:0], 0, 0
		pendings.Put(p)
	}
}

func (p *pending) set(key, value []byte) { p.add(key, value, uint32(len(value)+1)) }

func (p *pending) delete(key []byte) { p.add(key, nil, 0) }

func (p *pending) add(key, value []byte, length uint32) {
	page := p.page(lengthBytes + len(key) + len(value))
	var first [8]byte
	copy(first[:], key)
	p.heads = append(p.heads, head{binary.BigEndian.Uint64(first[:]), uint32(p.used - 1), uint32(len(*page))})
	*page = binary.LittleEndian.AppendUint32(*page, uint32(len(key)))
	*page = binary.LittleEndian.AppendUint32(*page, length)
	*page = append(append(*page, key...), value...)
	p.size += len(key) + len(value) + writeOverhead
}

// page is one with room for n bytes more.
func (p *pending) page(n int) *[]byte {
	if p.used > 0 {
		if last := &p.pages[p.used-1]; cap(*last)-len(*last) >= n {
			return last
		}
	}
	if p.used++; p.used > len(p.pages) {
		p.pages = append(p.pages, nil)
	}
	next := &p.pages[p.used-1]
	if cap(*next) < n {
		*next = make([]byte, 0, max(n, pageBytes))
	}
	*next = (*next)[:0]
	return next
}

func (p *pending) key(h *head) []byte {
	page := p.pages[h.page][h.at:]
	return page[lengthBytes : lengthBytes+binary.LittleEndian.Uint32(page)]
}

// touch asks memory for writes all at once: each lies anywhere, and would be waited for by itself. Most are of two cache lines.
//
//go:noinline
func (p *pending) touch(heads []head) (sum byte) {
	for i := range heads {
		page := p.pages[heads[i].page][heads[i].at:]
		sum += page[0] + page[min(64, len(page)-1)]
	}
	return sum
}

// write is the key and the value, nil where the key is deleted.
func (p *pending) write(h *head) (key, value []byte) {
	key = p.key(h)
	page := p.pages[h.page][h.at:]
	if n := binary.LittleEndian.Uint32(page[4:]); n > 0 {
		value = page[lengthBytes+len(key):][:n-1]
	}
	return key, value
}

// sort puts the writes in the order of their keys; those on one key stay in theirs.
func (p *pending) sort() {
	byKey := func(x, y head) int { return p.compare(&x, &y) }
	if slices.IsSortedFunc(p.heads, byKey) {
		return // rows of a snapshot, for one
	}
	p.sortFirst()
	for from, to := 0, 0; from < len(p.heads); from = to {
		for to++; to < len(p.heads) && p.heads[to].first == p.heads[from].first; {
			to++
		}
		if to-from > 1 {
			slices.SortStableFunc(p.heads[from:to], byKey)
		}
	}
}

// sortFirst puts the heads in the order of the first bytes of their keys, byte by byte from the last one: of a hundred thousand, in a
// quarter of the time in which they could be compared. Equal ones stay in their order.
func (p *pending) sortFirst() {
	var counts [8][256]uint32
	for i := range p.heads {
		for b, first := 0, p.heads[i].first; b < len(counts); b, first = b+1, first>>8 {
			counts[b][byte(first)]++
		}
	}
	n := len(p.heads)
	p.spare = slices.Grow(p.spare[:0], n)[:n]
	for b := range counts {
		next, shift := &counts[b], 8*b
		if next[byte(p.heads[0].first>>shift)] == uint32(n) {
			continue
		}
		at := uint32(0)
		for i, count := range next {
			next[i] = at
			at += count
		}
		for _, h := range p.heads {
			to := &next[byte(h.first>>shift)]
			p.spare[*to] = h
			*to++
		}
		p.heads, p.spare = p.spare, p.heads
	}
}

// compare compares the keys of two writes.
func (p *pending) compare(x, y *head) int {
	if x.first != y.first {
		return cmp.Compare(x.first, y.first)
	}
	return bytes.Compare(p.key(x), p.key(y))
}

// batch makes one of Pebble.
func (p *pending) batch(db *pebble.DB) *pebble.Batch {
	b := Batch{b: db.NewBatchWithSize(p.size)}
	for i := range p.heads {
		if key, value := p.write(&p.heads[i]); value == nil {
			b.Delete(key)
		} else {
			b.Set(key, value)
		}
	}
	return b.b
}

// list are the writes as a model takes them, which keeps them.
func (p *pending) list() []write {
	out := make([]write, len(p.heads))
	for i := range p.heads {
		key, value := p.write(&p.heads[i])
		out[i] = write{bytes.Clone(key), bytes.Clone(value)}
	}
	return out
}
