package main

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"lejarat/processor"
)

// clock is the clock in use: the machine's, or a virtual one that runs from a chosen instant at a chosen rate.
type clock struct {
	virtual bool
	from    time.Time // what the virtual clock showed at anchor
	anchor  time.Time // real time
	rate    float64
}

// timepiece is a clock that knows what it is.
type timepiece interface {
	processor.Clock
	Virtual() bool
}

// Virtual says whether the calendar is moved by something else than the machine's time.
func (c *clock) Virtual() bool { return c.virtual }

// Now is the time that moves the calendar.
func (c *clock) Now() time.Time {
	if !c.virtual {
		return time.Now()
	}
	return c.from.Add(time.Duration(float64(time.Since(c.anchor)) * c.rate))
}

// Real is the machine's time.
func (c *clock) Real() time.Time { return time.Now() }

// clockFlags are the flags of commands that act.
type clockFlags struct {
	at   string
	rate float64
}

func (f *clockFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.at, "clock", "", "start a virtual clock at this instant, for example 2026-03-31T05:59:50+02:00; INSTANT@UNIXSECONDS lets several processes share one")
	c.Flags().Float64Var(&f.rate, "clock-rate", 1, "how many times faster than real time the virtual clock runs")
}

func (f *clockFlags) clock() (*clock, error) {
	if f.at == "" {
		if f.rate != 1 {
			return nil, usage("--clock-rate goes with --clock")
		}
		return &clock{}, nil
	}
	text, anchor, shared := strings.Cut(f.at, "@")
	from, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usage("--clock %q: want an instant like 2026-03-31T05:59:50+02:00", f.at)
	}
	if f.rate <= 0 {
		return nil, usage("--clock-rate must be above 0")
	}
	c := &clock{virtual: true, from: from, anchor: time.Now(), rate: f.rate}
	if shared {
		s, err := strconv.ParseFloat(anchor, 64)
		if err != nil {
			return nil, usage("--clock %q: behind @ stands the real time in Unix seconds", f.at)
		}
		c.anchor = time.Unix(0, int64(s*1e9))
	}
	return c, nil
}

// handClock is a virtual clock that stands still until it is set: the demo's, which waits for each day to be done.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is where the clock stands.
func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Real is the machine's time.
func (c *handClock) Real() time.Time { return time.Now() }

// Virtual is true.
func (c *handClock) Virtual() bool { return true }

func (c *handClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
