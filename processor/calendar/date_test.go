package calendar_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
)

func date(t testing.TB, s string) event.Date {
	t.Helper()
	d, err := event.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestBefore(t *testing.T) {
	for _, c := range []struct{ expiry, period, want string }{
		// SPEC 1.1
		{"2026-08-31", "P6M", "2026-02-28"},
		{"2028-08-31", "P6M", "2028-02-29"},
		{"2026-04-30", "P2M", "2026-02-28"},
		{"2026-03-31", "P1M", "2026-02-28"},
		{"2026-06-30", "P1M", "2026-05-30"},
		// research/domain.md 4
		{"2026-08-31", "P1M", "2026-07-31"},
		{"2026-08-31", "P2M", "2026-06-30"},
		{"2026-04-30", "P1M", "2026-03-30"},
		{"2026-04-30", "P6M", "2025-10-30"},
		{"2026-03-31", "P2M", "2026-01-31"},
		{"2026-03-31", "P6M", "2025-09-30"},
		{"2026-06-30", "P2M", "2026-04-30"},
		{"2026-06-30", "P6M", "2025-12-30"},
		// leap years
		{"2028-02-29", "P1Y", "2027-02-28"},
		{"2028-02-29", "P4Y", "2024-02-29"},
		{"2100-03-31", "P1M", "2100-02-28"},
		{"2000-03-31", "P1M", "2000-02-29"},
		{"2028-03-01", "P1D", "2028-02-29"},
		// months first, then days
		{"2026-03-31", "P1M1D", "2026-02-27"},
		{"2026-03-31", "P1Y2M10D", "2025-01-21"},
		{"2026-03-31", "P30D", "2026-03-01"},
		{"2026-03-31", "P2W", "2026-03-17"},
		{"2026-03-31", "P0D", "2026-03-31"},
		// before the epoch, over the turn of a year
		{"1970-01-31", "P2M", "1969-11-30"},
		{"1900-03-31", "P1M", "1900-02-28"},
		{"0001-01-31", "P0D", "0001-01-31"},
		{"9999-12-31", "P6M", "9999-06-30"},
	} {
		if got := parse(t, c.period).Before(date(t, c.expiry)); got.String() != c.want {
			t.Errorf("%s − %s = %s, want %s", c.expiry, c.period, got, c.want)
		}
	}
}

// A chained count would reach 28 January: SPEC 1.1 takes each period from the expiry date.
func TestBeforeIsNotChained(t *testing.T) {
	expiry := date(t, "2026-03-31")
	month := calendar.Period{Months: 1}
	if got := (calendar.Period{Months: 2}).Before(expiry); got.String() != "2026-01-31" {
		t.Errorf("two months before %s is %s", expiry, got)
	}
	if got := month.Before(month.Before(expiry)); got.String() != "2026-01-28" {
		t.Errorf("the example is not one: chained it is %s", got)
	}
}

// day is a civil date of the oracle, which knows nothing but how one day follows another.
type day struct{ year, month, day int }

func length(year, month int) int {
	lengths := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if month == 2 && (year%400 == 0 || year%4 == 0 && year%100 != 0) {
		return 29
	}
	return lengths[month-1]
}

func (d day) previous() day {
	if d.day > 1 {
		return day{d.year, d.month, d.day - 1}
	}
	if d.month > 1 {
		return day{d.year, d.month - 1, length(d.year, d.month-1)}
	}
	return day{d.year - 1, 12, 31}
}

// walkBack leaves as many months as it is told, one day at a time, goes on until the day of the month is not later than it
// was, and then takes the days. It returns how many days it went.
func walkBack(from day, p calendar.Period) (steps int) {
	at := from
	for left := p.Months; left > 0; steps++ {
		before := at
		if at = at.previous(); at.month != before.month {
			left--
		}
	}
	for ; at.day > from.day; steps++ {
		at = at.previous()
	}
	return steps + p.Days
}

func TestBeforeAgainstWalkingBackDayByDay(t *testing.T) {
	first, last := date(t, "0031-01-01"), date(t, "9999-12-31")
	monthEnds := rapid.SampledFrom([]string{"2026-03-31", "2027-04-30", "2028-02-29", "2028-03-31", "2100-03-30", "2026-08-31", "2000-12-31"})
	rapid.Check(t, func(t *rapid.T) {
		d := event.Date(rapid.Int32Range(int32(first), int32(last)).Draw(t, "date"))
		if rapid.Bool().Draw(t, "month's end") {
			d, _ = event.ParseDate(monthEnds.Draw(t, "date"))
		}
		p := calendar.Period{Months: rapid.IntRange(0, 300).Draw(t, "months"), Days: rapid.IntRange(0, 1500).Draw(t, "days")}
		y, m, dd := d.Civil()
		want := d - event.Date(walkBack(day{y, int(m), dd}, p))
		if got := p.Before(d); got != want {
			t.Fatalf("%s − %s = %s, want %s", d, p, got, want)
		}
	})
}

// Every day of the years 1 to 9999, walked through once: the month's ends, and one and six months before.
func TestEveryDayOfTheCalendar(t *testing.T) {
	at, d := day{1, 1, 1}, date(t, "0001-01-01")
	last := date(t, "9999-12-31")
	var firsts [7]event.Date // the first days of this month and the six before it
	var lengths [7]int
	for ; d <= last; d++ {
		if at.day == 1 {
			copy(firsts[1:], firsts[:])
			copy(lengths[1:], lengths[:])
			firsts[0], lengths[0] = d, length(at.year, at.month)
		}
		if end := calendar.MonthEnd(d); end != (at.day == lengths[0]) {
			t.Fatalf("MonthEnd(%s) = %v", d, end)
		}
		for _, months := range []int{1, 6} {
			if lengths[months] == 0 {
				continue
			}
			want := firsts[months] + event.Date(min(at.day, lengths[months])-1)
			if got := (calendar.Period{Months: months}).Before(d); got != want {
				t.Fatalf("%s − %d months = %s, want %s", d, months, got, want)
			}
		}
		if at.day++; at.day > lengths[0] {
			at.day = 1
			if at.month++; at.month > 12 {
				at.year, at.month = at.year+1, 1
			}
		}
	}
}

func TestBeforeAtTheEndsOfTime(t *testing.T) {
	const first, last = event.Date(math.MinInt32), event.NoExpiry - 1
	for _, c := range []struct {
		name string
		d    event.Date
		p    calendar.Period
		want event.Date
	}{
		{"no expiry stays", event.NoExpiry, calendar.Period{Months: 6, Days: 10}, event.NoExpiry},
		{"the day before no expiry is a day", last, calendar.Period{Days: 1}, last - 1},
		{"the first day stays", first, calendar.Period{Days: 1}, first},
		{"the first day stays", first, calendar.Period{Months: 1}, first},
		{"huge days", 0, calendar.Period{Days: math.MaxInt}, first},
		{"huge months", 0, calendar.Period{Months: math.MaxInt}, first},
		{"huge both", last, calendar.Period{Months: math.MaxInt, Days: math.MaxInt}, first},
		{"a negative period never reaches no expiry", last, calendar.Period{Days: math.MinInt}, last},
		{"a negative period never reaches no expiry", 0, calendar.Period{Months: math.MinInt}, last},
	} {
		if got := c.p.Before(c.d); got != c.want {
			t.Errorf("%s: %d − %+v = %d, want %d", c.name, c.d, c.p, got, c.want)
		}
	}
}

func TestMonthEnd(t *testing.T) {
	for text, want := range map[string]bool{
		"2026-02-28": true, "2028-02-28": false, "2028-02-29": true, "2026-04-30": true, "2026-05-30": false, "2026-12-31": true, "1969-12-31": true,
	} {
		if got := calendar.MonthEnd(date(t, text)); got != want {
			t.Errorf("MonthEnd(%s) = %v", text, got)
		}
	}
	if calendar.MonthEnd(event.NoExpiry) {
		t.Error("no expiry is no month's end")
	}
}

func TestParseTimeOfDay(t *testing.T) {
	for text, want := range map[string][2]int{"06:00": {6, 0}, "00:00": {0, 0}, "23:59": {23, 59}, "05:07": {5, 7}} {
		if h, m, err := calendar.ParseTimeOfDay(text); err != nil || h != want[0] || m != want[1] {
			t.Errorf("ParseTimeOfDay(%q) = %d, %d, %v", text, h, m, err)
		}
	}
	for _, text := range []string{"", "6:00", "06:0", "24:00", "06:60", "0600", "06.00", "06:00:00", "-6:00", "+6:00", " 6:00", "06:00 ", "ab:cd", "é:000"} {
		if h, m, err := calendar.ParseTimeOfDay(text); err == nil {
			t.Errorf("ParseTimeOfDay(%q) = %d, %d, want an error", text, h, m)
		}
	}
}

func BenchmarkBefore(b *testing.B) {
	p, d := calendar.Period{Months: 6}, date(b, "2026-08-31")
	for b.Loop() {
		p.Before(d)
	}
}

func BenchmarkPeriodString(b *testing.B) {
	p := calendar.Period{Months: 6}
	for b.Loop() {
		_ = p.String()
	}
}
