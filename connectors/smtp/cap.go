package smtp

import (
	"fmt"
	"math"
	"time"

	"lejarat/processor/event"
)

// handedOver says on which day, by the clock in use, a mail went to a relay or may have; 0: it did not.
func (s *standing) handedOver(d *event.Delivery) event.Date {
	if !s.capped {
		return 0
	}
	switch d.Status {
	case event.DeliveryAccepted, event.DeliveryInDoubt, event.DeliveryBounced:
	default:
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, d.At)
	if err != nil {
		return 0
	}
	return event.DateOf(at, s.zone)
}

// used is how much of a day's cap is: mails handed over on it, and those that other instances are at.
func (s *standing) used(day event.Date) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.claims {
		if c.owner != s.owner {
			n++
		}
	}
	return n + s.perDay[day]
}

// searching says that mails of the last day may still stand in the queue which nobody has come across: since the run began
// their feed has not been read to its end, and it is not too long ago.
func (r *run) searching() bool {
	f := r.feeds[0]
	return r.options.DailyCap > 0 && f.lastDay && !f.through && time.Since(r.begun) < r.options.Limits.Search
}

// found notes that a queue was read to its end, once all that it brought is in hand.
func (r *run) found(f *feed, atEnd bool) {
	if !atEnd || f.through || len(f.fresh) > 0 || r.under != nil && len(r.under.fresh[f]) > 0 {
		return
	}
	f.through = true
	r.counted = time.Time{} // what it passed over is in the count of the queue no more
}

// room is how many mails may go out yet on this day: of those that are good for no other day, and of the rest. When more
// is queued than the cap has left, the rest waits until those of the last day that are queued are known, and is then let
// out evenly over the day, so that those which the day's run decides on find room whenever it comes.
func (r *run) room() (lastDay, rest int64) {
	limit := int64(r.options.DailyCap)
	if limit == 0 {
		return 1, 1
	}
	now := r.options.Now()
	day := event.DateOf(now, r.options.Zone)
	used := r.standing.used(day) + r.out
	lastDay = limit - used
	if n := r.backlog(); n >= 0 && n-r.out <= lastDay {
		return lastDay, lastDay
	}
	if r.searching() {
		return lastDay, 0
	}
	begin, end := day.At(0, 0, r.options.Zone), (day+1).At(0, 0, r.options.Zone)
	share := float64(now.Sub(begin)) / float64(end.Sub(begin))
	return lastDay, int64(math.Ceil(float64(limit)*share)) - used
}

// setOut notes that a mail is at a relay, or may have got there and is not recorded yet; or that it is not.
func (r *run) setOut(j *job, out bool) {
	switch {
	case out && !j.out:
		r.out++
	case !out && j.out:
		r.out--
	}
	j.out = out
}

// errCapped is why nothing is sent once the day's cap is used up; nil while it is not.
func (r *run) errCapped() error {
	lastDay, rest := r.room()
	switch {
	case r.ready.len() == 0:
	case lastDay <= 0:
		return fmt.Errorf("the %d mails that mail.daily_cap allows for this day have been handed over", r.options.DailyCap)
	case rest > 0 || len(r.ready.rest) < r.ready.len():
	case r.searching():
		return fmt.Errorf("more is queued than mail.daily_cap (%d) allows for this day: mails that can wait do so until those that cannot are found in the queue", r.options.DailyCap)
	default:
		return fmt.Errorf("more is queued than mail.daily_cap (%d) allows for this day: mails that can wait are spread over it", r.options.DailyCap)
	}
	return nil
}
