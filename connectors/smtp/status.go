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
	InDoubt       int64   `json:"in_doubt"` // mails recorded as such, of all instances, as far back as deliveries are remembered
	Settled       int64   `json:"settled"`  // by this run
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
	queued := r.queued
	if queued > 0 {
		queued = max(0, queued-(r.settled-r.countedAt))
	}
	s := Status{Queued: queued, InHand: len(r.inHand), Retrying: len(r.waiting), InDoubt: r.standing.inDoubt(), Settled: r.settled}
	if p := r.standing.pause(); p != nil {
		s.Paused = &Pause{Since: p.Since, Reason: p.Note}
	}
	for _, w := range r.routes {
		x := RelayStatus{Relay: w.relay.options.Address, Connections: w.relay.options.Connections, Allowed: w.width, Busy: w.busy}
		if w.away.err != nil {
			x.Away = w.away.err.Error()
		}
		s.Relays = append(s.Relays, x)
	}
	if oldest := r.lanes.oldest(); !oldest.IsZero() {
		s.OldestSeconds = max(0, now.Sub(oldest).Seconds())
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
		n, err := r.queue.Lag(ctx)
		if err != nil {
			n = -1
		}
		r.counts <- n
	}()
}
