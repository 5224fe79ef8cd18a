package event

import (
	"fmt"
	"math"
	"time"
)

// Date is a civil date, counted in days since 1970-01-01 (proleptic Gregorian). It has no time zone.
type Date int32

// NoExpiry is the one canonical value of "never expires": null, or any of the databases' infinity encodings.
const NoExpiry Date = math.MaxInt32

// NewDate returns the civil date; month and day outside their range are carried over as in time.Date.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDate reads a date written as 2026-08-31.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("reading the date %q: want YYYY-MM-DD", s)
	}
	return Date(t.Unix() / 86400), nil
}

// DateOf returns the civil date that a clock in zone shows at t.
func DateOf(t time.Time, zone *time.Location) Date {
	y, m, d := t.In(zone).Date()
	return NewDate(y, m, d)
}

// Civil returns year, month and day.
func (d Date) Civil() (year int, month time.Month, day int) {
	return time.Unix(int64(d)*86400, 0).UTC().Date()
}

// At returns the instant at which a clock in zone shows d and the given time of day.
func (d Date) At(hour, minute int, zone *time.Location) time.Time {
	y, m, day := d.Civil()
	return time.Date(y, m, day, hour, minute, 0, 0, zone)
}

// String returns the date as 2026-08-31, or "never" for NoExpiry.
func (d Date) String() string {
	var room [16]byte
	return string(d.Append(room[:0]))
}

// Append appends what String returns.
func (d Date) Append(b []byte) []byte {
	if d == NoExpiry {
		return append(b, "never"...)
	}
	y, m, day := d.Civil()
	if y < 0 || y > 9999 {
		return fmt.Appendf(b, "%04d-%02d-%02d", y, m, day)
	}
	two := func(n int) (byte, byte) { return byte('0' + n/10), byte('0' + n%10) }
	t := [10]byte{4: '-', 7: '-'}
	t[0], t[1] = two(y / 100)
	t[2], t[3] = two(y % 100)
	t[5], t[6] = two(int(m))
	t[8], t[9] = two(day)
	return append(b, t[:]...)
}
