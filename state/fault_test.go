package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// fill makes a store of several tables, as flushes at several moments leave it.
func fill(t *testing.T, dir string, shared *Shared) {
	t.Helper()
	s, _ := open(t, dir, shared, nil)
	for flush := range 3 {
		b := s.Batch()
		for i := range 500 {
			b.Set(fmt.Appendf(nil, "row%04d", i), fmt.Appendf(nil, "%d of flush %d %s", i, flush, strings.Repeat("x", i%100)))
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// content opens a store and reads all of it. A store that is found damaged on the way must be so for whoever opens it next.
func content(t *testing.T, dir string, shared *Shared) (rows map[string]string, err error) {
	t.Helper()
	s, _, err := Open(dir, shared, nil)
	if err != nil {
		return nil, err
	}
	rows = map[string]string{}
	cur, err := s.Cursor([]byte("row"), []byte("rox"))
	if err == nil {
		for i := range 500 {
			var found bool
			if found, err = cur.Find(fmt.Appendf(nil, "row%04d", i)); err != nil {
				break
			} else if !found {
				t.Errorf("row %d is not found, and no error", i)
			}
		}
		for ok := cur.Seek([]byte("row")); ok; ok = cur.Next() {
			rows[string(cur.Key())] = string(cur.Value())
		}
		err = cmp.Or(err, cur.Close())
	}
	for i := 0; err == nil && i < 500; i++ {
		_, _, err = s.Get(fmt.Appendf(nil, "row%04d", i))
	}
	if err != nil {
		_ = s.Close() // it says once more what is wrong
		if _, _, again := Open(dir, shared, nil); errors.Is(err, ErrCorrupt) && !errors.Is(again, ErrCorrupt) {
			t.Errorf("after %v it opens as if nothing were wrong: %v", err, again)
		}
		return nil, err
	}
	return rows, s.Close()
}

// TestNoDamageIsTakenForData: whatever happens to one file, a store is what it was, or an older state of itself, or says
// that it is damaged; it is never other rows, and never a new store in the old one's place.
func TestNoDamageIsTakenForData(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	whole := filepath.Join(t.TempDir(), "whole")
	fill(t, whole, shared)
	want, err := content(t, whole, shared)
	if err != nil || len(want) != 500 {
		t.Fatal(len(want), err)
	}
	names, err := filepath.Glob(filepath.Join(whole, "*"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	found := map[string]int{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func() []byte{
			"a byte changed": func() []byte {
				b := bytes.Clone(body)
				b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
				return b
			},
			"cut short": func() []byte { return body[:rng.IntN(len(body))] },
			"deleted":   func() []byte { return nil },
		} {
			for range 8 {
				if len(body) == 0 && what != "deleted" {
					break
				}
				dir := filepath.Join(t.TempDir(), "store")
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, filepath.Base(name))
				if b := change(); b == nil {
					err = os.Remove(file)
				} else {
					err = os.WriteFile(file, b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				rows, err := content(t, dir, shared)
				kind, _, _ := strings.Cut(strings.TrimLeft(filepath.Base(name), "0123456789"), "-")
				kind, _, _ = strings.Cut(kind, ".0")
				kind += " " + what
				switch {
				case errors.Is(err, ErrCorrupt):
					found[kind]++
				case err != nil:
					t.Errorf("%s: %s: %v", filepath.Base(name), what, err)
				case len(rows) != 500:
					t.Errorf("%s: %s: %d rows and no error", filepath.Base(name), what, len(rows))
				default:
					// A manifest that ends early names an older state, whole in itself.
					older := rows["row0000"][len("0 of flush ") : len("0 of flush ")+1]
					for k, v := range rows {
						if v != strings.Replace(want[k], "of flush 2", "of flush "+older, 1) {
							t.Errorf("%s: %s: %s is %q", filepath.Base(name), what, k, v)
						}
					}
				}
				if what == "deleted" {
					break
				}
			}
		}
	}
	t.Log(found)
	for _, kind := range []string{".sst a byte changed", ".sst cut short", ".sst deleted", "MANIFEST cut short", "MANIFEST deleted", "marker.manifest deleted"} {
		if found[kind] == 0 {
			t.Errorf("%s was never found", kind)
		}
	}
}

// TestAFullDiskIsSaidAndNothingIsTornApart: a flush that fails must not be tried in silence for ever. What is on the disk
// afterwards is a state that was; the topics give back the rest.
func TestAFullDiskIsSaidAndNothingIsTornApart(t *testing.T) {
	var full atomic.Bool
	shared := NewShared(1<<20, true)
	defer shared.Close()
	shared.Fill(func(string) bool { return full.Load() })
	write := func(s *Store, i int) error {
		b := s.Batch()
		b.Set([]byte("position"), fmt.Appendf(nil, "%06d", i))
		b.Set(fmt.Appendf(nil, "row%06d", i), make([]byte, 10_000))
		return b.Commit()
	}
	s, _ := open(t, "store", shared, nil)
	for i := range 100 {
		if err := write(s, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	var err error
	for i := 100; err == nil; i++ { // until memtables fill: without the check it would wait for ever
		if err = write(s, i); i > 100_000 {
			t.Fatal("it takes everything and never says that it cannot write")
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full: free space") {
		t.Errorf("writing on: %v", err)
	}
	if err := s.Maintain(time.Now(), time.Hour); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("looking after it: %v", err)
	}
	_ = s.Close() // it ends, whatever it says
	if _, _, err := Open("store", shared, nil); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("opening while it is full: %v", err)
	}
	full.Store(false)
	s, fresh := open(t, "store", shared, nil)
	v, found, err := s.Get([]byte("position"))
	if fresh || !found || err != nil || string(v) < "000099" {
		t.Fatalf("with space again: fresh %v, position %s %v %v", fresh, v, found, err)
	}
	var at int
	fmt.Sscanf(string(v), "%d", &at)
	for i := range at + 50 {
		if has, err := s.Has(fmt.Appendf(nil, "row%06d", i)); err != nil || has != (i <= at) {
			t.Errorf("position %d: row %d is there: %v (%v)", at, i, has, err)
		}
	}
	if err := errors.Join(write(s, at+1), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestAManifestThatCannotBeWrittenEndsTheProcess: Pebble cannot go on, and says so to whoever ends the process.
func TestAManifestThatCannotBeWrittenEndsTheProcess(t *testing.T) {
	var on atomic.Bool
	shared := NewShared(1<<20, true)
	said := make(chan string, 1)
	shared.Fatal = func(text string) {
		said <- text
		select {} // as after os.Exit, nobody goes on
	}
	shared.fs.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if on.Load() && op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST") {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	s, _ := open(t, "store", shared, nil)
	b := s.Batch()
	b.Set([]byte("k"), []byte("v"))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	go s.flush()
	if text := <-said; !strings.Contains(text, "no space left") || !strings.Contains(text, "check the disk") {
		t.Error(text)
	}
}

// TestAFullDiskWhileClosing: closing must end, and say that the last minutes are not on the disk.
func TestAFullDiskWhileClosing(t *testing.T) {
	var full atomic.Bool
	shared := NewShared(1<<20, true)
	defer shared.Close()
	shared.Fill(func(string) bool { return full.Load() })
	s, _ := open(t, "store", shared, nil)
	b := s.Batch()
	b.Set([]byte("k"), []byte("v"))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("closing: %v", err)
	}
}

// TestWhoHoldsAStoreIsNoDamage: a store in use must never be set aside.
func TestWhoHoldsAStoreIsNoDamage(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, _ := open(t, dir, shared, nil)
	defer s.Close()
	if _, _, err := Open(dir, shared, nil); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("opened twice: %v", err)
	}
}
