package processor

import (
	"context"
	"errors"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// startWatch runs the watch task of each partition in a goroutine of its own.
func (e *Engine) startWatch(ctx context.Context, tps []event.TopicPartition) {
	handles, contexts := e.add(ctx, e.watch, tps)
	for tp, h := range handles {
		name := watchName(tp)
		go e.keep(contexts[tp], e.cfg.watchGroup(), name, h, func(ctx context.Context) error {
			return e.runWatch(ctx, name, tp, h)
		})
	}
}

func (e *Engine) runWatch(ctx context.Context, name string, tp event.TopicPartition, h *handle) (err error) {
	t := newWatchTask(&e.cfg, tp.Partition, e.ledger, e.runs)
	t.restoring = e.restoring
	defer func() { h.set(taskRestoring, nil); err = errors.Join(err, t.close()) }()
	e.cfg.observe(TaskState{Task: name, State: taskRestoring})
	progress := newProgress(e.cfg.Clock.Real())
	h.restores(progress)
	if err := t.start(ctx, e.journalID, progress); err != nil {
		return err
	}
	h.set(taskRunning, nil)
	e.cfg.observe(TaskState{Task: name, State: taskRunning})
	for ctx.Err() == nil {
		if err := t.step(ctx, e.cfg.Limits.PollWait); err != nil {
			return err
		}
		h.publishWatch(t)
	}
	return nil
}

// restores names the progress of a restore, which may be that of several tasks.
func (h *handle) restores(p *Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress = p
}

// publishWatch shows the engine how far the sources are joined.
func (h *handle) publishWatch(t *watchTask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.marks == nil {
		h.marks = map[event.TopicPartition]journal.Watermark{}
	}
	if t.batch == nil { // the store holds what the marks say
		for tp, m := range t.marks {
			h.marks[tp] = m
		}
	}
	h.store, h.run, h.loading = t.store, t.run.detail, t.batch != nil
}

// heldBy says why the task's run is held, "" while it is not.
func (h *handle) heldBy() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.run
}

// publishIntake shows the engine how far the source is read.
func (h *handle) publishIntake(t *intakeTask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.position, h.held, h.store, h.loading = t.mark.Next, t.held, t.store, t.loading
}

// startIntake restores all newly assigned source partitions in one pass over the journal, then runs each in a goroutine
// of its own. One that fails is restored alone.
func (e *Engine) startIntake(ctx context.Context, tps []event.TopicPartition) {
	handles, contexts := e.add(ctx, e.intake, tps)
	ready := map[event.TopicPartition]chan *intakeTask{}
	for tp := range handles {
		ready[tp] = make(chan *intakeTask, 1)
	}
	go e.restoreTogether(ctx, handles, contexts, ready)
	for tp, h := range handles {
		name := intakeName(tp)
		first := ready[tp]
		go e.keep(contexts[tp], e.cfg.intakeGroup(), name, h, func(ctx context.Context) error {
			e.cfg.observe(TaskState{Task: name, State: taskRestoring})
			t := <-first // closed, hence nil, from the second attempt on
			return e.runIntake(ctx, name, tp, t, h)
		})
	}
}

// restoreTogether hands every task over restored, or nil where that did not come about.
func (e *Engine) restoreTogether(ctx context.Context, handles map[event.TopicPartition]*handle,
	contexts map[event.TopicPartition]context.Context, ready map[event.TopicPartition]chan *intakeTask) {
	var tasks []*intakeTask
	progress := newProgress(e.cfg.Clock.Real())
	for tp, h := range handles {
		t, err := e.openIntake(contexts[tp], tp)
		if err != nil {
			close(ready[tp]) // the task's own attempt meets the error again, and reports it
			continue
		}
		h.restores(progress)
		tasks = append(tasks, t)
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, t := range tasks {
		defer context.AfterFunc(contexts[t.tp], cancel)() // one revoked: the rest begin anew, each alone
	}
	err := e.runs.await(both)
	if err == nil {
		err = restoreIntake(both, &e.cfg, tasks, progress)
	}
	for _, t := range tasks {
		if err == nil {
			ready[t.tp] <- t
		} else {
			err = errors.Join(err, t.close())
		}
		close(ready[t.tp])
	}
}

func (e *Engine) openIntake(ctx context.Context, tp event.TopicPartition) (*intakeTask, error) {
	t, err := newIntakeTask(&e.cfg, tp, e.inputs[tp.Topic], e.urgent)
	if err != nil {
		return nil, err
	}
	t.crowded = e.loading
	if err := t.start(ctx, e.journalID); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (e *Engine) runIntake(ctx context.Context, name string, tp event.TopicPartition, t *intakeTask, h *handle) (err error) {
	if t == nil {
		if t, err = e.openIntake(ctx, tp); err != nil {
			return err
		}
		progress := newProgress(e.cfg.Clock.Real())
		h.restores(progress)
		err := e.runs.await(ctx)
		if err == nil {
			err = restoreIntake(ctx, &e.cfg, []*intakeTask{t}, progress)
		}
		if err != nil {
			return errors.Join(err, t.close())
		}
	}
	defer func() { h.set(taskRestoring, nil); err = errors.Join(err, t.close()) }()
	if err := t.follow(ctx); err != nil {
		return err
	}
	h.set(taskRunning, nil)
	e.cfg.observe(TaskState{Task: name, State: taskRunning})
	for ctx.Err() == nil {
		if err := t.step(ctx, e.cfg.Limits.PollWait); err != nil {
			return err
		}
		h.publishIntake(t)
	}
	return nil
}

// soon is how long before a run the watermarks begin to come every second.
const soon = time.Minute

// urgent says whether somebody waits for watermarks: a run is due and not complete, or about to be due.
func (e *Engine) urgent() bool {
	if e.cfg.rebuilding {
		return false
	}
	day, due := e.cfg.today()
	if !due {
		at := day.At(e.cfg.Watch.RunHour, e.cfg.Watch.RunMinute, e.cfg.Watch.Zone)
		return at.Sub(e.cfg.Clock.Now()) < soon
	}
	for p := int32(0); p < e.cfg.Partitions; p++ {
		if !e.runs.Complete(day, p) {
			return true
		}
	}
	return false
}

// loading says whether a task of the instance loads: the journal grows fast.
func (e *Engine) loading() bool { return e.some(func(h *handle) bool { return h.loading }) }

// restoring says whether a task of the instance restores what it lacks.
func (e *Engine) restoring() bool {
	return e.some(func(h *handle) bool { return h.state == taskRestoring })
}

// some says whether it is so with a task of the instance.
func (e *Engine) some(is func(h *handle) bool) (some bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handles(func(_, _ string, _ event.TopicPartition, h *handle) {
		h.mu.Lock()
		defer h.mu.Unlock()
		some = some || is(h)
	})
	return some
}
