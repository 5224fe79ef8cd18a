package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/state"
)

// simSingle is one process with one partition of everything: what the crash tests take apart.
var simSingle = simSize{people: simRange{3, 1}, documents: simRange{1, 1}, registrations: simRange{1, 1}, instances: simRange{1, 1},
	journal: simRange{1, 1}, sources: simRange{1, 1}, chunk: simRange{100, 1}, expiry: 1}

// crashWorld is a service in good order with five people's rows joined, a moment before something happens to it.
func crashWorld() *sim {
	s := newSim(1, &simSingle, nil)
	s.cfg.Limits.BatchRecords, s.cfg.Limits.ChunkNotices, s.cfg.Watch.Announcements = 100, 100, true
	s.cfg.Limits.WatermarkBusy, s.cfg.Limits.WatermarkIdle = 0, 0
	s.limit = s.clock.now // the clock stands, so that what is written twice is the same
	s.world.names = make([]int, 5)
	for p, email := range []string{"m0@example.hu", "m1@example.hu", "m2@example.hu", "m0@example.hu", "m1@example.hu"} {
		s.world.write(s.world.change("upsert", simRow{table: "registration", key: fmt.Sprint("r", p), person: p, on: true, email: email}))
		s.world.write(s.world.change("upsert", simRow{table: "document", key: fmt.Sprint("d", p), person: p, typ: "passport", valid: true,
			expires: s.world.day + 1 + event.Date(s.thresholds["passport"][0])}))
	}
	// Two registrations of one person share an address.
	s.world.write(s.world.change("upsert", simRow{table: "registration", key: "r00", person: 0, on: true, email: "m0@example.hu"}))
	s.heal("read the sources", s.joined)
	return s
}

// finish lets the run of the next day be completed and says what the topics and the stores then hold.
func finish(s *sim) string {
	date := s.world.day + 1
	s.heal("read the sources", s.joined)
	s.clock.jump(date.At(6, 0, s.cfg.Watch.Zone))
	s.heal("complete the run", func() bool { return s.complete(date) })
	var out []string
	for _, topic := range []string{"notifications", "mail-sink", "suppressions", "rejects"} {
		for _, r := range s.log.Records("lejarat." + topic) {
			out = append(out, fmt.Sprintf("%s %s %s", topic, r.Key, r.Value))
		}
	}
	slices.Sort(out)
	i := s.instances[0]
	for _, tp := range orderedKeys(i.watch) {
		s.each(i.watch[tp].store, watchPeople, func(key, value []byte) { out = append(out, fmt.Sprintf("%q %q", key, value)) })
	}
	for _, tp := range orderedKeys(i.intake) {
		s.each(i.intake[tp].store, intakeRow, func(key, value []byte) {
			row, err := intake.DecodeRow(value)
			s.check(err)
			for n := range row.IDs {
				row.IDs[n].Offset = 0 // of the newest record there: a hold's counts only in a store that was restored
			}
			out = append(out, fmt.Sprintf("%q %+v", key, *row))
		})
	}
	run := s.checks.runs[simRun{date, 1, 0}]
	return strings.Join(append(out, fmt.Sprint("run ", run.State, run.Counts)), "\n")
}

// endingAt lets k calls pass and fails all later ones; it says that one was refused, and the first one's name.
func endingAt(k int, ended *bool, at *string) func(name string) error {
	calls := 0
	return func(name string) error {
		if calls++; calls <= k {
			return nil
		}
		if !*ended {
			*ended, *at = true, name
		}
		return errSimCrash
	}
}

// crashAt lets the process end in call number k of act, counted over log and stores, and says whether it came so far.
func crashAt(s *sim, model *state.Model, k int, act func() error) (ended bool, at string) {
	call := endingAt(k, &ended, &at)
	s.log.Call, model.Call = call, call
	defer func() { s.log.Call, model.Call = nil, nil }()
	defer func() {
		if v := recover(); v != nil && !ended { // a ledger that cannot be read ends the process
			panic(v)
		}
	}()
	if err := act(); err != nil && !errors.Is(err, errSimCrash) {
		s.failf("%v", err)
	}
	return ended, at
}

// everyCrash ends the process after step k of what act does, for every k until there is no such step: with nothing of what
// was not flushed, with all of it, and with stores lost altogether. Afterwards everything must be as if nothing had happened.
func everyCrash(t *testing.T, prepare func(*sim), act func(*sim) error) {
	world := func() (*sim, *state.Model) {
		s := crashWorld()
		prepare(s)
		i := s.instances[0]
		s.flush(i, true)
		return s, i.model
	}
	s, _ := world()
	s.check(act(s))
	want := finish(s)
	for _, leaves := range []string{"what was flushed", "every batch", "nothing"} {
		steps := map[string]int{}
		for k := 0; ; k++ {
			s, model := world()
			model.Survives = func(batches int) int {
				if leaves == "every batch" {
					return batches
				}
				return 0
			}
			ended, at := crashAt(s, model, k, func() error { return act(s) })
			if !ended {
				t.Logf("the crash leaves %s: %d steps, %v", leaves, k, steps)
				break
			}
			steps[at]++
			s.down(s.instances[0], true, leaves == "nothing")
			if got := finish(s); got != want {
				t.Fatalf("a crash before step %d (%s) that leaves %s makes a difference (- without, + with it):\n%s", k, at, leaves, cmp.Diff(want, got))
			}
		}
	}
}

// TestACrashAtAnyStepOfAnIntakeBatchChangesNothing: a batch with a new row, one that moves, one that is held, one that is
// switched off and one that is deleted (I1, I2, I3).
func TestACrashAtAnyStepOfAnIntakeBatchChangesNothing(t *testing.T) {
	everyCrash(t, func(s *sim) {
		w := s.world
		row := func(p int) simRow { return *w.current(fmt.Sprint("registration/r", p)) }
		moved, off := row(0), row(1)
		w.names[0]++
		moved.name, off.on = 1, false
		w.write(w.change("upsert", moved))
		w.write(w.change("upsert", off))
		w.write(w.change("garbage", row(2)))
		w.write(w.change("delete", row(3)))
		w.write(w.change("upsert", simRow{table: "registration", key: "r5", person: 4, on: true, email: "m2@example.hu"}))
	}, func(s *sim) error {
		return s.instances[0].intake[event.TopicPartition{Topic: registrationTopic}].step(s.ctx, 0)
	})
}

// TestACrashAtAnyStepOfARunChangesNothing: a chunk with notices, announcements, mails, a held one and a second
// registration at one address (I11, I15).
func TestACrashAtAnyStepOfARunChangesNothing(t *testing.T) {
	everyCrash(t, func(s *sim) {
		s.world.write(s.world.change("garbage", *s.world.current("document/d2")))
		s.heal("read the sources", s.joined)
		s.clock.jump((s.world.day + 1).At(6, 0, s.cfg.Watch.Zone))
		s.heal("come to fire", func() bool { return s.firstWatch().run.phase == phaseFire })
	}, func(s *sim) error { return s.firstWatch().step(s.ctx, 0) })
}

func (s *sim) firstWatch() *watchTask {
	return s.instances[0].watch[event.TopicPartition{Topic: s.cfg.journal()}]
}
