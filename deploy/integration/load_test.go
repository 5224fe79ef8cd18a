//go:build integration && load

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// TestLoad measures what registers of chosen sizes cost on this machine, on a broker that stands empty beside it. It fails
// only where something does not come to its end: figures are printed, and written as JSON to LEJARAT_LOAD_JSON.
// LEJARAT_LOAD_PEOPLE are the sizes, one after the other; LEJARAT_LOAD_SKIP names steps to leave out; LEJARAT_LOAD_DUE is how
// many notices fall due on one of the days, in every size (50,000, or what the smallest size bears).
func TestLoad(t *testing.T) {
	sizes := loadSizes(t)
	due := min(loadNumber(t, "LEJARAT_LOAD_DUE", 50_000), slices.Min(sizes)/5)
	results := newResults(t)
	for _, people := range sizes {
		t.Run(fmt.Sprint(people, " people"), func(t *testing.T) {
			l := newLoad(openKafkaStack(t), people, due)
			defer func() { results.add(l) }()
			for _, step := range l.steps() {
				if step.needed || !slices.Contains(loadSkips(), step.name) {
					step.do()
				}
			}
		})
	}
	results.print()
}

// loadStep is a part of the measurement.
type loadStep struct {
	name   string
	needed bool // by those after it
	do     func()
}

func (l *load) steps() []loadStep {
	return []loadStep{
		{"fill", true, l.fill},
		{"warm", false, l.warm},
		{"floor", false, l.floor},
		{"rebuild", true, l.rebuild},
		{"floor", false, l.floor},
		{"restore", false, l.restore},
		{"golive", true, l.goLive},
		{"produce", false, l.reference},
		{"after", true, l.dayAfter}, // else its notices are those of the idle day
		{"idle", false, l.idleDay},
		{"due", false, l.dueDay},
		{"disk", false, l.measureDisk},
		{"restart", false, func() { l.again("restart") }},
		{"switch", false, l.switchOff},
		{"latency", false, l.latency},
		{"killed", false, l.killed},
		{"scale", false, l.scale},
	}
}

func loadSkips() []string { return strings.Fields(os.Getenv("LEJARAT_LOAD_SKIP")) }

func loadSizes(t *testing.T) (sizes []int) {
	t.Helper()
	for _, text := range strings.Fields(os.Getenv("LEJARAT_LOAD_PEOPLE")) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 {
			t.Fatalf("LEJARAT_LOAD_PEOPLE %q: want how many people the registers have, at least 100", text)
		}
		sizes = append(sizes, n)
	}
	if len(sizes) == 0 {
		t.Fatal("LEJARAT_LOAD_PEOPLE is how many people the registers have, as in \"250000 1250000\"")
	}
	var names []string
	for _, step := range (&load{}).steps() {
		if !step.needed {
			names = append(names, step.name)
		}
	}
	for _, name := range loadSkips() {
		if !slices.Contains(names, name) {
			t.Fatalf("LEJARAT_LOAD_SKIP %q: may be left out: %s", name, strings.Join(slices.Compact(names), " "))
		}
	}
	return sizes
}

func loadNumber(t *testing.T, name string, normal int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s %q is not a number", name, text)
	}
	return n
}

// load is the measurement of one size.
type load struct {
	*service
	people, due int
	start       event.Date
	world       registry.Options
	enc         *registry.Encoder // of changes
	topics      []string          // of the sources
	documents   int64             // in the snapshot
	records     int64             // in the source topics
	table       table
	floors      []float64
	recent      float64 // records/s of the rebuild
	notices     int     // of the go-live
	starting    time.Duration
	disks       map[string]int64 // store or topic → bytes
}

// How many days after the go-live the idle day is, and the one on which so many notices fall due.
const idleAfter, dueAfter = 2, 3

func newLoad(s *stack, people, due int) *load {
	s.t.Helper()
	dir := s.t.TempDir()
	if given := os.Getenv("LEJARAT_LOAD_DIR"); given != "" {
		dir = filepath.Join(given, fmt.Sprint(people))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { os.RemoveAll(dir) })
	}
	l := &load{service: buildService(s, dir, ""), people: people, due: due, disks: map[string]int64{}}
	l.table.t = s.t
	l.start = event.DateOf(time.Now(), l.zone)
	l.world = registry.Options{Seed: 1, People: people, Start: l.start, Due: registry.Due{On: l.start + dueAfter, Count: due, Idle: l.start + idleAfter}}
	l.enc = registry.NewEncoder(registry.EncoderOptions{SnapshotAt: time.Now()})
	l.topics = l.enc.Topics()[:2]
	s.t.Cleanup(l.stopAll)
	l.clear()
	return l
}

// clear deletes the topics of a former size or measurement: its disk is wanted.
func (l *load) clear() {
	l.dropTopics(func(name string) bool {
		return strings.HasPrefix(name, "load") || strings.HasPrefix(name, "okmany.") || strings.HasPrefix(name, "ugyfelkapu.")
	})
}

// use makes topics and state of another name the service's, over the same sources.
func (l *load) use(prefix string) {
	l.prefix = prefix
	l.configure(l.service, "load", "")
	l.run("topics", "create")
}

// configure writes the configuration of an instance.
func (l *load) configure(v *service, instance, more string) {
	v.configureAlone(l.dir, more, fmt.Sprintf("instance_id: %q, session_timeout: 30s", instance), l.topics[0], "0.05", l.topics[1])
}

// at is an hour of a day.
func (l *load) at(day event.Date, hour int) time.Time { return day.At(hour, 0, l.zone) }
