package processor

import (
	"errors"
	"slices"
	"time"

	"lejarat/processor/event"
)

// simGenerations: one seed in so many makes a new generation in the midst of a day. Its sources are not compacted: what the
// sim knows of them comes from all their records.
const simGenerations = 8

// begin lets an instance that has opened its ledger and runs work on its generation, or make it.
func (s *sim) begin(e *Engine) error {
	if !e.cfg.rebuilding {
		return s.sabotage.begin(s, e)
	}
	live, err := e.mayRebuild(s.ctx)
	if err != nil {
		return err
	}
	return e.readFormer(s.ctx, live, func(string, *Progress) {})
}

// regenerate makes the next generation from the sources, as lejarat rebuild --from-sources does. The operator has stopped
// all processes, but one may only seem to have ended: it stands still, and when it wakes it works on the former generation.
func (s *sim) regenerate() {
	all := s.instances
	s.awake = s.rng.IntN(2) == 0
	for n, i := range all {
		if i.eng == nil || !i.frozen && s.rng.IntN(4) == 0 {
			s.down(i, s.rng.IntN(2) == 0, s.rng.IntN(3) == 0)
			continue
		}
		for _, tp := range orderedKeys(i.watch) {
			s.tracef("#%d stands still in phase %d of %s/%d", i.n, i.watch[tp].run.phase, tp.Topic, tp.Partition)
		}
		s.elders = append(s.elders, i)
		all[n] = &simInstance{n: n}
		s.disk(all[n])
	}
	s.partitions = slices.DeleteFunc(s.partitions, func(tp event.TopicPartition) bool { return tp.Topic == s.cfg.journal() })
	s.cfg.Generation++
	s.create(s.cfg.journal(), int(s.cfg.Partitions), true)
	clear(s.checks.controls)
	for _, tp := range s.partitions {
		s.owner[tp] = 0
	}
	s.cfg.rebuilding, s.instances = true, all[:1]
	limit := s.limit
	s.limit = s.clock.now.Add(time.Hour)
	s.heal("make a new generation", func() bool { return s.joined() && s.applied() })
	e := all[0].eng
	s.check(s.sabotage.goLive(s, e))
	s.checks.live = s.cfg.Generation
	s.tracef("generation %d is live", s.cfg.Generation)
	if e.former != nil {
		s.check(e.former.drop())
	}
	s.down(all[0], false, false)
	s.cfg.rebuilding, s.instances, s.limit = false, all, limit
	for _, tp := range s.partitions {
		s.owner[tp] = s.rng.IntN(len(s.instances))
	}
}

// applied says whether every partition of the journal has all that is in the sources.
func (s *sim) applied() bool {
	ends, err := s.log.Spans(s.ctx, s.cfg.inputs()...)
	s.check(err)
	for p := range s.cfg.Partitions {
		tp := event.TopicPartition{Topic: s.cfg.journal(), Partition: p}
		t := s.instances[s.owner[tp]].watch[tp]
		if t == nil {
			return false
		}
		for src, span := range ends {
			if m, ok := t.marks[src]; !ok || m.Next < span.End {
				return false
			}
		}
	}
	return true
}

// stepElder lets a process of a former generation do something. It may end itself at any time.
func (s *sim) stepElder() {
	if len(s.elders) == 0 {
		return
	}
	n := s.rng.IntN(len(s.elders))
	i := s.elders[n]
	var err error
	tps := append(orderedKeys(i.watch), orderedKeys(i.intake)...)
	at := s.rng.IntN(len(tps) + 1)
	if len(i.watch) > 0 && s.rng.IntN(2) == 0 {
		at = s.rng.IntN(len(i.watch)) // a run goes on before anything is heard of
	}
	switch {
	case at == len(tps):
		err = errors.Join(i.eng.ledger.step(s.ctx, 0), i.eng.runs.step(s.ctx, 0))
	case i.watch[tps[at]] != nil:
		s.acting, s.firing = i, i.watch[tps[at]]
		err = s.firing.step(s.ctx, 0)
	default:
		s.acting = i
		err = i.intake[tps[at]].step(s.ctx, 0)
	}
	s.acting, s.firing = nil, nil
	if err != nil {
		s.tracef("#%d of the former generation ends: %v", i.n, err)
		s.down(i, true, false)
		s.elders = slices.Delete(s.elders, n, n+1)
	}
}
