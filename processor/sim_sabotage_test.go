package processor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/simtest"
)

// simSabotage is a deliberate bug, put in through the model, the configuration, or by a hand in a task's state between
// two steps: the engine has no switch for it.
type simSabotage struct {
	name     string
	breaks   string   // the invariant or section of DESIGN.md
	size     *simSize // of the worlds in which it shows best; nil: simSmall
	seed     uint64   // the first that catches it
	log      simtest.Flaws
	trusting bool // every transaction without a clear answer counts as aborted

	configure func(*Config)
	twice     bool                         // nobody says which generation is live
	open      func(*sim, *simInstance)     // an instance has opened its ledger and runs
	tail      func(*sim, *simInstance)     // the ledger has been read on
	fresh     func(*sim, *watchTask)       // before a watch task starts
	started   func(*sim, *watchTask)       // after it
	step      func(*sim, *watchTask) error // instead of its step
	opened    func(*sim, *intakeTask)      // before an intake store is restored
	restored  func(*sim, *intakeTask)      // after it
	restore   func(*sim) event.Log         // what the restore reads
	produce   func(*sim, []event.Record)   // between records and end of a transaction of a run

	memo map[any]any // what the bug remembers
}

func (b *simSabotage) configured(c *Config) {
	b.memo = map[any]any{}
	if b.configure != nil {
		b.configure(c)
	}
}

func (b *simSabotage) begin(s *sim, e *Engine) error {
	if b.twice {
		return nil
	}
	return e.begin(s.ctx)
}

func (b *simSabotage) goLive(s *sim, e *Engine) error {
	if b.twice {
		return nil
	}
	return e.goLive(s.ctx, true)
}

func (b *simSabotage) openedInstance(s *sim, i *simInstance) {
	if b.open != nil {
		b.open(s, i)
	}
}

func (b *simSabotage) tailed(s *sim, i *simInstance) {
	if b.tail != nil {
		b.tail(s, i)
	}
}

func (b *simSabotage) newWatch(s *sim, t *watchTask) {
	if b.fresh != nil {
		b.fresh(s, t)
	}
}

func (b *simSabotage) startedWatch(s *sim, t *watchTask) {
	if b.started != nil {
		b.started(s, t)
	}
}

func (b *simSabotage) stepWatch(s *sim, t *watchTask) error {
	if b.step != nil {
		return b.step(s, t)
	}
	return t.step(s.ctx, 0)
}

func (b *simSabotage) openedIntake(s *sim, t *intakeTask) {
	if b.opened != nil {
		b.opened(s, t)
	}
}

func (b *simSabotage) restoring(s *sim, cfg *Config) *Config {
	if b.restore == nil {
		return cfg
	}
	other := *cfg
	other.Log = b.restore(s)
	return &other
}

func (b *simSabotage) restoredIntake(s *sim, t *intakeTask) {
	if b.restored != nil {
		b.restored(s, t)
	}
}

func (b *simSabotage) produced(s *sim, records []event.Record) {
	if b.produce != nil && s.firing != nil {
		b.produce(s, records)
	}
}

// TestSimulationBites shows that the checkers see: each deliberate bug is caught. The search begins at the seed that was
// the first to catch it and goes on from there: another engine draws other numbers. LEJARAT_SIM_BITES=N searches seeds 1
// to N instead.
func TestSimulationBites(t *testing.T) {
	n, err := strconv.ParseUint(os.Getenv("LEJARAT_SIM_BITES"), 10, 64)
	for _, bug := range simBugs {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			first, most := bug.seed, uint64(simBites)
			if err == nil {
				first, most = 1, n
			}
			for seed := first; seed < first+most; seed++ {
				b := bug
				if err := newSim(seed, cmp.Or(b.size, &simSmall), &b).run(); err != nil {
					t.Logf("caught within %d seeds: %v", seed, err)
					return
				}
			}
			t.Errorf("not caught by seeds %d to %d", first, first+most-1)
		})
	}
}

// simBites is how many seeds a bug may survive.
const simBites = 1000

// TestDesignListsTheBugs: the page says of each which invariant it breaks.
func TestDesignListsTheBugs(t *testing.T) {
	page, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| deliberate bug | breaks |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, b := range simBugs {
		want = append(want, fmt.Sprintf("| %s | %s |", b.name, b.breaks))
	}
	if diff := gocmp.Diff(strings.Join(want, "\n"), strings.TrimSpace(table)); diff != "" {
		t.Error(diff)
	}
}

// deafReader moves on without hearing what does not pass.
type deafReader struct {
	event.Reader
	passes func(*event.Record) bool
}

