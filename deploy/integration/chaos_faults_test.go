//go:build integration

package integration

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"lejarat/processor/event"
)

// fault is what a day's run has to live through.
type fault struct {
	name   string
	before func(*chaos) // at 04:00, before the last changes are written
	do     func(*chaos, event.Date)
}

var faults = []fault{
	{"kill", nil, (*chaos).killedDay},
	{"freeze", nil, (*chaos).frozenDay},
	{"rolling restart", nil, (*chaos).rollingDay},
	{"all down", (*chaos).allDown, (*chaos).allUp},
}

// brokerFaults are for a cluster that can do without one of its brokers.
var brokerFaults = []fault{
	{"broker killed", nil, func(x *chaos, day event.Date) { x.brokerDay(day, true) }},
	{"broker restarted", nil, func(x *chaos, day event.Date) { x.brokerDay(day, false) }},
}

// schedule shuffles the faults again and again.
func (x *chaos) schedule(days int) (plan []fault) {
	all := faults
	if x.b.n >= 3 {
		all = append(slices.Clone(all), brokerFaults...)
	}
	for len(plan) < days {
		for _, i := range x.dice.Perm(len(all)) {
			plan = append(plan, all[i])
		}
	}
	x.t.Logf("names from the configuration: %v; days: %v", x.c.static, names(plan[:days]))
	return plan[:days]
}

func names(plan []fault) (all []string) {
	for _, f := range plan {
		all = append(all, f.name)
	}
	return all
}

