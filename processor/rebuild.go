package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// Rebuilt are the figures of a rebuild.
type Rebuilt struct {
	Generation int     `json:"generation"`
	Live       bool    `json:"made_live"`
	Former     int     `json:"former_generation,omitempty"` // the generation it has replaced
	Records    int64   `json:"records"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"records_per_second"`
	// TakenOver is how many rows the former generation knew whose source tells no effective time.
	TakenOver int64 `json:"effective_times_taken_over,omitempty"`
}

// Rebuild makes cfg.Generation from the first record of the sources on, without a run, and makes it live when all that
// was in the sources is joined. It can be stopped and called again: it goes on where it was. The caller has seen to it
// that no instance of the live generation runs. show is told of each part of the work.
func Rebuild(ctx context.Context, cfg Config, show func(what string, p *Progress)) (out Rebuilt, err error) {
	began := cfg.Clock.Real()
	e, err := open(ctx, cfg)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	e.cfg.rebuilding, e.cfg.Limits.WatermarkIdle = true, 50*time.Millisecond // somebody waits for the end
	if out.Former, err = e.mayRebuild(ctx); err != nil {
		return out, err
	}
	if err := e.readFormer(ctx, out.Former, show); err != nil {
		return out, errors.Join(err, e.former.close())
	}
	if out.Records, err = e.join(ctx, show); err == nil {
		err = e.goLive(ctx, true)
	}
	if err != nil {
		return out, errors.Join(err, e.former.close())
	}
	if e.former != nil {
		out.TakenOver = e.former.taken.Load()
	}
	out.Live = true
	out.over(&e.cfg, began)
	return out, e.former.drop()
}

func (r *Rebuilt) over(cfg *Config, began time.Time) {
	r.Generation, r.Seconds = cfg.Generation, cfg.Clock.Real().Sub(began).Seconds()
	r.PerSecond = float64(r.Records) / max(r.Seconds, 0.001)
}

// LiveGeneration is the generation that decides who is told, 0 before the first.
func LiveGeneration(ctx context.Context, l event.Log, clk Clock, prefix string) (int, error) {
	cfg := &Config{Log: l, Clock: clk, Prefix: prefix, Look: true, Limits: DefaultLimits()}
	r, err := openRuns(ctx, cfg)
	if err != nil {
		return 0, fmt.Errorf("%w (lejarat topics create makes lejarat's own topics)", err)
	}
	defer r.reader.Close()
	if err := r.catchUp(ctx); err != nil {
		return 0, err
	}
	return r.Live(), nil
}

// Groups are the consumer groups of a generation's instances.
func Groups(prefix string, generation int) []string {
	cfg := &Config{Prefix: prefix, Generation: generation}
	return []string{cfg.watchGroup(), cfg.intakeGroup()}
}

// mayRebuild returns the live generation, 0 for none, and refuses what would harm: a generation that is live, other keys
// or topics than those of which people were told, a source that grew partitions.
func (e *Engine) mayRebuild(ctx context.Context) (live int, err error) {
	if err := e.runs.readAll(ctx); err != nil {
		return 0, err
	}
	if err := e.runs.checkNotifications(); err != nil {
		return 0, err
	}
	live = e.runs.Live()
	if live == 0 {
		return 0, nil
	}
	if live == e.cfg.Generation {
		return 0, refuse("generation %d is live: raise state.generation to %d and make it from the sources", live, live+1)
	}
	old := e.cfg
	old.Generation = live
	spans, err := e.cfg.Log.Spans(ctx, old.journal())
	if err != nil {
		return 0, fmt.Errorf("reading what the live generation knows: %w", err)
	}
	c, err := lastControl(ctx, &old, spans)
	if err != nil || c == nil {
		return live, err
	}
	return live, e.checkFormer(c, old.journal())
}

func (e *Engine) checkFormer(c *journal.Control, topic string) error {
	cfg := &e.cfg
	if err := checkReference(cfg, topic, c.ReferenceKeyID, " by "+whose(c.Instance, c.Started)); err != nil {
		return err
	}
	if err := checkClock(topic, c.Virtual, cfg.Virtual); err != nil {
		return err
	}
	grown := slices.DeleteFunc(remade(c.Partitions, cfg.SourcePartitions), func(topic string) bool { return c.TopicIDs[topic] != cfg.TopicIDs[topic] })
	if len(grown) > 0 {
		return refuse("source topics %v have another number of partitions than they had: a row stands in two of them, and a new generation would read it twice, in no order; "+
			"make the topics anew (their connector takes a new snapshot), then rebuild", grown)
	}
	return nil
}

