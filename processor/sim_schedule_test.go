package processor

import (
	"time"

	"lejarat/processor/event"
)

// day lives through one day. On a quiet one the registries rest from shortly before the run until it is complete, so that
// what is owed is certain; the instances go on crashing and freezing. On the others everything happens at any time, and
// only what must never happen is checked.
func (s *sim) day(last bool) {
	date := event.DateOf(s.clock.now, s.cfg.Watch.Zone)
	if at := date.At(5, 30, s.cfg.Watch.Zone); !s.clock.now.Before(at) {
		date++
	}
	quiet := last || s.rng.IntN(2) == 0
	s.tracef("—— %s, quiet=%v", date, quiet)
	at := func(h, m int) time.Time { return date.At(h, m, s.cfg.Watch.Zone) }
	s.faults, s.changes, s.limit = true, true, at(5, 59)
	if quiet {
		s.limit = at(5, 35)
	}
	s.world.smooth = !quiet && s.rng.IntN(2) == 0 // the run is not held for what came before it
	s.steps(s.size.before.draw(s.rng))
	var owed map[string]bool
	if quiet {
		s.clock.jump(at(5, 35))
		s.limit = at(5, 50)
		s.changes = false
		s.heal("read the sources", s.joined)
		owed = s.owed(date)
	}
	s.clock.jump(at(6, 0).Add(-time.Duration(s.rng.IntN(2)) * time.Second))
	s.faults, s.limit = true, at(22, 0)
	if s.world.smooth = s.world.smooth || !quiet && s.rng.IntN(3) > 0; s.world.smooth {
		s.world.calm()
	} else if !quiet && s.rng.IntN(2) == 0 {
		s.changes = false
		s.tracef("%s, and the registries rest", s.world.snapshots())
	}
	if !quiet && s.rng.IntN(2) == 0 {
		s.limit = at(24+4, 0)
	}
	s.skipping = s.skips && !quiet
	s.daily(date)
	if s.renews && !quiet && s.rng.IntN(2) == 0 {
		s.regenerate()
		s.faults, s.changes = true, true
		s.daily(date)
	}
	if quiet || event.DateOf(s.clock.now, s.cfg.Watch.Zone) == date && s.rng.IntN(2) == 0 {
		s.limit = at(23, 50)
		s.clock.jump(at(6, 0))
		s.rushing = !quiet
		s.heal("complete the run of "+date.String(), func() bool { return s.complete(date) })
		s.rushing = false
	}
	for range 8 * len(s.elders) { // too late for the run, not too late to do harm
		s.stepElder()
	}
	if quiet {
		s.checks.nothingLost(date, owed)
	}
	s.checks.toldIsTrue()
	s.faults, s.changes, s.world.smooth = true, true, false
	s.steps(s.size.after.draw(s.rng))
}

// daily lets the run of the date begin, and often end, while things go wrong.
func (s *sim) daily(date event.Date) {
	n := s.size.run.draw(s.rng)
	if s.renews {
		n *= 2 // more often far enough to be in somebody's way
	}
	for word := n - int(s.seed)%n; n > 0 && !s.complete(date); n-- {
		if s.skipping && n <= word {
			s.skip(date)
		}
		s.step()
		if s.renews && s.cfg.Generation == 1 && s.counted() && s.rng.IntN(2) == 0 {
			return // for a new generation: the former one is in the middle of its run
		}
	}
}

// simSkips: in one seed of so many an operator skips each day on which the registries do not rest.
const simSkips = 5

// skip is an operator's word, somewhere in the run of the date.
func (s *sim) skip(date event.Date) {
	s.skipping = false
	s.tracef("lejarat skip %s", date)
	s.log.Append(CommandMessage(s.cfg.Prefix, date, CommandSkip, s.clock.now))
}

// jump moves the clock on, never back.
func (c *manualClock) jump(to time.Time) {
	if to.After(c.now) {
		c.now, c.real = to, to
	}
}

func (s *sim) steps(n int) {
	for range n {
		s.step()
	}
}

