package smtp

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// route is a way out of a run: a relay, its connections, and how much it takes at the moment. A relay that takes less gets
// fewer connections, down to one, then pauses; one that takes nothing gets a pause at once. After a pause it is asked with
// one mail, and for every full set of mails that it deals with there is one connection more.
type route struct {
	relay   *relay
	limiter *rate.Limiter // nil: no limit
	log     *slog.Logger

	idle     []*carrier // the one used last is at the end
	busy     int
	width    int       // how many connections may be busy
	decided  int       // mails that it dealt with since width last changed
	lowered  time.Time // when width was last lowered
	away     trouble
	suspects int // mails in a row whose refusals may be about the relay
	clean    int // mails in a row since then that it has decided about by themselves
	taken    int // mails that it has decided about by themselves
}

func newRoute(x *relay, o Options) *route {
	w := &route{relay: x, width: x.options.Connections, log: o.Logger.With("relay", x.options.Address),
		away: trouble{pause: backoff{min: o.Retry.Min, max: o.Retry.Max}}}
	if r := x.options.Rate; r > 0 {
		// A tenth of a second's worth at once: the loop need not turn for each mail of a fast relay.
		w.limiter = rate.NewLimiter(rate.Limit(r), max(1, int(r/10)))
	}
	return w
}

// wait is how long this way is closed at least; 0 means that a mail may go now. Of one whose connections are all busy
// nobody knows: open is false.
func (w *route) wait(now time.Time) (d time.Duration, open bool) {
	if w.busy >= w.width {
		return 0, false
	}
	if w.away.pausing() {
		d = w.away.until.Sub(now)
	}
	if w.limiter != nil {
		if missing := 1 - w.limiter.TokensAt(now); missing > 0 {
			d = max(d, time.Duration(missing/float64(w.limiter.Limit())*float64(time.Second)))
		}
	}
	return d, true
}

// way is the first in the order of the configuration that takes a mail, or this one, now; nil: none does. One that has
// refused this mail comes behind those that have not, and of several the one that did so last is the last.
func (r *run) way(j *job) (first *route) {
	now := time.Now()
	for _, w := range r.routes {
		if d, open := w.wait(now); !open || d > 0 || j != nil && slices.Contains(j.unfit, w) {
			continue
		}
		if first == nil || j != nil && j.lastRefused(w) < j.lastRefused(first) {
			first = w
		}
	}
	return first
}

// give hands a mail to a connection that is free.
func (w *route) give(j *job) *carrier {
	c := w.idle[len(w.idle)-1]
	w.idle = w.idle[:len(w.idle)-1]
	w.busy++
	if w.limiter != nil {
		w.limiter.Allow()
	}
	w.hand(j)
	return c
}

// hand notes that a mail goes to this relay now. Nothing that was said about an attempt before counts.
func (w *route) hand(j *job) {
	j.via, j.handed, j.followed = w.relay.options.Address, time.Now(), false
	j.permit.Store(nil)
}

// takesMore says whether a connection that is busy may go on with another mail. With a limit it need not.
func (w *route) takesMore() bool {
	return w.limiter == nil && w.busy <= w.width && !w.away.pausing() && !w.relay.oneByOne.Load()
}

func (w *route) back(c *carrier) {
	w.idle = append(w.idle, c)
	w.busy--
}

// answers notes that the relay deals with mails, whatever it says of them.
func (w *route) answers() {
	w.away.over(w.log)
	w.decided++
	if w.decided >= w.width && w.width < w.relay.options.Connections {
		w.width, w.decided = w.width+1, 0
		if w.width == w.relay.options.Connections {
			w.log.Info("the relay has all its connections again", "connections", w.width)
		}
	}
}

// hinder notes that the relay takes nothing: after a pause it is tried with one mail.
func (w *route) hinder(err error) {
	w.away.note(err, w.log)
	w.width, w.decided, w.clean, w.lowered = 1, 0, 0, time.Now()
}

// slow notes that the relay wants less. What was handed out before it last said so says nothing new.
func (w *route) slow(handed time.Time, err error) {
	if handed.Before(w.lowered) {
		return
	}
	if w.width == 1 {
		w.hinder(err)
		return
	}
	if w.width == w.relay.options.Connections {
		w.log.Warn("the relay takes less", "connections", w.width/2, "error", err)
	}
	w.width, w.decided, w.lowered = w.width/2, 0, time.Now()
}

// failure is an answer as an error that names the relay.
func (w *route) failure(res result) error {
	return fmt.Errorf("handing a mail to the relay %s: %w", w.relay.options.Address, res)
}

// refusal is that a relay would not have a mail, for what may be a fault of the relay, or its view of us, and not of the mail.
type refusal struct {
	by    *route
	taken int // what it had taken by then
}

// lastRefused is where a relay's refusal stands among those of a mail; -1: it has not refused it.
func (j *job) lastRefused(w *route) int {
	return slices.IndexFunc(j.refusedBy, func(f refusal) bool { return f.by == w })
}

// suspect puts a mail off that was refused for what may be a fault of the relay: another one, where there is one, gets it
// next. What one relay after the other refuses says nothing about the later ones. A refusal counts once the relay has decided
// otherwise about as many other mails in a row as would set it aside; a mail is rejected when as many of its refusals count as
// Limits says. If the relay goes on refusing one mail after another, it is set aside, and its refusals of these mails are none.
// So one that flaps, or is met by few mails, rejects none.
func (r *run) suspect(w *route, j *job, res result) {
	if !slices.ContainsFunc(j.refusedBy, func(f refusal) bool { return f.by != w || f.taken == w.taken }) {
		w.suspects++ // not the same one again
	}
	w.clean = 0
	j.refusedBy = append(slices.DeleteFunc(j.refusedBy, func(f refusal) bool { return f.by == w }), refusal{by: w, taken: w.taken})
	j.refusal, j.undecided = &res, w
	r.again(j, res)
	j.due = time.Now().Add(max(r.options.Limits.Refusal, j.pause.next()))
	r.waiting = append(r.waiting, j)
	if w.suspects < r.options.Limits.RefusalsInARow {
		return
	}
	for _, other := range r.inHand {
		if other.undecided == w {
			other.undecided, other.blamed = nil, true
			other.due = time.Now().Add(other.pause.next())
		}
	}
	w.hinder(fmt.Errorf("%d mails in a row were refused for what looks like a fault of the relay or of its view of us, the last with: %w",
		w.suspects, w.failure(res)))
}

// took notes that the relay has decided about a mail by itself.
func (r *run) took(w *route) {
	w.suspects = 0
	w.clean++
	w.taken++
	w.answers()
	if w.clean != r.options.Limits.RefusalsInARow {
		return
	}
	for _, j := range r.inHand {
		if j.undecided != w {
			continue
		}
		j.undecided = nil
		if j.refusals++; j.refused(r.options.Limits) {
			j.due = time.Now()
		}
	}
}
