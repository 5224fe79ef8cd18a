package state

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// NewCrashable is NewShared in memory, for tests that crash: see Crashed.
func NewCrashable(cacheBytes int64) *Shared {
	return crashable(cacheBytes, vfs.NewCrashableMem())
}

func crashable(cacheBytes int64, fs vfs.FS) *Shared {
	return &Shared{cache: pebble.NewCache(cacheBytes), files: pebble.NewFileCache(8, maxOpenFiles), fs: collecting{fs}}
}

// Crashed is what a process finds that starts after this one, whose Shared is NewCrashable's, was killed at this moment:
// what was synced, and of the rest each piece with a chance of percent (100: the machine went on running). What is open here
// goes on by itself, and nothing that it still writes is seen there.
func (s *Shared) Crashed(percent int, rng *rand.Rand) *Shared {
	fs := s.fs.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	return crashable(s.cache.MaxSize(), fs)
}
