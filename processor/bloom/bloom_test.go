package bloom

import (
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func hashOf(n int) uint64 {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(n))
	return xxhash.Sum64(key[:])
}

// TestFilter: what was put in is there, and of the rest hardly anything seems to be, in a filter as full as it may get.
func TestFilter(t *testing.T) {
	for _, keys := range []int{1, 31, 1000, 300_000} {
		f := New(int64(keys))
		if f.Keys() < int64(keys) || f.Keys() > int64(keys)+keysOfLine {
			t.Fatalf("made for %d, not %d", f.Keys(), keys)
		}
		wrong := 0
		for n := range keys {
			if f.Add(hashOf(n)) {
				wrong++
			}
		}
		for n := range keys {
			if !f.Has(hashOf(n)) || !f.Add(hashOf(n)) {
				t.Fatalf("%d of %d is denied", n, keys)
			}
			if f.Has(hashOf(-1 - n)) {
				wrong++
			}
		}
		if most := keys / 150; wrong > 2*most { // one of 300, of two series
			t.Errorf("%d of %d seem to be there", wrong, 2*keys)
		}
	}
}

// TestNoKeys: a filter for nothing takes keys all the same.
func TestNoKeys(t *testing.T) {
	f := New(0)
	if f.Has(hashOf(1)) {
		t.Error("something is there")
	}
	if f.Add(hashOf(1)); !f.Has(hashOf(1)) {
		t.Error("it is denied")
	}
}

func BenchmarkAdd(b *testing.B) {
	f := New(8_000_000)
	for n := 0; b.Loop(); n++ {
		f.Add(hashOf(n))
	}
}

func BenchmarkHas(b *testing.B) {
	f := New(8_000_000)
	for n := range 8_000_000 {
		f.Add(hashOf(n))
	}
	for n := 0; b.Loop(); n++ {
		f.Has(hashOf(-n))
	}
}
