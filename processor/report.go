package processor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lejarat/processor/event"
)

// Restore is how far everything of one kind is restored that this instance restores now: watch, intake, ledger or runs.
type Restore struct {
	Kind        string
	Tasks       []string
	Done, Total int64 // offsets
	PerSecond   float64
	Left        time.Duration // 0 while it is not known
}

// Restores shows what the instance restores now, by kind; nothing once all of it is running.
func (e *Engine) Restores() (out []Restore) {
	now := e.cfg.Clock.Real()
	byKind := map[string]*Restore{}
	counted := map[*Progress]bool{} // tasks that restore together share one
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handles(func(kind, name string, _ event.TopicPartition, h *handle) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.state != taskRestoring {
			return
		}
		r := byKind[kind]
		if r == nil {
			r = &Restore{Kind: kind}
			byKind[kind] = r
		}
		r.Tasks = append(r.Tasks, name)
		if counted[h.progress] {
			return
		}
		counted[h.progress] = true
		done, total, perSecond, _ := h.progress.Read(now)
		r.Done, r.Total, r.PerSecond = r.Done+done, r.Total+total, r.PerSecond+perSecond
	})
	for _, r := range byKind {
		r.Left = timeLeft(r.Done, r.Total, r.PerSecond)
		slices.Sort(r.Tasks)
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Restore) int { return strings.Compare(a.Kind, b.Kind) })
	return out
}

// How the instance tells of its restores.
const (
	reportLook  = 20 * time.Millisecond // between looks before it is ready for the first time, else a second
	reportAfter = 3 * time.Second       // a shorter restore is nobody's concern
	reportEvery = 5 * time.Second
)

// report logs how far the instance's restores are, while there are any for longer than a moment, and once, when it is
// ready for the first time, how long that took.
func (e *Engine) report(ctx context.Context) {
	look, began, said := reportLook, time.Time{}, time.Time{}
	for sleep(ctx, look) == nil {
		if look == reportLook && e.ready() {
			look = time.Second
			e.startup.over("seconds", e.cfg.Clock.Real())
			e.cfg.Logger.Info("ready", e.startup.attrs()...)
		}
		now := e.cfg.Clock.Real()
		restores := e.Restores()
		switch {
		case len(restores) == 0:
			began, said = time.Time{}, time.Time{}
		case began.IsZero():
			began = now
		case now.Sub(began) >= reportAfter && now.Sub(said) >= reportEvery:
			said = now
			e.cfg.Logger.Info("restoring", restoreAttrs(restores)...)
		}
	}
}

func (e *Engine) ready() bool { ready, _ := e.Status(); return ready }

// restoreAttrs adds the kinds up: one line for the instance.
func restoreAttrs(restores []Restore) []any {
	var sum Restore
	for _, r := range restores {
		sum.Tasks = append(sum.Tasks, r.Tasks...)
		sum.Done, sum.Total, sum.PerSecond = sum.Done+r.Done, sum.Total+r.Total, sum.PerSecond+r.PerSecond
	}
	sum.Left = timeLeft(sum.Done, sum.Total, sum.PerSecond)
	return []any{"done", sum.Done, "total", sum.Total, "per_second", int64(sum.PerSecond), "seconds_left", int64(sum.Left.Seconds()),
		"tasks", strings.Join(sum.Tasks, " ")}
}

// startup notes when the steps of a start were over, in seconds since the process began.
type startup struct {
	began time.Time
	mu    sync.Mutex
	steps []any
	seen  map[string]bool
}

func (s *startup) over(step string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[step] {
		return
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[step] = true
	s.steps = append(s.steps, slog.Float64(step, float64(now.Sub(s.began).Milliseconds())/1000))
}

func (s *startup) attrs() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps
}

// handles shows everything that is restored: the readers of the instance and the tasks of its partitions. e.mu is held.
func (e *Engine) handles(show func(kind, name string, tp event.TopicPartition, h *handle)) {
	show(kindLedger, kindLedger, event.TopicPartition{}, &e.ledgerTail)
	show(kindRuns, kindRuns, event.TopicPartition{}, &e.runsTail)
	for tp, h := range e.watch {
		show(kindWatch, watchName(tp), tp, h)
	}
	for tp, h := range e.intake {
		show(kindIntake, intakeName(tp), tp, h)
	}
}

// What is restored.
const (
	kindLedger = "ledger"
	kindRuns   = "runs"
	kindWatch  = "watch"
	kindIntake = "intake"
)

func watchName(tp event.TopicPartition) string { return fmt.Sprintf("watch/%d", tp.Partition) }

func intakeName(tp event.TopicPartition) string {
	return fmt.Sprintf("intake/%s/%d", tp.Topic, tp.Partition)
}
