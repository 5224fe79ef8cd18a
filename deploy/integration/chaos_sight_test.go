//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/processor"
)

// sight looks at /readyz of every running instance, twenty times a second, and so measures what nobody asserts: how long
// a started instance takes to be ready, and for how long nobody worked on a journal partition.
type sight struct {
	t      *testing.T
	ending sync.WaitGroup

	mu       sync.Mutex
	during   string              // what is being done to the instances
	worked   map[int32]time.Time // journal partition → when its watch task was last seen running, wherever
	starts   map[string][]time.Duration
	pauses   map[string]time.Duration    // longest, by what was being done when it ended
	restored map[string]map[string]int64 // instance → task → records that its restore read, since its last start
	has      map[string]int              // instance → tasks of partitions that it was last seen with
}

const lookEvery = 50 * time.Millisecond

func newSight(t *testing.T) *sight {
	s := &sight{t: t, during: "at first", worked: map[int32]time.Time{}, starts: map[string][]time.Duration{}, pauses: map[string]time.Duration{},
		restored: map[string]map[string]int64{}, has: map[string]int{}}
	t.Cleanup(s.ending.Wait)
	return s
}

// now says what happens from here on.
func (s *sight) now(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.during = what
}

// follow looks at an instance that has just been started until its process ends.
func (s *sight) follow(m *instance) {
	started, p, label, ready := time.Now(), m.p, "first start", false
	if m.ended != "" {
		label = "after " + m.ended
		if m.lost {
			label += ", state lost"
		}
	}
	s.mu.Lock()
	s.restored[m.name] = map[string]int64{}
	s.mu.Unlock()
	s.ending.Go(func() {
		for tick := time.NewTicker(lookEvery); ; {
			select {
			case <-p.ended:
				tick.Stop()
				return
			case <-tick.C:
			}
			r, ok := p.readiness()
			if !ok {
				continue
			}
			s.look(m.name, r.Detail)
			if r.Ready && !ready {
				ready = true
				s.mu.Lock()
				s.starts[label] = append(s.starts[label], time.Since(started))
				s.mu.Unlock()
			}
		}
	})
}

func (s *sight) look(name string, tasks []processor.TaskStatus) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.has[name] = 0
	for _, t := range tasks {
		s.restored[name][t.Task] = t.Done
		if strings.Contains(t.Task, "/") {
			s.has[name]++
		}
		partition, watch := strings.CutPrefix(t.Task, "watch/")
		if !watch || t.State != "running" {
			continue
		}
		n, err := strconv.ParseInt(partition, 10, 32)
		if err != nil {
			continue
		}
		p := int32(n)
		if last, ok := s.worked[p]; ok {
			s.pauses[s.during] = max(s.pauses[s.during], now.Sub(last))
		}
		s.worked[p] = now
	}
}

// records is how many journal records each task of an instance has read to restore itself, since the instance started.
func (s *sight) records(name string) map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int64{}
	for task, n := range s.restored[name] {
		out[task] = n
	}
	return out
}

// tasks is how many tasks of partitions an instance was last seen with.
func (s *sight) tasks(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has[name]
}

// report prints the figures.
func (s *sight) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, label := range sortedKeys(s.starts) {
		all := s.starts[label]
		slices.Sort(all)
		s.t.Logf("started %s: %d times, ready in %s (median), %s (longest)", label, len(all), tenths(all[len(all)/2]), tenths(all[len(all)-1]))
	}
	for _, what := range sortedKeys(s.pauses) {
		s.t.Logf("nobody worked on a partition for at most %s: %s", tenths(s.pauses[what]), what)
	}
}

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
