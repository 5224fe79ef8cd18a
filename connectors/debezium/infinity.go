package debezium

import (
	"math"

	"lejarat/processor/event"
)

// The calendar that is accepted: 0001-01-01 to 9999-12-31. A bound that a register wrote as 9999-12-31 is a date.
const (
	minDay event.Date = -719162
	maxDay event.Date = 2932896
	// wrapDay is 1900-01-01. Nanoseconds in 64 bits end in 2262, and later dates wrap around to the 19th century.
	wrapDay event.Date = -25567
)

// bound is an infinity, or none.
type bound int8

const (
	finite bound = iota
	plusInfinity
	minusInfinity
)

// codes are the numbers that stand for infinity. All but the two wrapped ones lie outside the accepted calendar.
var codes = []struct {
	enc    encoding
	code   int64
	is     bound
	origin string
}{
	{days, -2147472692, plusInfinity, "PostgreSQL DATE, stream, Debezium 2.7 to 3.6: the driver's year cut to 32 bits"},
	{days, -2147472691, minusInfinity, "PostgreSQL DATE, stream, all versions"},
	{days, 2146033979, plusInfinity, "PostgreSQL DATE, stream, Debezium 3.7"},
	{days, -622191234, plusInfinity, "PostgreSQL DATE, snapshot, JVM zone below +01:00: the driver's milliseconds, days cut to 32 bits"},
	{days, -622191233, plusInfinity, "PostgreSQL DATE, snapshot, JVM zone +01:00 and above"},
	{days, -625821272, minusInfinity, "PostgreSQL DATE, snapshot, JVM zone below +01:00: era lost too"},
	{days, -625821271, minusInfinity, "PostgreSQL DATE, snapshot, JVM zone +01:00 and above"},

	{millis, 9223372036825200, plusInfinity, "PostgreSQL TIMESTAMP, connect mode, Debezium 2.7 to 3.6"},
	{millis, -9223372036832400, minusInfinity, "PostgreSQL TIMESTAMP, connect mode, Debezium 2.7 to 3.6"},
	{millis, 9223372036825200000, plusInfinity, "the PostgreSQL driver's own milliseconds"},
	{millis, -9223372036832400000, minusInfinity, "the PostgreSQL driver's own milliseconds"},
	{millis, math.MaxInt64 / 1000, plusInfinity, "Long.MAX microseconds as milliseconds"},
	{millis, math.MinInt64 / 1000, minusInfinity, "Long.MIN microseconds as milliseconds, cut"},
	{millis, math.MinInt64/1000 - 1, minusInfinity, "Long.MIN microseconds as milliseconds, rounded down"},
	{millis, math.MaxInt64, plusInfinity, "PostgreSQL TIMESTAMP, connect mode, Debezium 3.7"},
	{millis, math.MinInt64, minusInfinity, "PostgreSQL TIMESTAMP, connect mode, Debezium 3.7"},

	{micros, 9223372036825200000, plusInfinity, "PostgreSQL TIMESTAMP, Debezium 2.7 to 3.6"},
	{micros, -9223372036832400000, minusInfinity, "PostgreSQL TIMESTAMP, Debezium 2.7 to 3.6"},
	{micros, math.MaxInt64, plusInfinity, "PostgreSQL TIMESTAMP, Debezium 3.7"},
	{micros, math.MinInt64, minusInfinity, "PostgreSQL TIMESTAMP, Debezium 3.7"},

	{nanos, -29575808000, plusInfinity, "PostgreSQL TIMESTAMP, nanoseconds mode, to 3.5: wrapped around to 1969"},
	{nanos, 22375808000, minusInfinity, "PostgreSQL TIMESTAMP, nanoseconds mode, to 3.5: wrapped around to 1970"},
	{nanos, math.MaxInt64, plusInfinity, "PostgreSQL TIMESTAMP, nanoseconds mode, Debezium 3.6 and 3.7"},
	{nanos, math.MinInt64, minusInfinity, "PostgreSQL TIMESTAMP, nanoseconds mode, Debezium 3.6 and 3.7"},
}

// words are the texts that stand for infinity. A text with a sign and a date is looked up without its time of day.
var words = []struct {
	text   string
	is     bound
	origin string
}{
	{"infinity", plusInfinity, "PostgreSQL TIMESTAMPTZ, all modes and versions"},
	{"-infinity", minusInfinity, "PostgreSQL TIMESTAMPTZ, all modes and versions"},
	{"-5877611-06-21", plusInfinity, "PostgreSQL DATE, isostring, stream, to 3.6"},
	{"-5877611-06-22", minusInfinity, "PostgreSQL DATE, isostring, stream, all versions"},
	{"+5877611-06-21", plusInfinity, "PostgreSQL DATE, isostring, stream, 3.7"},
	{"+292278994-08-16", plusInfinity, "PostgreSQL DATE, isostring, snapshot, JVM zone below +01:00"},
	{"+292278994-08-17", plusInfinity, "PostgreSQL DATE, isostring, snapshot, JVM zone +01:00 and above; Long.MAX milliseconds"},
	{"+292269055-12-02", minusInfinity, "PostgreSQL DATE, isostring, snapshot, era lost, JVM zone below +01:00"},
	{"+292269055-12-03", minusInfinity, "PostgreSQL DATE, isostring, snapshot, era lost, JVM zone +01:00 and above"},
	{"-292275055-05-16", minusInfinity, "Long.MIN milliseconds"},
	{"+294247-01-10", plusInfinity, "PostgreSQL TIMESTAMP, isostring; Long.MAX microseconds"},
	{"-290308-12-21", minusInfinity, "PostgreSQL TIMESTAMP, isostring; Long.MIN microseconds"},
}

// Special values of the structured types, Debezium 3.7.
const (
	structuredPlus  = "POSITIVE_INFINITY"
	structuredMinus = "NEGATIVE_INFINITY"
)

func boundOfCode(enc encoding, code int64) bound {
	for i := range codes {
		if codes[i].code == code && codes[i].enc == enc {
			return codes[i].is
		}
	}
	return finite
}

func boundOfWord(text []byte) bound {
	for i := range words {
		if words[i].text == string(text) {
			return words[i].is
		}
	}
	return finite
}
