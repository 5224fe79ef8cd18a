//go:build integration

package integration

import (
	"os"
	"strings"
	"syscall"
	"time"

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
	{"both down", (*chaos).bothDown, (*chaos).bothUp},
}

// schedule shuffles the faults again and again.
func (x *chaos) schedule(days int) (plan []fault) {
	for len(plan) < days {
		for _, i := range x.dice.Perm(len(faults)) {
			plan = append(plan, faults[i])
		}
	}
	x.t.Logf("static members: %v; days: %v", x.c.static, names(plan[:days]))
	return plan[:days]
}

func names(plan []fault) (all []string) {
	for _, f := range plan {
		all = append(all, f.name)
	}
	return all
}

// pick returns the two instances in random order.
func (x *chaos) pick() (first, second *instance) {
	i := x.dice.IntN(2)
	return x.c.members[i], x.c.members[1-i]
}

// midway waits until the run has decided about a part of what it owes, at most.
func (x *chaos) midway(day event.Date, share float64) {
	x.t.Helper()
	want := int(share * x.dice.Float64() * float64(x.owedNow))
	x.sleepUntil(day.At(6, 0, x.c.zone))
	known := 0
	await(x.t, x.c.day, "the run of "+day.String(), func() (bool, string) {
		for deadline := time.Now().Add(pollEvery); time.Now().Before(deadline); {
			x.j.notifications.poll(2 * time.Millisecond)
			if known = x.decided(day); known > want {
				return true, ""
			}
		}
		return x.complete(day), "nothing"
	})
	if !x.complete(day) {
		x.hits++
	}
	x.note("%d of %d decisions are known", known, x.owedNow)
}

func (x *chaos) sleepUntil(at time.Time) { time.Sleep(x.c.until(at)) }

// lose deletes the state directory of a stopped instance.
func (x *chaos) lose(m *instance) {
	x.note("%s: the state directory is deleted", m.name)
	if err := os.RemoveAll(m.state()); err != nil {
		x.t.Fatal(err)
	}
}

// killedDay kills an instance in the middle of the run, and maybe deletes its state, and starts it again. Where members
// are static, so that no session must end first, the other one has its turn then.
func (x *chaos) killedDay(day event.Date) {
	first, second := x.pick()
	for i, m := range []*instance{first, second} {
		if i == 1 && !x.c.static {
			return
		}
		x.midway(day, 0.5)
		m.kill()
		x.note("%s: kill -9", m.name)
		if x.dice.IntN(2) == 0 {
			x.lose(m)
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
	zombie, _ := x.pick()
	open := false
	if x.dice.IntN(4) == 0 {
		x.sleepUntil(day.At(5, 50, x.c.zone))
		zombie.signal(syscall.SIGSTOP)
	} else {
		x.midway(day, 0.3)
		open = x.freezeWithin(zombie)
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

// freezeWithin freezes an instance, if it can be met there, between the first record of a transaction and its end: then
// notifications does not get on for readers although records are there.
func (x *chaos) freezeWithin(m *instance) (open bool) {
	stuck := func() map[event.TopicPartition]int64 {
		at := map[event.TopicPartition]int64{}
		for tp, span := range x.j.notifications.spans() {
			if position := x.j.notifications.reader.Position(tp); position < span.End {
				at[tp] = position
			}
		}
		return at
	}
	for range 15 {
		for until := time.Now().Add(100 * time.Millisecond); len(stuck()) == 0 && time.Now().Before(until); {
			x.j.notifications.poll(time.Millisecond)
		}
		m.signal(syscall.SIGSTOP)
		for until := time.Now().Add(60 * time.Millisecond); time.Now().Before(until); {
			x.j.notifications.poll(5 * time.Millisecond)
		}
		before := stuck()
		for until := time.Now().Add(150 * time.Millisecond); time.Now().Before(until); {
			x.j.notifications.poll(5 * time.Millisecond)
		}
		for tp, position := range stuck() {
			if was, ok := before[tp]; ok && was == position {
				return true
			}
		}
		m.signal(syscall.SIGCONT)
	}
	m.signal(syscall.SIGSTOP)
	return false
}

// complaints are the warnings and errors in an instance's log.
func (x *chaos) complaints(m *instance) (lines []string) {
	text, err := os.ReadFile(m.p.log)
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

// rollingDay stops and starts one instance after the other during the run; the first loses its state.
func (x *chaos) rollingDay(day event.Date) {
	first, second := x.pick()
	for _, m := range []*instance{first, second} {
		x.midway(day, 0.5)
		m.down()
		x.note("%s: SIGTERM", m.name)
		if m == first {
			x.lose(m)
		}
		m.up()
		x.note("%s: started", m.name)
		if x.dice.IntN(2) == 0 {
			m.awaitReady()
		}
	}
}

// bothDown and bothUp make a day on which nobody is there at six.
func (x *chaos) bothDown() {
	hard := x.dice.IntN(2) == 0
	first, second := x.pick()
	for _, m := range []*instance{first, second} {
		if hard {
			m.kill()
		} else {
			m.down()
		}
		x.note("%s: down, kill -9: %v", m.name, hard)
	}
	if x.dice.IntN(2) == 0 {
		x.lose(first)
	}
}

func (x *chaos) bothUp(day event.Date) {
	x.sleepUntil(day.At(6, 0, x.c.zone).Add(time.Duration(x.dice.IntN(60)) * time.Minute))
	first, second := x.pick()
	for _, m := range []*instance{first, second} {
		m.up()
		x.note("%s: started", m.name)
	}
}
