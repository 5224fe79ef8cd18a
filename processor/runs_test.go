package processor

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/event"
)

// TestFuseAndFirstRunOfAnyHistory: both say after any records what a look at all of them says.
func TestFuseAndFirstRunOfAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := event.NewDate(2026, 1, 15)
		r := &Runs{cfg: &Config{Generation: 2}, records: map[runKey]runEntry{}, last: map[int32]event.Date{}, fired: map[int]bool{}, first: event.NoExpiry}
		for n := range rapid.IntRange(0, 120).Draw(t, "records") {
			date := base + event.Date(rapid.IntRange(-60, 60).Draw(t, "date"))
			v := RunRecord{Generation: rapid.IntRange(1, 2).Draw(t, "generation"), Partition: int32(rapid.IntRange(0, 2).Draw(t, "partition")),
				State: rapid.SampledFrom([]string{RunRunning, RunComplete, RunHeld, RunMissed}).Draw(t, "state"), DayKind: dayKind(date)}
			if rapid.Bool().Draw(t, "counted") {
				v.Due = &RunDue{Expiry: rapid.IntRange(0, 50_000).Draw(t, "due"), Announcement: n}
			}
			r.keep(date, v, int64(n))
			if rapid.IntRange(0, 5).Draw(t, "asked") == 0 {
				sameFirstRun(t, r, date)
			}
		}
		for _, date := range []event.Date{base - 70, base, event.NewDate(2026, 1, 31), base + 70} {
			sameFirstRun(t, r, date)
			expiry, announcement := r.fuse(date)
			if e, a := naiveFuse(r, date); e != expiry || a != announcement {
				t.Fatalf("%s: %d and %d, want %d and %d", date, expiry, announcement, e, a)
			}
		}
	})
}

func sameFirstRun(t *rapid.T, r *Runs, date event.Date) {
	want := date
	for k, v := range r.records {
		if v.State == RunRunning || v.State == RunComplete {
			want = min(want, k.date)
		}
	}
	if got := r.firstRun(date); got != want {
		t.Fatalf("the first run before %s is that of %s, want %s", date, got, want)
	}
}

// naiveFuse is SPEC 1.7: three times the median of the last 30 runs of the day's kind, at least 10,000.
func naiveFuse(r *Runs, date event.Date) (expiry, announcement int) {
	sums := map[event.Date]RunDue{}
	for k, v := range r.records {
		if v.State == RunComplete && v.Due != nil && v.DayKind == dayKind(date) && k.date < date {
			s := sums[k.date]
			sums[k.date] = RunDue{s.Expiry + v.Due.Expiry, s.Announcement + v.Due.Announcement}
		}
	}
	dates := slices.Sorted(maps.Keys(sums))
	dates = dates[max(0, len(dates)-30):]
	of := func(figure func(RunDue) int) int {
		var all []int
		for _, d := range dates {
			all = append(all, figure(sums[d]))
		}
		if slices.Sort(all); len(all) == 0 {
			return 10_000
		}
		return max(10_000, 3*all[len(all)/2])
	}
	return of(func(d RunDue) int { return d.Expiry }), of(func(d RunDue) int { return d.Announcement })
}
