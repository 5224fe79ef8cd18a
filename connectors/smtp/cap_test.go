package smtp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// capped is a bench with a cap, whose queue's last-day mails come through a group of their own, as in the service.
func capped(t *testing.T, limit int, relays ...*scripted) (*bench, *clock) {
	b := newBenchOf(t, relays...)
	now := newClock()
	now.set(time.Date(2026, 2, 28, 23, 59, 0, 0, testNow.Location()))
	b.options.Now, b.options.Zone, b.options.DailyCap = now.get, testNow.Location(), limit
	b.options.Limits.Look, b.options.Retry.Budget = 5*time.Millisecond, 700*time.Millisecond
	return b, now
}

// runTwo is run with both groups; each has committed what it has.
func (b *bench) runTwo(t *testing.T) (Summary, error) {
	t.Helper()
	b.options.LastDay = b.joinAs("last-day")
	return b.run(t)
}

// late is a member that has no partition at first.
type late struct {
	*member
	polls int
}

func (l *late) Poll(ctx context.Context, max int, wait time.Duration) ([]event.Record, error) {
	if l.polls++; l.polls <= 10 {
		sleep(ctx, 10*time.Millisecond)
		return nil, ctx.Err()
	}
	return l.member.Poll(ctx, max, wait)
}

// The cap holds over restarts, mails of the last day go first wherever they stand in the queue and however late they are
// found, and the rest goes on the next day.
func TestDailyCap(t *testing.T) {
	relay := startScripted(t, allFine)
	b, now := capped(t, 20, relay)
	b.options.Limits.Batch = 10 // of 200 mails before those of the last day, few are in hand
	for n := range 200 {
		b.queue(sampleMail(n))
	}
	for n := 200; n < 212; n++ {
		b.queue(lastDayMail(n))
	}
	for restart := range 3 {
		b.options.LastDay = &late{member: b.joinAs("last-day")}
		s, err := b.run(t)
		if err == nil || !strings.Contains(err.Error(), "mail.daily_cap") {
			t.Fatalf("restart %d: %v %+v", restart, err, s)
		}
	}
	first := relay.received()
	lastDay := 0
	for _, m := range first {
		if n := 0; sscan(m.to, &n) && n >= 200 {
			lastDay++
		}
	}
	if len(first) != 20 || lastDay != 12 {
		t.Fatalf("%d mails went out, %d of the last day", len(first), lastDay)
	}
	now.set(time.Date(2026, 3, 1, 18, 0, 0, 0, testNow.Location()))
	if _, err := b.runTwo(t); err == nil || len(relay.received()) != 20+15 { // three quarters of the day are over
		t.Errorf("the next day: %v, %d mails", err, len(relay.received()))
	}
	acceptedOnceOf(t, 0, 35, &scripted{messages: renumbered(relay.received())})
}

// sscan reads the number of a sample mail's address.
func sscan(to string, n *int) bool {
	_, err := fmt.Sscanf(to, "kanari%d@", n)
	return err == nil
}

// renumbered gives messages the addresses of the first sample mails, twice the same where one came twice.
func renumbered(all []message) []message {
	var seen []string
	all = slices.Clone(all)
	for i := range all {
		at := slices.Index(seen, all[i].to)
		if at < 0 {
			at = len(seen)
			seen = append(seen, all[i].to)
		}
		all[i].to = sampleMail(at).To.Email
	}
	return all
}

