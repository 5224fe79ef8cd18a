// Package calendar counts back from civil dates: periods of months and days, clamped at the end of a month.
//
// Rules (SPEC 1.1):
//   - a period is always taken from the date given, never from the result of another one;
//   - months first: where the day is missing in the month reached, that month's last day stands for it; then days;
//   - neither weekends nor holidays shift anything, and no time zone has a part in it.
package calendar

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Period is a length of time in civil months and days, counted back from a date. A week is 7 days and a year 12 months.
// Periods that ParsePeriod returns are never negative.
type Period struct{ Months, Days int }

// MaxMonths and MaxDays bound what ParsePeriod accepts: the years 1 to 9999.
const (
	MaxMonths = 9999 * 12
	MaxDays   = 9999 * 366
)

var errPeriod = errors.New("want an ISO 8601 period of whole years, months, weeks or days, for example P6M, P30D or P0D")

// ParsePeriod reads an ISO 8601 period: P6M, P30D, P1Y, P1Y2M10D, P2W, P0D. Units stand in the order Y, M, W, D, each at
// most once. Negative, fractional and time-of-day parts (PT6H) are errors, and so are periods above MaxMonths or MaxDays.
func ParsePeriod(s string) (Period, error) {
	p, err := parsePeriod(s)
	if err != nil {
		return Period{}, fmt.Errorf("reading the period %q: %w", s, err)
	}
	return p, nil
}

func parsePeriod(s string) (Period, error) {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" {
		return Period{}, errPeriod
	}
	var p Period
	units := "YMWD"
	for rest != "" {
		digits := 0
		for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(rest) {
			return Period{}, errPeriod
		}
		unit := strings.IndexByte(units, rest[digits])
		if unit < 0 {
			return Period{}, errPeriod
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n > MaxDays {
			return Period{}, fmt.Errorf("the period is longer than 9999 years")
		}
		switch units[unit] {
		case 'Y':
			p.Months += 12 * n
		case 'M':
			p.Months += n
		case 'W':
			p.Days += 7 * n
		case 'D':
			p.Days += n
		}
		units, rest = units[unit+1:], rest[digits+1:]
	}
	if p.Months > MaxMonths || p.Days > MaxDays {
		return Period{}, fmt.Errorf("the period is longer than 9999 years")
	}
	return p, nil
}

// monthLabels are the labels that a run makes of every document it looks at.
var monthLabels = [...]string{1: "P1M", 2: "P2M", 3: "P3M", 4: "P4M", 5: "P5M", 6: "P6M"}

// String returns the one ISO 8601 form of the period that this program writes: whole years before months, no weeks, P0D for
// none. Equal periods have equal texts, and ParsePeriod reads the text back. It is a threshold's label.
func (p Period) String() string {
	switch {
	case p == (Period{}):
		return "P0D"
	case p.Days == 0 && 0 < p.Months && p.Months < len(monthLabels):
		return monthLabels[p.Months]
	}
	b := make([]byte, 1, 16)
	b[0] = 'P'
	for _, part := range [3]struct {
		n    int
		unit byte
	}{{p.Months / 12, 'Y'}, {p.Months % 12, 'M'}, {p.Days, 'D'}} {
		if part.n != 0 {
			b = append(strconv.AppendInt(b, int64(part.n), 10), part.unit)
		}
	}
	return string(b)
}

// Valid reports whether p is one that ParsePeriod could return: not negative, not above MaxMonths and MaxDays.
func (p Period) Valid() bool {
	return 0 <= p.Months && p.Months <= MaxMonths && 0 <= p.Days && p.Days <= MaxDays
}

// Compare orders periods by their mean length (400 years are 4,800 months and 146,097 days), and periods of the same
// mean length by their months. It returns -1, 0 or 1; 0 only for equal periods. P30D is shorter than P1M, although a
// given date may have it the other way round.
func (p Period) Compare(q Period) int {
	if c := cmp.Compare(p.length(), q.length()); c != 0 {
		return c
	}
	return cmp.Compare(p.Months, q.Months)
}

// length is the mean length in units of 1/4800 day.
func (p Period) length() int64 {
	const limit = 1 << 40 // far above every valid period, so that nothing overflows
	months := min(max(int64(p.Months), -limit), limit)
	days := min(max(int64(p.Days), -limit), limit)
	return months*146097 + days*4800
}
