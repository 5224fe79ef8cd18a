package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "lejarat/"

// mayImport says what each of our packages may import of ours: cmd → connectors, processor → state, and the pure cores
// below the engine. A package that is not listed may not exist: say here where it stands.
var mayImport = map[string][]string{
	"processor/event":        {},
	"processor/event/schema": {},
	"processor/calendar":     {"processor/event"},
	"processor/identity":     {"processor/event"},
	"processor/rules":        {"processor/event", "processor/calendar", "processor/identity"},
	"processor/journal":      {"processor/event", "processor/identity"},
	"processor/intake":       {"processor/event", "processor/identity", "processor/journal"},
	"processor/watch":        {"processor/event", "processor/identity", "processor/journal", "processor/rules"},
	"processor/story":        {"processor/event", "processor/calendar"},
	"processor/simtest":      {"processor/event"},
	"processor/numbered":     {},
	"processor/bloom":        {},
	"processor/tally":        {"processor/event", "processor/numbered"},
	"state":                  {},
	"deploy/integration":     {}, // a test; its package has no code of its own
	"processor": {"processor/bloom", "processor/event", "processor/calendar", "processor/identity", "processor/intake", "processor/journal",
		"processor/numbered", "processor/rules", "processor/story", "processor/watch", "state"},
	"connectors/bounce":      {"processor/event"},
	"connectors/console":     {"processor/event"},
	"connectors/debezium":    {"processor/event"},
	"connectors/kafka":       {"processor/event"},
	"connectors/registry":    {"processor/event"},
	"connectors/smtp":        {"connectors/smtp/letter", "processor/event"},
	"connectors/smtp/letter": {"processor/event"},
	"cmd/lejarat/config":     {"connectors/bounce", "connectors/debezium", "processor/event", "processor/calendar", "processor/identity", "processor/rules"},
	"cmd/lejarat": {"cmd/lejarat/config", "connectors/bounce", "connectors/console", "connectors/debezium", "connectors/kafka", "connectors/registry",
		"connectors/smtp", "connectors/smtp/letter", "processor", "processor/event", "processor/identity", "processor/intake", "processor/journal",
		"processor/story", "processor/tally", "processor/watch", "state"},
}

// pure packages have no clock, no goroutine, no I/O and no log.
var pure = []string{"processor/event", "processor/calendar", "processor/identity", "processor/rules", "processor/journal",
	"processor/intake", "processor/bloom", "processor/numbered", "processor/watch", "processor/story", "connectors/debezium"}

// homes of libraries: nobody else imports them.
var homes = map[string]string{
	"github.com/cockroachdb/pebble":  "state",
	"github.com/twmb/franz-go":       "connectors/kafka",
	"github.com/wneessen/go-mail":    "connectors/smtp",
	"github.com/emersion/go-msgauth": "connectors/smtp/letter",
}

// TestArchitecture reads every file's imports, goroutines and clocks, and keeps the house as it was drawn.
func TestArchitecture(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		checkFile(t, filepath.ToSlash(rel), path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, name, path string) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg := filepath.ToSlash(filepath.Dir(name))
	allowed, known := mayImport[pkg]
	if !known {
		t.Errorf("%s: package %s has no place in the house: give it one in mayImport", name, pkg)
	}
	for _, imp := range f.Imports {
		target, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := strings.CutPrefix(target, module); ok && !slices.Contains(allowed, own) {
			t.Errorf("%s imports %s", name, own)
		}
		for lib, home := range homes {
			if strings.HasPrefix(target, lib) && pkg != home {
				t.Errorf("%s imports %s, whose only home is %s", name, target, home)
			}
		}
		if slices.Contains(pure, pkg) && slices.Contains([]string{"os", "log", "log/slog", "net", "net/http", "sync/atomic"}, target) {
			t.Errorf("%s is pure and imports %s", name, target)
		}
	}
	if slices.Contains(pure, pkg) {
		checkPure(t, name, f)
	}
}

// checkPure finds goroutines and clocks.
func checkPure(t *testing.T, name string, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s is pure and starts a goroutine", name)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"}, n.Sel.Name) {
				t.Errorf("%s is pure and looks at the clock", name)
			}
		}
		return true
	})
}

// TestTopLevel keeps the front door tidy.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"cmd", "processor", "state", "connectors", "deploy", "go.mod", "go.sum", "Makefile", "README.md", "bin"}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s stands at the top level; allowed are %v and dot-files", e.Name(), allowed)
		}
	}
}