// What fits into the cap goes out at once; what does not is spread over the day, and leaves room for the mails that the
// day's run will bring.
func TestDailyCapIsSpreadOverTheDay(t *testing.T) {
	relay := startScripted(t, allFine)
	b, now := capped(t, 40, relay)
	now.set(time.Date(2026, 2, 28, 6, 0, 0, 0, testNow.Location()))
	for n := range 100 {
		b.queue(sampleMail(n))
	}
	_, stop := b.serveTwo(t)
	eventually(t, "a quarter of the cap is used", func() bool { return len(relay.received()) == 10 })
	for n := 100; n < 120; n++ {
		b.queue(lastDayMail(n))
	}
	eventually(t, "the mails of the last day are out", func() bool { return len(relay.received()) == 30 })
	time.Sleep(50 * time.Millisecond)
	if n := len(relay.received()); n != 30 {
		t.Errorf("%d mails at six", n)
	}
	now.set(time.Date(2026, 2, 28, 21, 0, 0, 0, testNow.Location()))
	eventually(t, "seven eighths are used", func() bool { return len(relay.received()) == 35 })
	now.set(time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location()))
	time.Sleep(50 * time.Millisecond)
	if s := stop(); s.Accepted != 35 || s.Expired != 0 {
		t.Errorf("%+v", s)
	}

	few := startScripted(t, allFine)
	b, now = capped(t, 40, few)
	now.set(time.Date(2026, 2, 28, 0, 1, 0, 0, testNow.Location()))
	b.each(40)
	if s := b.mustRun(t); s.Accepted != 40 {
		t.Errorf("what fits is held back: %+v", s)
	}
}

// A mail that may have gone out counts; one that was refused does not, nor one of another day.
func TestWhatCountsAgainstTheCap(t *testing.T) {
	relay := startScripted(t, allFine)
	b, now := capped(t, 5, relay)
	now.set(time.Date(2026, 2, 28, 23, 59, 59, 0, testNow.Location()))
	at := func(day, hour int) string {
		return time.Date(2026, 2, day, hour, 30, 0, 0, time.UTC).Format(event.TimeFormat)
	}
	for n, d := range []event.Delivery{
		{Status: event.DeliveryAccepted, At: at(27, 23)}, // 00:30 of the 28th here
		{Status: event.DeliveryInDoubt, Reason: ptr(reasonParked), At: at(28, 1)}, {Status: event.DeliveryBounced, At: at(28, 1)},
		{Status: event.DeliveryAccepted, At: at(27, 22)}, // 23:30 of the 27th
		{Status: event.DeliveryRejected, At: at(28, 2)}, {Status: event.DeliveryExpired, At: at(28, 2)}, {Status: event.DeliverySuppressed, At: at(28, 2)},
	} {
		d.ID = sampleMail(1000 + n).ID
		b.put("deliveries", d.ID, d)
		b.put("deliveries", d.ID, d) // said twice, counted once
	}
	for n := range 10 {
		b.queue(lastDayMail(n))
	}
	s, err := b.run(t)
	if err == nil || s.Accepted != 2 || len(relay.received()) != 2 {
		t.Errorf("%v %+v", err, s)
	}
}

// serveTwo is serve with both groups.
func (b *bench) serveTwo(t *testing.T) (*Connector, func() Summary) {
	b.options.LastDay = b.joinAs("last-day")
	return b.serve(t)
}

// Without a cap too, mails of the last day overtake what is queued before them when the relay is slow.
func TestLastDayGoesFirst(t *testing.T) {
	relay := startScripted(t, always("DOT", "wait 2ms then 250 2.0.0 Ok"))
	b := newBenchOf(t, relay)
	b.options.Limits.Batch, b.options.Retry.Budget = 10, 10*time.Second
	for n := range 150 {
		b.queue(sampleMail(n))
	}
	for n := 150; n < 160; n++ {
		b.queue(lastDayMail(n))
	}
	s, err := b.runTwo(t)
	if err != nil || s.Accepted != 160 || s.Skipped != 0 || s.Left != 0 {
		t.Fatalf("%v %+v", err, s)
	}
	last := 0
	for i, m := range relay.received() {
		if n := 0; sscan(m.to, &n) && n >= 150 {
			last = i
		}
	}
	if last > 80 {
		t.Errorf("the last of them came as number %d", last)
	}
	acceptedOnceOf(t, 0, 160, relay)
	if s, err := b.runTwo(t); err != nil || s != (Summary{}) {
		t.Errorf("again: %v %+v", err, s)
	}
}
