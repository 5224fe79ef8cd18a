package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// LiveRecord is the value of lejarat.runs that makes a generation live, keyed by generation/<number>. The highest
// generation that has one decides who is told; where none has, the highest one that ever wrote a run.
type LiveRecord struct {
	Generation    int    `json:"generation"`
	IdentityKeyID string `json:"identity_key_id"`
	OlderFenced   bool   `json:"older_fenced"` // no instance of an older generation can commit any more
	At            string `json:"at"`
}

// livePrefix begins the key of a LiveRecord.
const livePrefix = "generation/"

// liveMessage is the record of lejarat.runs for v.
func liveMessage(cfg *Config, v *LiveRecord) event.Record {
	key := livePrefix + strconv.Itoa(v.Generation)
	return event.Message(cfg.runs(), key, key+"@"+v.At, "generation", v.At, v)
}

// readLive takes in a LiveRecord.
func (r *Runs) readLive(value []byte) error {
	var v LiveRecord
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("not a generation: %w", err)
	}
	r.generations[v.Generation] = v
	return nil
}

// Live is the generation that decides who is told, 0 before the first.
func (r *Runs) Live() (live int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.fired {
		live = max(live, g)
	}
	for g := range r.generations {
		live = max(live, g)
	}
	return live
}

// superseded refuses to work on a generation that a newer one has replaced.
func (r *Runs) superseded() error {
	if live := r.Live(); live > r.cfg.Generation && !r.cfg.Look {
		return refuse("generation %d is live, state.generation is %d here: a newer generation has taken over; set state.generation: %d", live, r.cfg.Generation, live)
	}
	return nil
}

