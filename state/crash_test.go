package state

import (
	"math/rand/v2"
	"testing"
)

// A process that is killed leaves what it has written to its files; a power cut also takes what was not synced.
func TestCrashedHoldsWhatWasFlushed(t *testing.T) {
	shared := NewCrashable(1 << 20)
	defer shared.Close()
	s, _ := open(t, "store", shared, nil)
	defer s.Close()
	set := func(key string) {
		b := s.Batch()
		b.Set([]byte(key), []byte("x"))
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	set("flushed")
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	set("in memory")
	for _, percent := range []int{0, 50, 100} {
		after := shared.Crashed(percent, rand.New(rand.NewPCG(1, 1)))
		found, fresh := open(t, "store", after, nil)
		flushed, err1 := found.Has([]byte("flushed"))
		memory, err2 := found.Has([]byte("in memory"))
		if fresh || !flushed || memory || err1 != nil || err2 != nil {
			t.Errorf("%d %%: fresh %v, flushed %v, in memory %v (%v, %v)", percent, fresh, flushed, memory, err1, err2)
		}
		if err := found.Close(); err != nil {
			t.Error(err)
		}
		after.Close()
	}
}
