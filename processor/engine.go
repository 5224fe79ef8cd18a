package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/state"
)

// Engine is one instance: it joins the two groups and runs the tasks of whatever partitions it is given.
type Engine struct {
	cfg       Config
	journalID string           // the broker's id of the journal
	inputs    map[string]int32 // source topic → partitions
	ledger    *Ledger
	outcomes  *Outcomes
	runs      *Runs
	startup   startup
	former    *former // of a rebuild that replaces a generation

	ledgerTail, runsTail handle

	mu     sync.Mutex
	intake map[event.TopicPartition]*handle
	watch  map[event.TopicPartition]*handle
	fatal  error
	ended  bool // the ledger is closed
	stop   context.CancelCauseFunc
	rejoin map[string]chan struct{} // group → a task of it was fenced
}

// handle is a running task as the engine sees it.
type handle struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	state    string
	err      error
	progress *Progress
	marks    map[event.TopicPartition]journal.Watermark // of a watch task: what it knows of the sources
	position int64                                      // of an intake task: the next source offset
	held     int64                                      // of an intake task: rows held
	loading  bool                                       // more came than one takes at a time
	store    *state.Store
	run      string // of a watch task: why its run is held, "" while it is not
}

// Pauses between attempts of a task that failed.
const (
	retryLeast = 200 * time.Millisecond
	retryMost  = 10 * time.Second
)

// New checks that the topics fit the configuration, before anything is written, opens what the instance shares, and sees
// to it that its generation is the live one.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	e, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := e.begin(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func open(ctx context.Context, cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, intake: map[event.TopicPartition]*handle{}, watch: map[event.TopicPartition]*handle{},
		inputs: map[string]int32{}, rejoin: map[string]chan struct{}{
			cfg.watchGroup(): make(chan struct{}, 1), cfg.intakeGroup(): make(chan struct{}, 1)}}
	e.startup.began = cfg.Started
	e.startup.over("brokers", cfg.Clock.Real())
	if err := e.preflight(ctx); err != nil {
		return nil, err
	}
	e.startup.over("checked", cfg.Clock.Real())
	stores := int(cfg.Partitions) + 1
	for _, partitions := range e.inputs {
		stores += int(partitions)
	}
	cfg.Shared.Expect(stores)
	var err error
	if e.ledger, err = openLedger(ctx, &e.cfg); err != nil {
		return nil, err
	}
	if e.runs, err = openRuns(ctx, &e.cfg); err != nil {
		return nil, errors.Join(err, e.ledger.close())
	}
	if e.outcomes, err = openOutcomes(ctx, &e.cfg, e.ledger.store); err != nil {
		e.runs.reader.Close()
		return nil, errors.Join(err, e.ledger.close())
	}
	e.ledgerTail = handle{state: taskRestoring, progress: e.ledger.progress}
	e.runsTail = handle{state: taskRestoring, progress: e.runs.progress}
	e.startup.over("opened", cfg.Clock.Real())
	return e, nil
}

// close gives back what open has opened.
func (e *Engine) close() error {
	e.runs.reader.Close()
	e.outcomes.close()
	e.mu.Lock() // nobody is being told a story from the ledger
	defer e.mu.Unlock()
	e.ended = true
	return e.ledger.close()
}

// Run works until ctx ends or something happens after which working on would do harm, which it returns.
func (e *Engine) Run(ctx context.Context) error {
	ctx, e.stop = context.WithCancelCause(ctx)
	defer e.stop(nil)
	var tails sync.WaitGroup
	e.tail(ctx, &tails, kindLedger, &e.ledgerTail, e.ledger.step, e.ledger.restored)
	e.tail(ctx, &tails, kindRuns, &e.runsTail, e.runs.step, e.runs.restored)
	tails.Go(func() { e.report(ctx) })
	e.tail(ctx, &tails, "deliveries", &handle{}, e.outcomes.step, func() bool { return true }) // nobody waits for it
	var groups sync.WaitGroup
	e.member(ctx, &groups, e.cfg.watchGroup(), []string{e.cfg.journal()}, e.watch, e.startWatch)
	e.member(ctx, &groups, e.cfg.intakeGroup(), e.cfg.inputs(), e.intake, e.startIntake)
	groups.Wait()
	tails.Wait()
	err := e.close()
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Join(e.fatal, err)
}

// fail ends the whole instance.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	if e.fatal == nil {
		e.fatal = err
	}
	e.mu.Unlock()
	e.stop(err)
}

// tail runs one of the instance's readers for ever. It is restored once it has read what the topic held at the start.
func (e *Engine) tail(ctx context.Context, wg *sync.WaitGroup, name string, h *handle,
	step func(context.Context, time.Duration) error, restored func() bool) {
	wg.Go(func() {
		for pause := retryLeast; ctx.Err() == nil; {
			err := step(ctx, e.cfg.Limits.PollWait)
			if errors.Is(err, event.ErrTopic) || errors.Is(err, event.ErrRange) {
				if anew := e.cfg.sameIDs(ctx, e.cfg.notifications(), e.cfg.runs()); harmful(anew) {
					err = anew
				}
			}
			switch {
			case err == nil:
				pause = retryLeast
				h.set(map[bool]string{true: taskRunning, false: taskRestoring}[restored()], nil)
				continue
			case ctx.Err() != nil:
				return
			}
			h.set(taskFailed, err)
			e.cfg.observe(TaskState{Task: name, State: taskFailed, Err: err})
			if harmful(err) {
				e.fail(err)
				return
			}
			e.cfg.Logger.Error("reading on after an error", "reader", name, "error", err)
			if sleep(ctx, pause) != nil {
				return
			}
			pause = min(2*pause, retryMost)
		}
	})
}

