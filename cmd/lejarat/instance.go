package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"lejarat/cmd/lejarat/config"
	"lejarat/state"
)

// stateDir is the state directory, which belongs to this process while it is open: two processes in one would share
// stores and a name.
type stateDir struct {
	dir  string
	lock io.Closer
}

// openStateDir makes the directory where it is missing, and takes it for this process.
func openStateDir(c *config.Config) (*stateDir, error) {
	dir := c.State.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory (state.dir): %w", err)
	}
	lock, err := state.LockDir(dir)
	if errors.Is(err, state.ErrInUse) {
		return nil, usage("the state directory %s: another process uses it: stop that one, or give this one a state.dir of its own", dir)
	}
	if err != nil {
		return nil, err
	}
	return &stateDir{dir: dir, lock: lock}, nil
}

func (s *stateDir) close() error { return s.lock.Close() }

// instanceFile holds the name of the directory's instance.
const instanceFile = "instance"

// instanceName is what names may consist of, at the brokers too.
var instanceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// instance is the name under which the process is a member of its groups: made up once, then kept beside the stores.
// Whoever comes back under it finds its partitions again, also after kill -9; with another name it would wait until the
// brokers give the former member up.
func (s *stateDir) instance() (string, error) {
	path := filepath.Join(s.dir, instanceFile)
	body, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the instance's name: %w", err)
	}
	if name := strings.TrimSpace(string(body)); instanceName.MatchString(name) {
		return name, nil
	}
	name := "lejarat-" + strings.ToLower(rand.Text()[:12])
	// Whole or not at all: half a name would be another one.
	if err := os.WriteFile(path+".new", []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the instance's name: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("keeping the instance's name: %w", err)
	}
	return name, nil
}
