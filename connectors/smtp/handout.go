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