// catchUp reads what can be read of the topic now. What the open transaction of a dead owner hides is read by the
// tasks, which fence that owner first.
func (r *Runs) catchUp(ctx context.Context) error {
	ends, err := r.cfg.Log.Spans(ctx, r.cfg.runs())
	if err != nil {
		return err
	}
	for idle, at := 0, int64(-1); idle < 3 && !r.reached(ends); idle++ {
		if err := r.step(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if now := r.sum(); now != at {
			idle, at = 0, now
		}
	}
	return ctx.Err()
}

// sum grows whenever something was read.
func (r *Runs) sum() (sum int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.positions {
		sum += at
	}
	return sum
}

// begin lets the instance work on its generation: one that is live, or the very first. An instance that finds its own
// generation live before the older ones were fenced, because who made it live crashed, does that first.
func (e *Engine) begin(ctx context.Context) error {
	if err := e.runs.catchUp(ctx); err != nil {
		return err
	}
	if err := e.runs.checkNotifications(); err != nil {
		return err
	}
	if v, ok := e.runs.generation(e.cfg.Generation); ok && v.OlderFenced {
		return nil
	}
	return e.goLive(ctx, false)
}

func (r *Runs) generation(n int) (LiveRecord, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.generations[n]
	return v, ok
}

// goLiveTries is how often several first starts may take the word from each other.
const goLiveTries = 10

// goLive makes the generation live, then takes from the older ones what they could commit with. Only a rebuilt one may
// replace another; the very first needs no rebuild.
func (e *Engine) goLive(ctx context.Context, rebuilt bool) error {
	for try := 1; ; try++ {
		err := e.tryGoLive(ctx, rebuilt)
		if try == goLiveTries || !errors.Is(err, event.ErrFenced) && !errors.Is(err, event.ErrUnknown) && !errors.Is(err, event.ErrRetry) {
			return err
		}
		if err := sleep(ctx, time.Duration(try)*retryLeast); err != nil {
			return err
		}
	}
}

// tryGoLive holds the one transactional id of all generations: whoever commits under it has read every word before its
// own, or is fenced.
//
// The record comes first, then the fences. A task of an older generation that fences its id before us is fenced by us;
// one that does so after us reads the record next, and ends.
func (e *Engine) tryGoLive(ctx context.Context, rebuilt bool) error {
	w, err := e.cfg.Log.Fence(ctx, e.cfg.topic("generation"))
	if err != nil {
		return fmt.Errorf("making generation %d live: %w", e.cfg.Generation, err)
	}
	defer w.Close()
	if err := e.runs.readAll(ctx); err != nil {
		return err
	}
	v, known := e.runs.generation(e.cfg.Generation)
	switch live := e.runs.Live(); {
	case known && v.OlderFenced:
		return nil
	case live != 0 && live < e.cfg.Generation && !rebuilt:
		return refuse("generation %d is live, state.generation is %d: lejarat rebuild --from-sources reads the sources anew and makes it live; or set state.generation: %d",
			live, e.cfg.Generation, live)
	case !known:
		v = LiveRecord{Generation: e.cfg.Generation, IdentityKeyID: e.cfg.Watch.IdentityKeyID,
			At: e.cfg.Clock.Now().In(e.cfg.Watch.Zone).Format(event.TimeFormat)}
		if err := e.sayLive(ctx, w, &v); err != nil {
			return err
		}
	}
	if err := e.fenceOlder(ctx); err != nil {
		return err
	}
	v.OlderFenced = true
	return e.sayLive(ctx, w, &v)
}

func (e *Engine) sayLive(ctx context.Context, w event.Writer, v *LiveRecord) error {
	if _, err := w.Commit(ctx, []event.Record{liveMessage(&e.cfg, v)}, nil); err != nil {
		return fmt.Errorf("making generation %d live: %w", v.Generation, err)
	}
	e.runs.mu.Lock()
	e.runs.generations[v.Generation] = *v
	e.runs.mu.Unlock()
	return sleep(ctx, e.cfg.Limits.CommitPause)
}

// fenceOlder takes every transactional id of older generations from whoever has it: one that stands still now, in the
// middle of a transaction perhaps, commits nothing when it wakes.
func (e *Engine) fenceOlder(ctx context.Context) error {
	for _, g := range e.runs.older() {
		ids, err := e.idsOf(ctx, g)
		if err != nil {
			return err
		}
		for _, id := range ids {
			w, err := e.cfg.Log.Fence(ctx, id)
			if err != nil {
				return fmt.Errorf("fencing generation %d: %w", g, err)
			}
			w.Close()
		}
		e.cfg.Logger.Info("generation fenced", "generation", g, "ids", len(ids))
	}
	return nil
}

// older are the generations before ours that may ever have fired, oldest first.
func (r *Runs) older() (out []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for g := range r.generations {
		if g < r.cfg.Generation {
			out = append(out, g)
		}
	}
	for g := range r.fired {
		if g < r.cfg.Generation {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// idsOf are the transactional ids of a generation. They follow from its journal: its partitions, and the partitions of
// the sources that its control record names. Where the journal is gone, those of our own are a guess: nothing is left
// that its tasks could read.
func (e *Engine) idsOf(ctx context.Context, generation int) (ids []string, err error) {
	old := e.cfg
	old.Generation = generation
	partitions, sources := e.cfg.Partitions, e.cfg.SourcePartitions
	spans, err := e.cfg.Log.Spans(ctx, old.journal())
	switch {
	case errors.Is(err, event.ErrTopic):
	case err != nil:
		return nil, err
	default:
		partitions = int32(len(spans))
		c, err := lastControl(ctx, &old, spans)
		if err != nil {
			return nil, err
		}
		if c != nil {
			sources = c.Partitions
		}
	}
	for p := range partitions {
		ids = append(ids, old.watchID(p))
	}
	for topic, n := range sources {
		for p := range n {
			ids = append(ids, old.intakeID(event.TopicPartition{Topic: topic, Partition: p}))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// lastControl is a control record of the journal, nil where there is none. All that a generation ever has agree on
// everything but the rules. Compaction may have moved it far from the start.
func lastControl(ctx context.Context, cfg *Config, spans map[event.TopicPartition]event.Span) (found *journal.Control, err error) {
	for p := int32(0); p < int32(len(spans)) && found == nil; p++ {
		tp := event.TopicPartition{Topic: cfg.journal(), Partition: p}
		err := readRecords(ctx, cfg, tp, spans[tp], spans[tp].End-spans[tp].Start, func(r *event.Record) (bool, error) {
			key, err := journal.ParseKey(r.Key)
			if err != nil || !key.Control {
				return false, err
			}
			found = &journal.Control{}
			if err := json.Unmarshal(r.Value, found); err != nil {
				return false, fmt.Errorf("reading the control record of %s: %w", cfg.journal(), journal.ErrFormat)
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
