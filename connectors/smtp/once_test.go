package smtp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/processor/event"
)

// The relay stays away: an error after the budget, everything still queued, nothing lost.
func TestOnceWithoutARelay(t *testing.T) {
	relay := startScripted(t, allFine)
	relay.Close()
	b := newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2))
	s, err := b.run(t)
	if err == nil || s.Left != 2 || !strings.Contains(err.Error(), "2 mails stay queued") || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("%v %+v", err, s)
	}
	checkNoPersonalData(t, b, err)
	back := startScripted(t, allFine)
	b.options.Relays[0].Address = back.address()
	if s := b.mustRun(t); s.Accepted != 2 {
		t.Errorf("%+v", s)
	}
}

// A run with once ends although new mails keep coming.
func TestOnceEndsOnABusyQueue(t *testing.T) {
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n < 2000 {
			b.queue(sampleMail(1000 + s.n))
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2))
	s, err := b.run(t)
	if err != nil || s.Accepted < 2 || s.Accepted > 10 {
		t.Errorf("%v %+v", err, s)
	}
}

func TestOnceOnAnEmptyQueue(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	if s := b.mustRun(t); s != (Summary{}) {
		t.Errorf("%+v", s)
	}
}

// Nothing is sent that could not be claimed; nothing more is sent while an outcome cannot be recorded, and what stays
// unrecorded is an error.
func TestOutcomeThatCannotBeRecorded(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	failures := 3
	b.produceErr = func() error {
		if failures--; failures >= 0 {
			return errors.New("not enough replicas")
		}
		return nil
	}
	b.queue(sampleMail(1), sampleMail(2))
	if s := b.mustRun(t); s.Accepted != 2 || len(relay.received()) != 2 {
		t.Errorf("%+v, %d messages", s, len(relay.received()))
	}
	b.queue(sampleMail(3), sampleMail(4))
	b.produceErr = func() error { return errors.New("not enough replicas") }
	s, err := b.run(t)
	if err == nil || errors.Is(err, errUnrecorded) || s.Left != 2 || len(relay.received()) != 2 {
		t.Errorf("%v %+v, %d messages", err, s, len(relay.received()))
	}
	b.produceErr = func() error {
		if len(relay.received()) == 3 {
			return errors.New("not enough replicas")
		}
		return nil
	}
	s, err = b.run(t)
	if !errors.Is(err, errUnrecorded) || s.Left != 2 || len(relay.received()) != 3 {
		t.Errorf("%v %+v, %d messages", err, s, len(relay.received()))
	}
}

func TestTopicsThatDoNotExist(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	c := mustConnector(t, b.options, b.join(), noTopics{b.broker})
	if _, err := c.Run(t.Context(), false); !errors.Is(err, event.ErrTopic) {
		t.Errorf("%v", err)
	}
}

type noTopics struct{ *broker }

func (noTopics) Spans(context.Context, ...string) (map[event.TopicPartition]event.Span, error) {
	return nil, event.ErrTopic
}

// A service told to stop ends the mails whose envelope is open, records and commits them, and leaves the rest queued.
func TestStopWhileSending(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n == 2 {
			stop()
			time.Sleep(50 * time.Millisecond)
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2), sampleMail(3), sampleMail(4))
	c := mustConnector(t, b.options, b.join(), b.broker)
	if s, err := c.Run(ctx, false); err != nil || s.Accepted != 3 || s.Left != 1 {
		t.Errorf("%v %+v", err, s)
	}
	if s := b.mustRun(t); s.Accepted != 1 || s.Skipped != 0 || len(relay.received()) != 4 {
		t.Errorf("after the restart: %+v, %d messages", s, len(relay.received()))
	}
}

// A mail whose envelope is open when the service is told to stop goes out, claim and all.
func TestStopBeforeTheDot(t *testing.T) {
	for _, verb := range []string{"MAIL", "DATA"} {
		ctx, stop := context.WithCancel(t.Context())
		relay := startScripted(t, func(s step) string {
			if s.verb == verb && s.n == 2 {
				stop()
			}
			return ""
		})
		b := newBench(t, relay.address())
		b.options.Limits.Claim = time.Minute
		b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
		c := mustConnector(t, b.options, b.join(), b.broker)
		if s, err := c.Run(ctx, false); err != nil || s.Accepted != 2 || s.Left != 1 || len(b.openClaims()) != 0 {
			t.Errorf("%s: %v %+v, %d claims left", verb, err, s, len(b.openClaims()))
		}
	}
}

// An answer that does not come in the time given for stopping leaves the mail in doubt, recorded.
func TestStopWhileTheRelayIsSilent(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" {
			stop()
			return silent
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].DataTimeout, b.options.Limits.Drain = time.Minute, 50*time.Millisecond
	b.queue(sampleMail(1))
	c := mustConnector(t, b.options, b.join(), b.broker)
	s, err := c.Run(ctx, false)
	if got := statuses(b, t, sampleMail(1).ID); err != nil || s.InDoubt != 1 || s.Left != 1 || len(got) != 1 || got[0] != event.DeliveryInDoubt {
		t.Errorf("%v %+v %v", err, s, got)
	}
}

