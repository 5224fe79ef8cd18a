package processor

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/state"
)

// TaskStatus is a task as health and metrics show it.
type TaskStatus struct {
	Task        string  `json:"task"`
	State       string  `json:"state"`
	Error       string  `json:"error,omitempty"`
	Done        int64   `json:"restored_records"`
	Total       int64   `json:"expected_records"`
	PerSecond   float64 `json:"records_per_second"`
	SecondsLeft float64 `json:"seconds_left"`
	Run         string  `json:"run,omitempty"` // of a watch task: today's run
	LastRun     string  `json:"last_complete,omitempty"`
	Position    int64   `json:"position,omitempty"` // of an intake task: the next source offset
}

// Status shows every task of the instance and its readers of notifications and runs, and whether all of them are running
// and it has any partition: then it does its part of the work.
func (e *Engine) Status() (ready bool, tasks []TaskStatus) {
	day, _ := e.cfg.today()
	e.mu.Lock()
	defer e.mu.Unlock()
	ready = e.fatal == nil
	now := e.cfg.Clock.Real()
	e.handles(func(kind, name string, tp event.TopicPartition, h *handle) {
		s := h.status(name, now)
		ready = ready && s.State == taskRunning
		if kind == kindWatch {
			if r, ok := e.runs.get(day, tp.Partition); ok {
				s.Run = strings.TrimSpace(r.State + " " + r.Reason + " " + r.Detail)
			}
			if held := h.heldBy(); held != "" {
				s.Run = held // runs may be what cannot be written
			}
			if last := e.runs.lastComplete(tp.Partition); last != 0 {
				s.LastRun = last.String()
			}
		}
		tasks = append(tasks, s)
	})
	sort.Slice(tasks, func(i, j int) bool { return tasks[i].Task < tasks[j].Task })
	return ready && len(e.watch)+len(e.intake) > 0, tasks
}

func (h *handle) status(name string, now time.Time) TaskStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := TaskStatus{Task: name, State: h.state, Position: h.position}
	if h.err != nil {
		s.Error = h.err.Error()
	}
	var left time.Duration
	s.Done, s.Total, s.PerSecond, left = h.progress.Read(now)
	s.SecondsLeft = left.Seconds()
	return s
}

// SourceStatus is how far a source partition of this instance is read.
type SourceStatus struct {
	Topic     string
	Partition int32
	Position  int64 // the next offset
	Lag       int64 // offsets behind the high watermark
	Held      int64 // rows held
}

// statusWait bounds how long a look at the brokers may take that a scrape asks for.
const statusWait = 2 * time.Second

// Sources shows the source partitions of this instance. Where the brokers do not answer, the lag is 0.
func (e *Engine) Sources() (out []SourceStatus) {
	ctx, cancel := context.WithTimeout(context.Background(), statusWait)
	defer cancel()
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.inputs()...)
	if err != nil {
		ends = nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for tp, h := range e.intake {
		h.mu.Lock()
		s := SourceStatus{Topic: tp.Topic, Partition: tp.Partition, Position: h.position, Held: h.held}
		h.mu.Unlock()
		s.Lag = max(0, ends[tp].End-s.Position)
		out = append(out, s)
	}
	return out
}

// Newest is, for each source topic, the newest commit or heartbeat time that this instance's watch tasks know of.
func (e *Engine) Newest() map[string]time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]time.Time{}
	for _, h := range e.watch {
		h.mu.Lock()
		for tp, m := range h.marks {
			if at := time.UnixMilli(max(m.Committed, m.Heartbeat, m.Snapshot)); at.After(out[tp.Topic]) && at.UnixMilli() > 0 {
				out[tp.Topic] = at
			}
		}
		h.mu.Unlock()
	}
	return out
}

// StoreBytes is the disk space of each store that is open on this instance.
func (e *Engine) StoreBytes() map[string]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]uint64{"ledger": e.ledger.store.Bytes()}
	for _, tasks := range []map[event.TopicPartition]*handle{e.intake, e.watch} {
		for tp, h := range tasks {
			h.mu.Lock()
			if h.store != nil {
				out[fmt.Sprintf("%s/%d", tp.Topic, tp.Partition)] = h.store.Bytes()
			}
			h.mu.Unlock()
		}
	}
	return out
}

// JoinedTo is, for each source partition, the offset up to which all of this instance's watch tasks have applied it.
func (e *Engine) JoinedTo() map[event.TopicPartition]int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[event.TopicPartition]int64{}
	tasks := map[event.TopicPartition]int{}
	for _, h := range e.watch {
		h.mu.Lock()
		for tp, m := range h.marks {
			if tasks[tp]++; tasks[tp] == 1 || m.Next < out[tp] {
				out[tp] = m.Next
			}
		}
		h.mu.Unlock()
	}
	for tp, n := range tasks {
		if n < len(e.watch) {
			out[tp] = 0 // one of them knows nothing of it yet
		}
	}
	return out
}

// StoreWork is what the stores of this process have done so far.
func (e *Engine) StoreWork() state.Work { return e.cfg.Shared.Work() }

// Joined says whether everything that is in the sources now has been applied by this instance's watch tasks.
func (e *Engine) Joined(ctx context.Context) (bool, error) {
	ends, err := e.cfg.Log.Spans(ctx, e.cfg.inputs()...)
	if err != nil {
		return false, err
	}
	return e.joinedTo(ends), nil
}
