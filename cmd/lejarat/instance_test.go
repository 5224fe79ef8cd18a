package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lejarat/cmd/lejarat/config"
)

func openTestDir(t *testing.T, dir string) *stateDir {
	t.Helper()
	s, err := openStateDir(&config.Config{State: config.State{Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestInstanceKeepsItsName: under another name a restart would wait for the brokers to give the former member up.
func TestInstanceKeepsItsName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	var names []string
	for range 2 {
		s := openTestDir(t, dir)
		name, err := s.instance()
		if err != nil || !instanceName.MatchString(name) {
			t.Fatalf("name %q: %v", name, err)
		}
		names = append(names, name)
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	if names[0] != names[1] {
		t.Errorf("the name was %s, then %s", names[0], names[1])
	}
	other := openTestDir(t, filepath.Join(t.TempDir(), "state"))
	defer other.close()
	if name, err := other.instance(); err != nil || name == names[0] {
		t.Errorf("another directory has the same name %s (%v)", name, err)
	}
}

// TestStateDirBelongsToOneProcess: it holds the directory, and a second process says what helps.
func TestStateDirBelongsToOneProcess(t *testing.T) {
	if dir := os.Getenv("LEJARAT_TEST_STATE_DIR"); dir != "" { // the second process
		_, err := openStateDir(&config.Config{State: config.State{Dir: dir}})
		os.Exit(exitStatus(err))
	}
	dir := filepath.Join(t.TempDir(), "state")
	second := func() (int, string) {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "LEJARAT_TEST_STATE_DIR="+dir)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	s := openTestDir(t, dir)
	if status, out := second(); status != exitUsage || !strings.Contains(out, "another process uses it") || !strings.Contains(out, dir) {
		t.Errorf("while the directory is taken: exit status %d, %s", status, out)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if status, out := second(); status != exitDone {
		t.Errorf("once it is given back: exit status %d, %s", status, out)
	}
}
