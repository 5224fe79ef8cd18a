package state

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden store of this version anew")

// TestGoldenStore opens a store that was written when this version's form was fixed. If it fails, the form has changed:
// raise Version, describe the change in FORMAT.md, and write a golden store for the new version (-update).
func TestGoldenStore(t *testing.T) {
	golden := filepath.Join("testdata", fmt.Sprintf("store-v%d", Version))
	shared := NewShared(1<<20, false)
	defer shared.Close()
	stamp := Stamp{"identity key": "0123abcd", "journal topic": "golden"}
	if *update {
		writeGolden(t, golden, shared, stamp)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	s, fresh := open(t, dir, shared, stamp)
	defer s.Close()
	if fresh {
		t.Fatal("the golden store reads as a new one")
	}
	for i := range 100 {
		v, found, err := s.Get(fmt.Appendf(nil, "p%03d", i))
		if err != nil || !found || string(v) != fmt.Sprint("value ", i) {
			t.Fatalf("key %d: %q %v %v", i, v, found, err)
		}
	}
}

func writeGolden(t *testing.T, dir string, shared *Shared, stamp Stamp) {
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s, _ := open(t, dir, shared, stamp)
	b := s.Batch()
	for i := range 100 {
		b.Set(fmt.Appendf(nil, "p%03d", i), fmt.Append(nil, "value ", i))
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
}
