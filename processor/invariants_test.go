package processor

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInvariantsAreCited: every numbered invariant of DESIGN.md is cited by number in a test or a scenario that would
// fail without it, and no test cites one that is not there.
func TestInvariantsAreCited(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	cited := map[string][]string{}
	for _, m := range regexp.MustCompile(`\*\*(I\d+)\*\*`).FindAllStringSubmatch(string(design), -1) {
		cited[m[1]] = nil
	}
	if len(cited) == 0 {
		t.Fatal("DESIGN.md has no invariants: their form has changed")
	}
	number := regexp.MustCompile(`\bI\d+\b`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "testdata") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, n := range number.FindAllString(string(text), -1) {
			if _, known := cited[n]; !known {
				t.Errorf("%s cites %s, which DESIGN.md does not have", path, n)
			}
			cited[n] = append(cited[n], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, paths := range cited {
		if len(paths) == 0 {
			t.Errorf("no test cites %s", n)
		}
	}
}
