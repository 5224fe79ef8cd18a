package state

import (
	"bufio"
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writeAtOnce is how many bytes a new file collects before it writes them. Pebble hands over a table block by block, 4 KB each;
// written so, the kernel needs three times as long for them.
const writeAtOnce = 64 << 10

// collecting is an FS whose new files write many blocks at once.
type collecting struct{ vfs.FS }

func (c collecting) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := c.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return &collectingFile{File: f, w: bufio.NewWriterSize(f, writeAtOnce)}, nil
}

// collectingFile has written everything whenever it is synced or closed. It is not read before that.
type collectingFile struct {
	vfs.File
	w *bufio.Writer
}

func (f *collectingFile) Write(p []byte) (int, error) { return f.w.Write(p) }

func (f *collectingFile) Sync() error {
	if err := f.w.Flush(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *collectingFile) SyncData() error {
	if err := f.w.Flush(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *collectingFile) SyncTo(length int64) (fullSync bool, err error) {
	if err := f.w.Flush(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

func (f *collectingFile) Close() error { return errors.Join(f.w.Flush(), f.File.Close()) }
