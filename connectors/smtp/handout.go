package smtp

import "time"

// wake takes mails whose pause is over, the longest waiting first, back among those that are ready: after a look at what
// has become of them meanwhile.
func (r *run) wake() {
	now := time.Now()
	var due, rest []*job
	for _, j := range r.waiting {
		if j.due.After(now) {
			rest = append(rest, j)
		} else {
			due = append(due, j)
		}
	}
	if len(due) > 0 {
		r.waiting, r.next.woken, r.next.look = rest, append(r.next.woken, due...), true
	}
}

// handOut gives what is ready to connections that are free.
func (r *run) handOut() {
	if r.ready.len() == 0 && r.way(nil) != nil {
		r.recall() // connections are free for them
	}
	for r.ready.len() > 0 && !r.brokers.pausing() && r.errPaused() == nil {
		if r.way(nil) == nil {
			return
		}
		lastDay, rest := r.room()
		if lastDay <= 0 {
			return
		}
		j := r.ready.pop(rest > 0)
		if j == nil {
			return
		}
		if !r.admit(j) {
			continue
		}
		w := r.way(j)
		if w == nil { // those that it could go to are busy or away: it holds up no others
			j.due = time.Now().Add(r.options.Retry.Min)
			r.waiting = append(r.waiting, j)
			continue
		}
		c := w.give(j)
		r.busy[c] = j
		r.setOut(j, true)
		r.claim(j)
		c.orders <- j
	}
}

// putAhead puts a mail beside a carrier that is about to write the dot of another, where so many are ready that no connection
// waits for one: its envelope goes out behind that dot. It is claimed when that other mail is accepted (report): until its own dot
// only its envelope is at the relay. One that was tried before, or is in doubt, goes by itself.
func (r *run) putAhead(c *carrier, before *job) {
	w := c.route
	if before.followed || r.ready.len() < w.relay.options.Connections || r.brokers.pausing() || r.way(nil) != nil || !w.takesMore() {
		return
	}
	lastDay, rest := r.room()
	if lastDay <= 0 {
		return
	}
	j := r.ready.pop(rest > 0)
	if j == nil || j.attempts == 0 && !r.admit(j) {
		return
	}
	if j.attempts > 0 {
		r.ready.front(j)
		return
	}
	w.hand(j)
	r.setOut(j, true)
	before.followed = true
	c.ahead.Store(j)
}

// recall takes back what waits beside carriers: it could wait for as long as the mail there takes.
func (r *run) recall() {
	for c := range r.busy {
		r.takeBack(c.ahead.Swap(nil))
	}
}

// takeBack makes a mail ready that was put beside a carrier and is not carried by it.
func (r *run) takeBack(j *job) {
	if j != nil {
		r.setOut(j, false)
		r.ready.front(j)
	}
}
