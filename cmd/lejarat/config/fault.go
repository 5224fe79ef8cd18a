package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with the configuration.
type Fault struct {
	// File is the name given to Load or Parse; "" for a fault of the environment.
	File string
	// Line and Column count from 1; both are 0 for a fault of the environment.
	Line, Column int
	// Path is the setting, "sources[0].topic", or the environment variable.
	Path string
	// Message says what is wrong and what to do. It never quotes a secret.
	Message string
}

// Error returns file:line:column: path: message.
func (f Fault) Error() string {
	text := f.Message
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line == 0 {
		return "environment: " + text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, text)
}

// Faults is everything wrong with a configuration, in line order, the environment last.
type Faults []Fault

// Error returns one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// origin is where a setting was given: a place in the file, or a variable.
type origin struct {
	line, column int
	variable     string
}

// report collects faults and knows where each setting was given.
type report struct {
	file    string
	origins map[string]origin
	faults  Faults
	paths   []string // of the faults, in terms of the file even where a variable is at fault
}

// given says whether a setting was written, in the file or the environment.
func (r *report) given(path string) bool {
	_, ok := r.origins[path]
	return ok
}

// fault reports one fault of a setting. It is silent where the setting, one around it or one inside it is at fault
// already: what follows from a fault is no news.
func (r *report) fault(path, format string, args ...any) {
	for _, p := range r.paths {
		if within(p, path) || within(path, p) {
			return
		}
	}
	r.also(path, format, args...)
}

// also reports a fault even beside others of the same setting.
func (r *report) also(path, format string, args ...any) {
	r.at(r.origin(path), path, format, args...)
}

func (r *report) at(o origin, path, format string, args ...any) {
	f := Fault{File: r.file, Line: o.line, Column: o.column, Path: path, Message: fmt.Sprintf(format, args...)}
	if o.variable != "" {
		f = Fault{Path: o.variable, Message: f.Message}
	}
	r.faults = append(r.faults, f)
	r.paths = append(r.paths, path)
}

// origin is where the setting or, where it was not given, the nearest one around it stands.
func (r *report) origin(path string) origin {
	for {
		if o, ok := r.origins[path]; ok {
			return o
		}
		if path == "" {
			return origin{line: 1, column: 1}
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// err returns the faults in line order, or nil.
func (r *report) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int {
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		if a.Line == 0 {
			return strings.Compare(a.Path, b.Path)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return r.faults
}

// within says whether inner is outer or a setting inside it.
func within(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