// pick returns the instances in random order.
func (x *chaos) pick() []*instance {
	all := slices.Clone(x.c.members)
	x.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// midway waits until the run has decided about a part of what it owes, at most.
func (x *chaos) midway(day event.Date, share float64) {
	x.t.Helper()
	want := int(share * x.dice.Float64() * float64(x.owedNow))
	x.sleepUntil(day.At(6, 0, x.c.zone))
	known := 0
	await(x.t, min(x.c.day, 2*time.Minute), "the run of "+day.String(), func() (bool, string) {
		for deadline := time.Now().Add(pollEvery); time.Now().Before(deadline); {
			x.j.notifications.poll(2 * time.Millisecond)
			if known = x.decided(day); known > want {
				return true, ""
			}
		}
		return x.complete(day), "nothing"
	})
	x.faults++
	if !x.complete(day) {
		x.hits++
	}
	x.note("%d of %d decisions are known", known, x.owedNow)
}

func (x *chaos) sleepUntil(at time.Time) { time.Sleep(x.c.until(at)) }

// lose deletes some of the state of a stopped instance, or all of it.
func (x *chaos) lose(m *instance) (what string) {
	what = []string{"all", "watch", "intake", "ledger"}[x.dice.IntN(4)]
	x.note("%s: its state is deleted: %s", m.name, what)
	m.lose(what)
	return what
}

// killedDay kills an instance in the middle of the run, and maybe deletes its state, and starts it again. Where it comes
// back under its name, so that no session must end first, another one has its turn then.
func (x *chaos) killedDay(day event.Date) {
	nameless := false
	for _, m := range x.pick()[:2] {
		if nameless {
			return
		}
		x.midway(day, 0.5)
		m.kill()
		x.note("%s: kill -9", m.name)
		if x.dice.IntN(2) == 0 {
			nameless = x.lose(m) == "all" && !x.c.static
		}
		time.Sleep(time.Duration(x.dice.IntN(500)) * time.Millisecond)
		m.up()
		x.note("%s: started", m.name)
	}
}

// sessionOver is real time after which a frozen instance has lost its partitions: its session and the broker's look at it.
const sessionOver = 6500 * time.Millisecond

// frozenDay freezes an instance for longer than its session, in the middle of the run or just before it. It wakes with
// what it had in hand when the other has finished the run, or when that is about to take over.
func (x *chaos) frozenDay(day event.Date) {
	x.t.Helper()
	x.c.awaitReady()
	zombie := x.pick()[0]
	ids, open := x.watchIDs(zombie), false
	if x.dice.IntN(4) == 0 {
		x.sleepUntil(day.At(5, 50, x.c.zone))
		zombie.signal(syscall.SIGSTOP)
	} else {
		x.midway(day, 0.3)
		_, open = x.freezeWithin(zombie, ids)
	}
	began := time.Now()
	x.note("%s: SIGSTOP, with an open transaction: %v", zombie.name, open)
	if x.dice.IntN(2) == 0 {
		x.completed(day)
	}
	time.Sleep(time.Until(began.Add(sessionOver + time.Duration(x.dice.IntN(2000))*time.Millisecond)))
	x.note("%s: SIGCONT after %.1f s, the run is complete: %v", zombie.name, time.Since(began).Seconds(), x.complete(day))
	said := len(x.complaints(zombie))
	zombie.signal(syscall.SIGCONT)
	// It must have noticed before anything else happens, and this is where it would write what is not its own any more.
	time.Sleep(time.Second)
	x.completed(day)
	x.note("%s: complained %d times after it woke\n%s", zombie.name, len(x.complaints(zombie))-said, strings.Join(x.complaints(zombie)[said:], "\n"))
}

// freezeWithin freezes an instance, if it can be met there, within an open transaction of one of the ids: as soon as the
// broker knows of one, which is in time if its end has not been asked for by then.
func (x *chaos) freezeWithin(m *instance, ids []string) (open kadm.DescribedTransaction, met bool) {
	for until := time.Now().Add(5 * time.Second); len(ids) > 0 && time.Now().Before(until); {
		for _, id := range ids {
			if x.b.transaction(id).State != "Ongoing" {
				continue
			}
			m.signal(syscall.SIGSTOP)
			// What was on its way when it froze has arrived by then.
			time.Sleep(200 * time.Millisecond)
			if open = x.b.transaction(id); open.State == "Ongoing" {
				return open, true
			}
			m.signal(syscall.SIGCONT)
		}
	}
	m.signal(syscall.SIGSTOP)
	return open, false
}

// watchIDs are the transactional ids of the watch tasks that an instance has now.
func (x *chaos) watchIDs(m *instance) (ids []string) {
	r, _ := m.p.readiness()
	for _, t := range r.Detail {
		if p, ok := strings.CutPrefix(t.Task, "watch/"); ok {
			ids = append(ids, x.c.prefix+"watch.1."+p)
		}
	}
	return ids
}

// complaints are the warnings and errors in an instance's log.
func (x *chaos) complaints(m *instance) (lines []string) {
	text, err := os.ReadFile(m.log)
	if err != nil {
		x.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// rollingDay stops and starts one instance after the other during the run; the first loses some of its state.
func (x *chaos) rollingDay(day event.Date) {
	for i, m := range x.pick() {
		x.midway(day, 0.5)
		m.down()
		x.note("%s: SIGTERM", m.name)
		if i == 0 {
			x.lose(m)
		}
		m.up()
		x.note("%s: started", m.name)
		if x.dice.IntN(2) == 0 {
			m.awaitReady()
		}
	}
}

// allDown and allUp make a day on which nobody is there at six.
func (x *chaos) allDown() {
	hard := x.dice.IntN(2) == 0
	all := x.pick()
	for _, m := range all {
		if hard {
			m.kill()
		} else {
			m.down()
		}
		x.note("%s: down, kill -9: %v", m.name, hard)
	}
	x.faults++
	if x.dice.IntN(2) == 0 {
		x.lose(all[0])
	}
}

func (x *chaos) allUp(day event.Date) {
	x.sleepUntil(day.At(6, 0, x.c.zone).Add(time.Duration(x.dice.IntN(60)) * time.Minute))
	for _, m := range x.pick() {
		m.up()
		x.note("%s: started", m.name)
	}
}
