// Package state keeps a task's rows in Pebble. A store is a cache of what the topics say: it is written without a
// write-ahead log, its offsets stand in the same batches as its rows, and what survives a crash is a consistent prefix
// of its batches. FORMAT.md describes the keys byte by byte.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Version is the version of the keys and values of all stores, as FORMAT.md describes them. A store of another version
// is refused.
const Version = 1

// Errors of Open.
var (
	// ErrVersion: the store was written by another version of lejarat.
	ErrVersion = errors.New("state store of another version")
	// ErrStamp: the store was made for something else (other keys, another broker).
	ErrStamp = errors.New("state store made for something else")
	// ErrCorrupt: the files are damaged; the topics rebuild the store.
	ErrCorrupt = errors.New("state store damaged")
)

// Shared is what all stores of a process have in common.
type Shared struct {
	cache      *pebble.Cache
	cacheBytes int64
	files      *pebble.FileCache
	fs         collecting
	model      *Model // instead of all of the above
	work       work
	// Fatal is told of a fault after which the process must end at once, and must not return; nil panics.
	Fatal func(text string)
}

// NewShared makes the block cache of cacheBytes for all stores. With memory the stores live in memory only.
func NewShared(cacheBytes int64, memory bool) *Shared {
	s := &Shared{cache: pebble.NewCache(cacheBytes), cacheBytes: cacheBytes, files: pebble.NewFileCache(8, maxOpenFiles), fs: collecting{vfs.Default}}
	if memory {
		s.fs.FS = vfs.NewMem()
	}
	return s
}

// Fill makes the disk full for the files that full says. It is for tests, and is called before any store is opened.
func (s *Shared) Fill(full func(path string) bool) {
	s.fs.FS = errorfs.Wrap(s.fs.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate, errorfs.OpMkdirAll, errorfs.OpReuseForWrite:
			if full(op.Path) {
				return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
			}
		}
		return nil
	}))
}

// Close gives the caches back; all stores must be closed.
func (s *Shared) Close() {
	if s.model != nil {
		return
	}
	s.files.Unref()
	s.cache.Unref()
}

// Named limits; research: relaxed level 0 decides the load rate, small memtables the memory of many stores.
const (
	maxOpenFiles    = 4096
	memTableBytes   = 8 << 20
	memTablesQueued = 4
	level0Files     = 200
	level0Sublevels = 20       // half as many tables one over the other are compacted
	level0Stop      = 2000     // a store that is being filled has hundreds
	baseLevelBytes  = 64 << 20 // of a larger store a tenth stands between what comes in and the rest: else a few rows would rewrite all of it
	bloomBitsPerKey = 10
	indexBytes      = 128 << 10 // one for a table: 4 KB, the blocks' own size, make two levels of it
)

// Less than flushLeast bytes, of all stores together, are flushed so many times as seldom.
const (
	flushLeast = 8 << 20
	seldom     = 20
)

// Stamp is what a store was made for: checked on opening, compared as a whole.
type Stamp map[string]string

// stampKey holds the version and the stamp; no other key of any store begins with 00.
var stampKey = []byte{0x00}

type stampValue struct {
	Version int   `json:"version"`
	Stamp   Stamp `json:"stamp"`
}

// Store is one Pebble database. Reads may come from any goroutine, batches too.
type Store struct {
	db    *pebble.DB
	model *modelStore // instead of db
	dir   string
	fs    vfs.FS
	work  *work
	lock  *pebble.Lock
	// tables: there were some before it was opened.
	tables bool
	fault  fault
	// lastFlush is when Maintain last asked for a flush, and written what the stores of the process had written by then; dirty:
	// something was written here since.
	lastFlush time.Time
	written   int64
	dirty     atomic.Bool
	filling   atomic.Bool
	// Of batches that become tables: how those are written; taking: held while they are, and shared by other batches meanwhile;
	// inMemory: something may stand only there.
	writing  sstable.WriterOptions
	taking   sync.RWMutex
	inMemory atomic.Bool
}

