package smtp

import (
	"context"
	"time"
)

// Status is how a run stands, for people and metrics. It holds no personal data.
type Status struct {
	Paused *Pause        `json:"paused"` // by an operator; null: no
	Relays []RelayStatus `json:"relays"`
	// Queued are the mails of the whole queue without an outcome, with those of other instances; -1: not known.
	Queued   int64 `json:"queued"`
	InHand   int   `json:"in_hand"`  // of this instance
	Retrying int   `json:"retrying"` // of these, waiting for another attempt
	// OldestSeconds is how long the oldest mail in hand has been in the queue.
	OldestSeconds float64 `json:"oldest_seconds"`
	Cap           *Cap    `json:"cap"`      // null: none
	InDoubt       int64   `json:"in_doubt"` // mails recorded as such, of all instances, as far back as deliveries are remembered
	Settled       int64   `json:"settled"`  // by this run
}

// Cap is the day's cap, and what is used of it.
type Cap struct {
	Limit int64  `json:"limit"`
	Used  int64  `json:"used"`
	Held  string `json:"held,omitempty"` // why mails wait for another hour or day; "" while none does
}

// Pause is an operator's word that nothing is handed over.
type Pause struct {
	Since  string `json:"since"`
	Reason string `json:"reason"`
}

// RelayStatus is how a relay is being used.
type RelayStatus struct {
	Relay       string `json:"relay"`       // host:port
	Connections int    `json:"connections"` // that it may have by the configuration
	Allowed     int    `json:"allowed"`     // that it may have now
	Busy        int    `json:"busy"`
	Away        string `json:"away,omitempty"` // why it gets nothing, or one mail to try; "" when all is well
}

// How often a run says how it stands, and how often it asks for the length of the queue.
const (
	statusEvery = 200 * time.Millisecond
	countEvery  = 5 * time.Second
)

// Status returns how the run stands, or stood when it ended.
func (c *Connector) Status() Status {
	if s := c.status.Load(); s != nil {
		return *s
	}
	return Status{Queued: -1}
}

// publish says how the run stands.
func (r *run) publish(now time.Time) {
	r.published = now
	s := Status{Queued: r.backlog(), InHand: len(r.inHand), Retrying: len(r.waiting), InDoubt: r.standing.inDoubt(), Settled: r.settled}
	if p := r.standing.pause(); p != nil {
		s.Paused = &Pause{Since: p.Since, Reason: p.Note}
	}
	if r.options.DailyCap > 0 {
		lastDay, _ := r.room()
		s.Cap = &Cap{Limit: int64(r.options.DailyCap), Used: int64(r.options.DailyCap) - lastDay}
		if err := r.errCapped(); err != nil {
			s.Cap.Held = err.Error()
		}
	}
	for _, w := range r.routes {
		x := RelayStatus{Relay: w.relay.options.Address, Connections: w.relay.options.Connections, Allowed: w.width, Busy: w.busy}
		if w.away.err != nil {
			x.Away = w.away.err.Error()
		}
		s.Relays = append(s.Relays, x)
	}
	for _, f := range r.feeds {
		if oldest := f.lanes.oldest(); !oldest.IsZero() {
			s.OldestSeconds = max(s.OldestSeconds, now.Sub(oldest).Seconds())
		}
	}
	r.Connector.status.Store(&s)
}

// count asks how long the queue is.
func (r *run) count(ctx context.Context, now time.Time) {
	if r.counting || now.Sub(r.counted) < countEvery {
		return
	}
	r.counting, r.counted = true, now
	go func() {
		n, err := r.length(ctx)
		if err != nil {
			n = -1
		}
		r.counts <- n
	}()
}

// backlog is the length of the queue as of now, by the last count and what was settled since; -1: not known.
func (r *run) backlog() int64 {
	if r.queued < 0 {
		return -1
	}
	return max(0, r.queued-(r.settled-r.countedAt))
}

// length is how many mails are queued without an outcome. One that the other feed is to pass over counts twice until then.
func (r *run) length(ctx context.Context) (n int64, err error) {
	for _, f := range r.feeds {
		lag, err := f.queue.Lag(ctx)
		if err != nil {
			return 0, err
		}
		n += lag
	}
	return n, nil
}
