package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// How many seeds an ordinary test runs.
const (
	engineSeeds     = 100
	engineSeedsReal = 4
)

// TestEngineSimulation runs one to three real engines, with their goroutines, groups, transactions and stores, through several
// days of an invented registry, while a seed draws what happens to them: crashes with and without loss of state, freezes from which
// they wake with transactions in flight, commits whose answers are lost, networks cut off, instances that come and go, clocks
// that jump and differ, days asleep. After each day what stands in the topics must be what the oracle, which shares no code
// with the engine, says is owed: nothing lost, doubled or stale.
// LEJARAT_ENGINE_SEED repeats a seed, LEJARAT_ENGINE_SEEDS runs that many from there on.
func TestEngineSimulation(t *testing.T) {
	first, n := engineRange()
	var mu sync.Mutex
	var sum simFigures
	began := time.Now()
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				inHouse(t, func(t *testing.T) {
					figures := playSeed(t, seed)
					mu.Lock()
					defer mu.Unlock()
					sum.add(figures)
				})
			})
		}
	})
	took := time.Since(began).Seconds()
	t.Logf("seeds %d to %d in %.0f s (%.1f a second): %v", first, first+n-1, took, float64(sum.seeds)/took, sum)
	if n >= 50 && !t.Failed() && (sum.faults < int(n) || sum.decisions < 10*int(n) || sum.stuck > int(n)/20) {
		t.Error("the simulation hardly does anything: it proves nothing")
	}
}

func engineRange() (first, n uint64) {
	first, n = 1, engineSeeds
	if os.Getenv(brokersEnv) != "" {
		n = engineSeedsReal
	}
	if testing.Short() {
		n = min(n, 10)
	}
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_ENGINE_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	if v, err := strconv.ParseUint(os.Getenv("LEJARAT_ENGINE_SEEDS"), 10, 64); err == nil {
		n = v
	}
	return first, n
}

// simFigures say how much was tried.
type simFigures struct{ seeds, days, faults, decisions, stuck int }

func (f *simFigures) add(o simFigures) {
	f.seeds, f.days, f.faults, f.decisions, f.stuck = f.seeds+o.seeds, f.days+o.days, f.faults+o.faults, f.decisions+o.decisions, f.stuck+o.stuck
}

func (f simFigures) String() string {
	return fmt.Sprintf("%d seeds, %d days, %d faults, %d decisions, each once and owed; %d seeds given up (%v)", f.seeds, f.days, f.faults, f.decisions,
		f.stuck, errStuck)
}

// engineSim is one seed.
type engineSim struct {
	seed    uint64
	rng     *rand.Rand
	h       *house
	members []*member
	figures simFigures
	// held are messages of the last day that reach the sources only as the next run begins.
	held       []registry.Message
	identities map[string]uint64 // of rows, to know which change moves one
}

func playSeed(t *testing.T, seed uint64) simFigures {
	s := &engineSim{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x656e67696e65)), identities: map[string]uint64{}}
	defer func() {
		for _, m := range s.members {
			m.quit()
		}
		s.h.close()
	}()
	err := s.open()
	if err == nil {
		err = s.play()
	}
	switch {
	case errors.Is(err, errStuck):
		s.figures.stuck = 1
		return s.figures
	case err != nil:
		t.Error(s.report(err))
		return s.figures
	}
	if os.Getenv("LEJARAT_ENGINE_TRACE") != "" {
		t.Log("\n" + s.h.trace())
	}
	s.figures.seeds, s.figures.decisions = 1, len(s.h.judge.owed)
	return s.figures
}

// report is what a person needs to see what led to a failure, and to try it again.
func (s *engineSim) report(err error) string {
	return fmt.Sprintf("seed %d: %v\n%s\nrepeat with: LEJARAT_ENGINE_SEED=%d go test ./cmd/lejarat -run TestEngineSimulation -count=20\n"+
		"(what happens, and in which order, comes from the seed; how the goroutines interleave does not, so it may take several tries)",
		s.seed, err, s.h.trace(), s.seed)
}

