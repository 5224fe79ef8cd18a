package smtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lejarat/processor/event"
)

// copies counts how often the relay took each mail.
func copies(s *scripted) map[string]int {
	n := map[string]int{}
	for _, m := range s.received() {
		if m.accepted {
			n[m.to]++
		}
	}
	return n
}

// openClaims counts the mails of which deliveries has a claim and nothing after it.
func (b *broker) openClaims() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := map[string]bool{}
	for _, r := range b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}] {
		delete(open, string(r.Key))
		if r.HeaderValue(claimHeader) != nil {
			open[string(r.Key)] = true
		}
	}
	return open
}

// Before a relay sees a mail's final dot, deliveries holds its claim; and never more claims than connections.
func TestClaimStandsBeforeTheDot(t *testing.T) {
	var b *bench
	var faults atomic.Int64
	ids := map[string]string{}
	for n := range 40 {
		ids[sampleMail(n).To.Email] = sampleMail(n).ID
	}
	var relay *scripted
	relay = startScripted(t, func(s step) string {
		if s.verb == "GREETING" { // nobody has said anything yet: what the test did before need not be seen here
			return ""
		}
		open := b.openClaims()
		if len(open) > 3 {
			faults.Add(1)
		}
		for _, m := range relay.received() {
			if s.verb == "DOT" && m.conn == s.conn && !m.accepted && !open[ids[m.to]] {
				faults.Add(1)
			}
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Limits.Freshness = 3, time.Hour // nothing but claims makes a round
	b.produceErr = func() error { time.Sleep(10 * time.Millisecond); return nil }
	for n := range 40 {
		b.queue(sampleMail(n))
	}
	if s := b.mustRun(t); s.Accepted != 40 || faults.Load() != 0 || len(b.openClaims()) != 0 {
		t.Errorf("%+v, %d faults, %d claims left", s, faults.Load(), len(b.openClaims()))
	}
}

// process is what a crash takes away: from its step limit on, nothing that it does reaches anybody.
type process struct {
	*broker
	member *member
	kill   context.CancelFunc
	limit  int  // the step at which it is killed
	before bool // before the step has its effect, else right after

	mu    sync.Mutex
	steps int
	dead  bool
}

// errDead is one for which nothing is tried again.
var errDead = fmt.Errorf("killed: %w", event.ErrAccess)

// step does something, unless the process is dead or dies before it.
func (p *process) step(do func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	p.steps++
	dies := p.steps == p.limit
	if !dies || !p.before {
		do()
	}
	if dies {
		p.dead = true
		p.kill()
		return errDead
	}
	return nil
}

func (p *process) died() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) Produce(ctx context.Context, records []event.Record) (err error) {
	// One record is a step: a write may come through in part.
	for _, r := range records {
		if derr := p.step(func() { err = p.broker.Produce(ctx, []event.Record{r}) }); derr != nil || err != nil {
			return errors.Join(derr, err)
		}
	}
	return nil
}

func (p *process) Commit(ctx context.Context, records []event.Record) (err error) {
	return errors.Join(p.step(func() { err = p.member.Commit(ctx, records) }), err)
}

func (p *process) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	return p.member.Poll(ctx, most, wait)
}

func (p *process) Lag(ctx context.Context) (int64, error)    { return p.member.Lag(ctx) }
func (p *process) Unread(ctx context.Context) (int64, error) { return p.member.Unread(ctx) }

// seat is a second group that the process is in.
type seat struct {
	*process
	of *member
}

func (s seat) Commit(ctx context.Context, records []event.Record) (err error) {
	return errors.Join(s.step(func() { err = s.of.Commit(ctx, records) }), err)
}

func (s seat) Poll(ctx context.Context, most int, wait time.Duration) ([]event.Record, error) {
	return s.of.Poll(ctx, most, wait)
}

func (s seat) Lag(ctx context.Context) (int64, error)    { return s.of.Lag(ctx) }
func (s seat) Unread(ctx context.Context) (int64, error) { return s.of.Unread(ctx) }

// The process is killed at every step that anybody could notice, before and after it: each mail arrives, twice at most
// where it was claimed at that moment, and deliveries says of which.
func TestCrashAtEveryStep(t *testing.T) {
	const mails, connections, atOnce = 3, 2, 4
	for first := 1; ; first += atOnce {
		var died atomic.Bool
		t.Run("", func(t *testing.T) { // ends when all of it have
			for limit := first; limit < first+atOnce; limit++ {
				for _, before := range []bool{true, false} {
					t.Run(fmt.Sprintf("step %d, before %v", limit, before), func(t *testing.T) {
						t.Parallel()
						if crash(t, limit, before, mails, connections) {
							died.Store(true)
						}
					})
				}
			}
		})
		if !died.Load() {
			if first < 20 {
				t.Errorf("only %d steps", first)
			}
			return
		}
	}
}

func crash(t *testing.T, limit int, before bool, mails, connections int) (died bool) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	var alive atomic.Pointer[process] // the relay's goroutines look at it too
	relay := startScripted(t, func(s step) string {
		answer := ""
		p := alive.Load()
		if p == nil {
			return answer
		}
		// What the relay hears from a process that dies at this moment: before it, nothing; after it, this.
		if s.verb == "DOT" {
			answer = accept + " then " + ordinary["DOT"]
		}
		if p.step(func() {}) != nil {
			if s.verb == "DOT" && !before {
				return accept + " then " + drop
			}
			return drop
		}
		return answer
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Limits.Claim = connections, 20*time.Millisecond
	b.options.Limits.Drain, b.options.Limits.Freshness = time.Millisecond, time.Hour
	b.queue(lastDayMail(0)) // of both groups
	for n := 1; n < mails; n++ {
		b.queue(sampleMail(n))
	}
	p := &process{broker: b.broker, member: b.join(), kill: kill, limit: limit, before: before}
	alive.Store(p)
	b.options.LastDay = seat{p, b.joinAs("last-day")}
	_, _ = mustConnector(t, b.options, p, p).Run(ctx, true)
	alive.Store(nil)
	died = p.died()
	inQuestion := b.openClaims()
	if s, err := b.runTwo(t); err != nil || s.Left != 0 {
		t.Fatalf("the next run: %v %+v", err, s)
	}
	twice := 0
	for n := range mails {
		m := sampleMail(n)
		last := lastDelivery(b, t, m.ID)
		switch got := copies(relay)[m.To.Email]; {
		case got == 0:
			t.Errorf("mail %d is lost", n)
		case got > 1:
			twice++
			if !inQuestion[m.ID] || deref(last.Reason) != reasonResent {
				t.Errorf("mail %d came %d times, claimed %v, recorded %+v", n, got, inQuestion[m.ID], last)
			}
		}
		if last.Status != event.DeliveryAccepted {
			t.Errorf("mail %d is %s", n, last.Status)
		}
	}
	if twice > connections {
		t.Errorf("%d mails came twice over %d connections", twice, connections)
	}
	checkNoPersonalData(t, b, nil)
	return died
}

// What was claimed by an instance that ended is not sent again where in-doubt mails are parked; it is reported.
func TestClaimOfACrashedInstanceParked(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	b.options.InDoubt, b.options.Limits.Claim = Park, 20*time.Millisecond
	b.claimedBy("somebody", sampleMail(1))
	b.queue(sampleMail(1), sampleMail(2))
	s := b.mustRun(t)
	last := lastDelivery(b, t, sampleMail(1).ID)
	if s.InDoubt != 1 || s.Accepted != 1 || len(relay.received()) != 1 || last.Status != event.DeliveryInDoubt || deref(last.Reason) != reasonParked {
		t.Errorf("%+v, %d messages, recorded %+v", s, len(relay.received()), last)
	}
}

// A mail that another instance has claimed is left to it as long as it may be at the relay with it.
func TestClaimOfALivingInstanceIsRespected(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	b.options.Limits.Claim, b.options.Retry.Budget = time.Second, 20*time.Second
	b.claimedBy("somebody", sampleMail(1))
	b.queue(sampleMail(1), sampleMail(2))
	time.AfterFunc(100*time.Millisecond, func() {
		b.put("deliveries", sampleMail(1).ID, event.Delivery{ID: sampleMail(1).ID, Status: event.DeliveryAccepted})
	})
	if s := b.mustRun(t); s.Accepted != 1 || s.Skipped != 1 || len(relay.received()) != 1 {
		t.Errorf("%+v, %d messages", s, len(relay.received()))
	}
}

// claimedBy puts another instance's claim into deliveries.
func (b *broker) claimedBy(owner string, m event.Mail) {
	b.append(event.Record{Topic: "lejarat.deliveries", Key: []byte(m.ID), Headers: []event.Header{{Key: claimHeader, Value: []byte(owner)}}})
}

// Two instances have the same mails in hand, as happens when partitions move while mails wait: each goes out once.
func TestTwoInstancesSendEachMailOnce(t *testing.T) {
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && s.n%7 == 0 {
			return "450 4.2.0 later"
		}
		if s.verb == "DOT" {
			return "wait 20ms then " + ordinary["DOT"] // for the other to come in between
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Limits.Claim = 3, 2*time.Second
	b.options.Relays[0].CommandTimeout, b.options.Relays[0].DataTimeout = time.Minute, time.Minute
	b.options.Retry.Budget, b.options.Observer, b.options.Limits.RejectionsPerConnection = 20*time.Second, nil, 1000
	const mails = 60
	for n := range mails {
		b.queue(sampleMail(n))
	}
	var wg sync.WaitGroup
	for range 2 {
		c := mustConnector(t, b.options, b.join(), b.broker)
		wg.Go(func() {
			if _, err := c.Run(t.Context(), true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := range mails {
		if got := copies(relay)[sampleMail(n).To.Email]; got != 1 {
			t.Errorf("mail %d came %d times", n, got)
		}
	}
}

// An instance was frozen while it held a mail at the relay; another has taken the mail over meanwhile. It wakes and must
// not write the dot, whether the other has finished or not.
func TestFrozenInstanceDoesNotWriteTheDot(t *testing.T) {
	for _, finished := range []bool{true, false} {
		t.Run(fmt.Sprintf("finished %v", finished), func(t *testing.T) {
			var b *bench
			relay := startScripted(t, func(s step) string {
				if s.verb != "DATA" || s.n != 1 {
					return ""
				}
				id := sampleMail(1).ID
				b.claimedBy("other "+b.claimant(id), sampleMail(1))
				accepted := event.Delivery{ID: id, Status: event.DeliveryAccepted, Attempts: 2, QueueID: ptr("OTHER1")}
				if finished {
					b.put("deliveries", id, accepted)
				} else {
					time.AfterFunc(50*time.Millisecond, func() { b.put("deliveries", id, accepted) })
				}
				return ""
			})
			b = newBench(t, relay.address())
			b.options.Retry.Budget, b.options.Limits.Claim = 5*time.Second, 200*time.Millisecond
			b.queue(sampleMail(1), sampleMail(2))
			s := b.mustRun(t)
			if s.Accepted != 1 || s.Skipped != 1 || copies(relay)[sampleMail(1).To.Email] != 0 {
				t.Errorf("%+v, %v", s, copies(relay))
			}
			if last := lastDelivery(b, t, sampleMail(1).ID); deref(last.QueueID) != "OTHER1" {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}

// claimant is whose claim stands on a mail.
func (b *broker) claimant(id string) (owner string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}] {
		if by := r.HeaderValue(claimHeader); by != nil && string(r.Key) == id {
			owner, _, _ = strings.Cut(string(by), " ")
		}
	}
	return owner
}

// A claim that came too late stands over the outcome in a compacted topic: what is known of it is written again.
func TestClaimAfterTheOutcomeIsRepaired(t *testing.T) {
	var b *bench
	relay := startScripted(t, allFine)
	b = newBench(t, relay.address())
	c := mustConnector(t, b.options, b.join(), &lateNews{broker: b.broker})
	b.queue(sampleMail(1))
	if s, err := c.Run(t.Context(), true); err != nil || s.Skipped != 1 || len(relay.received()) != 0 {
		t.Errorf("%v %+v, %d messages", err, s, len(relay.received()))
	}
	log := b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}]
	last := lastDelivery(b, t, sampleMail(1).ID)
	if len(log) != 3 || log[2].Value == nil || last.Status != event.DeliveryAccepted || deref(last.Reason) != reasonElsewhere {
		t.Errorf("%d records, the last %+v", len(log), last)
	}
}

// lateNews has another instance settle each mail right before this one claims it.
type lateNews struct{ *broker }

func (l *lateNews) Produce(ctx context.Context, records []event.Record) error {
	for _, r := range records {
		if r.HeaderValue(claimHeader) != nil {
			l.put("deliveries", string(r.Key), event.Delivery{ID: string(r.Key), Status: event.DeliveryAccepted, Attempts: 1})
		}
	}
	return l.broker.Produce(ctx, records)
}

func TestSeveralConnections(t *testing.T) {
	var held sync.WaitGroup
	held.Add(4)
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n <= 4 {
			held.Done()
			held.Wait() // until four mails are at their dot at a time
		}
		return ""
	})
	b := newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Relays[0].DataTimeout = 4, time.Minute
	for n := range 100 {
		b.queue(sampleMail(n))
	}
	if s := b.mustRun(t); s.Accepted != 100 || relay.connections() != 4 {
		t.Errorf("%+v over %d connections", s, relay.connections())
	}
	for to, n := range copies(relay) {
		if n != 1 {
			t.Errorf("%s came %d times", to, n)
		}
	}
}

// A mail for which the relay takes its time holds up nobody on the other connections.
func TestSlowMailDoesNotBlockTheOthers(t *testing.T) {
	var b *bench
	var relay *scripted
	relay = startScripted(t, func(s step) string {
		if s.verb == "RCPT" && strings.Contains(s.line, "kanari0@") {
			for len(relay.received()) < 29 {
				time.Sleep(time.Millisecond)
			}
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.options.Relays[0].Connections, b.options.Relays[0].CommandTimeout = 2, time.Minute
	for n := range 30 {
		b.queue(sampleMail(n))
	}
	if s := b.mustRun(t); s.Accepted != 30 || relay.connections() != 2 {
		t.Errorf("%+v", s)
	}
}

// A connection ends after its number of mails and after its time.
func TestConnectionsAreRecycled(t *testing.T) {
	for _, l := range []Limits{{MailsPerConnection: 2}, {ConnectionAge: time.Nanosecond}} {
		relay := startScripted(t, allFine)
		b := newBench(t, relay.address())
		b.options.Limits.MailsPerConnection, b.options.Limits.ConnectionAge = l.MailsPerConnection, l.ConnectionAge
		for n := range 6 {
			b.queue(sampleMail(n))
		}
		want := 6
		if l.MailsPerConnection == 2 {
			want = 3
		}
		if s := b.mustRun(t); s.Accepted != 6 || relay.connections() != want || relay.count("QUIT") != want {
			t.Errorf("%+v over %d connections with %d goodbyes, want %d", s, relay.connections(), relay.count("QUIT"), want)
		}
	}
}
