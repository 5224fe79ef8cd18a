package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, dir string, shared *Shared, stamp Stamp) (*Store, bool) {
	t.Helper()
	s, fresh, err := Open(dir, shared, stamp)
	if err != nil {
		t.Fatal(err)
	}
	return s, fresh
}

func TestCloseKeepsEverything(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, fresh := open(t, dir, shared, Stamp{"key": "a"})
	if !fresh {
		t.Error("a new store is not fresh")
	}
	b := s.Batch()
	b.Set([]byte("k"), []byte("v"))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, fresh = open(t, dir, shared, Stamp{"key": "a"})
	defer s.Close()
	if v, found, err := s.Get([]byte("k")); err != nil || !found || string(v) != "v" || fresh {
		t.Errorf("after closing and opening: %q %v %v, fresh %v", v, found, err, fresh)
	}
}

// TestCrashKeepsAPrefix: what survives a crash is a prefix of the batches, positions included.
func TestCrashKeepsAPrefix(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	for flushAt := range 20 {
		dir := filepath.Join(t.TempDir(), "store")
		s, _ := open(t, dir, shared, nil)
		for i := range 20 {
			b := s.Batch()
			b.Set(fmt.Appendf(nil, "row%02d", i), []byte("x"))
			b.Set([]byte("position"), binary.BigEndian.AppendUint32(nil, uint32(i+1)))
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
			if i == flushAt {
				if err := s.db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
		s, _ = open(t, dir, shared, nil)
		v, found, err := s.Get([]byte("position"))
		if err != nil || !found {
			t.Fatalf("flushed at %d: no position (%v)", flushAt, err)
		}
		position := int(binary.BigEndian.Uint32(v))
		if position < flushAt+1 {
			t.Errorf("flushed at %d: position %d", flushAt, position)
		}
		for i := range 20 {
			has, err := s.Has(fmt.Appendf(nil, "row%02d", i))
			if err != nil || has != (i < position) {
				t.Errorf("flushed at %d, position %d: row %d present %v (%v)", flushAt, position, i, has, err)
			}
		}
		s.Close()
	}
}

func TestStampAndVersionAreChecked(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, _ := open(t, dir, shared, Stamp{"identity key": "a"})
	s.Close()
	_, _, err := Open(dir, shared, Stamp{"identity key": "b"})
	var differs *StampError
	if !errors.As(err, &differs) || !slices.Equal(differs.Fields, []string{"identity key"}) || !errors.Is(err, ErrStamp) {
		t.Errorf("another key: %v", err)
	}
	s, _ = open(t, dir, shared, nil)
	b := s.Batch()
	b.Set(stampKey, []byte(`{"version":99}`))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, _, err := Open(dir, shared, nil); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "delete the directory") {
		t.Errorf("another version: %v", err)
	}
}

func TestADamagedStoreIsReportedAndCanBeSetAside(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, _ := open(t, dir, shared, nil)
	b := s.Batch()
	for i := range 1000 {
		b.Set(fmt.Appendf(nil, "row%04d", i), make([]byte, 100))
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatal("no manifest", err)
	}
	for _, m := range manifests {
		if err := os.WriteFile(m, []byte("this is no manifest at all, and never was one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Open(dir, shared, nil); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a damaged manifest: %v", err)
	}
	aside, err := SetAside(dir, shared, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(aside); err != nil {
		t.Error(err)
	}
	s, fresh := open(t, dir, shared, nil)
	defer s.Close()
	if !fresh {
		t.Error("the new store is not fresh")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{os.ErrPermission, "give it to the user that runs lejarat"},
		{syscall.ENOSPC, "the disk is full"},
		{syscall.EAGAIN, "another process uses it"},
	} {
		if got := explain(opening, "dir", c.err).Error(); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q does not say %q", c.err, got, c.want)
		}
	}
}

func TestTwoProcessesCannotShareAStore(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, _ := open(t, dir, shared, nil)
	defer s.Close()
	if _, _, err := Open(dir, shared, nil); err == nil {
		t.Error("a second opening succeeded")
	}
}

// Forward finds what Seek finds, whatever lies between, also when it is asked to go back.
func TestForwardFindsWhatSeekFinds(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _, err := Open("store", shared, Stamp{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dice := rand.New(rand.NewPCG(1, 2))
	b := s.Batch()
	for range 300 {
		b.Set(fmt.Appendf(nil, "k%04d", dice.IntN(1000)), nil)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	seek, err := s.Cursor([]byte("k"), []byte("l"))
	if err != nil {
		t.Fatal(err)
	}
	defer seek.Close()
	forward, err := s.Cursor([]byte("k"), []byte("l"))
	if err != nil {
		t.Fatal(err)
	}
	defer forward.Close()
	at := 0
	for range 5000 {
		if at += dice.IntN(20); at > 1050 {
			at = 0
		}
		key := fmt.Appendf(nil, "k%04d", at)
		want, got := seek.Seek(key), forward.Forward(key)
		if want != got || want && !bytes.Equal(seek.Key(), forward.Key()) {
			t.Fatalf("%s: Seek %v, Forward %v", key, want, got)
		}
		for range dice.IntN(3) {
			if !seek.Valid() {
				break
			}
			at = max(at, keyNumber(t, seek.Key())+1) // the caller reads on: what it has passed it does not ask for again
			seek.Next()
			forward.Next()
		}
	}
}

func keyNumber(t *testing.T, key []byte) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(string(key), "k%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
