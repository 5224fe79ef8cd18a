package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/simtest"
	"lejarat/state"
)

// errSimCrash ends an instance in the middle of a transaction.
var errSimCrash = errors.New("the process is gone")

// simInstance is one process: the real engine's tasks, ledger and tails, stepped by the sim instead of by goroutines.
type simInstance struct {
	n      int
	shared *state.Shared
	model  *state.Model // of its disk, nil where that is real
	eng    *Engine      // nil while the process is down
	frozen bool         // it is not stepped, and knows nothing of what happens meanwhile
	watch  map[event.TopicPartition]*watchTask
	intake map[event.TopicPartition]*intakeTask
	lost   map[event.TopicPartition]bool // taken from it while it was frozen: its task must end, also where it owns it again
}

// boot starts the process. An error leaves it down, to be started again.
func (s *sim) boot(i *simInstance) error {
	cfg := s.cfg
	cfg.Shared = i.shared
	if cfg.rebuilding {
		cfg.Limits.WatermarkIdle = 0 // somebody waits for the end
	}
	s.boots++
	cfg.Started = s.clock.real.Add(time.Duration(s.boots) * time.Microsecond)
	e := &Engine{cfg: cfg, inputs: map[string]int32{}}
	if err := e.preflight(s.ctx); err != nil {
		return err
	}
	var err error
	if e.ledger, err = openLedger(s.ctx, &e.cfg); err != nil {
		return err
	}
	if e.runs, err = openRuns(s.ctx, &e.cfg); err != nil {
		return errors.Join(err, e.ledger.close())
	}
	if err := s.begin(e); err != nil {
		return errors.Join(err, e.former.close(), e.ledger.close())
	}
	i.eng = e
	i.watch, i.intake = map[event.TopicPartition]*watchTask{}, map[event.TopicPartition]*intakeTask{}
	i.lost = map[event.TopicPartition]bool{}
	s.sabotage.openedInstance(s, i)
	return nil
}

// down ends the process. Killed, what was not flushed is gone; lost, everything is.
func (s *sim) down(i *simInstance, killed, lost bool) {
	if i.eng == nil {
		return
	}
	end := func(st *state.Store) {
		if st == nil {
			return
		}
		err := error(nil)
		if killed {
			err = st.Abandon()
		} else {
			err = st.Close()
		}
		if err != nil {
			s.failf("closing a store: %v", err)
		}
	}
	for _, tp := range orderedKeys(i.watch) {
		end(i.watch[tp].store)
	}
	for _, tp := range orderedKeys(i.intake) {
		s.check(i.intake[tp].load.letGo()) // Pebble wants it, of a process that goes on
		end(i.intake[tp].store)
	}
	end(i.eng.ledger.store)
	i.eng, i.watch, i.intake, i.frozen = nil, nil, nil, false
	if lost {
		i.shared.Close()
		s.disk(i)
	}
}

// disk gives the instance an empty state directory: of the model, now and then one that Pebble keeps in memory.
func (s *sim) disk(i *simInstance) {
	if s.size.pebble > 0 && s.seed%s.size.pebble == 0 {
		i.shared = state.NewShared(simCache, true)
		return
	}
	i.model = &state.Model{Survives: func(batches int) int { return s.rng.IntN(batches + 1) }}
	i.shared = state.NewModel(i.model)
}

// simCache is the block cache of an instance; a sim's stores are tiny.
const simCache = 1 << 20

// flush makes the present state of some stores, or of every one, what a crash leaves, by closing and opening it: a flush in the background
// would end at a moment that no seed decides.
func (s *sim) flush(i *simInstance, every bool) {
	reopen := func(st **state.Store, dir string, stamp state.Stamp) {
		err := (*st).Close()
		if err == nil {
			*st, err = openStore(&i.eng.cfg, dir, stamp)
		}
		if err != nil {
			s.failf("flushing a store: %v", err)
		}
	}
	cfg := &i.eng.cfg
	for _, tp := range orderedKeys(i.watch) {
		if t := i.watch[tp]; every || s.rng.IntN(2) == 0 {
			s.check(t.settle()) // a batch is of the store that it was begun in
			reopen(&t.store, cfg.storeDir("watch", cfg.Generation, tp.Partition), cfg.stamp(i.eng.journalID))
		}
	}
	for _, tp := range orderedKeys(i.intake) {
		if t := i.intake[tp]; every || s.rng.IntN(2) == 0 {
			s.check(t.settle())
			reopen(&t.store, cfg.storeDir("intake", cfg.Generation, fmt.Sprintf("%08x", t.src.ID), tp.Partition), cfg.stamp(i.eng.journalID))
		}
	}
	if every || s.rng.IntN(2) == 0 {
		reopen(&i.eng.ledger.store, cfg.storeDir("ledger"), cfg.ledgerStamp())
	}
}

func orderedKeys[V any](m map[event.TopicPartition]V) []event.TopicPartition {
	keys := make([]event.TopicPartition, 0, len(m))
	for tp := range m {
		keys = append(keys, tp)
	}
	slices.SortFunc(keys, simtest.ComparePartitions)
	return keys
}

// tail takes the instance's readers on.
func (s *sim) tail(i *simInstance) {
	s.check(i.eng.ledger.step(s.ctx, 0))
	s.sabotage.tailed(s, i)
	s.check(i.eng.runs.step(s.ctx, 0))
}

// check fails the seed on an error of what cannot fail here.
func (s *sim) check(err error) {
	if err != nil {
		s.failf("%v", err)
	}
}

// driving is the context of a task that starts: where the engine waits for the instance's reader of runs, it moves it on,
// and ends the start where nothing moves.
type driving struct {
	context.Context
	s     *sim
	i     *simInstance
	stuck bool
}

// Done implements context.Context.
func (d *driving) Done() <-chan struct{} {
	if d.s.drain(d.i) {
		return nil
	}
	d.stuck = true
	closed := make(chan struct{})
	close(closed)
	return closed
}

// Err implements context.Context.
func (d *driving) Err() error {
	if d.stuck {
		return context.Canceled
	}
	return nil
}

// drain reads all of runs that can be read, and says whether that was anything.
func (s *sim) drain(i *simInstance) (moved bool) {
	tp := event.TopicPartition{Topic: s.cfg.runs()}
	for runs := i.eng.runs; ; moved = true {
		before := runs.reader.Position(tp)
		s.check(runs.step(s.ctx, 0))
		if runs.reader.Position(tp) == before {
			return moved
		}
	}
}

// wipe deletes everything under a prefix of a store.
func (s *sim) wipe(store *state.Store, prefix byte) {
	b := store.Batch()
	s.each(store, prefix, func(key, _ []byte) { b.Delete(key) })
	s.check(b.Commit())
}

// each shows everything that a store holds under a prefix.
func (s *sim) each(store *state.Store, prefix byte, see func(key, value []byte)) {
	s.check(each(store, prefix, see))
}

func each(store *state.Store, prefix byte, see func(key, value []byte)) error {
	cur, err := store.Cursor([]byte{prefix}, []byte{prefix + 1})
	if err != nil {
		return err
	}
	for ok := cur.Seek([]byte{prefix}); ok; ok = cur.Next() {
		see(cur.Key(), cur.Value())
	}
	return cur.Close()
}
