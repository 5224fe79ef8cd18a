package state

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTheModelIsAStore: over random batches, snapshots, reopenings and crashes the model and Pebble hold the same.
func TestTheModelIsAStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		survives := 0
		real, model := NewShared(1<<20, true), NewModel(&Model{Survives: func(batches int) int { survives = batches; return batches }})
		defer real.Close()
		r, fresh, err := Open("store", real, Stamp{"key": "a"})
		m, freshToo, errToo := Open("store", model, Stamp{"key": "a"})
		if err != nil || errToo != nil || !fresh || !freshToo {
			t.Fatal(err, errToo, fresh, freshToo)
		}
		key := rapid.SampledFrom([]string{"a", "aa", "a\x00", "b", "p1", "p2", "p\xff", "q"})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				// What Pebble writes when it closes, the model's crash leaves when all batches survive.
				if rapid.Bool().Draw(t, "crash") {
					survives = -1
					err = m.Abandon()
				} else {
					err = m.Close()
				}
				if err != nil || survives == -1 {
					t.Fatal(err, survives)
				}
				if r, fresh, err = Open("store", real, Stamp{"key": "a"}); err != nil || fresh {
					t.Fatal(err, fresh)
				}
				if m, fresh, err = Open("store", model, Stamp{"key": "a"}); err != nil || fresh {
					t.Fatal(err, fresh)
				}
			case 1, 2, 3:
				from, to := key.Draw(t, "from"), key.Draw(t, "to")
				from, to = min(from, to), max(from, to)
				rc, err := r.Cursor([]byte(from), []byte(to))
				mc, errToo := m.Cursor([]byte(from), []byte(to))
				if err != nil || errToo != nil {
					t.Fatal(err, errToo)
				}
				if rapid.Bool().Draw(t, "write under the cursor") {
					batch(t, key, r, m)
				}
				seek := []byte(key.Draw(t, "seek"))
				if a, b := walk(rc, seek), walk(mc, seek); a != b {
					t.Fatalf("from %q to %q, %q on: %s and %s", from, to, seek, a, b)
				}
				for k := range strings.SplitSeq("a aa b p1 p2", " ") {
					if k < from || k >= to {
						continue
					}
					a, err := rc.Find([]byte(k))
					if b, errToo := mc.Find([]byte(k)); err != nil || errToo != nil || a != b || a && string(rc.Value()) != string(mc.Value()) {
						t.Fatalf("from %q to %q, %q: found %v %v and %v %v", from, to, k, a, err, b, errToo)
					}
				}
				if err := rc.Close(); err != nil {
					t.Fatal(err)
				}
			default:
				batch(t, key, r, m)
			}
			for _, k := range []string{"a", "b", "p1"} {
				a, found, err := r.Get([]byte(k))
				b, foundToo, errToo := m.Get([]byte(k))
				if err != nil || errToo != nil || found != foundToo || string(a) != string(b) {
					t.Fatalf("%q: %q %v %v, %q %v %v", k, a, found, err, b, foundToo, errToo)
				}
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func batch(t *rapid.T, key *rapid.Generator[string], stores ...*Store) {
	var batches []*Batch
	sorted := rapid.Bool().Draw(t, "sorted") // changes nothing that the model would show
	for _, s := range stores {
		if sorted {
			batches = append(batches, s.SortedBatch())
		} else {
			batches = append(batches, s.Batch())
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "writes") {
		k, v := []byte(key.Draw(t, "key")), []byte(rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "value"))
		del := rapid.IntRange(0, 2).Draw(t, "delete") == 0
		for _, b := range batches {
			if del {
				b.Delete(k)
			} else {
				b.Set(k, v)
			}
		}
		clear(k) // both may be reused
		clear(v)
	}
	discard := rapid.IntRange(0, 5).Draw(t, "discard") == 0
	if a, b := batches[0].Len(), batches[1].Len(); a != b {
		t.Fatalf("%d writes, %d writes", a, b)
	}
	for _, b := range batches {
		if discard {
			b.Discard()
		} else if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

func walk(c *Cursor, seek []byte) (out string) {
	for ok := c.Seek(seek); ok; ok = c.Next() {
		out += fmt.Sprintf("%q=%q ", c.Key(), c.Value())
	}
	if c.Valid() {
		out += "valid at the end"
	}
	return out
}

// TestACrashOfTheModelLeavesAPrefix: every prefix of the batches since the last flush can be what a crash leaves, and what
// a flush wrote stays.
func TestACrashOfTheModelLeavesAPrefix(t *testing.T) {
	for survives := range 6 {
		asked := 0
		shared := NewModel(&Model{Survives: func(batches int) int { asked = batches; return survives }})
		dir := filepath.Join("state", "store")
		s, _ := open(t, dir, shared, nil)
		write := func(i int) {
			b := s.Batch()
			b.Set(fmt.Appendf(nil, "row%d", i), []byte("x"))
			b.Delete([]byte("row0"))
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		write(1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, _ = open(t, dir, shared, nil)
		for i := range 5 {
			write(i + 2)
		}
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
		s, fresh := open(t, dir, shared, nil)
		if asked != 5 || fresh {
			t.Fatalf("asked about %d batches, fresh %v", asked, fresh)
		}
		for i := 1; i < 7; i++ {
			if has, err := s.Has(fmt.Appendf(nil, "row%d", i)); err != nil || has != (i < 2+survives) {
				t.Errorf("%d batches survive: row %d present %v (%v)", survives, i, has, err)
			}
		}
	}
}

func TestAModelIsRemovedAndOpenedOnce(t *testing.T) {
	shared := NewModel(&Model{})
	if _, fresh := open(t, "a", shared, nil); !fresh {
		t.Error("a new store is not fresh")
	}
	if _, _, err := Open("a", shared, nil); err == nil {
		t.Error("a second opening succeeded")
	}
	if err := Remove("a", shared); err != nil {
		t.Fatal(err)
	}
	if _, fresh := open(t, "a", shared, nil); !fresh {
		t.Error("a removed store came back")
	}
}