// broken is an error after which the instance's ledger, or its view of the runs, would have a hole: the instance ends, and
// the next start reads it again.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// harmful says whether an error must end the instance instead of being tried again.
func harmful(err error) bool {
	var refused *Refused
	var hole broken
	return errors.As(err, &refused) || errors.As(err, &hole) || errors.Is(err, event.ErrAccess)
}

// replaced: the other one goes on. Joining anew would end that one, and the two would take turns for ever.
func replaced() error {
	return refuse("another process has joined the consumer groups under the name of this one: was the state directory copied? " +
		"Give each process a state directory of its own, without the file `instance` of another, and where it is set a kafka.instance_id of its own")
}

// member keeps the instance in a group. After one of its tasks was fenced it leaves and joins anew: only a confirmed
// membership may fence again, or two owners would fence each other for ever.
func (e *Engine) member(ctx context.Context, wg *sync.WaitGroup, group string, topics []string,
	tasks map[event.TopicPartition]*handle, start func(context.Context, []event.TopicPartition)) {
	fenced := e.rejoin[group]
	wg.Go(func() {
		for ctx.Err() == nil {
			m, err := e.cfg.Log.Join(ctx, group, topics, event.Assignment{
				Assigned: func(tps []event.TopicPartition) { start(ctx, tps) },
				Revoked:  func(tps []event.TopicPartition) { e.revoke(tasks, tps) },
				Replaced: func() { e.fail(replaced()) },
			})
			if err != nil {
				if harmful(err) {
					e.fail(err)
					return
				}
				if ctx.Err() == nil {
					e.cfg.Logger.Error("joining the group again after an error", "group", group, "error", err)
				}
				_ = sleep(ctx, time.Second) // an ended context ends the loop
				continue
			}
			select {
			case <-ctx.Done():
			case <-fenced:
				e.cfg.Logger.Warn("a task was fenced, leaving the group and joining anew", "group", group)
			}
			m.Close()
			e.revokeAll(tasks)
		}
	})
}

// revoke stops the tasks of partitions and returns when they have ended: nothing of theirs is written afterwards.
func (e *Engine) revoke(tasks map[event.TopicPartition]*handle, tps []event.TopicPartition) {
	var ending []*handle
	e.mu.Lock()
	for _, tp := range tps {
		if h := tasks[tp]; h != nil {
			h.cancel()
			ending = append(ending, h)
			delete(tasks, tp)
		}
	}
	e.mu.Unlock()
	for _, h := range ending {
		<-h.done
	}
}

func (e *Engine) revokeAll(tasks map[event.TopicPartition]*handle) {
	var tps []event.TopicPartition
	e.mu.Lock()
	for tp := range tasks {
		tps = append(tps, tp)
	}
	e.mu.Unlock()
	e.revoke(tasks, tps)
}

// add registers the handles of newly assigned partitions; a partition that is there already is left alone.
func (e *Engine) add(ctx context.Context, tasks map[event.TopicPartition]*handle, tps []event.TopicPartition) (map[event.TopicPartition]*handle, map[event.TopicPartition]context.Context) {
	added, contexts := map[event.TopicPartition]*handle{}, map[event.TopicPartition]context.Context{}
	e.startup.over("assigned", e.cfg.Clock.Real())
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, tp := range tps {
		if tasks[tp] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		h := &handle{cancel: cancel, done: make(chan struct{}), state: taskRestoring, progress: newProgress(e.cfg.Clock.Real())}
		tasks[tp], added[tp], contexts[tp] = h, h, ctx
	}
	return added, contexts
}

// States of a task.
const (
	taskRestoring = "restoring"
	taskRunning   = "running"
	taskFailed    = "failed"
)

func (h *handle) set(state string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.state, h.err = state, err
	if state != taskRunning {
		h.store = nil // it is being closed
	}
}

// keep runs a task until its context ends, beginning again after errors. A fence ends it: see member.
func (e *Engine) keep(ctx context.Context, group, name string, h *handle, attempt func(context.Context) error) {
	defer close(h.done)
	for pause := retryLeast; ; pause = min(2*pause, retryMost) {
		began := e.cfg.Clock.Real()
		err := attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("task ended without being asked to")
		}
		h.set(taskFailed, err)
		e.cfg.observe(TaskState{Task: name, State: taskFailed, Err: err})
		switch {
		case harmful(err):
			e.fail(fmt.Errorf("%s: %w", name, err))
			return
		case errors.Is(err, event.ErrFenced):
			e.cfg.Logger.Warn("fenced by another owner", "task", name)
			select {
			case e.rejoin[group] <- struct{}{}:
			default:
			}
			return
		}
		e.cfg.Logger.Error("beginning a task again after an error", "task", name, "error", err)
		if e.cfg.Clock.Real().Sub(began) > time.Minute {
			pause = retryLeast
		}
		if sleep(ctx, pause) != nil {
			return
		}
		h.set(taskRestoring, nil)
	}
}
