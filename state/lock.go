package state

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrInUse: another process works in the directory.
var ErrInUse = errors.New("another process uses it")

// LockDir takes dir, which must exist, for this process until the lock is closed or the process ends, however it ends.
func LockDir(dir string) (io.Closer, error) {
	lock, err := vfs.Default.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, syscall.EAGAIN) {
		return nil, fmt.Errorf("locking %s: %w", dir, ErrInUse)
	}
	if err != nil {
		return nil, explain("locking", dir, err)
	}
	return lock, nil
}
