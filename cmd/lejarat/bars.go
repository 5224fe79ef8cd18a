package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lejarat/processor"
)

// screen is a terminal on which log lines pass above the bars of what takes long, while something does.
type screen struct {
	out io.Writer

	mu   sync.Mutex
	all  *mpb.Progress // nil: no bars
	bars map[string]*shownBar
}

// progress is something that takes long: what its bar shows.
type progress struct {
	name        string
	done, total int64
	perSecond   float64 // 0: not known
	left        time.Duration
}

// restores are the engine's restores as bars.
func restores(all []processor.Restore) (now []progress) {
	for _, r := range all {
		now = append(now, progress{"restoring " + r.Kind, r.Done, r.Total, r.PerSecond, r.Left})
	}
	return now
}

type shownBar struct {
	bar  *mpb.Bar
	text atomic.Value // string: what stands behind the bar; the library reads it at its own time
}

// Write implements io.Writer for the log.
func (s *screen) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all != nil {
		if n, err := s.all.Write(line); err == nil {
			return n, nil
		}
	}
	return s.out.Write(line)
}

// When bars come, and how often they move.
const (
	barsAfter = time.Second
	barsEvery = 200 * time.Millisecond
)

// follow shows a bar for each thing that is under way, for as long as it is.
func (s *screen) follow(ctx context.Context, underWay func() []progress) {
	defer s.show(nil)
	var since time.Time
	for {
		now := underWay()
		switch {
		case len(now) == 0:
			since = time.Time{}
			s.show(nil)
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= barsAfter:
			s.show(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(barsEvery):
		}
	}
}

// show makes the bars be those of what is under way; none takes them away.
func (s *screen) show(underWay []progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]bool{}
	for _, p := range underWay {
		now[p.name] = true
	}
	for name, bar := range s.bars {
		if !now[name] {
			bar.bar.Abort(true)
			delete(s.bars, name)
		}
	}
	if len(now) == 0 {
		if s.all != nil {
			s.all.Wait()
			s.all = nil
		}
		return
	}
	if s.all == nil {
		s.all, s.bars = mpb.New(mpb.WithOutput(s.out), mpb.WithWidth(40)), map[string]*shownBar{}
	}
	for _, p := range underWay { // in their order
		bar := s.bars[p.name]
		if bar == nil {
			bar = &shownBar{}
			bar.text.Store("")
			bar.bar = s.all.AddBar(0, mpb.PrependDecorators(decor.Name(p.name, decor.WCSyncSpaceR)),
				mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return bar.text.Load().(string) })))
			s.bars[p.name] = bar
		}
		bar.text.Store(p.text())
		bar.bar.SetTotal(p.total, false)
		bar.bar.SetCurrent(p.done)
	}
}

// text is what stands behind the bar.
func (p progress) text() string {
	text := fmt.Sprintf(" %d of %d", p.done, p.total)
	if p.perSecond > 0 {
		text += fmt.Sprintf(", %.0f/s, %s left", p.perSecond, p.left.Round(time.Second))
	}
	return text
}
