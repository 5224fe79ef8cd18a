package smtp

import (
	"testing"
	"time"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// A mail that follows another costs one write and one round trip: its envelope has gone out with the other's dot.
func TestEnvelopeGoesBehindTheDot(t *testing.T) {
	relay := startScripted(t, allFine)
	c := dialled(t, relay)
	first, second := envelopeTo("b@example.hu"), envelopeTo("c@example.hu")
	l := leave{given: until(time.Minute), next: func() (letter.Envelope, bool) { return second, true }}
	if res := c.send(t.Context(), first, l); res.class != accepted || relay.count("DATA") != 2 || relay.count("DOT") != 1 {
		t.Fatalf("%v: the relay was asked for %d messages", res, relay.count("DATA"))
	}
	writes := c.raw.(*counted).writes.Load()
	l.next = alone
	if res := c.send(t.Context(), second, l); res.class != accepted || c.raw.(*counted).writes.Load() != writes+1 {
		t.Errorf("%v in %d writes", res, c.raw.(*counted).writes.Load()-writes)
	}
	if got := relay.received(); len(got) != 2 || got[0].to != "b@example.hu" || got[1].to != "c@example.hu" || got[1].data != string(second.Body) {
		t.Errorf("the relay read %+v", got)
	}
}

// Behind an open envelope nothing but its message goes out: no goodbye, which would be its message.
func TestNoGoodbyeBehindAnOpenEnvelope(t *testing.T) {
	relay := startScripted(t, allFine)
	c := dialled(t, relay)
	l := leave{given: until(time.Minute), next: func() (letter.Envelope, bool) { return envelopeTo("c@example.hu"), true }}
	c.send(t.Context(), envelopeTo("b@example.hu"), l)
	writes := c.raw.(*counted).writes.Load()
	c.close()
	if n := c.raw.(*counted).writes.Load() - writes; n != 0 {
		t.Errorf("%d writes", n)
	}
}

// Somebody switches off when his mail's envelope is at the relay already: he gets no mail, and the next one does.
func TestSuppressionBehindTheDot(t *testing.T) {
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" && s.n == 1 {
			b.put("suppressions", "reg-2/switched_off", event.Suppression{})
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
	if s := b.mustRun(t); s.Suppressed != 1 || s.Accepted != 2 || len(relay.received()) != 2 || relay.count("DATA") != 3 || len(b.openClaims()) != 0 {
		t.Errorf("%+v, %d messages, %d envelopes, claims %v", s, len(relay.received()), relay.count("DATA"), b.openClaims())
	}
}

// At each dot its mail is claimed, and no other of this connection: a mail whose envelope went out ahead is claimed when the one
// before it has its answer. So a crash leaves one mail a connection in question.
func TestOneClaimAConnection(t *testing.T) {
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "DOT" {
			if claims := b.openClaims(); len(claims) != 1 {
				t.Errorf("dot %d: claimed are %v", s.n, claims)
			}
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.each(20)
	if s := b.mustRun(t); s.Accepted != 20 || relay.connections() != 1 {
		t.Errorf("%+v over %d connections", s, relay.connections())
	}
}

// idle is a run that has not begun, and the way to its first relay.
func (b *bench) idle(t *testing.T) (*run, *route) {
	c := mustConnector(t, b.options, b.join(), b.broker)
	w := newRoute(c.relays[0], c.options)
	return &run{Connector: c, standing: newStanding(b.broker, c.options, "me"), inHand: map[markID]*job{}, busy: map[*carrier]*job{},
		routes: []*route{w}, brokers: trouble{pause: backoff{min: time.Hour, max: time.Hour}}}, w
}

// A mail waits behind another only where no connection is free for it, many are ready, and its relay takes all that comes.
func TestPutAhead(t *testing.T) {
	for name, c := range map[string]struct {
		but  func(r *run, before, j *job)
		want bool
	}{
		"all busy":          {func(*run, *job, *job) {}, true},
		"one is free":       {func(r *run, _, _ *job) { r.routes[0].busy-- }, false},
		"few are ready":     {func(r *run, _, _ *job) { r.ready.pop(true) }, false},
		"there was one":     {func(_ *run, before, _ *job) { before.followed = true }, false},
		"fewer connections": {func(r *run, _, _ *job) { r.routes[0].width = 1 }, false},
		"one by one":        {func(r *run, _, _ *job) { r.routes[0].relay.oneByOne.Store(true) }, false},
		"away":              {func(r *run, _, _ *job) { r.routes[0].hinder(errNotReply) }, false},
		"brokers away":      {func(r *run, _, _ *job) { r.brokers.note(errNotReply, r.options.Logger) }, false},
		"tried before":      {func(_ *run, _, j *job) { j.attempts = 1 }, false},
		"in doubt":          {func(r *run, _, j *job) { r.standing.marks[j.id] = mark{state: doubtful, attempts: 1} }, false},
		"switched off": {func(r *run, _, _ *job) {
			r.standing.suppressed["reg-0"] = map[string]suppression{event.SuppressSwitchedOff: {all: true}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "127.0.0.1:1")
			b.options.Relays[0].Connections = 2
			r, w := b.idle(t)
			w.busy = 2
			by := &carrier{run: r, route: w}
			before, jobs := &job{}, []*job{{mail: sampleMail(0), id: makeMarkID(sampleMail(0).ID)}, {mail: sampleMail(1)}}
			jobs[0].permit.Store(&permit{until: time.Now().Add(time.Hour)}) // of an attempt before
			r.ready.rest = append(r.ready.rest, jobs...)
			c.but(r, before, jobs[0])
			r.putAhead(by, before)
			switch got := by.ahead.Load(); {
			case c.want && (got != jobs[0] || got.permit.Load() != nil || !got.out || got.via == "" || !before.followed || r.ready.len() != 1):
				t.Errorf("%+v", got)
			case !c.want && got != nil:
				t.Errorf("%+v", got)
			}
			if name == "tried before" && r.ready.len() != 2 {
				t.Errorf("%d are ready", r.ready.len())
			}
		})
	}
}

// With a limit no mail goes out of its turn.
func TestRateHasNothingAhead(t *testing.T) {
	b := newBench(t, "127.0.0.1:1")
	b.options.Relays[0].Rate = 100
	if newRoute(&relay{options: b.options.Relays[0]}, b.options).takesMore() {
		t.Error("a connection goes on by itself")
	}
}