func (r deafReader) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	records, err := r.Reader.Poll(ctx, most, wait)
	var heard []event.Record
	for i := range records {
		if r.passes(&records[i]) {
			heard = append(heard, records[i])
		}
	}
	return heard, err
}

// forget deletes the ledger's entries under prefixes.
func (s *sim) forget(i *simInstance, prefixes ...byte) {
	for _, p := range prefixes {
		s.wipe(i.eng.ledger.store, p)
	}
}

var simBugs = []simSabotage{
	{name: "no fence", seed: 78, breaks: "I9", log: simtest.Flaws{NoFence: true}},
	{name: "the end is the last stable offset", seed: 517, breaks: "I10", log: simtest.Flaws{StableEnd: true}},
	{name: "uncommitted records are read", seed: 53, breaks: "section 1", log: simtest.Flaws{ReadUncommitted: true}},
	{name: "nobody looks at the clock before a transaction ends", seed: 332, breaks: "I14", log: simtest.Flaws{NoCheck: true}},
	{name: "an unknown outcome counts as aborted", seed: 162, breaks: "I21", trusting: true},
	{name: "a barrier never ages", size: &simCrowd, seed: 697, breaks: "I14", configure: func(c *Config) { c.Limits.BarrierAge = 1000 * time.Hour }},
	{name: "fire before the barrier", seed: 128, breaks: "I10", step: func(s *sim, t *watchTask) error {
		if t.run.phase == phaseBarrier {
			t.run.ends, t.run.taken = map[event.TopicPartition]event.Span{}, s.clock.real
		}
		return t.step(s.ctx, 0)
	}},
	{name: "the ledger is not read on before firing", seed: 217, breaks: "I11", size: &simLarge, step: func(s *sim, t *watchTask) error {
		if t.run.phase == phaseLedger {
			t.run.decided = nil
		}
		return t.step(s.ctx, 0)
	}},
	{name: "a ledger of the instance's own notices", seed: 19, breaks: "I11", open: func(_ *sim, i *simInstance) {
		i.eng.ledger.reader = deafReader{i.eng.ledger.reader, func(*event.Record) bool { return false }}
	}},
	{name: "a ledger of one partition", seed: 19, breaks: "I11", open: func(_ *sim, i *simInstance) {
		i.eng.ledger.reader = deafReader{i.eng.ledger.reader, func(r *event.Record) bool { return r.Partition == 0 }}
	}},
	{name: "a ledger without addresses", size: &simCrowd, seed: 796, breaks: "section 5", tail: func(s *sim, i *simInstance) { s.forget(i, ledgerMark) }},
	{name: "the clock prunes the ledger", seed: 7, breaks: "I17", tail: func(s *sim, i *simInstance) {
		today := event.DateOf(s.clock.now, s.cfg.Watch.Zone)
		if s.sabotage.memo[i.n] != today {
			s.forget(i, ledgerEmitted, ledgerMark)
			s.sabotage.memo[i.n] = today
		}
	}},
	{name: "a skip overwrites what was emitted", seed: 1524, breaks: "I17", size: &simCrowd, tail: (*sim).skipsOverwrite},
	{name: "what an operator skipped is forgotten", size: &simCrowd, seed: 10, breaks: "section 5", tail: func(s *sim, i *simInstance) { s.forget(i, ledgerSkipped) }},
	{name: "the ledger is written before the commit", seed: 116, breaks: "I15", produce: (*sim).ledgerFirst},
	{name: "the index is written before the commit", size: &simCrowd, seed: 908, breaks: "I15", produce: (*sim).indexFirst},
	{name: "the cursor is taken from runs", seed: 55, breaks: "I16", started: func(_ *sim, t *watchTask) {
		t.cursor = max(t.cursor, t.runs.lastComplete(t.tp.Partition))
	}},
	{name: "a recheck is entered behind a running scan", seed: 133, breaks: "I12", size: &simCrowd, step: func(s *sim, t *watchTask) error {
		phase := t.run.phase
		t.run.phase = phaseIdle
		err := t.apply(s.ctx, 0)
		if t.run.phase = phase; err != nil {
			return err
		}
		return t.advance(s.ctx)
	}},
	{name: "a moved row fires at once", seed: 47, breaks: "I5", restored: func(s *sim, t *intakeTask) {
		cfg := *t.cfg
		cfg.Clock, cfg.Virtual = earlyClock{s.clock}, true // on a real clock a record is read no sooner than it was written
		t.cfg = &cfg
	}},
	{name: "intake goes on where its store stood", seed: 1, breaks: "I2", opened: func(s *sim, t *intakeTask) { s.sabotage.memo[t] = t.mark },
		restored: func(s *sim, t *intakeTask) { t.mark, _ = s.sabotage.memo[t].(journal.Watermark) }},
	{name: "a lost intake store gets its position back but no rows", seed: 9, breaks: "I2", opened: func(s *sim, t *intakeTask) {
		s.sabotage.memo[t] = t.journalAt[0] == 0
	}, restored: func(s *sim, t *intakeTask) {
		if s.sabotage.memo[t] == true {
			s.wipe(t.store, intakeRow)
		}
	}},
	{name: "intake resumes at the last stable offset", seed: 121, breaks: "I2", size: &simLarge, restore: func(s *sim) event.Log { return stableEnds{s.log} }},
	{name: "a lost intake store is rebuilt from its compacted source", seed: 202, breaks: "I2", size: &simLarge, opened: func(s *sim, t *intakeTask) {
		s.sabotage.memo[t] = t.journalAt[0] == 0
	}, restored: func(s *sim, t *intakeTask) {
		if s.sabotage.memo[t] == true {
			s.rereadSource(t)
		}
	}},
	{name: "before is believed", seed: 309, breaks: "I3", configure: func(c *Config) { c.Limits.BatchRecords = 1 }, opened: func(s *sim, t *intakeTask) {
		t.dec = beforeDecoder{t.dec, s, t}
	}},
	{name: "the journal is keyed by row alone", seed: 2093, breaks: "I3", log: simtest.Flaws{CompactBy: byRow}},
	{name: "two generations are alive", seed: 128, breaks: "I28", twice: true},
	{name: "a lost watch store is filled from the middle of the journal", seed: 5, breaks: "section 3", fresh: func(s *sim, t *watchTask) {
		spans, err := s.log.Spans(s.ctx, t.tp.Topic)
		s.check(err)
		t.position = spans[t.tp].End / 2
	}},
	{name: "re-deliveries are believed", size: &simCrowd, seed: 703, breaks: "I6", configure: func(c *Config) {
		for i := range c.Sources {
			made := c.Sources[i].NewDecoder
			c.Sources[i].NewDecoder = func() (Decoder, error) {
				d, err := made()
				return unordered{d}, err
			}
		}
	}},
	{name: "runs are not read", seed: 1, breaks: "section 2", open: func(_ *sim, i *simInstance) {
		i.eng.runs.reader = deafReader{i.eng.runs.reader, func(*event.Record) bool { return false }}
	}},
	{name: "a snapshot does not hold the run", size: &simCrowd, seed: 1086, breaks: "I10", step: func(s *sim, t *watchTask) error {
		for tp, m := range t.marks {
			m.SnapshotEnded = max(m.Snapshot, m.SnapshotEnded)
			t.marks[tp] = m
		}
		return t.step(s.ctx, 0)
	}},
	{name: "what was counted passes for told", seed: 10, breaks: "I39", step: (*sim).countedIsTold},
}

