// Package bloom is a Bloom filter in which all that is set for one key stands in one cache line (Putze, Sanders, Singler:
// Cache-, Hash- and Space-Efficient Bloom Filters, 2007). A filter of millions of keys is far larger than the caches: an
// ordinary one waits for memory with each of its hashes, this one once.
package bloom

import "math/bits"

// Two bytes a key and four bits set: of keys that are not there, one in 300 is thought to be.
const (
	keysOfLine = lineBits / 16
	bitsSet    = 4

	lineBits = 512
	bitBits  = 9 // of a hash that say which bit of a line
)

// Filter holds keys by a hash of them that spreads over all of its 64 bits. It is not for several goroutines at once.
type Filter struct{ lines []line }

type line [lineBits / 64]uint64

// New makes an empty filter for so many keys; with more it answers wrongly more often, but never denies one that is there.
func New(keys int64) *Filter {
	return &Filter{lines: make([]line, max(1, (keys+keysOfLine-1)/keysOfLine))}
}

// Keys is how many keys it is made for.
func (f *Filter) Keys() int64 { return int64(len(f.lines)) * keysOfLine }

// Add puts a key in, and says whether it may have been there.
func (f *Filter) Add(hash uint64) (before bool) {
	l, before := f.line(hash), true
	for range bitsSet {
		word, bit := hash>>6%uint64(len(l)), uint64(1)<<(hash%64)
		before = before && l[word]&bit != 0
		l[word] |= bit
		hash >>= bitBits
	}
	return before
}

// Has is false for a key that is not there; true means little.
func (f *Filter) Has(hash uint64) bool {
	l := f.line(hash)
	for range bitsSet {
		if l[hash>>6%uint64(len(l))]&(1<<(hash%64)) == 0 {
			return false
		}
		hash >>= bitBits
	}
	return true
}

// line is that of a key: its upper bits say which, its lower ones what is set there.
func (f *Filter) line(hash uint64) *line {
	n, _ := bits.Mul64(hash, uint64(len(f.lines)))
	return &f.lines[n]
}
