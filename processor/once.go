package processor

import (
	"context"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// Outcome is what one pass has done.
type Outcome struct {
	Date   string     `json:"date"`
	Due    bool       `json:"due"` // the date's run was due
	Counts []RunCount `json:"counts"`
	// Unfinished says what kept the pass from its end; empty when it came to its end.
	Unfinished []string `json:"unfinished,omitempty"`
}

// Once joins what was in the sources when it began, finishes the date's run where it is due, and leaves. It gives up
// after wait and says why.
func (e *Engine) Once(ctx context.Context, wait time.Duration) (Outcome, error) {
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.inputs()...)
	if err != nil {
		return Outcome{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	began := e.cfg.Clock.Real()
	for {
		missing := e.missing(ends)
		if len(missing) == 0 || e.cfg.Clock.Real().Sub(began) > wait {
			cancel()
			out := e.outcome(missing)
			return out, <-ended
		}
		select {
		case err := <-ended:
			return e.outcome(missing), err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// missing says what a pass still waits for.
func (e *Engine) missing(ends map[event.TopicPartition]event.Span) (out []string) {
	day, due := e.cfg.today()
	if e.cfg.HasLiveFrom && day < e.cfg.LiveFrom {
		due = false
	}
	e.mu.Lock()
	owned := make(map[event.TopicPartition]*handle, len(e.watch))
	for tp, h := range e.watch {
		owned[tp] = h
	}
	e.mu.Unlock()
	for p := int32(0); p < e.cfg.Partitions; p++ {
		h := owned[event.TopicPartition{Topic: e.cfg.journal(), Partition: p}]
		switch {
		case due && !e.runs.Complete(day, p):
			out = append(out, e.why(day, p, h))
		case h != nil:
			if s := h.unjoined(ends); s != "" {
				out = append(out, fmt.Sprintf("partition %d: %s", p, s))
			}
		case len(owned) == 0:
			out = append(out, fmt.Sprintf("partition %d: not assigned to this instance yet", p))
		}
	}
	return out
}

func (e *Engine) why(day event.Date, p int32, h *handle) string {
	if r, ok := e.runs.get(day, p); ok && r.State == RunHeld {
		return fmt.Sprintf("partition %d: the run of %s is held (%s): %s", p, day, r.Reason, r.Detail)
	}
	if h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.err != nil {
			return fmt.Sprintf("partition %d: %v", p, h.err)
		}
		return fmt.Sprintf("partition %d: the run of %s is not complete (task %s)", p, day, h.state)
	}
	return fmt.Sprintf("partition %d: the run of %s is not complete; the partition is not assigned to this instance", p, day)
}

// unjoined says which source is not joined up to the given end.
func (h *handle) unjoined(ends map[event.TopicPartition]event.Span) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for tp, span := range ends {
		if m, ok := h.marks[tp]; !ok || m.Next < span.End {
			return fmt.Sprintf("%s/%d is joined up to offset %d of %d", tp.Topic, tp.Partition, m.Next, span.End)
		}
	}
	return ""
}

func (e *Engine) outcome(missing []string) Outcome {
	day, due := e.cfg.today()
	due = due && !(e.cfg.HasLiveFrom && day < e.cfg.LiveFrom)
	return Outcome{Date: day.String(), Due: due, Counts: e.runs.Counts(day), Unfinished: missing}
}

// Counts adds up the figures of a date over all partitions.
func (r *Runs) Counts(date event.Date) []RunCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := map[watch.Count]int{}
	for k, v := range r.records {
		if k.date != date || k.generation != r.cfg.Generation {
			continue
		}
		for _, c := range v.Counts {
			sum[c.Count] += c.Number
		}
	}
	return sortedCounts(sum)
}

// Complete says whether every partition has finished the date.
func (e *Engine) Complete(date event.Date) bool {
	for p := int32(0); p < e.cfg.Partitions; p++ {
		if !e.runs.Complete(date, p) {
			return false
		}
	}
	return true
}

// Figures are the date's figures over all partitions, as far as they are known here.
func (e *Engine) Figures(date event.Date) []RunCount { return e.runs.Counts(date) }
