package rules

import (
	"cmp"
	"slices"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
)

// Due is one notice that a document owes: its window is Date <= day < Closes.
type Due struct {
	// Label is the threshold's period, for example P6M.
	Label string
	// Date is the day on which the notice comes due.
	Date event.Date
	// Closes is the first day on which it is too late. It equals Date, and the window is never open, where a
	// configured Closes lies before the due date.
	Closes event.Date
}

// Due returns what a document of this type owes when it expires on expiry, ascending by date (SPEC 1.1, 1.2). It is nil
// for event.NoExpiry and for a type that is not configured.
//
//   - A threshold before its Since, and a due date before LiveFrom, do not count: nothing is due, no window ends there.
//   - Thresholds that fall on one date are one, under the label of the shortest period.
//   - A window ends when the next threshold that counts comes due, the last one on the day after expiry: a P0D notice is
//     open on its own day only. A threshold's own Closes can end it earlier.
func (s *Set) Due(docType string, expiry event.Date) []Due {
	t, ok := s.Types[docType]
	if !ok || expiry == event.NoExpiry || len(t.Notices) == 0 {
		return nil
	}
	type candidate struct {
		threshold *Threshold
		date      event.Date
	}
	var room [8]candidate // on the stack for every ordinary type
	counted := room[:0]
	for i := range t.Notices {
		n := &t.Notices[i]
		date := n.Period.Before(expiry)
		if !s.counts(n, date) {
			continue
		}
		counted = append(counted, candidate{n, date})
	}
	slices.SortFunc(counted, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.date, b.date), a.threshold.Period.Compare(b.threshold.Period))
	})
	counted = slices.CompactFunc(counted, func(a, b candidate) bool { return a.date == b.date })
	if len(counted) == 0 {
		return nil
	}
	dues := make([]Due, len(counted))
	closes := expiry + 1
	for i := len(counted) - 1; i >= 0; i-- {
		c := counted[i]
		dues[i] = Due{Label: c.threshold.Period.String(), Date: c.date, Closes: closesBy(c.threshold.Closes, expiry, c.date, closes)}
		closes = c.date
	}
	return dues
}

// counts says whether a threshold counts that is due on a date.
func (s *Set) counts(n *Threshold, date event.Date) bool {
	return !(n.HasSince && date < n.Since || s.HasLiveFrom && date < s.LiveFrom)
}

// NotCounted returns the thresholds that Due leaves out because they were due before the service went live, or before
// the threshold counts, ascending by date. Their windows have no meaning.
func (s *Set) NotCounted(docType string, expiry event.Date) (out []Due) {
	if expiry == event.NoExpiry {
		return nil
	}
	for i := range s.Types[docType].Notices {
		n := &s.Types[docType].Notices[i]
		if date := n.Period.Before(expiry); !s.counts(n, date) {
			out = append(out, Due{Label: n.Period.String(), Date: date, Closes: date})
		}
	}
	slices.SortFunc(out, func(a, b Due) int { return cmp.Compare(a.Date, b.Date) })
	return out
}

// closesBy returns the day on which a window closes that ends at the latest on the day end.
func closesBy(closes *calendar.Period, expiry, date, end event.Date) event.Date {
	if closes == nil {
		return end
	}
	return max(date, min(end, closes.Before(expiry)))
}