// open draws what kind of house it is.
func (s *engineSim) open() (err error) {
	starts := [...]string{"2031-01-10", "2031-03-28", "2031-10-24", "2031-12-29", "2032-02-27"}
	start, err := event.ParseDate(starts[s.rng.IntN(len(starts))])
	if err != nil {
		return err
	}
	few := func(normal int) int { // small chunks make many transactions
		if s.rng.IntN(2) == 0 {
			return normal
		}
		return 1 + s.rng.IntN(8)
	}
	o := houseOptions{Seed: s.seed, People: 25 + s.rng.IntN(25), Start: start, Journal: 1 + s.rng.IntN(3), Notifications: 1 + s.rng.IntN(3),
		Sources: 1 + int32(s.rng.IntN(2)), ChunkNotices: few(5000), ChunkEntries: 5 * few(5000), BatchRecords: 4 * few(1000),
		Flush: time.Duration(1+s.rng.IntN(25)) * time.Millisecond} // of little, 20 to 500 ms
	ctx := context.Background()
	s.h, err = openHouse(ctx, o)
	if err != nil {
		return err
	}
	named, lag := s.rng.IntN(2) == 0, time.Duration(s.rng.IntN(3))*time.Millisecond
	for n := range 1 + s.rng.IntN(3) {
		m := &member{instance: s.h.instance(n), s: s}
		if m.lag = lag; named {
			m.name = fmt.Sprintf("instance-%d", n)
		}
		s.members = append(s.members, m)
	}
	s.h.tracef("%d instances, named: %v, lag %s, %+v", len(s.members), named, lag, o)
	return nil
}

func (s *engineSim) play() error {
	for p := range s.h.world.People() {
		for i := range p.Documents {
			s.identities[fmt.Sprint(registry.Documents, p.Documents[i].ID)] = p.Documents[i].Identity
		}
		for i := range p.Registrations {
			s.identities[fmt.Sprint(registry.Registrations, p.Registrations[i].ID)] = p.Registrations[i].Identity
		}
	}
	if err := s.snapshot(); err != nil {
		return err
	}
	day := s.h.o.Start
	for range 3 + s.rng.IntN(3) {
		if err := s.run(day); err != nil {
			return err
		}
		if err := s.liveDay(day); err != nil {
			return err
		}
		day++
		if s.rng.IntN(6) == 0 {
			if err := s.sleep(&day); err != nil {
				return err
			}
		}
		if err := s.heal(s.h.read); err != nil {
			return err
		}
		s.figures.days++
	}
	return nil
}

// while lets time pass until done, with at most that many faults on the way.
func (s *engineSim) while(faults int, done func() bool) error {
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			return s.stands(fmt.Errorf("%w: nothing moves any more", errWaited))
		}
		if faults > 0 && s.rng.IntN(4) == 0 {
			faults--
			s.figures.faults++
			if err := s.members[s.rng.IntN(len(s.members))].disturb(); err != nil {
				return err
			}
		}
		if err := s.pass(); err != nil {
			return err
		}
		time.Sleep(time.Duration(s.rng.IntN(30)) * time.Millisecond)
	}
	return nil
}

// errStuck ends a seed that can prove nothing more.
var errStuck = errors.New("the embedded broker has left a group waiting for a dead member")

// pass lets happen to each instance what its time has come for.
func (s *engineSim) pass() error {
	for _, m := range s.members {
		if s.h.embedded != nil && m.gate.stuck() {
			return errStuck
		}
		if err := m.pass(); err != nil {
			return err
		}
	}
	return nil
}

// heal waits for something while nothing new goes wrong; what has gone wrong ends in its own time.
func (s *engineSim) heal(wait func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return s.stands(err)
			}
			return nil
		case <-time.After(10 * time.Millisecond):
			if err := s.pass(); err != nil {
				<-ended
				return err
			}
		}
	}
}

// stands is why waiting has ended, with how the instances stand: errStuck where it was in vain, on the embedded broker, and a
// group has a ghost.
func (s *engineSim) stands(why error) error {
	if s.h.embedded != nil && errors.Is(why, errWaited) {
		switch ghost, err := s.ghost(); {
		case err != nil:
			return errors.Join(why, err)
		case ghost:
			return errStuck
		}
	}
	return fmt.Errorf("%w\n%s", why, s.status())
}

// ghost says whether a group has more members than instances run. To be asked when all sessions have long ended: the embedded
// broker never misses a member whose connection was gone when its join was answered, and leaves it its partitions.
func (s *engineSim) ghost() (bool, error) {
	running := 0
	for _, m := range s.members {
		if m.running() {
			running++
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.h.brokers...), kgo.Dialer(s.h.dial))
	if err != nil {
		return false, err
	}
	defer client.Close()
	groups, err := kadm.NewClient(client).DescribeGroups(s.h.ctx)
	for _, g := range groups {
		if len(g.Members) > running {
			return true, nil
		}
	}
	return false, err
}

func (s *engineSim) status() (out string) {
	for _, m := range s.members {
		if m.running() {
			_, tasks := m.engine.Status()
			out += fmt.Sprintf("#%d %+v\n", m.n, tasks)
		}
	}
	return out
}