// step lets one thing happen somewhere.
func (s *sim) step() {
	if len(s.elders) > 0 && s.awake && !s.deep && s.rng.IntN(8) == 0 {
		s.stepElder()
		return
	}
	if s.changes && !s.deep && s.scanning() && s.rng.IntN(4) == 0 {
		s.rush()
		return
	}
	switch n := s.rng.IntN(1000); {
	case n < 560:
		s.stepSome()
	case n < 700:
		if i := s.someone(); i != nil {
			s.tail(i)
		}
	case n < 790:
		if i := s.someone(); i != nil {
			s.startOne(i)
		}
	case n < 850:
		s.pass()
	case n < 935:
		if s.changes {
			s.tracef("%s", s.world.happen())
		}
	case n < 950:
		s.endSome()
	case n < 961:
		s.group()
	case n < 974:
		s.disturb()
	case n < 980:
		if i := s.someone(); i != nil {
			s.tracef("#%d flushes stores", i.n)
			s.flush(i, false)
		}
	case n < 983:
		s.compact()
	default:
		s.stepSome()
	}
}

// compact lets the broker compact a topic; a source only as far as it was read, as its retention must promise.
func (s *sim) compact() {
	topics := [...]string{s.cfg.journal(), s.cfg.notifications(), s.cfg.runs(), documentTopic, registrationTopic}
	topic := topics[s.rng.IntN(len(topics))]
	s.tracef("%s is compacted", topic)
	if s.world.parts[topic] == 0 {
		s.log.Compact(topic)
	}
	for p := range s.world.parts[topic] {
		if s.renews {
			break // a new generation reads them from the start
		}
		tp := event.TopicPartition{Topic: topic, Partition: p}
		s.log.CompactTo(tp, s.checks.next[simSource{s.cfg.journal(), tp}])
	}
}

// counted says whether a run is past its barrier and its count.
func (s *sim) counted() bool {
	for _, i := range s.instances {
		for _, t := range i.watch {
			if t.run.phase >= phaseFuse {
				return true
			}
		}
	}
	return false
}

// scanning says whether a run has gone through part of its entries.
func (s *sim) scanning() bool {
	for _, i := range s.instances {
		for _, t := range i.watch {
			if t.run.phase == phaseFire && t.run.scan != nil && !i.frozen {
				return true
			}
		}
	}
	return false
}

// rush lets a change in the registries go through intake, and half the time into the watch store, before anything else
// happens, so that it comes in the midst of a run.
func (s *sim) rush() {
	what := [...]func() string{s.world.happen, s.world.signedUp, s.world.touched}[s.rng.IntN(3)]()
	s.tracef("in a hurry: %s", what)
	for _, i := range s.instances {
		for _, tp := range orderedKeys(i.intake) {
			if i.eng != nil && !i.frozen && i.intake[tp] != nil {
				s.stepTask(i, tp)
			}
		}
	}
	if s.rng.IntN(2) == 0 {
		return
	}
	for _, i := range s.instances {
		for _, tp := range orderedKeys(i.watch) {
			if i.eng != nil && !i.frozen && i.watch[tp] != nil {
				s.stepTask(i, tp)
			}
		}
	}
}

// someone is an instance that is up and not frozen, nil for none.
func (s *sim) someone() *simInstance {
	i := s.instances[s.rng.IntN(len(s.instances))]
	if i.frozen {
		if i != s.midway && s.rng.IntN(20) == 0 {
			i.frozen = false
			s.tracef("#%d wakes", i.n)
		}
		return nil
	}
	if i.eng == nil {
		if s.rng.IntN(3) == 0 {
			err := s.boot(i)
			s.tracef("#%d starts: %v", i.n, err)
			if err != nil && harmful(err) {
				s.failf("instance #%d refuses to start: %v", i.n, err)
			}
		}
		return nil
	}
	return i
}

