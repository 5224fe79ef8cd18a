package state

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tableLeast is how many bytes of writes are worth tables of their own.
const tableLeast = 1 << 20

// together is how many writes are asked of memory at once.
const together = 32

// newTable begins the name of a table's file until Pebble has it under a name of its own.
const newTable = "new-table-"

// take brings the writes of a batch, which are in order, into the store as tables, one for each first byte of a key: rows that
// ascend from batch to batch then never overlap, whatever positions stand beside them, and need not be compacted. They need not be
// copied into a batch of Pebble, indexed and merged again either. All of them are on the disk when it returns: what stands in
// memory goes there first, else a crash would leave the later writes without the earlier ones.
func (s *Store) take(p *pending) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	if s.inMemory.Swap(false) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	var paths []string
	for from, to := 0, 0; from < len(p.heads); from = to {
		for to < len(p.heads) && p.heads[to].first>>56 == p.heads[from].first>>56 {
			to++
		}
		paths = append(paths, filepath.Join(s.dir, fmt.Sprint(newTable, len(paths))))
		if err := s.writeTable(paths[len(paths)-1], p, from, to); err != nil {
			return err
		}
	}
	return s.db.Ingest(context.Background(), paths)
}

// writeTable writes one; of several writes on one key the last.
func (s *Store) writeTable(path string, p *pending, from, to int) error {
	f, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.writing)
	for i := from; i < to && err == nil; i++ {
		if (i-from)%together == 0 {
			p.touch(p.heads[i:min(i+together, to)])
		}
		if i+1 < to && p.compare(&p.heads[i], &p.heads[i+1]) == 0 {
			continue
		}
		if key, value := p.write(&p.heads[i]); value == nil {
			err = w.Delete(key)
		} else {
			err = w.Set(key, value)
		}
	}
	return errors.Join(err, w.Close())
}

// dropNewTables removes what a process left that ended while it wrote tables, or before it had removed the second names of those
// that Pebble has.
func (s *Store) dropNewTables() error {
	names, err := s.fs.List(s.dir)
	for _, name := range names {
		if strings.HasPrefix(name, newTable) {
			err = errors.Join(err, s.fs.Remove(filepath.Join(s.dir, name)))
		}
	}
	return err
}
