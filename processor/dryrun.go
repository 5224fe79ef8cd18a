package processor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
)

// DryRun judges the date by the clock in use from what the topics hold, without writing anything: it restores every
// partition of the journal, and the ledger, into throw-away stores under cfg.Dir. Each notice is shown to visit.
func DryRun(ctx context.Context, cfg Config, visit func(watch.Notice)) (counts []RunCount, err error) {
	e := &Engine{cfg: cfg, inputs: map[string]int32{}}
	if err := e.preflight(ctx); err != nil {
		return nil, err
	}
	e.cfg.Dir = filepath.Join(cfg.Dir, fmt.Sprintf("dry-run-%d", cfg.Clock.Real().UnixNano()))
	if e.ledger, err = openLedger(ctx, &e.cfg); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.ledger.close()) }()
	if err := e.ledger.readAll(ctx); err != nil {
		return nil, err
	}
	if e.runs, err = openRuns(ctx, &e.cfg); err != nil {
		return nil, err
	}
	defer e.runs.reader.Close()
	if err := e.runs.readAll(ctx); err != nil {
		return nil, err
	}
	if err := e.runs.checkNotifications(); err != nil {
		return nil, err
	}
	sum := map[watch.Count]int{}
	for p := int32(0); p < cfg.Partitions; p++ {
		if err := e.dryRunPartition(ctx, p, sum, visit); err != nil {
			return nil, err
		}
	}
	return sortedCounts(sum), nil
}

func (e *Engine) dryRunPartition(ctx context.Context, p int32, sum map[watch.Count]int, visit func(watch.Notice)) (err error) {
	t := newWatchTask(&e.cfg, p, e.ledger, e.runs)
	defer func() { err = errors.Join(err, t.close()) }()
	if t.store, err = openStore(&e.cfg, e.cfg.storeDir("watch", e.cfg.Generation, p), e.cfg.stamp("")); err != nil {
		return err
	}
	if err := t.load(); err != nil {
		return err
	}
	spans, err := e.cfg.Log.Spans(ctx, t.tp.Topic)
	if err != nil {
		return err
	}
	if t.reader, err = e.cfg.Log.Read(ctx, map[event.TopicPartition]int64{t.tp: spans[t.tp].Start}); err != nil {
		return err
	}
	for t.reader.Position(t.tp) < spans[t.tp].End {
		if err := t.apply(ctx, 100*time.Millisecond); err != nil {
			return errors.Join(err, ctx.Err())
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if t.poison >= 0 {
		return nil // it does not fire, and has said so
	}
	t.run.date, _ = e.cfg.today()
	for done := false; !done; {
		if done, err = t.gather(); err != nil {
			return err
		}
	}
	c := chunk{task: t, day: t.day(), batch: t.store.Batch(), ids: map[journal.Ref]watch.Decision{}, marks: map[journal.Ref]bool{}, counts: sum}
	defer c.batch.Discard()
	c.day.After = e.runs.lastComplete(p)
	limit := e.cfg.Limits.ChunkEntries
	for {
		c.notices = c.notices[:0]
		next, err := t.entries(limit, func(e *dueEntry) bool { c.judge(e); return true })
		if err != nil {
			return err
		}
		for _, n := range c.notices {
			visit(n)
		}
		if t.run.scan = next; next == nil {
			return nil
		}
	}
}

// readAll reads the notifications up to their present end.
func (l *Ledger) readAll(ctx context.Context) error {
	ends, err := l.cfg.Log.Spans(ctx, l.cfg.notifications())
	if err != nil {
		return err
	}
	return readAll(ctx, func() bool { return l.reached(ends) }, l.step)
}

// readAll reads the runs up to their present end.
func (r *Runs) readAll(ctx context.Context) error {
	ends, err := r.cfg.Log.Spans(ctx, r.cfg.runs())
	if err != nil {
		return err
	}
	return readAll(ctx, func() bool { return r.reached(ends) }, r.step)
}

func readAll(ctx context.Context, reached func() bool, step func(context.Context, time.Duration) error) error {
	for !reached() {
		if err := step(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
