package processor

import (
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/simtest"
)

// group moves partitions between instances, in the ordinary way or past a member that does not answer.
func (s *sim) group() {
	tp := s.partitions[s.rng.IntN(len(s.partitions))]
	from, to := s.instances[s.owner[tp]], s.instances[s.rng.IntN(len(s.instances))]
	if from == to {
		s.unown()
		return
	}
	switch {
	case from.eng == nil:
	case from.frozen:
		from.lost[tp] = true
	default:
		s.drop(from, tp)
	}
	s.owner[tp] = to.n
	s.tracef("%s/%d goes from #%d to #%d", tp.Topic, tp.Partition, from.n, to.n)
}

// unown lets members that woke learn what they have lost.
func (s *sim) unown() {
	for _, i := range s.instances {
		if i.eng == nil || i.frozen || i == s.midway {
			continue
		}
		for _, tp := range s.partitions {
			if s.owner[tp] != i.n || i.lost[tp] {
				s.drop(i, tp)
			}
		}
	}
}

// disturb crashes, freezes or wakes an instance.
func (s *sim) disturb() {
	i := s.instances[s.rng.IntN(len(s.instances))]
	switch n := s.rng.IntN(10); {
	case i == s.midway:
	case i.frozen:
		i.frozen = false
		s.tracef("#%d wakes", i.n)
	case i.eng == nil:
	case n < 3:
		lost := s.rng.IntN(3) == 0
		s.tracef("#%d crashes, lost=%v", i.n, lost)
		s.down(i, true, lost)
	case n < 4:
		s.tracef("#%d stops", i.n)
		s.down(i, false, false)
	case n < 9:
		s.freeze(i)
		s.tracef("#%d freezes", i.n)
	}
}

// freeze takes the partitions from an instance that does not know it.
func (s *sim) freeze(i *simInstance) {
	i.frozen = true
	if len(s.instances) == 1 {
		return
	}
	for _, tp := range s.partitions {
		if s.owner[tp] == i.n && s.rng.IntN(4) > 0 {
			i.lost[tp] = true
			s.owner[tp] = (i.n + 1 + s.rng.IntN(len(s.instances)-1)) % len(s.instances)
		}
	}
}

// produced stands between the records of a transaction and its end. Now and then the process freezes there while the
// world goes on, and others take over.
func (s *sim) produced(id string, records []event.Record) {
	s.sabotage.produced(s, records)
	if !s.faults || s.deep || s.acting == nil || s.rng.IntN(s.rare(4, 12)) > 0 {
		return
	}
	i, firing, was := s.acting, s.firing, s.acting.frozen
	s.tracef("#%d freezes in a transaction of %s", i.n, id)
	s.deep, s.producing, s.midway, i.frozen = true, id, i, true
	if s.rng.IntN(3) == 0 {
		s.freeze(i)
	}
	for n := s.rng.IntN(4); n > 0 && s.changes; n-- {
		s.tracef("%s", s.world.happen())
	}
	s.steps(s.size.midway.draw(s.rng))
	s.oversleep()
	s.deep, s.producing, s.midway, i.frozen = false, "", nil, was
	s.acting, s.firing = i, firing
	s.tracef("#%d wakes in its transaction of %s", i.n, id)
}

// oversleep makes a freeze long: older than a barrier may be, or into the next day.
func (s *sim) oversleep() {
	to := s.clock.now
	switch s.rng.IntN(3) {
	case 0:
		to = to.Add(time.Duration(10+s.rng.IntN(20)) * time.Minute)
	case 1:
		to = (event.DateOf(to, s.cfg.Watch.Zone) + 1).At(0, 0, s.cfg.Watch.Zone)
	}
	if to.Before(s.limit) {
		s.clock.jump(to)
	}
}

// rare is one in how many: something goes wrong more often in a run, the fewer transactions it has.
func (s *sim) rare(firing, otherwise int) int {
	if s.firing != nil && s.firing.run.phase == phaseFire {
		return firing
	}
	return otherwise
}

// ending draws how a transaction ends.
func (s *sim) ending(id string) simtest.Ending {
	s.checks.asked[id] = s.clock.now
	if !s.faults || s.rng.IntN(s.rare(4, 12)) > 0 {
		return simtest.Ending{}
	}
	e := simtest.Ending{Outcome: simtest.Outcome(s.rng.IntN(3))}
	switch n := s.rng.IntN(3); {
	case s.acting != nil && n == 0:
		e.Err = errSimCrash
	case n == 1 || e.Outcome != simtest.Abort:
		e.Err = fmt.Errorf("ending the transaction: %w", event.ErrUnknown)
	default:
		e.Err = fmt.Errorf("ending the transaction: %w", event.ErrRetry)
	}
	if s.sabotage.trusting && e.Err != errSimCrash {
		e.Err = event.ErrRetry
	}
	s.tracef("the transaction of %s ends with outcome %d, its writer learns: %v", id, e.Outcome, e.Err)
	return e
}
