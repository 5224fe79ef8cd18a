package smtp

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/processor/event"
)

// A partition with a mail that waits holds up no other: they are sent and committed.
func TestSlowMailHoldsUpNoOtherPartition(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && strings.Contains(s.line, "kanari0@") {
			return "450 4.2.0 greylisted"
		}
		return ""
	})
	b := newBench(t, relay.address())
	for n := range 40 {
		m := sampleMail(n)
		b.put("mail-sink", m.RegistrationRef, m)
	}
	b.mu.Lock()
	slow, fast := event.TopicPartition{Topic: "lejarat.mail-sink"}, event.TopicPartition{Topic: "lejarat.mail-sink", Partition: 1}
	for _, r := range b.logs[slow][20:] {
		r.Partition, r.Offset = 1, r.Offset-20
		b.logs[fast] = append(b.logs[fast], r)
	}
	b.logs[slow] = b.logs[slow][:20]
	b.mu.Unlock()
	c := mustConnector(t, b.options, b.join(), b.broker)
	done := make(chan error, 1)
	go func() { _, err := c.Run(ctx, false); done <- err }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		at := [2]int64{b.committed[slow], b.committed[fast]}
		b.mu.Unlock()
		if at == [2]int64{0, 20} && len(relay.received()) == 39 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("committed %v, %d messages", at, len(relay.received()))
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// endless is a queue of a million mails, made as they are asked for.
type endless struct {
	*member
	taken atomic.Int64
}

func (q *endless) Poll(_ context.Context, most int, _ time.Duration) ([]event.Record, error) {
	var out []event.Record
	for range most {
		n := q.taken.Load()
		if n == 1_000_000 {
			break
		}
		m := sampleMail(int(n))
		r := event.Message("lejarat.mail-sink", m.RegistrationRef, m.ID, "mail", m.EmittedAt, m)
		r.Partition, r.Offset = int32(n%8), n/8
		out = append(out, r)
		q.taken.Add(1)
	}
	return out, nil
}

// However much is queued, and whatever the relay does with it, no more is in hand than the limits say.
func TestMillionQueuedMailsAreNotInMemory(t *testing.T) {
	for name, answer := range map[string]func(step) string{
		"relay away": always("GREETING", "421 4.3.2 busy"), "all greylisted": always("RCPT", "450 4.2.0 greylisted"), "throttled": always("DATA", "454 4.7.0 throttled"),
		"all refused": always("RCPT", "554 5.7.1 blocked"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			b := newBench(t, startScripted(t, answer).address())
			b.options.Relays[0].Connections = 4
			b.options.Limits.Batch, b.options.Limits.Deferred = 100, 300
			q := &endless{member: b.join()}
			c := mustConnector(t, b.options, q, b.broker)
			done := make(chan error, 1)
			go func() { _, err := c.Run(ctx, false); done <- err }()
			time.Sleep(700 * time.Millisecond)
			if n := q.taken.Load(); n == 0 || n > 300+2*100 {
				t.Errorf("%d mails taken from the queue", n)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
