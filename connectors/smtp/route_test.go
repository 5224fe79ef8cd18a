package smtp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/processor/event"
)

// newBenchOf is a bench with several relays, in their order.
func newBenchOf(t testing.TB, relays ...*scripted) *bench {
	b := newBench(t, relays[0].address())
	for _, x := range relays[1:] {
		further := b.options.Relays[0]
		further.Address = x.address()
		b.options.Relays = append(b.options.Relays, further)
	}
	b.options.Retry.Budget = 5 * time.Second
	return b
}

// each queues that many mails.
func (b *bench) each(mails int) {
	for n := range mails {
		b.queue(sampleMail(n))
	}
}

// always answers a verb.
func always(verb, answer string) func(step) string {
	return func(s step) string {
		if s.verb == verb {
			return answer
		}
		return ""
	}
}

// acceptedOnce fails the test unless the relays took every mail exactly once.
func acceptedOnce(t *testing.T, mails int, relays ...*scripted) {
	t.Helper()
	for n := range mails {
		took := 0
		for _, x := range relays {
			took += copies(x)[sampleMail(n).To.Email]
		}
		if took != 1 {
			t.Errorf("mail %d was accepted %d times", n, took)
		}
	}
}

// A relay that does not take mails, whatever the way in which it does not, costs none: the other gets them all, be they as
// few as one.
func TestFailover(t *testing.T) {
	for _, c := range []struct{ verb, answer string }{
		{"GREETING", "554 5.3.2 no service"}, {"GREETING", "421 4.3.2 busy"}, {"GREETING", drop},
		{"MAIL", "550 5.7.1 not you"}, {"MAIL", "451 4.3.0 later"}, {"MAIL", drop}, {"MAIL", "530 5.7.0 Authentication required"},
		{"RCPT", "554 5.7.1 blocked"}, {"RCPT", "550 5.3.2 closed"}, {"RCPT", "452 4.3.1 no room"},
		{"DATA", "454 4.7.0 throttled"}, {"DATA", "554 5.7.1 spam"}, {"DOT", "550 5.7.26 unauthenticated"}, {"DOT", "452 4.3.1 disk full"},
	} {
		for _, mails := range []int{1, 2, 40} {
			t.Run(fmt.Sprint(c.verb, " ", c.answer, " ", mails), func(t *testing.T) {
				t.Parallel()
				bad, good := startScripted(t, always(c.verb, c.answer)), startScripted(t, allFine)
				b := newBenchOf(t, bad, good)
				b.each(mails)
				if s := b.mustRun(t); s.Accepted != int64(mails) || s.Rejected != 0 || s.InDoubt != 0 {
					t.Errorf("%+v", s)
				}
				acceptedOnce(t, mails, bad, good)
				for _, d := range b.deliveries(t) {
					if deref(d.Relay) != good.address() {
						t.Errorf("mail %s is recorded with relay %q", d.ID, deref(d.Relay))
					}
				}
				checkNoPersonalData(t, b, nil)
			})
		}
	}
}

// A mail that relays refuse for what may be their fault goes from one to the other, and to the one that takes it.
func TestFailoverToTheThird(t *testing.T) {
	one, two, three := startScripted(t, always("RCPT", "550 5.7.1 you")), startScripted(t, always("DOT", "554 5.7.1 spam")), startScripted(t, allFine)
	b := newBenchOf(t, one, two, three)
	b.each(1)
	b.mustRun(t)
	acceptedOnce(t, 1, three)
	if one.count("RCPT") != 1 || two.count("DOT") != 1 {
		t.Errorf("asked %d and %d times", one.count("RCPT"), two.count("DOT"))
	}
}

// Mails that every relay refuses, one here and one there, are rejected, and no relay is set aside for them: not the second
// either, which is asked for nothing else.
func TestRefusalsOfSingleMailsByAllRelays(t *testing.T) {
	one, two := startScripted(t, refusing(1, 3, 5)), startScripted(t, refusing(1, 3, 5))
	b := newBenchOf(t, one, two)
	b.options.Limits.Refusal = 20 * time.Millisecond
	b.options.Limits.RefusalsInARow, b.options.Relays[0].Connections = 2, 8 // it has one for every mail
	b.options.Retry.Min, b.options.Retry.Max = 2*time.Millisecond, 50*time.Millisecond
	_, stop := b.serve(t)
	n, good := 0, 0
	eventually(t, "they are rejected", func() bool {
		b.queue(sampleMail(n))
		if n++; n > 6 || n%2 == 1 {
			good++
		}
		eventually(t, "those between them are out", func() bool { return b.settledAs(t, event.DeliveryAccepted) == good })
		return b.settledAs(t, event.DeliveryRejected) == 3
	})
	stop()
	if len(two.received()) > 0 || two.count("RCPT") < 3 || strings.Contains(b.log.String(), "sending waits") {
		t.Errorf("the second relay took %d of %d mails: %s", len(two.received()), two.count("RCPT"), b.log.String())
	}
}