// A service goes on with what comes later, and sends over the connection it has.
func TestServiceGoesOn(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n < 3 {
			time.AfterFunc(20*time.Millisecond, func() { b.queue(sampleMail(s.n + 1)) })
		} else if s.verb == "DOT" {
			stop()
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.queue(sampleMail(1))
	c := mustConnector(t, b.options, b.join(), b.broker)
	if s, err := c.Run(ctx, false); err != nil || s.Accepted != 3 || s.Left != 0 || relay.connections() != 1 {
		t.Errorf("%v %+v over %d connections", err, s, relay.connections())
	}
}

// A partition that goes away and comes back delivers a mail once more while it is held for a retry: it goes out once.
func TestQueueRewindsWhileAMailWaits(t *testing.T) {
	var b *bench
	var m *member
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && s.n < 3 {
			b.mu.Lock()
			m.at[event.TopicPartition{Topic: "lejarat.mail-sink"}] = 0
			b.mu.Unlock()
			return "450 4.2.0 later"
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2))
	m = b.join()
	c := mustConnector(t, b.options, m, b.broker)
	if s, err := c.Run(t.Context(), true); err != nil || s.Accepted != 2 || s.Left != 0 || len(relay.received()) != 2 {
		t.Errorf("%v %+v, %d messages", err, s, len(relay.received()))
	}
}

// Brokers that fail for a while delay mails and lose none; suppressions read before are still known.
func TestBrokersFailForAWhile(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	b.put("suppressions", "reg-2/operator", event.Suppression{})
	for n := range 20 {
		b.queue(sampleMail(n))
	}
	c := mustConnector(t, b.options, &shakyQueue{member: b.join()}, &shakyTopics{broker: b.broker})
	if s, err := c.Run(t.Context(), true); err != nil || s.Accepted != 19 || s.Suppressed != 1 || s.Left != 0 || len(relay.received()) != 19 {
		t.Errorf("%v %+v, %d messages", err, s, len(relay.received()))
	}
	if !strings.Contains(b.log.String(), "sending waits") || !strings.Contains(b.log.String(), "sending goes on") {
		t.Errorf("log: %s", b.log.String())
	}
}

// Mails that went from the queue before anybody was done with them are said, and the others go.
func TestQueueHasLostMails(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	b.queue(sampleMail(1))
	var told []event.Gap
	b.options.Lost = func(l *event.Lost) { told = append(told, l.Gaps...) }
	gap := event.Gap{TopicPartition: event.TopicPartition{Topic: "lejarat.mail-sink", Partition: 3}, From: 17, To: 20}
	c := mustConnector(t, b.options, &cutQueue{member: b.join(), err: fmt.Errorf("reading: %w", &event.Lost{Gaps: []event.Gap{gap}})}, b.broker)
	if s, err := c.Run(t.Context(), true); err != nil || s.Accepted != 1 || s.Lost != 3 {
		t.Errorf("%v %+v", err, s)
	}
	if log := b.log.String(); !slices.Equal(told, []event.Gap{gap}) || strings.Count(log, "partition=3 from=17 to=20") != 1 || strings.Contains(log, "sending waits") {
		t.Errorf("told %v, log: %s", told, log)
	}
}

// cutQueue says an error once.
type cutQueue struct {
	*member
	err error
}

func (q *cutQueue) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	if err := q.err; err != nil {
		q.err = nil
		return nil, err
	}
	return q.member.Poll(ctx, max, wait)
}

var errShaky = errors.New("broker not available")

type shakyQueue struct {
	*member
	n atomic.Int64 // polls and commits have goroutines of their own
}

func (q *shakyQueue) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	if q.n.Add(1)%2 == 1 {
		return nil, errShaky
	}
	return q.member.Poll(ctx, min(max, 3), wait)
}

func (q *shakyQueue) Commit(ctx context.Context, records []event.Record) error {
	if q.n.Add(1)%3 == 0 {
		return errShaky
	}
	return q.member.Commit(ctx, records)
}

type shakyTopics struct {
	*broker
	n atomic.Int64
}

func (s *shakyTopics) fails() bool { return s.n.Add(1)%5 == 0 }

func (s *shakyTopics) Read(ctx context.Context, from map[event.TopicPartition]int64) (event.Reader, error) {
	if s.fails() {
		return nil, errShaky
	}
	r, err := s.broker.Read(ctx, from)
	return &shakyReader{r, s}, err
}

type shakyReader struct {
	event.Reader
	topics *shakyTopics
}

func (r *shakyReader) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	if r.topics.fails() {
		return nil, event.ErrRange
	}
	return r.Reader.Poll(ctx, max, wait)
}

// A run with once has done its work where its only mail was refused for good. Where the refusal may be the relay's, nothing is
// decided: the mail stays queued, and the run says so.
func TestOnceWithNothingButARefusal(t *testing.T) {
	for answer, decided := range map[string]bool{"550 5.1.1 unknown": true, "554 5.7.1 your address is listed": false} {
		b := newBench(t, startScripted(t, always("RCPT", answer)).address())
		b.queue(sampleMail(1))
		if s, err := b.run(t); (err == nil) != decided || (s.Rejected == 1) != decided || (s.Left == 0) != decided {
			t.Errorf("%s: %v %+v", answer, err, s)
		}
	}
}
