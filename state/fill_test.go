package state

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// TestFill: what is written to a store that is being filled is compacted at its end, and only then, however much it is.
func TestFill(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	shared.Expect(1)
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	s.Fill()
	const flushes, rows = 3 * level0Sublevels, 200
	pour(t, s, flushes, rows)
	if m := s.db.Metrics(); m.Levels[0].Sublevels < flushes || m.Compact.Count != 0 {
		t.Errorf("%d of %d flushes still stand apart, after %d compactions", m.Levels[0].Sublevels, flushes, m.Compact.Count)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := s.db.Metrics(); m.Levels[0].TablesCount != 0 || m.Compact.Count == 0 {
		t.Errorf("afterwards %d tables are left, after %d compactions", m.Levels[0].TablesCount, m.Compact.Count)
	}
	cur, err := s.Cursor([]byte{1}, []byte{0xff})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for ok := cur.Seek([]byte{1}); ok; ok = cur.Next() {
		found++
	}
	if err := cur.Close(); err != nil || found != flushes*rows {
		t.Errorf("%d rows of %d, %v", found, flushes*rows, err)
	}
}

// TestCompactOnce: the store of a process that ended before its fill was over is filled again by the next one; what stands in
// order already is not written anew for the little that came since, but for a lot it is.
func TestCompactOnce(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	s.Fill()
	pour(t, s, 40, 200)
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flushes  int
		compacts bool
	}{{0, false}, {2, false}, {10, true}} {
		s, _ = open(t, "store", shared, nil)
		s.Fill()
		pour(t, s, c.flushes, 200)
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m := s.db.Metrics(); (m.Compact.Count > 0) != c.compacts {
			t.Errorf("%d compactions after %d flushes more", m.Compact.Count, c.flushes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// pour flushes so often so many random rows.
func pour(t *testing.T, s *Store, flushes, rows int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	for range flushes {
		b := s.SortedBatch()
		for range rows {
			b.Set(binary.BigEndian.AppendUint64(nil, rng.Uint64()>>1|1<<56), []byte("x"))
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpeningWaitsForNoCompaction: a store that was closed while it was filled is open at once, and in order some time after the next
// flush.
func TestOpeningWaitsForNoCompaction(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	s.Fill()
	pour(t, s, 3*level0Sublevels, 5000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, "store", shared, nil)
	defer s.Close()
	if m := s.db.Metrics(); m.Compact.Count != 0 {
		t.Errorf("%d compactions have ended before the store is open", m.Compact.Count)
	}
	pour(t, s, 1, 1)
	if !soon(20*time.Second, func() bool { return s.db.Metrics().Compact.Count > 0 }) {
		t.Fatal("it is not brought into order")
	}
}

// TestFilledStoreOnAFullDisk: the end of the filling says what is wrong instead of waiting for ever.
func TestFilledStoreOnAFullDisk(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	full := false
	shared.Fill(func(string) bool { return full })
	s, _ := open(t, "store", shared, nil)
	s.Fill()
	b := s.Batch()
	b.Set([]byte("key"), []byte("value"))
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	full = true
	if err := s.Compact(t.Context()); err == nil {
		t.Error("nothing is said of the full disk")
	}
	_ = s.Close() // it says the same again
}

// TestFilled: a store that is filled is brought into order, also where nothing more is written.
func TestFilled(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	s.Fill()
	pour(t, s, 3*level0Sublevels, 200)
	if n := s.db.Metrics().Compact.Count; n != 0 {
		t.Errorf("%d compactions while it is filled", n)
	}
	if err := s.Filled(); err != nil {
		t.Fatal(err)
	}
	if !soon(20*time.Second, func() bool { return s.db.Metrics().Levels[0].TablesCount == 0 }) {
		t.Fatal("it is not brought into order")
	}
}

// TestFewRowsRewriteLittle: a few rows at a time, each flushed, must not have a large store written anew again and again.
func TestFewRowsRewriteLittle(t *testing.T) {
	const rows, bytes, flushes = 150_000, 1000, 40
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	rng := rand.NewChaCha8([32]byte{1})
	value := make([]byte, bytes)
	b := s.SortedBatch()
	for i := range rows {
		_, _ = rng.Read(value)
		b.Set(binary.BigEndian.AppendUint64(nil, 1<<56|uint64(i)), value)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	for range flushes {
		b := s.Batch()
		for range 20 {
			b.Set(binary.BigEndian.AppendUint64(nil, 1<<56|rng.Uint64()%rows), []byte("changed"))
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		for s.db.Metrics().Compact.NumInProgress > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	m := s.db.Metrics()
	if total := m.Total(); m.Compact.Count == 0 || total.TableBytesCompacted > rows*bytes {
		t.Errorf("%d compactions wrote %d bytes in a store of %d", m.Compact.Count, total.TableBytesCompacted, rows*bytes)
	}
}

// TestMaintain: what was written is flushed in its time, and where it is little, in all stores together, twenty times as seldom.
func TestMaintain(t *testing.T) {
	shared := NewShared(1<<20, true)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	other, _ := open(t, "another", shared, nil)
	defer other.Close()
	const every = time.Minute
	now := time.Now()
	for _, c := range []struct {
		bytes, others int
		after         time.Duration
		flushes       bool
	}{
		{0, 0, 30 * every, true}, // the stamp
		{100, 0, every, false},
		{0, 0, 19*every - time.Second, false},
		{0, 0, time.Second, true},
		{100, 0, every, false},
		{100, flushLeast, every / 2, true}, // elsewhere: so much in one batch Pebble flushes by itself
		{100, flushLeast, every / 2, false},
		{0, 0, every / 2, true},
		{100, flushLeast, every, true},
		{0, 0, 30 * every, false}, // nothing was written
	} {
		for store, bytes := range map[*Store]int{s: c.bytes, other: c.others} {
			if bytes == 0 {
				continue
			}
			b := store.Batch()
			b.Set([]byte("key"), make([]byte, bytes))
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(c.after)
		before := s.db.Metrics().Flush.Count
		if err := s.Maintain(now, every); err != nil {
			t.Fatal(err)
		}
		wait := 20 * time.Millisecond // a flush goes on behind the scenes
		if c.flushes {
			wait = 20 * time.Second
		}
		if soon(wait, func() bool { return s.db.Metrics().Flush.Count > before }) != c.flushes {
			t.Errorf("%d bytes, %d elsewhere, %s later: flushed %v", c.bytes, c.others, c.after, !c.flushes)
		}
	}
}

// soon says whether something comes about within a time.
func soon(within time.Duration, so func() bool) bool {
	for began := time.Now(); !so(); time.Sleep(time.Millisecond) {
		if time.Since(began) > within {
			return false
		}
	}
	return true
}
