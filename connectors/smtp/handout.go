package smtp

import "time"

// wake takes mails whose pause is over, the longest waiting first, to the front: after a look at what has become of them
// meanwhile.
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

// handOut gives what is ready to connections that are free: after trouble to one, and then to more and more.
func (r *run) handOut() {
	for len(r.ready) > 0 && len(r.busy) < r.width && !r.brokers.pausing() && !r.away.pausing() {
		j := r.ready[0]
		r.ready = r.ready[1:]
		if !r.admit(j) {
			continue
		}
		c := r.idle[len(r.idle)-1]
		r.idle = r.idle[:len(r.idle)-1]
		r.busy[c] = j
		r.claim(j)
		c.orders <- j
	}
}
