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

// screen is a terminal on which log lines pass above the bars of a restore, while there is one.
type screen struct {
	out io.Writer

	mu   sync.Mutex
	all  *mpb.Progress // nil: no bars
	bars map[string]*restoreBar
}

type restoreBar struct {
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

// follow shows a bar for each kind that the engine restores, for as long as it does.
func (s *screen) follow(ctx context.Context, restores func() []processor.Restore) {
	defer s.show(nil)
	var since time.Time
	for {
		now := restores()
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

// show makes the bars be those of the restores; none takes them away.
func (s *screen) show(restores []processor.Restore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := map[string]processor.Restore{}
	for _, r := range restores {
		now[r.Kind] = r
	}
	for kind, bar := range s.bars {
		if _, ok := now[kind]; !ok {
			bar.bar.Abort(true)
			delete(s.bars, kind)
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
		s.all, s.bars = mpb.New(mpb.WithOutput(s.out), mpb.WithWidth(40)), map[string]*restoreBar{}
	}
	for _, r := range restores { // in their order
		bar := s.bars[r.Kind]
		if bar == nil {
			bar = &restoreBar{}
			bar.text.Store("")
			bar.bar = s.all.AddBar(0, mpb.PrependDecorators(decor.Name("restoring "+r.Kind, decor.WCSyncSpaceR)),
				mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return bar.text.Load().(string) })))
			s.bars[r.Kind] = bar
		}
		bar.text.Store(barText(r))
		bar.bar.SetTotal(r.Total, false)
		bar.bar.SetCurrent(r.Done)
	}
}

// barText is what stands behind a bar.
func barText(r processor.Restore) string {
	text := fmt.Sprintf(" %d of %d", r.Done, r.Total)
	if r.PerSecond > 0 {
		text += fmt.Sprintf(", %.0f/s, %s left", r.PerSecond, r.Left.Round(time.Second))
	}
	return text
}
