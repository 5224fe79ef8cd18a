package state

import (
	"fmt"
	"testing"
)

// TestWork: what is asked for is counted, and what lies deleted between two keys as passed over.
func TestWork(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _, err := Open("s", shared, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := s.Batch()
	for i := range 100 {
		b.Set(fmt.Appendf(nil, "k%03d", i), nil)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	b = s.Batch()
	for i := 1; i < 99; i++ {
		b.Delete(fmt.Appendf(nil, "k%03d", i))
	}
	before := shared.Work()
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	wrote := shared.Work().Sub(before)
	if wrote.Writes != 98 || wrote.Bytes < 98*5 || wrote.Bytes > 98*10 {
		t.Errorf("98 deletions are %+v", wrote)
	}
	before = shared.Work()
	for _, key := range []string{"k000", "k001"} {
		if _, err := s.Has([]byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Cursor([]byte("k"), []byte("l"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ok := c.Seek([]byte("k")); ok; ok = c.Next() {
		n++
	}
	if err := c.Close(); err != nil || n != 2 {
		t.Fatalf("%d keys, %v", n, err)
	}
	read := shared.Work().Sub(before)
	if read.Gets != 2 || read.Cursors != 1 || read.Seeks != 1 || read.Steps != 2 || read.Passed < 100 {
		t.Errorf("two looks and one walk from the first key over 98 deleted ones to the last are %+v", read)
	}
}