// Open opens or makes the store in dir. fresh says that it was made now. The errors name dir and what to do.
func Open(dir string, shared *Shared, stamp Stamp) (s *Store, fresh bool, err error) {
	s = &Store{dir: dir, fs: shared.fs, work: &shared.work, fault: fault{met: make(chan struct{})}, lastFlush: time.Now()}
	if shared.model != nil {
		if s.model, err = shared.model.openStore(dir); err != nil {
			return nil, false, fmt.Errorf("opening %s: %w", dir, err)
		}
	} else if err := s.open(shared); err != nil {
		return nil, false, err
	}
	if fresh, err = s.checkStamp(stamp); err == nil && fresh && s.tables {
		err = explain(opening, dir, errNoManifest)
	}
	if err != nil {
		return nil, false, errors.Join(err, s.Abandon())
	}
	return s, fresh, nil
}

func (s *Store) open(shared *Shared) error {
	if err := s.fs.MkdirAll(s.dir, 0o700); err != nil {
		return explain("making", s.dir, err)
	}
	// By itself: who holds the directory is no damage.
	lock, err := pebble.LockDirectory(s.dir, s.fs)
	if err != nil {
		return explain("locking", s.dir, err)
	}
	if s.tables, err = holdsTables(s.dir, s.fs); err == nil {
		err = s.dropNewTables()
	}
	if err == nil {
		o := s.options(shared)
		o.Lock = lock
		o.EnsureDefaults()
		s.writing = o.MakeWriterOptions(0, o.FormatMajorVersion.MaxTableFormat())
		s.filling.Store(true) // Pebble would wait for a compaction before it is open; now it begins with the next flush
		s.db, err = pebble.Open(s.dir, o)
		s.filling.Store(false)
	}
	if err != nil {
		return errors.Join(explain(opening, s.dir, err), lock.Close())
	}
	s.lock = lock
	return nil
}

// close ends Pebble.
func (s *Store) close() error { return errors.Join(s.db.Close(), s.lock.Close()) }

func (s *Store) options(shared *Shared) *pebble.Options {
	o := &pebble.Options{
		FS: shared.fs, Cache: shared.cache, FileCache: shared.files, DisableWAL: true,
		FormatMajorVersion: pebble.FormatNewest, Logger: logger{shared.Fatal}, EventListener: s.listener(),
		MemTableSize: memTableBytes, MemTableStopWritesThreshold: memTablesQueued,
		L0CompactionFileThreshold: level0Files, L0CompactionThreshold: level0Sublevels,
		L0StopWritesThreshold: level0Stop, LBaseMaxBytes: baseLevelBytes,
		CompactionConcurrencyRange: s.compactions,
	}
	o.Experimental.L0CompactionConcurrency, o.Experimental.CompactionDebtConcurrency = math.MaxInt32, math.MaxInt64 // none more
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
		o.Levels[i].IndexBlockSize = indexBytes
	}
	return o
}

func (s *Store) checkStamp(want Stamp) (fresh bool, err error) {
	body, found, err := s.Get(stampKey)
	if err != nil {
		return false, err
	}
	if !found {
		body, err := json.Marshal(stampValue{Version: Version, Stamp: want})
		if err != nil {
			return false, fmt.Errorf("encoding the stamp of %s: %w", s.dir, err)
		}
		b := s.Batch()
		b.Set(stampKey, body)
		return true, b.Commit()
	}
	var have stampValue
	if err := json.Unmarshal(body, &have); err != nil {
		return false, fmt.Errorf("reading the stamp of %s: %w", s.dir, ErrCorrupt)
	}
	if have.Version != Version {
		return false, fmt.Errorf("%s has version %d, this program writes version %d: delete the directory, it is rebuilt from the topics: %w",
			s.dir, have.Version, Version, ErrVersion)
	}
	differs := &StampError{Dir: s.dir}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if have.Stamp[k] != want[k] {
			differs.Fields = append(differs.Fields, k)
		}
	}
	if len(differs.Fields) > 0 {
		return false, differs
	}
	return false, nil
}

