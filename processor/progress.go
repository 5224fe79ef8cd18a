package processor

import (
	"sync"
	"time"
)

// Progress counts what a restore has done and what is left.
type Progress struct {
	mu      sync.Mutex
	started time.Time
	total   int64
	done    int64
}

func newProgress(now time.Time) *Progress { return &Progress{started: now} }

func (p *Progress) expect(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += n
}

func (p *Progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(n)
}

// Read returns records done and expected, records a second, and the time left at that rate.
func (p *Progress) Read(now time.Time) (done, total int64, perSecond float64, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.started).Seconds()
	if elapsed > 0 {
		perSecond = float64(p.done) / elapsed
	}
	if perSecond > 0 {
		left = time.Duration(float64(max(0, p.total-p.done)) / perSecond * float64(time.Second))
	}
	return p.done, p.total, perSecond, left
}
