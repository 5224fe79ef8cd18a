package processor

import (
	"sync"
	"time"
)

// Progress counts what a restore has done and what is left, in offsets: those that compaction emptied, and transaction
// markers, are passed too.
type Progress struct {
	mu      sync.Mutex
	total   int64
	done    int64
	samples []sample // oldest first; the last ones of rateWindow
}

type sample struct {
	at   time.Time
	done int64
}

// The rate is that of the last seconds: a restore does not run evenly, and the time left must not hang on how it began.
const (
	rateWindow = 10 * time.Second
	rateStep   = 500 * time.Millisecond // between samples
)

func newProgress(now time.Time) *Progress { return &Progress{samples: []sample{{at: now}}} }

func (p *Progress) expect(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += max(0, n)
}

func (p *Progress) add(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
}

// Read returns offsets done and expected, offsets a second, and the time left at that rate, 0 where it is not known. It
// takes a sample: whoever watches a restore reads every few seconds.
func (p *Progress) Read(now time.Time) (done, total int64, perSecond float64, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.samples[len(p.samples)-1]; now.Sub(last.at) >= rateStep {
		p.samples = append(p.samples, sample{now, p.done})
	}
	for len(p.samples) > 1 && now.Sub(p.samples[1].at) >= rateWindow {
		p.samples = p.samples[1:]
	}
	// What comes in meanwhile is read too: done may pass total.
	done = min(p.done, p.total)
	if elapsed := now.Sub(p.samples[0].at).Seconds(); elapsed > 0 {
		perSecond = float64(p.done-p.samples[0].done) / elapsed
	}
	return done, p.total, perSecond, timeLeft(done, p.total, perSecond)
}

func timeLeft(done, total int64, perSecond float64) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	return time.Duration(float64(total-done) / perSecond * float64(time.Second))
}
