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
	var room [Ordinary]Window
	windows := s.Windows(room[:0], docType, expiry)
	if len(windows) == 0 {
		return nil
	}
	dues := make([]Due, len(windows))
	for i, w := range windows {
		dues[i] = w.Due()
	}
	return dues
}

// Window is a Due without its label, which costs something to write.
type Window struct {
	Date, Closes event.Date
	threshold    *Threshold
}

// Due is the window with its label.
func (w *Window) Due() Due {
	return Due{Label: w.threshold.Period.String(), Date: w.Date, Closes: w.Closes}
}

// Ordinary is how many thresholds a type has at most, but for odd ones: room for them on the stack costs no allocation.
const Ordinary = 8

// Windows appends what Due returns to w, which is empty.
func (s *Set) Windows(w []Window, docType string, expiry event.Date) []Window {
	t, ok := s.Types[docType]
	if !ok || expiry == event.NoExpiry {
		return w
	}
	for i := range t.Notices {
		n := &t.Notices[i]
		if date := n.Period.Before(expiry); s.counts(n, date) {
			w = append(w, Window{Date: date, threshold: n})
		}
	}
	slices.SortFunc(w, func(a, b Window) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), a.threshold.Period.Compare(b.threshold.Period))
	})
	w = slices.CompactFunc(w, func(a, b Window) bool { return a.Date == b.Date })
	closes := expiry + 1
	for i := len(w) - 1; i >= 0; i-- {
		w[i].Closes = closesBy(w[i].threshold.Closes, expiry, w[i].Date, closes)
		closes = w[i].Date
	}
	return w
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
