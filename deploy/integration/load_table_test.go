//go:build integration && load

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// figure is one line of the table.
type figure struct {
	Step    string  `json:"step"`
	Count   int64   `json:"count"`
	Of      string  `json:"of"` // what is counted
	Seconds float64 `json:"seconds"`
	PerSec  float64 `json:"per_second"`
	Micros  float64 `json:"client_cpu_us"` // for each, 0 where it was not measured
	RSS     int64   `json:"rss_mb"`
	Note    string  `json:"note,omitempty"`
}

// table is what one size took.
type table struct {
	t    *testing.T
	rows []*figure
}

// row is the first line of a name, nil where there is none.
func (b *table) row(step string) *figure {
	for _, f := range b.rows {
		if f.Step == step {
			return f
		}
	}
	return nil
}

// add notes a figure, with what a process, that has ended, has used.
func (l *load) add(f figure, p *measured) *figure {
	if p != nil {
		f.RSS = p.peakMB()
		f.Micros = p.used().Seconds() * 1e6 / float64(max(1, f.Count))
		if f.Seconds == 0 {
			f.Seconds = p.took.Seconds()
		}
	}
	f.PerSec = float64(f.Count) / max(f.Seconds, 1e-6)
	l.table.rows = append(l.table.rows, &f)
	l.t.Logf("%s: %d %s in %.2f s, %.0f/s, %.1f us, %d MB; %s", f.Step, f.Count, f.Of, f.Seconds, f.PerSec, f.Micros, f.RSS, f.Note)
	return &f
}

// result is what one size took, as JSON.
type result struct {
	People    int              `json:"people"`
	Documents int64            `json:"documents"`
	Records   int64            `json:"records"`
	Due       int              `json:"due"`
	Figures   []*figure        `json:"figures"`
	Disks     map[string]int64 `json:"disk_bytes"`
}

// results are all sizes, with what they were measured on.
type results struct {
	t *testing.T

	Machine  map[string]any    `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"settings"`
	Sizes    []result          `json:"sizes"`
}

func newResults(t *testing.T) *results {
	s := &stack{t: t}
	kafka := s.output("bash", "-c", `source ../stack/versions && echo -n "$KAFKA_VERSION"`)
	commit, err := s.command(nil, "git", "describe", "--always", "--dirty", "--abbrev=12")
	if err != nil {
		commit = "not in a checkout"
	}
	r := &results{t: t, Machine: machine(), Versions: map[string]string{"kafka": kafka, "go": runtime.Version(), "lejarat": strings.TrimSpace(commit)},
		Settings: map[string]string{}}
	for _, name := range []string{"LEJARAT_LOAD_PEOPLE", "LEJARAT_LOAD_SKIP", "LEJARAT_LOAD_DUE", "KAFKA_HEAP", "STACK_KAFKA_SETTINGS", "GOMAXPROCS", "GOMEMLIMIT", "GOGC"} {
		if v := os.Getenv(name); v != "" {
			r.Settings[name] = v
		}
	}
	return r
}

// add takes a size's figures, prints them, and writes all sizes so far.
func (r *results) add(l *load) {
	r.Sizes = append(r.Sizes, result{People: l.people, Documents: l.documents, Records: l.records, Due: l.due, Figures: l.table.rows, Disks: l.disks})
	var b strings.Builder
	fmt.Fprintf(&b, "%d people, %d documents, %d source records\n%-38s %12s %9s %11s %8s %7s  %s\n", l.people, l.documents, l.records,
		"step", "count", "seconds", "per second", "cpu us", "rss MB", "")
	for _, f := range l.table.rows {
		fmt.Fprintf(&b, "%-38s %12d %9.2f %11.0f %8.1f %7d  %s\n", f.Step, f.Count, f.Seconds, f.PerSec, f.Micros, f.RSS, f.Note)
	}
	for _, name := range slices.Sorted(maps.Keys(l.disks)) {
		fmt.Fprintf(&b, "disk: %-32s %12d bytes %9.1f a document\n", name, l.disks[name], float64(l.disks[name])/float64(max(1, l.documents)))
	}
	r.t.Log("\n" + b.String())
	path := os.Getenv("LEJARAT_LOAD_JSON")
	if path == "" {
		return
	}
	body, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err != nil {
		r.t.Error(err)
	}
}

// print sets the sizes side by side; each line's last columns are time and memory of the largest size to the smallest one's.
func (r *results) print() {
	if len(r.Sizes) < 2 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-38s", "documents")
	for _, s := range r.Sizes {
		fmt.Fprintf(&b, " |%32d", s.Documents)
	}
	fmt.Fprintf(&b, "\n%-38s", "step")
	for range r.Sizes {
		fmt.Fprintf(&b, " |%8s %9s %7s %5s", "seconds", "per s", "cpu us", "MB")
	}
	b.WriteString(" |  time  memory\n")
	var steps []string
	for _, s := range r.Sizes {
		for _, f := range s.Figures {
			if !slices.Contains(steps, f.Step) {
				steps = append(steps, f.Step)
			}
		}
	}
	for _, step := range steps {
		fmt.Fprintf(&b, "%-38s", step)
		var all []*figure
		for _, s := range r.Sizes {
			f := (&table{rows: s.Figures}).row(step)
			if f == nil {
				fmt.Fprintf(&b, " |%32s", "")
				continue
			}
			all = append(all, f)
			fmt.Fprintf(&b, " |%8.2f %9.0f %7.1f %5d", f.Seconds, f.PerSec, f.Micros, f.RSS)
		}
		if len(all) > 1 {
			first, last := all[0], all[len(all)-1]
			fmt.Fprintf(&b, " |%6.2f %7.2f", last.Seconds/max(first.Seconds, 1e-6), float64(last.RSS)/float64(max(1, first.RSS)))
		}
		b.WriteString("\n")
	}
	r.t.Log("\n" + b.String())
}

// machine is what the figures were measured on.
func machine() map[string]any {
	m := map[string]any{"cores": runtime.NumCPU(), "at": time.Now().UTC().Format(time.RFC3339)}
	for key, from := range map[string][2]string{"cpu": {"/proc/cpuinfo", "model name"}, "memory": {"/proc/meminfo", "MemTotal"}} {
		m[key] = "unknown"
		text, err := os.ReadFile(from[0])
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == from[1] {
				m[key] = strings.TrimSpace(value)
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m["kernel"] = strings.TrimSpace(string(text))
	}
	return m
}
