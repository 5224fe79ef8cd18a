package state

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// settling is all that a file is asked for when what was written is to last.
var settling = map[string]func(vfs.File) error{
	"sync":      vfs.File.Sync,
	"sync data": vfs.File.SyncData,
	"sync to":   func(f vfs.File) error { _, err := f.SyncTo(1); return err },
	"close":     vfs.File.Close,
}

// TestCollectingFile: whatever was written stands in the file once it is synced in any way, or closed.
func TestCollectingFile(t *testing.T) {
	for name, settle := range settling {
		t.Run(name, func(t *testing.T) {
			fs := collecting{vfs.NewMem()}
			f, err := fs.Create("a", vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			for i := range 2*writeAtOnce/1000 + 1 {
				piece := bytes.Repeat([]byte{byte(i)}, 1000)
				want = append(want, piece...)
				if n, err := f.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := settle(f); err != nil {
				t.Fatal(err)
			}
			r, err := fs.Open("a")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
			}
		})
	}
}

// TestCollectingFileTellsLate: a write that fails after it was taken is told by whatever makes it last.
func TestCollectingFileTellsLate(t *testing.T) {
	for name, settle := range settling {
		fs := collecting{errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite {
				return syscall.ENOSPC
			}
			return nil
		}))}
		f, err := fs.Create("a", vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := settle(f); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
