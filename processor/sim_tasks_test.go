package processor

import (
	"errors"
	"slices"

	"lejarat/processor/event"
)

// startOne starts a task that the instance owns and does not run. One that has to wait is given up, to be tried again.
func (s *sim) startOne(i *simInstance) {
	var waiting []event.TopicPartition
	for _, tp := range s.partitions {
		if s.owner[tp] == i.n && i.watch[tp] == nil && i.intake[tp] == nil {
			waiting = append(waiting, tp)
		}
	}
	if len(waiting) == 0 {
		return
	}
	tp := waiting[s.rng.IntN(len(waiting))]
	if s.wouldWait(tp) && s.rng.IntN(8) > 0 {
		return
	}
	if tp.Topic == s.cfg.journal() {
		s.startWatch(i, tp)
		return
	}
	together := []event.TopicPartition{tp}
	if s.rng.IntN(2) == 0 {
		together = slices.DeleteFunc(waiting, func(tp event.TopicPartition) bool { return tp.Topic == s.cfg.journal() })
	}
	s.startIntake(i, together)
}

// wouldWait says whether a start comes to nothing for the time being. The engine waits; the sim tries such a start only
// now and then, because each opens stores in vain.
func (s *sim) wouldWait(tp event.TopicPartition) bool {
	if tp.Topic == s.cfg.journal() {
		id := s.cfg.watchID(tp.Partition)
		return !s.log.Settled(tp.Topic, id) || !s.log.Settled(s.cfg.runs(), id)
	}
	return len(s.checks.controls) < int(s.cfg.Partitions) || s.sabotage.restore == nil && !s.log.Settled(s.cfg.journal(), s.cfg.intakeID(tp))
}

func (s *sim) startWatch(i *simInstance, tp event.TopicPartition) {
	s.drain(i)
	t := newWatchTask(&i.eng.cfg, tp.Partition, i.eng.ledger, i.eng.runs)
	s.sabotage.newWatch(s, t)
	s.acting, s.firing = i, t
	err := t.start(&driving{Context: s.ctx, s: s, i: i}, i.eng.journalID, newProgress(s.clock.real))
	s.acting, s.firing = nil, nil
	s.tracef("#%d starts %s/%d: %v", i.n, tp.Topic, tp.Partition, err)
	if err == nil {
		s.sabotage.startedWatch(s, t)
		i.watch[tp] = t
		return
	}
	if errors.Is(err, errSimCrash) {
		i.watch[tp] = t // down with the rest
	} else {
		s.check(t.close())
	}
	s.failed(i, tp.Topic, err)
}

func (s *sim) startIntake(i *simInstance, tps []event.TopicPartition) {
	var tasks []*intakeTask
	var err error
	for _, tp := range tps {
		var t *intakeTask
		if t, err = i.eng.openIntake(s.ctx, tp); err != nil {
			break
		}
		s.sabotage.openedIntake(s, t)
		tasks = append(tasks, t)
	}
	if err == nil {
		err = restoreIntake(s.ctx, s.sabotage.restoring(s, &i.eng.cfg), tasks, newProgress(s.clock.real))
	}
	for _, t := range tasks {
		if err == nil {
			s.sabotage.restoredIntake(s, t)
			err = t.follow(s.ctx)
		}
	}
	s.tracef("#%d starts intake of %v: %v", i.n, tps, err)
	for _, t := range tasks {
		if err == nil {
			i.intake[t.tp] = t
		} else {
			s.check(t.close())
		}
	}
	s.failed(i, "", err)
}

// stepTask takes one task a step further.
func (s *sim) stepTask(i *simInstance, tp event.TopicPartition) {
	s.acting = i
	var err error
	if t := i.watch[tp]; t != nil {
		before := t.run.phase
		s.firing = t
		err = s.sabotage.stepWatch(s, t)
		s.firing = nil
		if t.run.phase != before || err != nil {
			s.tracef("#%d %s/%d: run phase %d → %d, %v", i.n, tp.Topic, tp.Partition, before, t.run.phase, err)
		}
	} else {
		err = i.intake[tp].step(s.ctx, 0)
		if err != nil {
			s.tracef("#%d %s/%d: %v", i.n, tp.Topic, tp.Partition, err)
		}
	}
	s.acting = nil
	if err != nil && !errors.Is(err, errSimCrash) {
		s.drop(i, tp)
	}
	s.failed(i, tp.Topic, err)
}

// failed does what the engine does with an error of a task: end the process, leave the group, or begin the task again.
func (s *sim) failed(i *simInstance, topic string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, errSimCrash):
		lost := s.rng.IntN(4) == 0
		s.tracef("#%d crashes in the middle, lost=%v", i.n, lost)
		s.down(i, true, lost)
	case harmful(err):
		s.failf("instance #%d ends itself: %v", i.n, err)
	case errors.Is(err, event.ErrFenced):
		s.tracef("#%d was fenced and leaves the group", i.n)
		for _, tp := range s.partitions {
			if (tp.Topic == s.cfg.journal()) == (topic == s.cfg.journal()) {
				s.drop(i, tp)
			}
		}
	}
}

// drop ends a task as a revocation does: its store is flushed.
func (s *sim) drop(i *simInstance, tp event.TopicPartition) {
	delete(i.lost, tp)
	if t := i.watch[tp]; t != nil {
		delete(i.watch, tp)
		s.check(t.close())
	}
	if t := i.intake[tp]; t != nil {
		delete(i.intake, tp)
		s.check(t.close())
	}
}