// countedIsTold writes into the timeline what a count would emit as if it were.
func (s *sim) countedIsTold(t *watchTask) error {
	before := t.run.phase
	err := t.step(s.ctx, 0)
	if before != phaseCount || t.run.phase != phaseFuse {
		return err
	}
	b := t.store.Batch()
	for i := range t.run.kept.entries {
		e := &t.run.kept.entries[i]
		if e.again {
			continue
		}
		j, err := t.run.kept.packed.read(e.judgement)
		s.check(err)
		b.Set(e.key[:], j.Told)
	}
	s.check(b.Commit())
	return err
}

// skipsOverwrite lets every skip that the ledger ever read take the place of what was emitted later.
func (s *sim) skipsOverwrite(i *simInstance) {
	store := i.eng.ledger.store
	b := store.Batch()
	s.each(store, ledgerSkipped, func(key, _ []byte) { b.Delete(append([]byte{ledgerEmitted}, key[1:]...)) })
	s.check(b.Commit())
}

// ledgerFirst marks the notices of a transaction that may yet be aborted.
func (s *sim) ledgerFirst(records []event.Record) {
	l := s.firing.ledger
	b := l.store.Batch()
	for i := range records {
		if records[i].Topic != s.cfg.notifications() {
			continue
		}
		var n event.Notice
		s.check(json.Unmarshal(records[i].Value, &n))
		if n.Decision != event.Emitted {
			continue
		}
		id, err := parseRef(n.ID)
		s.check(err)
		address, err := parseRef(n.AddressRef)
		s.check(err)
		l.known.add(id)
		b.Set(ledgerKey(ledgerEmitted, id), address[:])
	}
	s.check(b.Commit())
}

// indexFirst moves the store on in the middle of a transaction that may yet be aborted.
func (s *sim) indexFirst(records []event.Record) {
	t := s.firing
	if records[0].Topic == s.cfg.notifications() && decodeSim[RunRecord](s, &records[len(records)-1]).State == RunComplete {
		t.cursor = t.run.date
	}
}
