package state

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableLeast is how many bytes of writes are worth a table of their own.
const tableLeast = 1 << 20

// newTable is the file of a table until Pebble has it under a name of its own.
const newTable = "table.new"

// take brings the writes of a batch, which are in order, into the store as a table of level 0. They need not be copied into a
// batch of Pebble, indexed and merged again for that. All of them are on the disk when it returns: what stands in memory goes
// there first, else a crash would leave the later writes without the earlier ones.
func (s *Store) take(p *pending) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	if s.inMemory.Swap(false) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	path := filepath.Join(s.dir, newTable)
	f, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.writing)
	if err := errors.Join(p.table(w), w.Close()); err != nil {
		return err
	}
	return s.db.Ingest(context.Background(), []string{path})
}

// table writes one; of several writes on one key the last.
func (p *pending) table(w *sstable.Writer) error {
	for i := range p.heads {
		if i+1 < len(p.heads) && p.compare(&p.heads[i], &p.heads[i+1]) == 0 {
			continue
		}
		key, value := p.write(&p.heads[i])
		err := error(nil)
		if value == nil {
			err = w.Delete(key)
		} else {
			err = w.Set(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dropNewTable removes what a process left that ended while it wrote a table, or before it had removed the second name of one
// that Pebble has.
func (s *Store) dropNewTable() error {
	err := s.fs.Remove(filepath.Join(s.dir, newTable))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
