package processor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// simSize is how large the worlds of a test are.
type simSize struct {
	test string // the test that repeats a seed

	people, documents, registrations simRange // rows are counted for each person
	instances, journal, sources      simRange // processes, partitions
	days                             simRange // the last of several is quiet: what was lost before shows
	before, run, after, midway       simRange // steps: before a run, in it, after it, while a task is frozen in a transaction
	chunk                            simRange // timeline entries of a step of a run
	expiry                           int      // documents expire within so many days
	pebble                           uint64   // one seed in so many has real stores; 0: none
}

// simRange is a number drawn from least on, spread many values.
type simRange struct{ least, spread int }

func (r simRange) draw(rng *rand.Rand) int { return r.least + rng.IntN(r.spread) }

// low is a draw that favours the lower numbers.
func (r simRange) low(rng *rand.Rand) int { return min(r.draw(rng), r.draw(rng)) }

var simLarge = simSize{test: "TestSimulation",
	people: simRange{5, 1}, documents: simRange{2, 3}, registrations: simRange{1, 2}, instances: simRange{1, 3}, journal: simRange{2, 2},
	sources: simRange{1, 2}, days: simRange{2, 3}, before: simRange{40, 120}, run: simRange{150, 900}, after: simRange{0, 40},
	midway: simRange{10, 60}, chunk: simRange{1, 4}, expiry: 7, pebble: 10}

// simSmall: most of what goes wrong at all goes wrong between few rows and few tasks.
var simSmall = simSize{test: "TestModel",
	people: simRange{1, 2}, documents: simRange{1, 2}, registrations: simRange{1, 2}, instances: simRange{1, 2}, journal: simRange{1, 2},
	sources: simRange{1, 2}, days: simRange{1, 2}, before: simRange{5, 25}, run: simRange{20, 100}, after: simRange{0, 10},
	midway: simRange{3, 20}, chunk: simRange{1, 2}, expiry: 5}

// simCrowd: many entries of one partition, and steps that take one each, so that a run is long and much comes in the midst of
// it; before and after little happens, so that this is mostly the last word on a row.
var simCrowd = simSize{test: "TestCrowd",
	people: simRange{4, 3}, documents: simRange{1, 2}, registrations: simRange{1, 2}, instances: simRange{1, 2}, journal: simRange{1, 1},
	sources: simRange{1, 1}, days: simRange{2, 3}, before: simRange{5, 15}, run: simRange{40, 120}, after: simRange{0, 5},
	midway: simRange{3, 20}, chunk: simRange{1, 1}, expiry: 4}

// runSeed runs one seed and returns what a person needs to repeat its failure and to see what led to it. The trace is
// made only when there is a failure to explain: the seed is run again.
func runSeed(seed uint64, size *simSize, bug *simSabotage) (s *sim, report string) {
	s = newSim(seed, size, bug)
	err := s.run()
	if err == nil {
		return s, ""
	}
	again := newSim(seed, size, bug)
	again.traced = true
	if repeated := again.run(); repeated == nil || repeated.Error() != err.Error() {
		err = errors.Join(err, fmt.Errorf("it does not repeat: the second time %w", errors.Join(repeated)))
	}
	from := max(0, len(again.trace)-simTrace)
	return s, fmt.Sprintf("seed %d: %v\nrepeat with: LEJARAT_SIM_SEED=%d go test ./processor -run '%s$'\n%s", seed, err, seed, size.test,
		strings.Join(again.trace[from:], "\n"))
}

// runSeeds runs n seeds, as many at once as there are processors, and gives up after a few failures.
func runSeeds(t *testing.T, size *simSize, first, n uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(simGC))
	var next, emitted, troubled, passedOn, failures atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for failures.Load() < simFailures {
				at := uint64(next.Add(1) - 1)
				if at >= n {
					return
				}
				s, report := runSeed(first+at, size, nil)
				if report != "" {
					failures.Add(1)
					t.Error(report)
				}
				emitted.Add(int64(len(s.checks.emitted)))
				troubled.Add(int64(s.checks.troubled))
				passedOn.Add(int64(s.checks.passedOn))
			}
		})
	}
	wg.Wait()
	t.Logf("seeds %d to %d: %d notices, each of them once, %d of them while things went wrong; timelines name %d", first, first+n-1, emitted.Load(), troubled.Load(), passedOn.Load())
	if n >= 50 && passedOn.Load() == 0 {
		t.Error("no timeline names anybody who was told")
	}
	if n >= 50 && troubled.Load() < int64(n)/10 {
		t.Error("hardly anything is sent: this proves nothing")
	}
}

// simGC trades memory, of which a seed needs little, for time.
const simGC = 800

// simFailures is how many failures are reported before a test gives up.
const simFailures = 5

// simSeedsOf is the seeds to run: n from 1 on, unless the environment says otherwise.
func simSeedsOf(n uint64) (uint64, uint64) {
	first := uint64(1)
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_SIM_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_SIM_SEEDS"), 10, 64); err == nil {
		n = v
	}
	return first, n
}