// StampError is an ErrStamp that names the fields that differ, in order.
type StampError struct {
	Dir    string
	Fields []string
}

func (e *StampError) Error() string {
	return fmt.Sprintf("%s was made with another %s", e.Dir, strings.Join(e.Fields, ", another "))
}

// Unwrap makes it an ErrStamp.
func (e *StampError) Unwrap() error { return ErrStamp }

// Get returns a copy of the value.
func (s *Store) Get(key []byte) (value []byte, found bool, err error) {
	if s.model != nil {
		return s.model.get(key)
	}
	s.work.gets.Add(1)
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.reading(err)
	}
	value = append([]byte(nil), v...)
	return value, true, closer.Close()
}

// Has says whether the key is there.
func (s *Store) Has(key []byte) (bool, error) {
	if s.model != nil {
		_, found, err := s.model.get(key)
		return found, err
	}
	s.work.gets.Add(1)
	_, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, s.reading(err)
	}
	return true, closer.Close()
}

// Maintain starts a flush in the background when the last one is older than every; where the process has written little since, in
// all its stores together, when it is 20 times as old: each flush, however small, has its share in a compaction. A crash loses no
// more than that, all of which the topics give back. It returns what went wrong behind the scenes.
func (s *Store) Maintain(now time.Time, every time.Duration) error {
	if err := s.Err(); err != nil {
		return err
	}
	age, written := now.Sub(s.lastFlush), s.work.bytes.Load()
	if age < every || written-s.written < flushLeast && age/seldom < every {
		return nil
	}
	s.lastFlush, s.written = now, written
	if s.model != nil {
		return s.model.flush()
	}
	if !s.dirty.Swap(false) {
		return nil
	}
	if _, err := s.db.AsyncFlush(); err != nil {
		return explain("writing to", s.dir, err)
	}
	return nil
}

// Close flushes and closes. Without a write-ahead log, closing alone would lose what is in memory. A store that met a
// fault is closed as a crash would leave it; the fault is not returned again.
func (s *Store) Close() error {
	if s.model != nil {
		s.model.open = false
		return s.model.flush()
	}
	var err error
	if s.Err() == nil {
		err = s.flush()
	}
	if err := errors.Join(err, s.close()); err != nil {
		return fmt.Errorf("closing %s: %w", s.dir, err)
	}
	return nil
}

// flush returns when everything is on disk, or cannot be written.
func (s *Store) flush() error {
	done, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-s.fault.met:
		return s.Err()
	}
}

// Abandon closes without flushing, as a crash would.
func (s *Store) Abandon() error {
	if s.model != nil {
		s.model.crash()
		return nil
	}
	return s.close()
}

// Bytes is what the store takes on disk.
func (s *Store) Bytes() uint64 {
	if s.model != nil {
		return 0
	}
	return s.db.Metrics().DiskSpaceUsage()
}

// Remove deletes the store in dir, which must not be open.
func Remove(dir string, shared *Shared) error {
	if shared.model != nil {
		shared.model.rename(dir, "")
		return nil
	}
	if shared.fs.FS == vfs.Default {
		return os.RemoveAll(dir)
	}
	return shared.fs.RemoveAll(dir)
}

// SetAside renames a damaged store so that a new one can be made in its place, and returns the new name.
func SetAside(dir string, shared *Shared, at time.Time) (string, error) {
	to := filepath.Clean(dir) + ".damaged-" + at.UTC().Format("20060102T150405")
	if shared.model != nil {
		shared.model.rename(dir, to)
		return to, nil
	}
	if err := shared.fs.Rename(dir, to); err != nil {
		return "", fmt.Errorf("setting %s aside: %w", dir, err)
	}
	return to, nil
}
