package main

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is an instance to which things happen.
type member struct {
	*instance
	s       *engineSim
	frozen  bool
	severed bool
	until   time.Time // when it thaws, its network is mended, or it starts again
	trap    *trap
}

// trap is what waits for a transaction of the instance.
type trap struct {
	rule *rule
	then func() error
}

// ofSession is a time between two shares of the session timeout: freezes are sometimes longer than that.
func (m *member) ofSession(least, most float64) time.Duration {
	return time.Duration((least + m.s.rng.Float64()*(most-least)) * float64(m.h.sessionTimeout()))
}

func (m *member) start() error {
	m.skew = 0
	if m.s.rng.IntN(3) == 0 {
		m.skew = time.Duration(m.s.rng.IntN(360)-180) * time.Second
	}
	return m.instance.start()
}

// pass lets happen what its time has come for.
func (m *member) pass() error {
	if err := m.err(); err != nil {
		return err
	}
	if t := m.trap; t != nil {
		select {
		case <-t.rule.met:
			m.trap = nil
			if m.running() {
				return t.then()
			}
		default:
		}
	}
	if time.Now().Before(m.until) {
		return nil
	}
	switch {
	case !m.running():
		return m.start()
	case m.frozen:
		m.h.tracef("#%d wakes", m.n)
		m.frozen = false
		m.gate.thaw()
	case m.severed:
		m.h.tracef("#%d finds its network again", m.n)
		m.severed = false
		m.gate.mend()
	}
	return nil
}

// disturb lets something go wrong.
func (m *member) disturb() error {
	switch n := m.s.rng.IntN(20); {
	case !m.running():
		return nil
	case n < 4:
		return m.down(true, m.ofSession(0, 2))
	case m.frozen || m.severed:
		return nil
	case n < 6:
		return m.down(false, m.ofSession(0, 2))
	case n < 9:
		m.freeze()
	case n < 11:
		m.h.tracef("#%d loses its network", m.n)
		m.severed, m.until = true, time.Now().Add(m.ofSession(0, 3))
		m.gate.sever()
	case m.trap == nil:
		m.setTrap()
	}
	return nil
}

func (m *member) freeze() {
	m.h.tracef("#%d freezes", m.n)
	m.frozen, m.until = true, time.Now().Add(m.ofSession(0.5, 4))
	m.gate.freeze()
}

// down ends it, perhaps with loss of state, until it starts again.
func (m *member) down(crash bool, pause time.Duration) error {
	if !m.running() {
		return nil
	}
	if crash || m.frozen || m.severed {
		if m.s.rng.IntN(2) == 0 {
			m.crash(nil)
		} else {
			m.crash(m.s.rng)
		}
	} else if err := m.shut(); err != nil {
		return err
	}
	m.frozen, m.severed, m.trap, m.until = false, false, nil, time.Now().Add(pause)
	if m.s.rng.IntN(2) == 0 {
		return m.lose([]string{"watch", "intake", "ledger", "all"}[m.s.rng.IntN(4)])
	}
	return nil
}

// setTrap waits for the end of a transaction: the instance freezes or crashes before the brokers learn of it, or after, or
// never hears their answer.
func (m *member) setTrap() {
	skip := m.s.rng.IntN(4)
	r := &rule{key: kmsg.EndTxn, match: func(kmsg.Request) bool { skip--; return skip < 0 }}
	t := &trap{rule: r, then: func() error { return nil }}
	what := ""
	switch m.s.rng.IntN(5) {
	case 0:
		what = "freezes before"
		r.before = func(<-chan struct{}) { m.gate.freeze() }
		t.then = func() error { m.freeze(); return nil }
	case 1:
		what = "crashes before"
		r.before = func(<-chan struct{}) { m.gate.sever() }
		t.then = func() error { return m.down(true, m.ofSession(0, 2)) }
	case 2:
		what = "crashes after"
		r.lost, r.after = true, m.gate.sever
		t.then = func() error { return m.down(true, m.ofSession(0, 2)) }
	case 3:
		what = "freezes without an answer to"
		r.lost, r.after = true, m.gate.freeze
		t.then = func() error { m.freeze(); return nil }
	case 4:
		what = "never hears the answer to"
		r.lost = true
	}
	m.h.tracef("#%d %s the end of its transaction number %d from now", m.n, what, skip+1)
	m.trap = t
	m.gate.when(r)
}