// readFormer reads what the live generation knows, before anything of the new one is read.
func (e *Engine) readFormer(ctx context.Context, live int, show func(string, *Progress)) error {
	if live == 0 {
		return nil
	}
	name := JournalTopic(e.cfg.Prefix, live)
	ids, err := e.cfg.Log.TopicIDs(ctx, name)
	if err != nil {
		return err
	}
	if e.former, err = openFormer(&e.cfg, live, ids[name]); err != nil {
		return err
	}
	e.cfg.former = e.former
	progress := newProgress(e.cfg.Clock.Real())
	show(fmt.Sprintf("reading what generation %d knows", live), progress)
	return e.former.read(ctx, progress)
}

// join runs every task of the generation here, without runs and outside its groups, until what was in the sources is
// joined: twice, because a version that compaction took away before it was read has a newer one that came meanwhile.
// Then the tasks have ended and their stores are flushed.
func (e *Engine) join(ctx context.Context, show func(string, *Progress)) (records int64, err error) {
	ctx, e.stop = context.WithCancelCause(ctx)
	var tails sync.WaitGroup
	e.tail(ctx, &tails, kindRuns, &e.runsTail, e.runs.step, e.runs.restored)
	e.startWatch(ctx, e.journalPartitions())
	sources, err := e.cfg.Log.Spans(ctx, e.cfg.inputs()...)
	if err != nil {
		e.fail(err)
	}
	var tps []event.TopicPartition
	for tp := range sources {
		tps = append(tps, tp)
	}
	e.startIntake(ctx, tps)
	for range 2 {
		if err == nil {
			err = e.joined(ctx, show)
		}
	}
	if err == nil {
		err = e.usable()
	}
	records = e.readOf(sources)
	e.stop(nil)
	e.revokeAll(e.intake)
	e.revokeAll(e.watch)
	tails.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fatal != nil {
		return records, e.fatal
	}
	return records, err
}

func (e *Engine) journalPartitions() (tps []event.TopicPartition) {
	for p := range e.cfg.Partitions {
		tps = append(tps, event.TopicPartition{Topic: e.cfg.journal(), Partition: p})
	}
	return tps
}

// joined waits until what is in the sources now is joined.
func (e *Engine) joined(ctx context.Context, show func(string, *Progress)) error {
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.inputs()...)
	if err != nil {
		return err
	}
	progress := newProgress(e.cfg.Clock.Real())
	done := e.readOf(ends)
	for _, span := range ends {
		progress.expect(span.End - span.Start)
	}
	progress.add(done)
	show("reading the sources", progress)
	for {
		if e.joinedTo(ends) {
			return nil
		}
		now := e.readOf(ends)
		progress.add(now - done)
		done = now
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped before everything was joined; the same command goes on where this one was: %w", context.Cause(ctx))
		case <-e.rejoin[e.cfg.watchGroup()]:
			return e.otherRebuild()
		case <-e.rejoin[e.cfg.intakeGroup()]:
			return e.otherRebuild()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e *Engine) otherRebuild() error {
	return refuse("another process works on generation %d: let it finish, or stop it", e.cfg.Generation)
}

// joinedTo says whether every partition of the journal has applied the sources up to the ends.
func (e *Engine) joinedTo(ends map[event.TopicPartition]event.Span) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.watch {
		if h.unjoined(ends) != "" {
			return false
		}
	}
	return len(e.watch) == int(e.cfg.Partitions)
}

// readOf is how many offsets of the sources intake has read.
func (e *Engine) readOf(spans map[event.TopicPartition]event.Span) (n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tp, h := range e.intake {
		h.mu.Lock()
		n += max(0, h.position-spans[tp].Start)
		h.mu.Unlock()
	}
	return n
}

// usable refuses to make a generation live of which a source is stopped or incomplete: the former one knows more.
func (e *Engine) usable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.watch {
		h.mu.Lock()
		why := ""
		for i := range e.cfg.Sources {
			why = cmp.Or(why, incomplete(h.marks, e.cfg.Sources[i].Topic))
		}
		h.mu.Unlock()
		if why != "" {
			return refuse("generation %d is not made live: %s; mend it and rebuild again (with another mapping under a higher state.generation)", e.cfg.Generation, why)
		}
	}
	return nil
}
