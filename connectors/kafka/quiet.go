package kafka

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// quiet passes the library's warnings and errors on. Its everyday messages are many: two a transaction. What was said with the
// very same words of late is counted: every connection of every client tries to reach a broker that is away, many times a second.
type quiet struct {
	slog.Handler
	said *said
}

// said is what was said, and when. It is used by many goroutines.
type said struct {
	mu    sync.Mutex
	lines map[string]line
}

type line struct {
	at      time.Time // when it was passed on last
	dropped int       // since then
}

const (
	saidAgain = 10 * time.Second // how long nothing is said twice
	saidMost  = 1000             // lines that are remembered
)

func newQuiet(h slog.Handler) quiet { return quiet{h, &said{lines: map[string]line{}}} }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	dropped, pass := q.said.pass(words(&r), r.Time)
	if !pass {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("repeated", dropped))
	}
	return q.Handler.Handle(ctx, r)
}

// words is all that a record says but its time.
func words(r *slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Level.String())
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteByte(0)
		b.WriteString(a.String())
		return true
	})
	return b.String()
}

// pass says whether a line is to be passed on, and how often it came since it last was.
func (s *said) pass(words string, now time.Time) (dropped int, pass bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, known := s.lines[words]
	if known && now.Sub(l.at) < saidAgain {
		l.dropped++
		s.lines[words] = l
		return 0, false
	}
	if !known && len(s.lines) == saidMost {
		clear(s.lines)
	}
	s.lines[words] = line{at: now}
	return l.dropped, true
}
