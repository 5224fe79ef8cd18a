//go:build integration

package integration

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestMailKilled: two connectors hand mails to Postfix. One of them is killed (kill -9) at many moments, then each is frozen
// for longer than its session, while the other takes over, and wakes. Nothing is lost, no crash leads to more copies than
// connections were open, and deliveries names each mail that may have come twice.
func TestMailKilled(t *testing.T) {
	const kills, drained, perFreeze = 16, 2400, 600
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	k := &killing{post: openPost(t), rnd: rand.New(rand.NewPCG(seed, 1)), last: map[string]event.Delivery{},
		over: map[string][]string{}, named: map[string]bool{}}
	k.up("a")
	k.up("b")
	k.queueMany(drained)
	for n := range kills {
		k.settled((n + 1) * drained / (kills + 2))
		k.pause()
		k.kill(k.rnd.IntN(2))
	}
	k.settled(drained)
	for i := range k.members {
		k.queueMany(perFreeze)
		k.settled(len(k.mails) - perFreeze*3/4)
		k.pause()
		k.freeze(i)
		k.settled(len(k.mails))
	}
	for _, m := range k.members {
		m.stop(m.p)
	}
	k.judge(kills + len(k.members))
}

// killing is a few connectors that are killed, and what deliveries say of it.
type killing struct {
	*post
	rnd     *rand.Rand
	members []*connector
	mails   []event.Mail

	read  int                       // records of deliveries
	last  map[string]event.Delivery // outcomes
	over  map[string][]string       // who ended or froze → mails taken over
	named map[string]bool           // mails that may have come twice
}

// connector is one `lejarat mail`.
type connector struct {
	*service
	p *process
}

func (k *killing) up(name string) {
	v := k.instance(name, "tls: none")
	k.members = append(k.members, &connector{v, v.start("mail")})
}

func (k *killing) queueMany(n int) {
	var to []string
	for i := range n {
		to = append(to, fmt.Sprintf("kanari%d@killed.example", len(k.mails)+i))
	}
	k.mails = append(k.mails, k.queue(to...)...)
}

// pause lets the next fault come at any moment of a mail's way.
func (k *killing) pause() { time.Sleep(time.Duration(k.rnd.IntN(50)) * time.Millisecond) }

func (k *killing) kill(i int) {
	m := k.members[i]
	m.p.kill()
	m.p = m.start("mail")
}

// freeze stops a connector until its session has run out and its claims are taken over; where it has none, for 5 s more.
func (k *killing) freeze(i int) {
	m, before := k.members[i], len(k.over)
	signal := func(s syscall.Signal) {
		if err := m.p.cmd.Process.Signal(s); err != nil {
			k.t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	time.Sleep(postSession + time.Second)
	for end := time.Now().Add(5 * time.Second); len(k.over) == before && time.Now().Before(end); time.Sleep(pollEvery) {
		k.look()
	}
	signal(syscall.SIGCONT)
	k.t.Logf("connector %d was frozen; mails taken over meanwhile: %v", i, len(k.over) > before)
}

// settled waits until so many mails have their outcome; when they do not come to it, it says what became of each.
func (k *killing) settled(n int) {
	k.t.Helper()
	for end := time.Now().Add(time.Minute); k.look() < n; time.Sleep(pollEvery) {
		if time.Now().After(end) {
			k.t.Errorf("%d mails are settled, want %d", k.look(), n)
			k.judge(0)
			k.t.FailNow()
		}
	}
}

// look takes in what is new in deliveries, and returns how many mails are settled.
func (k *killing) look() (done int) {
	k.t.Helper()
	all := k.deliveries.read()
	for _, r := range all[k.read:] {
		id := string(r.Key)
		if claim := r.HeaderValue(event.ClaimHeader); claim != nil {
			if _, former, taken := strings.Cut(string(claim), " "); taken {
				k.over[former] = append(k.over[former], id)
			}
			continue
		}
		for _, d := range values[event.Delivery](k.t, []event.Record{r}) {
			k.last[id] = d
			if d.Status == event.DeliveryInDoubt || d.Reason != nil && *d.Reason == "resent" {
				k.named[id] = true
			}
		}
	}
	k.read = len(all)
	for _, d := range k.last {
		if d.Status != event.DeliveryInDoubt || d.Reason != nil {
			done++
		}
	}
	return done
}

// judge compares the mailbox with what was queued, and with what deliveries say.
func (k *killing) judge(faults int) {
	k.look()
	want, lost, twice := len(k.mails), 0, 0
	if k.t.Failed() {
		want = 0 // they will not all come
	}
	copies := k.copies(want)
	for _, m := range k.mails {
		n, d := copies[m.ID], k.last[m.ID]
		switch {
		case n == 0:
			lost++
			k.t.Errorf("lost: mail %s, which deliveries call %q", m.ID, d.Status)
		case d.Status != event.DeliveryAccepted && d.Status != event.DeliveryInDoubt:
			k.t.Errorf("mail %s came, and deliveries call it %q", m.ID, d.Status)
		case n > 1 && !k.named[m.ID]:
			k.t.Errorf("mail %s came %d times, and deliveries do not say so: %+v", m.ID, n, d)
		}
		twice += max(0, n-1)
		delete(copies, m.ID)
	}
	if len(copies) > 0 {
		k.t.Errorf("%d mails that nobody queued", len(copies))
	}
	taken := 0
	for owner, ids := range k.over {
		slices.Sort(ids)
		ids = slices.Compact(ids)
		taken += len(ids)
		if len(ids) > postConnections {
			k.t.Errorf("%d mails of %s were in doubt after one crash, with %d connections", len(ids), owner, postConnections)
		}
	}
	if twice > taken {
		k.t.Errorf("%d copies too many, and only %d mails taken over", twice, taken)
	}
	if taken == 0 {
		k.t.Error("no mail was in doubt: the faults hit nothing, so this shows nothing")
	}
	k.t.Logf("%d mails, %d kills and freezes: %d lost, %d in doubt, of which %d came twice", len(k.mails), faults, lost, taken, twice)
	if k.t.Failed() {
		for _, m := range k.members {
			k.t.Logf("--- %s\n%s", filepath.Base(m.p.log), tailOf(m.p.log, 20))
		}
	}
}