func (s *sim) stepSome() {
	i := s.someone()
	if i == nil {
		return
	}
	tps := orderedKeys(i.watch)
	if len(tps) == 0 || s.rng.IntN(2) == 0 {
		tps = orderedKeys(i.intake)
	}
	all := len(tps) + s.waiting(i)
	if all == 0 {
		return
	}
	if n := s.rng.IntN(all); n < len(tps) {
		s.stepTask(i, tps[n])
		return
	}
	s.startOne(i)
}

// waiting is how many of the instance's partitions have no task.
func (s *sim) waiting(i *simInstance) (n int) {
	for _, tp := range s.partitions {
		if s.owner[tp] == i.n && i.watch[tp] == nil && i.intake[tp] == nil {
			n++
		}
	}
	return n
}

// pass lets time pass: seconds mostly, now and then minutes or hours.
func (s *sim) pass() {
	d := time.Duration(s.rng.IntN(4000)) * time.Millisecond
	switch s.rng.IntN(12) {
	case 0, 1, 2:
		d = time.Duration(s.rng.IntN(120)) * time.Second
	case 3:
		d = time.Duration(s.rng.IntN(120)) * time.Minute
	}
	if to := s.clock.now.Add(d); to.Before(s.limit) {
		s.clock.jump(to)
	}
}

// endSome ends a transaction that was left open: its end arrives at last, or the broker loses patience.
func (s *sim) endSome() {
	open := s.log.Open()
	if len(open) == 0 {
		return
	}
	tx := open[s.rng.IntN(len(open))]
	// Only the broker's patience ends the transaction in whose middle its owner was frozen.
	commit := tx.ID == "connector" || tx.ID != s.producing && s.rng.IntN(2) == 0
	s.tracef("the open transaction of %s ends, committed=%v", tx.ID, commit)
	s.log.End(tx, commit)
}

// heal lets everything work again, and says when it does not come to its end.
func (s *sim) heal(what string, done func() bool) {
	s.faults, s.changes = false, false
	s.tracef("—— nothing fails until they %s", what)
	s.world.calm()
	for _, i := range s.instances {
		i.frozen = false
		if i.eng == nil {
			if err := s.boot(i); err != nil {
				s.failf("instance #%d does not start: %v", i.n, err)
			}
		}
	}
	s.unown()
	for round := range simPatience {
		for _, i := range s.instances {
			for range s.waiting(i) {
				s.startOne(i)
			}
			for _, tp := range append(orderedKeys(i.watch), orderedKeys(i.intake)...) {
				if i.watch[tp] != nil || i.intake[tp] != nil { // not dropped with another of its group
					s.stepTask(i, tp)
				}
			}
			s.tail(i)
		}
		if s.rushing && s.scanning() && s.rng.IntN(2) == 0 {
			s.world.smooth = true
			s.rush()
		}
		if done() {
			return
		}
		pause := 700 * time.Millisecond
		if round%200 == 199 && s.limit.Sub(s.clock.now) > time.Hour { // where the clock stands, nobody comes to an end
			pause = 11 * time.Minute // records that came late hold a run for ten
		}
		if to := s.clock.now.Add(pause); to.Before(s.limit) {
			s.clock.jump(to)
		}
	}
	s.failf("nothing fails any more, and yet they do not %s", what)
}

// simPatience is how many rounds of steps a healthy service gets. A new generation of many hundred changes takes 6,000.
const simPatience = 20000

// joined says whether everything in the sources has been written to the journal.
func (s *sim) joined() bool {
	spans, err := s.log.Spans(s.ctx, s.cfg.inputs()...)
	s.check(err)
	for _, i := range s.instances {
		for tp, t := range i.intake {
			if t.mark.Next >= spans[tp].End && s.owner[tp] == i.n {
				delete(spans, tp)
			}
		}
	}
	return len(spans) == 0
}

// complete says whether every partition has finished the date.
func (s *sim) complete(date event.Date) bool {
	for p := range s.cfg.Partitions {
		if !s.checks.complete[simRun{date, s.cfg.Generation, p}] {
			return false
		}
	}
	return true
}