// Of two relays the second gets what the first has no connection for.
func TestSecondRelayTakesWhatTheFirstCannot(t *testing.T) {
	first := startScripted(t, always("DOT", "wait 20ms then 250 2.0.0 Ok"))
	second := startScripted(t, allFine)
	b := newBenchOf(t, first, second)
	b.each(60)
	b.mustRun(t)
	acceptedOnce(t, 60, first, second)
	if len(first.received()) == 0 || len(second.received()) < len(first.received()) {
		t.Errorf("%d and %d mails", len(first.received()), len(second.received()))
	}
}

// A relay that refuses everybody is set aside and asked again; its refusals are none. Once it takes mails, all go out.
func TestRelayThatRefusesEverybodyForAWhile(t *testing.T) {
	for _, verb := range []string{"MAIL", "RCPT", "DATA", "DOT"} {
		relay := startScripted(t, func(s step) string {
			if s.verb == verb && s.n <= 20 {
				return "554 5.7.1 <kanari1@polgar.example.hu> your address is listed"
			}
			return ""
		})
		b := newBench(t, relay.address())
		b.options.Retry.Budget = 5 * time.Second
		b.each(30)
		if s := b.mustRun(t); s.Accepted != 30 || s.Rejected != 0 {
			t.Errorf("%s: %+v", verb, s)
		}
		acceptedOnce(t, 30, relay)
		if !strings.Contains(b.log.String(), "refused for what looks like a fault of the relay") {
			t.Errorf("%s: not in the log", verb)
		}
		checkNoPersonalData(t, b, nil)
	}
}

// refusing refuses these mails, and is slow with the others.
func refusing(numbers ...int) func(step) string {
	return func(s step) string {
		for _, n := range numbers {
			if s.verb == "RCPT" && strings.Contains(s.line, fmt.Sprintf("<kanari%d@", n)) {
				return "550 5.7.1 no such list"
			}
		}
		return always("DOT", "wait 2ms then 250 2.0.0 Ok")(s)
	}
}

// Refusals with the same codes that come one here and one there are those of their mails, once the relay has said so three
// times, and taken others each time.
func TestRefusalsOfSingleMailsCount(t *testing.T) {
	relay := startScripted(t, refusing(3, 13, 23, 33))
	b := newBench(t, relay.address())
	b.options.Limits.Refusal = 20 * time.Millisecond
	b.each(300)
	if s := b.mustRun(t); s.Accepted != 296 || s.Rejected != 4 || relay.count("RCPT") < 296+3*4 {
		t.Errorf("%+v after %d recipients", s, relay.count("RCPT"))
	}
	if strings.Contains(b.log.String(), "sending waits") {
		t.Errorf("the relay was set aside: %s", b.log.String())
	}
}

// Mails that are refused in a row and for good, with a code that may be the relay's, hold up no others; while nothing else is
// to be sent they wait, and when there is they do not go round for ever.
func TestRefusedMailsInARow(t *testing.T) {
	relay := startScripted(t, refusing(0, 1, 2, 3))
	b := newBench(t, relay.address())
	b.options.Limits.Refusal = 20 * time.Millisecond
	b.options.Retry.Min, b.options.Retry.Max = 2*time.Millisecond, 500*time.Millisecond
	b.options.Limits.RefusalsInARow = 3
	b.each(22)
	if s, err := b.run(t); err == nil || s.Accepted != 18 || s.Rejected != 0 || !strings.Contains(err.Error(), "RCPT: answered 550 5.7.1") {
		t.Errorf("%v %+v", err, s)
	}
	_, stop := b.serve(t)
	n := 22
	eventually(t, "they are rejected", func() bool {
		b.queue(sampleMail(n))
		n++
		return b.settledAs(t, event.DeliveryRejected) == 4
	})
	eventually(t, "the others are out", func() bool { return b.settledAs(t, event.DeliveryAccepted) == n-4 })
	stop()
}

