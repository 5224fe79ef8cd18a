package debezium

import (
	"time"

	"lejarat/processor/event"
)

// encoding is how a date or timestamp stands in a message.
type encoding uint8

const (
	none encoding = iota
	days
	millis
	micros
	nanos
	iso
	isoLocal
	yyyymmdd
	dayFirst
	yearFirst
	structured
)

// encodingNames are the words of event.Column.Encoding, in the order in which errors list them.
var encodingNames = []struct {
	name string
	enc  encoding
}{
	{"days", days}, {"millis", millis}, {"micros", micros}, {"nanos", nanos},
	{"iso", iso}, {"isolocal", isoLocal}, {"yyyymmdd", yyyymmdd},
	{"dd.mm.yyyy", dayFirst}, {"yyyy.mm.dd", yearFirst}, {"structured", structured},
}

// Reasons of an unreadable date. They name what is wrong with a value, never the value.
const (
	notANumber   = "a whole number was expected"
	notAText     = "a text was expected"
	notAStruct   = "a structured date was expected"
	notADate     = "not a date in the expected form"
	noEncoding   = "a bare number with no schema type and no date: encoding configured"
	outOfRange   = "outside 0001-01-01 to 9999-12-31: another unit than expected, or the column's type was changed"
	wrapped      = "a nanosecond timestamp before 1900: dates after 2262 wrap around to there"
	looksLikeDay = "too small for its unit: it looks like a count of days, as if the column's type was changed"
	noDateType   = "the schema's type of this column holds no date"
	notForever   = "infinity where a point in time is needed"
	notEver      = "minus infinity"
	badText      = "not valid text"
)

// frame says what a moment's clock is.
type frame uint8

const (
	noClock frame = iota // a date alone
	wall                 // a clock whose zone is not told
	offset               // a clock with its offset from UTC
)

// A moment is a date, with or without a time of day, as written.
type moment struct {
	day    event.Date
	second int32 // of the day
	nano   int32
	frame  frame
	offset int32 // seconds east of UTC
	is     bound
}

const secondsOfDay = 86400

// date returns the civil date: as written, or for a moment with an offset, the date in the zone.
func (m moment) date(zone *time.Location) event.Date {
	if m.frame != offset {
		return m.day
	}
	// The last hours before the year 10000 in UTC are past it in the zone: that is still a bound meant as 9999-12-31.
	return min(max(event.DateOf(m.unix(), zone), minDay), maxDay)
}

// instant returns the point in time: a moment without an offset is what a clock in the zone shows.
func (m moment) instant(zone *time.Location) time.Time {
	if m.frame == offset {
		return m.unix().UTC()
	}
	year, month, day := m.day.Civil()
	return time.Date(year, month, day, 0, 0, int(m.second), int(m.nano), zone).UTC()
}

func (m moment) unix() time.Time {
	return time.Unix(int64(m.day)*secondsOfDay+int64(m.second)-int64(m.offset), int64(m.nano))
}

// ofCount reads a whole number. typed says that the schema vouches for the unit.
func ofCount(enc encoding, n int64, typed bool) (moment, string) {
	var perSecond int64
	switch enc {
	case days:
		if n >= int64(minDay) && n <= int64(maxDay) {
			return moment{day: event.Date(n)}, ""
		}
		return ofCode(enc, n)
	case millis:
		perSecond = 1e3
	case micros:
		perSecond = 1e6
	case nanos:
		perSecond = 1e9
		if b := boundOfCode(enc, n); b != finite {
			return moment{is: b}, ""
		}
	}
	if !typed && n != 0 && n >= int64(minDay) && n <= int64(maxDay) {
		return moment{}, looksLikeDay
	}
	seconds, rest := floorDiv(n, perSecond)
	day, second := floorDiv(seconds, secondsOfDay)
	if day < int64(minDay) || day > int64(maxDay) {
		return ofCode(enc, n)
	}
	if enc == nanos && event.Date(day) < wrapDay {
		return moment{}, wrapped
	}
	return moment{day: event.Date(day), second: int32(second), nano: int32(rest * (1e9 / perSecond)), frame: wall}, ""
}

// ofCode reads a number outside the calendar.
func ofCode(enc encoding, n int64) (moment, string) {
	if b := boundOfCode(enc, n); b != finite {
		return moment{is: b}, ""
	}
	return moment{}, outOfRange
}

func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

// ofDigits reads YYYYMMDD.
func ofDigits(n int64) (moment, string) {
	if n < 1_01_01 || n > 9999_12_31 {
		return moment{}, notADate
	}
	return ofCivil(int(n/1_00_00), int(n/1_00%1_00), int(n%1_00))
}

// ofCivil checks that there is such a day.
func ofCivil(year, month, day int) (moment, string) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 {
		return moment{}, notADate
	}
	d := event.NewDate(year, time.Month(month), day)
	if day > 28 {
		if _, m, _ := d.Civil(); int(m) != month {
			return moment{}, notADate
		}
	}
	return moment{day: d}, ""
}
