package processor

import (
	"fmt"
	"testing"

	"lejarat/processor/event"
)

// TestLargeIdentity: an identity that is owed more notices than a transaction may hold, as a wrong mapping makes one, is told
// over several, each notice once, and counted once. Another one before and behind it changes nothing.
func TestLargeIdentity(t *testing.T) {
	const chunk, documents = 10, 93
	h := newHarness(t)
	h.begin(t)
	h.cfg.Limits.ChunkNotices = chunk
	for p := range 6 {
		h.record(t, fmt.Sprintf("registration r%d holder=p%d email=p%d@example.hu since=2020-01-01", p, p, p))
		h.record(t, fmt.Sprintf("document %d type=passport expires=2026-08-31 issued=2016-08-31 holder=p%d", p, p))
	}
	for d := range documents {
		h.record(t, fmt.Sprintf("document %d type=car number=C%d expires=2026-04-28 issued=2016-08-31 holder=p3", 100+d, d))
	}
	h.settle(t)
	largest := 0
	h.log.Committed = func(_ string, records []event.Record) {
		notices := 0
		for i := range records {
			if records[i].Topic == "lejarat.notifications" {
				notices++
			}
		}
		largest = max(largest, notices)
	}
	day := mustDate(t, "2026-02-28")
	h.fireDay(t, day)
	ids := map[string]int{}
	for _, r := range h.log.Records("lejarat.notifications") {
		ids[string(r.Key)]++
	}
	counted := 0
	for _, c := range h.runs.Counts(day) {
		if c.Decision == event.Emitted {
			counted += c.Number
		}
	}
	if want := documents + 6; len(ids) != want || len(h.log.Records("lejarat.notifications")) != want || counted != want || len(h.log.Records("lejarat.mail-sink")) != want {
		t.Errorf("%d notices with %d ids, %d mails, %d counted, want %d of each", len(h.log.Records("lejarat.notifications")), len(ids),
			len(h.log.Records("lejarat.mail-sink")), counted, want)
	}
	if largest == 0 || largest > 5*chunk {
		t.Errorf("a transaction holds %d notices, want at most %d", largest, 5*chunk)
	}
	h.fireDay(t, day+1)
	if n := len(h.log.Records("lejarat.notifications")); n != documents+6 {
		t.Errorf("the next day tells again: %d notices", n)
	}
}
