package smtp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// Queue is a consumer group on lejarat.mail-sink. Whoever made it closes it.
type Queue interface {
	// Poll returns at most max records, as soon as there are any, else after wait (none, nil).
	Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error)
	// Commit notes that the records, and all before them in their partitions, are done with.
	Commit(ctx context.Context, records []event.Record) error
	// Lag is the number of offsets between what the group has committed and the ends of all partitions of the topic,
	// assigned to this member or not. Control records at the end do not count.
	Lag(ctx context.Context) (int64, error)
	// Unread is Lag without what this member was given and is not done with.
	Unread(ctx context.Context) (int64, error)
}

// Topics reads and writes topics without a group.
type Topics interface {
	Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error)
	Read(ctx context.Context, from map[event.TopicPartition]int64) (event.Reader, error)
	// Produce writes idempotently and returns when all replicas that must have the records have them.
	Produce(ctx context.Context, records []event.Record) error
}

// Connector sends what is queued.
type Connector struct {
	options  Options
	queue    Queue
	topics   Topics
	relays   []*relay // in the order in which they are preferred
	composer *letter.Composer
	status   *atomic.Pointer[Status] // of the run; nil: it has not begun
}

// New checks the options and every letter that they can lead to, all faults at once. It connects to nothing.
func New(o Options, q Queue, t Topics) (*Connector, error) {
	o = o.withDefaults()
	composer, err := letter.NewComposer(o.Letters)
	if err == nil {
		err = composer.Check()
	}
	return newConnector(o, composer, err, q, t)
}

// newConnector makes a connector of options that are complete, with what writes its mails, or with what is wrong there.
func newConnector(o Options, composer *letter.Composer, err error, q Queue, t Topics) (*Connector, error) {
	faults := []error{o.validate(), err}
	var relays []*relay
	for i, x := range o.Relays {
		cfg, err := x.tlsConfig(relayKey(i))
		faults = append(faults, err)
		relays = append(relays, &relay{options: x, hello: o.Hello, tls: cfg})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("setting up the mail connector: %w", err)
	}
	for _, x := range o.Relays {
		if host, _, _ := net.SplitHostPort(x.Address); x.TLS == NoTLS && !isLocal(host) {
			o.Logger.Warn("letters cross the network in clear: this relay's tls is none", "relay", x.Address)
		}
	}
	return &Connector{
		options: o, queue: q, topics: t, relays: relays, status: &atomic.Pointer[Status]{},
		composer: composer,
	}, nil
}

// Run sends until ctx ends; with once, until everything that was queued at the start has its outcome, or until no mail
// was settled for Retry.Budget: then it returns an error and the rest stays queued. When ctx ends, the mail under way
// is given Limits.Drain to end, what is settled is committed, and the error is nil.
//
// Other errors: an outcome that could not be recorded (the mail may go out again), event.ErrTopic, event.ErrAccess.
func (c *Connector) Run(ctx context.Context, once bool) (Summary, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sending, stopSending := drainAfter(ctx, c.options.Limits.Drain)
	defer stopSending()
	work, stopWork := drainAfter(ctx, c.options.Limits.Drain+recordGrace)
	defer stopWork()
	owner := rand.Text()[:16]
	n := 0
	for _, x := range c.options.Relays {
		n += x.Connections
	}
	r := &run{
		Connector: c, once: once, sending: sending, work: work, stop: stop, owner: owner,
		standing: newStanding(c.topics, c.options, owner), feeds: c.feeds(), inHand: map[markID]*job{},
		busy: map[*carrier]*job{},
		// Room for all that can be under way, so that nobody waits for a run that has ended.
		reports: make(chan report, 2*n), rounds: make(chan error, 1), polls: make(chan polled, 2), counts: make(chan int64, 1),
		queued: -1, progress: time.Now(),
		brokers: trouble{pause: backoff{min: c.options.Retry.Min, max: c.options.Retry.Max}},
	}
	for _, x := range c.relays {
		w := newRoute(x, c.options)
		r.routes = append(r.routes, w)
		for range x.options.Connections {
			r.hire(w)
		}
	}
	err := r.loop(ctx)
	return r.finish(err)
}

// recordGrace is what is left, once the connection was cut, for recording what that leaves in doubt.
const recordGrace = 5 * time.Second

// drainAfter returns a context that outlives ctx by limit, until release is called.
func drainAfter(ctx context.Context, limit time.Duration) (work context.Context, release func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(limit):
		case <-work.Done():
		}
		cancel()
	})
	return work, func() { stop(); cancel() }
}
