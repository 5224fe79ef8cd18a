package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// damagedFile marks a directory in which something was found that cannot be read: Open answers ErrCorrupt from then on.
const damagedFile = "DAMAGED"

// fault is the first thing that went wrong with a store. Pebble tries a flush or a compaction that failed again at once, and
// for ever, and writers wait for it without a word: after a fault the store is not written any more, only closed.
type fault struct {
	once sync.Once
	err  error
	met  chan struct{} // closed once err stands
}

// failed notes what went wrong. It may be called under Pebble's locks.
func (s *Store) failed(err error) {
	s.fault.once.Do(func() {
		s.fault.err = err
		if errors.Is(s.fault.err, ErrCorrupt) {
			// A disk that does not even take this file leaves the damage to be found again.
			if f, err := s.fs.Create(filepath.Join(s.dir, damagedFile), vfs.WriteCategoryUnspecified); err == nil {
				_ = errors.Join(f.Sync(), f.Close())
			}
		}
		close(s.fault.met)
	})
}

// Err is what went wrong with the store, in a read or behind the scenes; nil while it is sound.
func (s *Store) Err() error {
	select {
	case <-s.fault.met:
		return s.fault.err
	default:
		return nil
	}
}

// reading gives an error of a read its context. One that says that the files are damaged ends the store.
func (s *Store) reading(err error) error {
	if err == nil {
		return nil
	}
	err = explain("reading", s.dir, err)
	if errors.Is(err, ErrCorrupt) {
		s.failed(err)
	}
	return err
}

// listener hears what Pebble does not return to anybody.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { s.failed(explain("writing to", s.dir, err)) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.failed(explain("reading", s.dir, fmt.Errorf("%w: %w", ErrCorrupt, i.Details)))
		},
	}
}

// errNoManifest: Pebble takes a manifest that it cannot read from the start, or does not find, for that of an empty store. It
// would begin a new one in the old one's place, and nobody would hear of it.
var errNoManifest = fmt.Errorf("it holds tables, but no manifest that names them: %w", ErrCorrupt)

// holdsTables says whether a directory is that of a store with data. One that is known to be damaged is an ErrCorrupt.
func holdsTables(dir string, fs vfs.FS) (tables bool, err error) {
	names, err := fs.List(dir)
	manifest := false
	for _, name := range names {
		if name == damagedFile {
			return false, fmt.Errorf("it was found damaged before: %w", ErrCorrupt)
		}
		tables = tables || strings.HasSuffix(name, ".sst")
		manifest = manifest || strings.HasPrefix(name, "marker.manifest.")
	}
	if err == nil && tables && !manifest {
		err = errNoManifest
	}
	return tables, err
}

// explain says what a person can do about an error of the disk. What is not the disk's or the system's word is about what
// stands in the files.
func explain(doing, dir string, err error) error {
	var system syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s the state directory %s: no permission: give it to the user that runs lejarat, or set state.dir: %w", doing, dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s the state directory %s: the disk is full: free space, or set state.dir to another disk: %w", doing, dir, err)
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s the state directory %s: another process uses it: %w", doing, dir, err)
	case errors.Is(err, ErrCorrupt):
		return fmt.Errorf("%s the state directory %s: %w", doing, dir, err)
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist), doing == opening && !errors.As(err, &system):
		return fmt.Errorf("%s the state directory %s: %w: %w", doing, dir, ErrCorrupt, err)
	}
	return fmt.Errorf("%s the state directory %s: check the disk: %w", doing, dir, err)
}

const opening = "opening"

// logger passes Pebble's faults on; its everyday messages are dropped.
type logger struct{ fatal func(string) }

func (logger) Infof(string, ...any) {}

// Errorf implements pebble.Logger. What matters comes to the listener too.
func (logger) Errorf(string, ...any) {}

// Fatalf is called where Pebble cannot go on without risking the order of its files, as when a manifest cannot be written.
// It must not return: the process ends where it stands, as in a crash, and the store is read again, or rebuilt, at the next start.
func (l logger) Fatalf(format string, args ...any) {
	text := "writing state: " + fmt.Sprintf(format, args...) + ": check the disk (full? removed?), then start again; nothing is lost"
	if l.fatal != nil {
		l.fatal(text)
	}
	panic(text)
}
