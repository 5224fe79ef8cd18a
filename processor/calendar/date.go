package calendar

import (
	"fmt"
	"math"
	"time"

	"lejarat/processor/event"
)

// The first and last day that Before can return; a result beyond them is the nearer one of the two.
const (
	earliest event.Date = math.MinInt32
	latest   event.Date = event.NoExpiry - 1
)

// Before returns d − p (SPEC 1.1): first the months, clamped to the last day of the month reached, then the days.
// 2026-08-31 − P6M is 2026-02-28. event.NoExpiry stays event.NoExpiry.
func (p Period) Before(d event.Date) event.Date {
	if d == event.NoExpiry || p == (Period{}) {
		return d
	}
	day := int64(d)
	if p.Months != 0 {
		day = minusMonths(d, p.Months)
	}
	const limit = 1 << 40 // beyond every date: keeps the difference from overflowing
	day -= min(max(int64(p.Days), -limit), limit)
	return event.Date(min(max(day, int64(earliest)), int64(latest)))
}

// minusMonths returns the day number of d − months, clamped to the month's end; it may lie outside event.Date.
func minusMonths(d event.Date, months int) int64 {
	year, month, day := d.Civil()
	const limit = 1 << 28 // months; event.Date spans fewer than 2^28
	index := int64(year)*12 + int64(month-1) - min(max(int64(months), -limit), limit)
	year, month = int(index/12), time.Month(index%12)+1
	if month < 1 { // the remainder of a negative index is negative
		year, month = year-1, month+12
	}
	return firstOfMonth(year, month) + int64(min(day, daysIn(year, month))-1)
}

func firstOfMonth(year int, month time.Month) int64 {
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func daysIn(year int, month time.Month) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// MonthEnd reports whether d is the last day of its month: the day on which clamping makes several expiry dates come due
// at once. event.NoExpiry is no day and no month's end.
func MonthEnd(d event.Date) bool {
	if d == event.NoExpiry {
		return false
	}
	year, month, day := d.Civil()
	return day == daysIn(year, month)
}

// ParseTimeOfDay reads a local time written as 06:00, from 00:00 to 23:59.
func ParseTimeOfDay(s string) (hour, minute int, err error) {
	if len(s) == 5 && s[2] == ':' {
		hour, okHour := twoDigits(s[:2])
		minute, okMinute := twoDigits(s[3:])
		if okHour && okMinute && hour < 24 && minute < 60 {
			return hour, minute, nil
		}
	}
	return 0, 0, fmt.Errorf("reading the time of day %q: want HH:MM from 00:00 to 23:59, for example 06:00", s)
}

func twoDigits(s string) (int, bool) {
	tens, ones := s[0]-'0', s[1]-'0'
	return int(tens)*10 + int(ones), tens <= 9 && ones <= 9
}
