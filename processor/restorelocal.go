package processor

import (
	"context"
	"errors"
	"time"

	"lejarat/processor/event"
)

// RestoreAll brings the stores of all partitions under cfg.Dir up to what the topics hold, flushes them, and ends. It
// fences nobody and writes to no topic: other instances go on.
func RestoreAll(ctx context.Context, cfg Config, show func(what string, p *Progress)) (out Rebuilt, err error) {
	began := cfg.Clock.Real()
	e, err := open(ctx, cfg)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.runs.catchUp(ctx); err != nil {
		return out, err
	}
	switch live := e.runs.Live(); {
	case live == 0:
		return out, refuse("there is nothing to restore yet: lejarat run makes the first generation")
	case live != cfg.Generation:
		return out, refuse("generation %d is not live, %d is: lejarat rebuild --from-sources makes it; or set state.generation: %d", cfg.Generation, live, live)
	}
	progress := newProgress(cfg.Clock.Real())
	show("restoring", progress)
	if err := e.restoreLedger(ctx, progress); err != nil {
		return out, err
	}
	for _, tp := range e.journalPartitions() {
		if err := e.restoreWatch(ctx, tp.Partition, progress); err != nil {
			return out, err
		}
	}
	if err := e.restoreAllIntake(ctx, progress); err != nil {
		return out, err
	}
	out.Records, _, _, _ = progress.Read(cfg.Clock.Real())
	out.over(&e.cfg, began)
	return out, nil
}

func (e *Engine) restoreLedger(ctx context.Context, progress *Progress) error {
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.notifications())
	if err != nil {
		return err
	}
	at := map[event.TopicPartition]int64{}
	for tp, span := range ends {
		at[tp] = e.ledger.positions[tp]
		progress.expect(span.End - at[tp])
	}
	return readAll(ctx, func() bool { return e.ledger.reached(ends) }, func(ctx context.Context, wait time.Duration) error {
		err := e.ledger.step(ctx, wait)
		for tp := range at {
			now := e.ledger.reader.Position(tp)
			progress.add(now - at[tp])
			at[tp] = now
		}
		return err
	})
}

func (e *Engine) restoreWatch(ctx context.Context, p int32, progress *Progress) (err error) {
	t := newWatchTask(&e.cfg, p, e.ledger, e.runs)
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.open(e.journalID); err != nil {
		return err
	}
	return t.restore(ctx, progress)
}

func (e *Engine) restoreAllIntake(ctx context.Context, progress *Progress) (err error) {
	var tasks []*intakeTask
	defer func() {
		for _, t := range tasks {
			err = errors.Join(err, t.close())
		}
	}()
	for topic, partitions := range e.inputs {
		for p := range partitions {
			t, err := newIntakeTask(&e.cfg, event.TopicPartition{Topic: topic, Partition: p}, partitions, e.urgent)
			if err != nil {
				return err
			}
			tasks = append(tasks, t)
			if err := t.open(e.journalID); err != nil {
				return err
			}
		}
	}
	return restoreIntake(ctx, &e.cfg, tasks, progress)
}
