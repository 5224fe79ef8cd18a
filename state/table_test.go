package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"
)

// writeRound commits batch number round, alone or as a table: it writes all rows and the position.
func writeRound(s *Store, round int, table bool) error {
	b, pad := s.Batch(), 0
	if table {
		b, pad = s.SortedBatch(), tableLeast/roundRows
	}
	value := append(fmt.Appendf(nil, "%06d", round), make([]byte, pad)...)
	for i := range roundRows {
		b.Set(fmt.Appendf(nil, "row%03d", i*7%roundRows), value)
	}
	b.Set([]byte("position"), value[:6])
	return b.Commit()
}

const roundRows = 100

// roundOf is the round whose rows stand in the store, all of them; -1 none.
func roundOf(t *testing.T, s *Store) int {
	t.Helper()
	position, found, err := s.Get([]byte("position"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range roundRows {
		v, has, err := s.Get(fmt.Appendf(nil, "row%03d", i))
		if err != nil || has != found || has && !bytes.Equal(v[:6], position) {
			t.Fatalf("the position is %q, row %d has %.6q (%v)", position, i, v, err)
		}
	}
	round := -1
	if found {
		fmt.Sscanf(string(position), "%d", &round)
	}
	return round
}

// TestTablesSurviveAsAPrefix: a crash at any moment leaves what some number of batches had written, whether they became tables or
// not, and no fewer than up to the last table.
func TestTablesSurviveAsAPrefix(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		shared := NewCrashable(1 << 20)
		s, _ := open(t, "store", shared, nil)
		var durable atomic.Int64
		durable.Store(-1)
		done := make(chan error)
		go func() {
			rng := rand.New(rand.NewPCG(seed, 2))
			for round := range 60 {
				table := rng.IntN(2) == 0
				if err := writeRound(s, round, table); err != nil {
					done <- err
					return
				}
				if table {
					durable.Store(int64(round))
				}
				if rng.IntN(5) == 0 {
					s.db.AsyncFlush()
				}
			}
			done <- nil
		}()
		for running := true; running; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				running = false
			default:
			}
			least := durable.Load()
			after := shared.Crashed([]int{0, 50, 100}[rng.IntN(3)], rng)
			found, _ := open(t, "store", after, nil)
			if round := roundOf(t, found); int64(round) < least {
				t.Errorf("seed %d: round %d stands there, %d was durable", seed, round, least)
			}
			if err := errors.Join(writeRound(found, 70, true), writeRound(found, 71, false), found.Close()); err != nil {
				t.Fatal(err)
			}
			found, _ = open(t, "store", after, nil)
			if round := roundOf(t, found); round != 71 {
				t.Errorf("seed %d: after going on round %d stands there", seed, round)
			}
			found.Close()
			after.Close()
		}
		s.Close()
		shared.Close()
	}
}

// TestATableLeftBehind: a process that ends before it has removed the first name of a table leaves two names of one file.
func TestATableLeftBehind(t *testing.T) {
	shared := NewShared(1<<20, false)
	defer shared.Close()
	dir := filepath.Join(t.TempDir(), "store")
	s, _ := open(t, dir, shared, nil)
	if err := errors.Join(writeRound(s, 1, true), s.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	left := filepath.Join(dir, newTable+"0")
	if err := os.Link(names[len(names)-1], left); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, shared, nil)
	defer s.Close()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if err := os.Link(names[len(names)-1], left); err != nil {
		t.Fatal(err)
	}
	other := s.SortedBatch()
	for i := range 100 {
		other.Set(fmt.Appendf(nil, "other%03d", i), make([]byte, tableLeast/50))
	}
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if round := roundOf(t, s); round != 1 {
		t.Errorf("round %d stands there", round)
	}
}

// TestATableOnAFullDisk: the write says what is wrong, so do later ones, and what was written before is whole. .sst is the file of
// what stands in memory, which goes to the disk first.
func TestATableOnAFullDisk(t *testing.T) {
	for file, left := range map[string]int{newTable + "0": 2, newTable + "1": 2, ".sst": 1} {
		var full atomic.Bool
		shared := NewShared(1<<20, true)
		shared.Fill(func(path string) bool { return full.Load() && strings.HasSuffix(path, file) })
		s, _ := open(t, "store", shared, nil)
		if err := errors.Join(writeRound(s, 1, true), writeRound(s, 2, false)); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		if err := writeRound(s, 3, true); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full: free space") {
			t.Errorf("%s: writing a table: %v", file, err)
		}
		if err := writeRound(s, 4, false); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: writing on: %v", file, err)
		}
		_ = s.Close() // it says the same again
		full.Store(false)
		s, _ = open(t, "store", shared, nil)
		if round := roundOf(t, s); round != left {
			t.Errorf("%s: round %d stands there", file, round)
		}
		if err := errors.Join(writeRound(s, 5, true), s.Close()); err != nil {
			t.Error(err)
		}
		shared.Close()
	}
}

// TestAscendingTablesNeedNoCompaction: batches of rows that ascend, with a position beside them, stand in the lowest level at once.
func TestAscendingTablesNeedNoCompaction(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	const batches = 5
	for n := range batches {
		b := s.SortedBatch()
		for i := range 100 {
			b.Set(fmt.Appendf(nil, "r%03d", 100*n+i), make([]byte, tableLeast/100))
		}
		b.Set([]byte("a"), []byte{byte(n)})
		b.Set([]byte("w"), []byte{byte(n)})
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	m := s.db.Metrics()
	if lowest := m.Levels[6].TablesCount; lowest < batches || m.Compact.Count != 0 {
		t.Errorf("%d tables stand in the lowest level, after %d compactions", lowest, m.Compact.Count)
	}
	for key, want := range map[string]byte{"a": batches - 1, "w": batches - 1, "r000": 0, "r499": 0} {
		if v, found, err := s.Get([]byte(key)); err != nil || !found || v[0] != want {
			t.Errorf("%s: %v %v %v", key, v[:min(1, len(v))], found, err)
		}
	}
}

// TestTablesBesideOtherBatches: of batches that several goroutines commit, none that ended before a table was begun is missing
// where that is there.
func TestTablesBesideOtherBatches(t *testing.T) {
	shared := NewCrashable(1 << 20)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	var small atomic.Uint32 // the last one whose Commit has returned
	stop := make(chan struct{})
	var all errgroup.Group
	all.Go(func() error {
		for n := uint32(1); ; n++ {
			select {
			case <-stop:
				return nil
			default:
			}
			b := s.Batch()
			b.Set([]byte("small"), binary.BigEndian.AppendUint32(nil, n))
			if err := b.Commit(); err != nil {
				return err
			}
			small.Store(n)
		}
	})
	rng := rand.New(rand.NewPCG(1, 1))
	number := func(s *Store, key string) uint32 {
		v, found, err := s.Get([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			return 0
		}
		return binary.BigEndian.Uint32(v)
	}
	for range 40 {
		b := s.SortedBatch()
		b.Set([]byte("large"), binary.BigEndian.AppendUint32(nil, small.Load()))
		b.Set([]byte("rows"), make([]byte, tableLeast))
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		after := shared.Crashed(0, rng)
		found, _ := open(t, "store", after, nil)
		if large, small := number(found, "large"), number(found, "small"); small < large {
			t.Errorf("small batch %d is there, %d was committed before the table", small, large)
		}
		found.Close()
		after.Close()
	}
	close(stop)
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}
