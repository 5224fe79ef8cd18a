package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestOracle plays an invented registry's life on the embedded broker and compares, day by day, what the service decided
// with what the oracle, which shares no code with it, says is owed. The two sources arrive in a random interleaving, and the
// processor is restarted now and then, with its state and without, or begins a new generation.
// LEJARAT_ORACLE_SEED, _SEEDS, _DAYS and _PEOPLE change the size.
func TestOracle(t *testing.T) {
	first := uint64(sizeFrom("SEED", 1))
	for seed := first; seed < first+uint64(sizeFrom("SEEDS", 2)); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { playYear(t, seed) })
	}
}

func sizeFrom(name string, normal int) int {
	if n, err := strconv.Atoi(os.Getenv("LEJARAT_ORACLE_" + name)); err == nil {
		return n
	}
	return normal
}

// discard is a log that nobody reads.
var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

// restartDays is how many days pass on average between restarts of the processor, every other time without its state, every
// third time with a new generation.
const restartDays = 40

func playYear(t *testing.T, seed uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	o := stageOptions{Seed: seed, People: sizeFrom("PEOPLE", 5000), Start: event.NewDate(2031, 1, 10), Churn: 3,
		Log: discard}
	s, err := openStage(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.mix = rand.New(rand.NewPCG(seed, 3))
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(ctx, s.k, s.cfg, s.intakeCore(1))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for day := s.world.Day(); day < event.NewDate(2031, 1, 10)+event.Date(sizeFrom("DAYS", 365)); day++ {
		expected, err := s.run(ctx, day)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.compare(ctx, day, expected); err != nil {
			t.Fatal(err)
		}
		if _, err := s.live(ctx); err != nil {
			t.Fatal(err)
		}
		if s.mix.IntN(restartDays) == 0 {
			lose := s.mix.IntN(2) == 0
			if s.mix.IntN(3) == 0 {
				abandoned := s.mix.IntN(2) == 0
				t.Logf("%s: new generation, state lost: %v, at the second attempt: %v", day, lose, abandoned)
				s.rebuild(t, ctx, o, abandoned, lose)
				continue
			}
			t.Logf("%s: restart, state lost: %v", day, lose)
			if err := s.restart(ctx, o, lose); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d decisions compared, %d of them emitted", len(j.owed), j.emitted)
}
