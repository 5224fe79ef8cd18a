package rules_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/rules"
)

func date(t testing.TB, s string) event.Date {
	t.Helper()
	d, err := event.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func period(t testing.TB, s string) calendar.Period {
	t.Helper()
	p, err := calendar.ParsePeriod(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// notice makes a threshold of its texts; since and closes may be "".
func notice(t testing.TB, p, since, closes string) rules.Threshold {
	t.Helper()
	n := rules.Threshold{Period: period(t, p)}
	if since != "" {
		n.Since, n.HasSince = date(t, since), true
	}
	if closes != "" {
		c := period(t, closes)
		n.Closes = &c
	}
	return n
}

func notices(t testing.TB, periods ...string) []rules.Threshold {
	t.Helper()
	var ns []rules.Threshold
	for _, p := range periods {
		ns = append(ns, notice(t, p, "", ""))
	}
	return ns
}

// one makes a set of the single document type "card".
func one(ns ...rules.Threshold) *rules.Set {
	return &rules.Set{Types: map[string]rules.DocumentType{"card": {Name: "card", Notices: ns, OnePerPerson: true, Match: identity.AllFields}}}
}

// written returns dues as texts: label, date, first day too late.
func written(dues []rules.Due) []string {
	var lines []string
	for _, d := range dues {
		lines = append(lines, d.Label+" "+d.Date.String()+" "+d.Closes.String())
	}
	return lines
}

func TestDueOfTheShippedTypes(t *testing.T) {
	s := &rules.Set{Types: rules.Defaults()}
	if faults := s.Validate(); faults != nil {
		t.Fatal(faults)
	}
	for _, c := range []struct {
		docType, expiry string
		want            []string
	}{
		{"passport", "2026-08-31", []string{"P6M 2026-02-28 2026-07-31", "P1M 2026-07-31 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"passport", "2028-08-31", []string{"P6M 2028-02-29 2028-07-31", "P1M 2028-07-31 2028-08-31", "P0D 2028-08-31 2028-09-01"}},
		{"identity_card", "2026-04-30", []string{"P2M 2026-02-28 2026-03-30", "P1M 2026-03-30 2026-04-30", "P0D 2026-04-30 2026-05-01"}},
		{"driving_licence", "2026-03-31", []string{"P2M 2026-01-31 2026-02-28", "P1M 2026-02-28 2026-03-31", "P0D 2026-03-31 2026-04-01"}},
		{"vehicle_inspection", "2026-06-30", []string{"P2M 2026-04-30 2026-05-30", "P1M 2026-05-30 2026-06-30", "P0D 2026-06-30 2026-07-01"}},
		{"library_card", "2026-06-30", nil},
		{"", "2026-06-30", nil},
	} {
		if diff := cmp.Diff(c.want, written(s.Due(c.docType, date(t, c.expiry)))); diff != "" {
			t.Errorf("%s expiring on %s (-want +got):\n%s", c.docType, c.expiry, diff)
		}
	}
	if dues := s.Due("passport", event.NoExpiry); dues != nil {
		t.Errorf("a passport without expiry is due %v", dues)
	}
}

func TestDefaults(t *testing.T) {
	for name, onePerPerson := range map[string]bool{"identity_card": true, "passport": true, "driving_licence": true, "vehicle_inspection": false} {
		d, ok := rules.Defaults()[name]
		if !ok || d.Name != name || d.OnePerPerson != onePerPerson || d.Match != identity.AllFields || len(d.Notices) != 3 {
			t.Errorf("%s is %+v", name, d)
		}
	}
	first := rules.Defaults()
	first["passport"].Notices[0].Period.Days = 9
	delete(first, "identity_card")
	if len(rules.Defaults()) != 4 || rules.Defaults()["passport"].Notices[0].Period.Days != 0 {
		t.Error("changing what Defaults returned changes the defaults")
	}
}

func TestDue(t *testing.T) {
	live := func(s *rules.Set, from string) *rules.Set {
		s.LiveFrom, s.HasLiveFrom = date(t, from), true
		return s
	}
	for _, c := range []struct {
		name   string
		set    *rules.Set
		expiry string
		want   []string
	}{
		{"in any order", one(notices(t, "P0D", "P6M", "P1M")...), "2026-08-31",
			[]string{"P6M 2026-02-28 2026-07-31", "P1M 2026-07-31 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"without P0D the last window ends the day after expiry", one(notices(t, "P2M", "P1M")...), "2026-08-31",
			[]string{"P2M 2026-06-30 2026-07-31", "P1M 2026-07-31 2026-09-01"}},
		{"no notices", one(), "2026-08-31", nil},
		{"two thresholds on one date are one, the shorter", one(notices(t, "P1M", "P30D", "P0D")...), "2026-07-31",
			[]string{"P1M 2026-06-30 2026-07-01", "P30D 2026-07-01 2026-07-31", "P0D 2026-07-31 2026-08-01"}},
		{"two thresholds on one date are one, the shorter", one(notices(t, "P1M", "P30D", "P0D")...), "2026-07-30",
			[]string{"P30D 2026-06-30 2026-07-30", "P0D 2026-07-30 2026-07-31"}},
		{"where a month is shorter the order turns around", one(notices(t, "P1M", "P30D", "P0D")...), "2026-03-31",
			[]string{"P1M 2026-02-28 2026-03-01", "P30D 2026-03-01 2026-03-31", "P0D 2026-03-31 2026-04-01"}},
		{"where a month is shorter the order turns around", one(notices(t, "P1M", "P30D", "P0D")...), "2026-03-15",
			[]string{"P30D 2026-02-13 2026-02-15", "P1M 2026-02-15 2026-03-15", "P0D 2026-03-15 2026-03-16"}},
		{"since: due on that day counts", one(notice(t, "P2M", "2026-06-30", ""), notice(t, "P0D", "", "")), "2026-08-31",
			[]string{"P2M 2026-06-30 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"since: due the day before does not", one(notice(t, "P2M", "2026-07-01", ""), notice(t, "P0D", "", "")), "2026-08-31",
			[]string{"P0D 2026-08-31 2026-09-01"}},
		{"since: a threshold that does not count ends no window", one(notice(t, "P2M", "", ""), notice(t, "P1M", "2026-08-01", ""), notice(t, "P0D", "", "")), "2026-08-31",
			[]string{"P2M 2026-06-30 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"since: nor does it merge with another", one(notice(t, "P1M", "", ""), notice(t, "P30D", "2026-07-01", "")), "2026-07-30",
			[]string{"P1M 2026-06-30 2026-07-31"}},
		{"since without its mark has no meaning", one(rules.Threshold{Since: date(t, "2030-01-01")}), "2026-07-30", []string{"P0D 2026-07-30 2026-07-31"}},
		{"live from: due on that day counts", live(one(notices(t, "P2M", "P1M", "P0D")...), "2026-07-31"), "2026-08-31",
			[]string{"P1M 2026-07-31 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"live from: nothing left", live(one(notices(t, "P2M", "P1M", "P0D")...), "2026-09-01"), "2026-08-31", nil},
		{"closes earlier than the next threshold", one(notice(t, "P6M", "", "P3M"), notice(t, "P1M", "", ""), notice(t, "P0D", "", "")), "2026-08-31",
			[]string{"P6M 2026-02-28 2026-05-31", "P1M 2026-07-31 2026-08-31", "P0D 2026-08-31 2026-09-01"}},
		{"closes never later than the next threshold", one(notice(t, "P6M", "", "P2D"), notice(t, "P1M", "", "")), "2026-08-31",
			[]string{"P6M 2026-02-28 2026-07-31", "P1M 2026-07-31 2026-09-01"}},
		{"closes on the day of expiry", one(notice(t, "P1M", "", "P0D")), "2026-08-31", []string{"P1M 2026-07-31 2026-08-31"}},
		{"closes before it opens: never open, still owed", one(notice(t, "P1M", "", "P30D"), notice(t, "P0D", "", "")), "2026-03-01",
			[]string{"P1M 2026-02-01 2026-02-01", "P0D 2026-03-01 2026-03-02"}},
		{"many thresholds", one(notices(t, "P9D", "P8D", "P7D", "P6D", "P5D", "P4D", "P3D", "P2D", "P1D", "P0D")...), "2026-01-10",
			[]string{"P9D 2026-01-01 2026-01-02", "P8D 2026-01-02 2026-01-03", "P7D 2026-01-03 2026-01-04", "P6D 2026-01-04 2026-01-05", "P5D 2026-01-05 2026-01-06",
				"P4D 2026-01-06 2026-01-07", "P3D 2026-01-07 2026-01-08", "P2D 2026-01-08 2026-01-09", "P1D 2026-01-09 2026-01-10", "P0D 2026-01-10 2026-01-11"}},
	} {
		if diff := cmp.Diff(c.want, written(c.set.Due("card", date(t, c.expiry)))); diff != "" {
			t.Errorf("%s, expiring on %s (-want +got):\n%s", c.name, c.expiry, diff)
		}
	}
}

func TestDueAtTheEndsOfTime(t *testing.T) {
	s := one(notices(t, "P9999Y", "P6M", "P0D")...)
	for _, expiry := range []event.Date{math.MinInt32, math.MinInt32 + 1, math.MinInt32 + 100, -1, 0, event.NoExpiry - 1, event.NoExpiry - 100} {
		checkDues(t, s, expiry)
	}
}

// checkDues checks what holds for all dues: they ascend, each window lies before the next and none reaches beyond expiry.
func checkDues(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *rules.Set, expiry event.Date) {
	t.Helper()
	dues := s.Due("card", expiry)
	for i, d := range dues {
		end := expiry + 1
		if i+1 < len(dues) {
			end = dues[i+1].Date
		}
		if d.Closes < d.Date || d.Closes > end || d.Date > expiry || i+1 < len(dues) && d.Date >= end {
			t.Fatalf("expiring on %s: %v", expiry, written(dues))
		}
		if s.HasLiveFrom && d.Date < s.LiveFrom {
			t.Fatalf("expiring on %s: due on %s before going live on %s", expiry, d.Date, s.LiveFrom)
		}
		if d.Label == "P0D" && d.Date != expiry {
			t.Fatalf("expiring on %s: P0D is due on %s", expiry, d.Date)
		}
	}
}

// aSet draws a set of the one type "card", with thresholds that often fall on the same day.
func aSet(t *rapid.T) *rules.Set {
	day := rapid.Map(rapid.Int32Range(20000, 22000), func(d int32) event.Date { return event.Date(d) })
	length := rapid.Custom(func(t *rapid.T) calendar.Period {
		return calendar.Period{Months: rapid.IntRange(0, 6).Draw(t, "months"), Days: rapid.SampledFrom([]int{0, 0, 0, 1, 28, 30, 31}).Draw(t, "days")}
	})
	ns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.Threshold {
		n := rules.Threshold{Period: length.Draw(t, "period"), Since: day.Draw(t, "since"), HasSince: rapid.Bool().Draw(t, "has since")}
		if rapid.Bool().Draw(t, "has closes") {
			c := length.Draw(t, "closes")
			n.Closes = &c
		}
		return n
	}), 0, 6).Draw(t, "notices")
	s := one(ns...)
	s.LiveFrom, s.HasLiveFrom = day.Draw(t, "live from"), rapid.Bool().Draw(t, "has live from")
	return s
}

func TestDuesAscendAndWindowsDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := aSet(t)
		expiry := event.Date(rapid.Int32Range(20000, 22000).Draw(t, "expiry"))
		checkDues(t, s, expiry)
		before := written(s.Due("card", expiry))
		ns := s.Types["card"].Notices
		slices.Reverse(ns)
		if len(periods(s)) == len(ns) && !slices.Equal(before, written(s.Due("card", expiry))) {
			t.Fatalf("the order of configuration matters: %v, then %v", before, written(s.Due("card", expiry)))
		}
	})
}

// Against SPEC 1.2 read aloud: on a given day, the latest threshold due, if it is not too late.
func TestOnAnyDayAtMostTheLatestThresholdDueIsOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := aSet(t)
		if len(s.Types["card"].Notices) != len(periods(s)) {
			t.Skip("two thresholds of one period, which Validate refuses")
		}
		expiry := event.Date(rapid.Int32Range(20000, 22000).Draw(t, "expiry"))
		today := expiry - event.Date(rapid.Int32Range(-3, 200).Draw(t, "days before"))
		var latest *rules.Threshold
		var due event.Date
		for i := range s.Types["card"].Notices {
			n := &s.Types["card"].Notices[i]
			d := n.Period.Before(expiry)
			if d > today || n.HasSince && d < n.Since || s.HasLiveFrom && d < s.LiveFrom {
				continue
			}
			if latest == nil || d > due || d == due && n.Period.Compare(latest.Period) < 0 {
				latest, due = n, d
			}
		}
		var want []string
		if latest != nil && today <= expiry && (latest.Closes == nil || today < latest.Closes.Before(expiry)) {
			want = []string{latest.Period.String() + " " + due.String()}
		}
		var got []string
		for _, d := range s.Due("card", expiry) {
			if d.Date <= today && today < d.Closes {
				got = append(got, d.Label+" "+d.Date.String())
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("expiring on %s, today %s: open are %v, want %v", expiry, today, got, want)
		}
	})
}

func periods(s *rules.Set) map[calendar.Period]bool {
	ps := map[calendar.Period]bool{}
	for _, n := range s.Types["card"].Notices {
		ps[n.Period] = true
	}
	return ps
}

func BenchmarkDue(b *testing.B) {
	s := &rules.Set{Types: rules.Defaults()}
	expiry := date(b, "2026-08-31")
	b.ReportAllocs()
	for b.Loop() {
		s.Due("passport", expiry)
	}
}