// Two relays that fail at random: nothing is lost, nothing refused for what is a relay's fault, and nothing accepted twice
// that was not reported in doubt. Whoever gets a mail gets his own.
func TestTwoRelaysAtRandom(t *testing.T) {
	answers := map[string][]string{
		"GREETING": {"421 4.3.2 busy", "554 5.3.2 no", drop}, "MAIL": {"421 4.7.0 slow", "451 4.3.0 later", "550 5.7.1 no", "503 5.5.1 order", drop},
		"RCPT": {"450 4.2.0 grey", "451 4.7.1 grey", "452 4.3.1 full", "421 4.7.0 bye", drop}, "DATA": {"454 4.7.0 throttled", "451 4.3.0 later", drop},
		"DOT": {"452 4.3.1 full", "421 4.3.2 bye", drop, "accept then drop", "250 2.0.0 Ok then drop"}, "RSET": {"500 what?", drop},
	}
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(seed, 7))
			script := func(s step) string {
				mu.Lock()
				defer mu.Unlock()
				if all := answers[s.verb]; len(all) > 0 && rng.IntN(8) == 0 {
					return all[rng.IntN(len(all))]
				}
				return ""
			}
			one, two := startScripted(t, script), startScripted(t, script)
			b := newBenchOf(t, one, two)
			b.options.Relays[0].Connections, b.options.Relays[1].Connections, b.options.Limits.RefusalsInARow = 3, 2, 2
			b.options.Retry = Retry{Min: time.Millisecond, Max: 10 * time.Millisecond, Budget: 10 * time.Second}
			mails := map[string]event.Mail{} // by recipient
			for n := range 40 {
				m := sampleMail(n)
				if n%3 == 0 {
					m = lastDayMail(n)
				}
				b.queue(m)
				mails[m.To.Email] = m
			}
			s, err := b.runTwo(t)
			if err != nil || s.Left != 0 || s.Skipped != 0 {
				t.Fatalf("%v %+v", err, s)
			}
			for n := range 40 {
				id, mail := sampleMail(n).ID, sampleMail(n).To.Email
				took, said := copies(one)[mail]+copies(two)[mail], strings.Join(statuses(b, t, id), " ")
				doubted := strings.Contains(said, event.DeliveryInDoubt)
				last := lastDelivery(b, t, id).Status
				if took > 2 || took == 2 && !doubted || took == 0 && last == event.DeliveryAccepted || took == 1 && last == event.DeliveryRejected || last == "" {
					t.Errorf("mail %d was accepted %d times, recorded: %s", n, took, said)
				}
			}
			if s.Accepted+s.Rejected+s.InDoubt < 40 || len(b.openClaims()) != 0 {
				t.Errorf("%+v, claims %v", s, b.openClaims())
			}
			c := mustComposer(t, b.options)
			for _, m := range slices.Concat(one.received(), two.received()) {
				if !m.is(t, c, mails[m.to]) {
					t.Errorf("the mail to %s is another's", m.to)
				}
			}
			checkNoPersonalData(t, b, nil)
		})
	}
}

// A mail that needs SMTPUTF8 goes to the relay that offers it, and waits for it; it holds up no others.
func TestMailGoesToTheRelayThatOffersWhatItNeeds(t *testing.T) {
	plain, able := startScripted(t, allFine), startScripted(t, always("GREETING", "421 4.3.2 later"))
	plain.extensions = []string{"PIPELINING", "8BITMIME"}
	b := newBenchOf(t, plain, able)
	b.options.Retry.Budget = 300 * time.Millisecond
	m := sampleMail(0)
	m.To.Email = "kanári0@polgar.example.hu"
	b.queue(m, sampleMail(1), sampleMail(2))
	s, err := b.run(t)
	if err == nil || s.Accepted != 2 || s.Rejected != 0 || len(plain.received()) != 2 || !strings.Contains(err.Error(), able.address()) {
		t.Fatalf("%v %+v", err, s)
	}
	able.follow(allFine)
	b.queue(sampleMail(3))
	if s := b.mustRun(t); s.Accepted != 2 || copies(able)[m.To.Email] != 1 {
		t.Errorf("%+v", s)
	}
	if d := lastDelivery(b, t, m.ID); deref(d.Relay) != able.address() {
		t.Errorf("recorded with relay %q", deref(d.Relay))
	}
	checkNoPersonalData(t, b, err)

	less := startScripted(t, allFine)
	less.extensions = plain.extensions
	b.options.Relays[1].Address = less.address()
	m = sampleMail(4)
	m.To.Email = "kanári4@polgar.example.hu"
	b.queue(m)
	if s := b.mustRun(t); s.Rejected != 1 || deref(lastDelivery(b, t, m.ID).Reason) != errNeedsSMTPUTF8.Error() {
		t.Errorf("%+v", s)
	}
}
