package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestSortedBatch: whatever a sorted batch holds, on keys with the same first bytes, several on one, deleted ones, empty and very
// long values, stands in the store as if it had been written one by one; batches that are filled beside it, or were thrown away
// before, have no part in it. Large ones become tables.
func TestSortedBatch(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[string][]byte{}
	fill := func(b *Batch, writes int, as byte) map[string][]byte {
		out := map[string][]byte{}
		for range writes {
			key := fmt.Sprintf("prefix-%c-%d", as, rng.IntN(400))
			if rng.IntN(3) == 0 {
				key = fmt.Sprintf("%c%d", as, rng.IntN(400))
			}
			value := bytes.Repeat([]byte{as}, rng.IntN(30))
			switch rng.IntN(100) {
			case 0:
				value = bytes.Repeat(value, 10_000)
			case 1, 2, 3, 4, 5, 6, 7, 8:
				b.Delete([]byte(key))
				out[key] = nil
				continue
			}
			b.Set([]byte(key), value)
			out[key] = value
		}
		return out
	}
	for round := range 30 {
		one, other, thrown := s.SortedBatch(), s.SortedBatch(), s.SortedBatch()
		fill(thrown, 2000, 'a')
		writes, more := fill(one, 1+rng.IntN(3000), 'a'), fill(other, 500, 'b')
		thrown.Discard()
		thrown.Discard()
		for _, b := range []*Batch{one, other} {
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
			b.Discard()
		}
		for _, m := range []map[string][]byte{writes, more} {
			for key, value := range m {
				want[key] = value
			}
		}
		if round%10 == 9 {
			compare(t, s, want)
		}
	}
	if took := s.db.Metrics().Ingest.Count; took < 5 || took > 50 {
		t.Errorf("%d of 60 batches became tables", took)
	}
}

func compare(t *testing.T, s *Store, want map[string][]byte) {
	t.Helper()
	cur, err := s.Cursor([]byte("a"), []byte("q"))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range want {
		got, found, err := s.Get([]byte(key))
		if err != nil || found != (value != nil) || !bytes.Equal(got, value) {
			t.Fatalf("%s: %d bytes, found: %v, %v; want %d bytes", key, len(got), found, err, len(value))
		}
		found, err = cur.Find([]byte(key))
		if err != nil || found != (value != nil) || found && !bytes.Equal(cur.Value(), value) {
			t.Fatalf("%s: a cursor says otherwise: found: %v, %v", key, found, err)
		}
	}
	if err := cur.Close(); err != nil {
		t.Fatal(err)
	}
}
