package processor

import (
	"testing"
	"time"
)

// TestRateIsThatOfTheLastSeconds: a restore that slows down must not promise what it did at first.
func TestRateIsThatOfTheLastSeconds(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	p := newProgress(now)
	p.expect(100_000)
	for range 30 { // a minute's worth in half a minute
		now = now.Add(time.Second)
		p.add(2000)
		p.Read(now)
	}
	for range 15 {
		now = now.Add(time.Second)
		p.add(100)
		p.Read(now)
	}
	done, total, rate, left := p.Read(now)
	if done != 61_500 || total != 100_000 || rate != 100 || left != 385*time.Second {
		t.Errorf("%d of %d, %v a second, %v left", done, total, rate, left)
	}
	p.add(100_000) // what came in meanwhile
	if done, _, _, left := p.Read(now.Add(time.Second)); done != 100_000 || left != 0 {
		t.Errorf("at the end: %d done, %v left", done, left)
	}
	if _, _, rate, _ := p.Read(now.Add(time.Minute)); rate > 2000 {
		t.Errorf("a minute later: %v a second", rate)
	}
}
