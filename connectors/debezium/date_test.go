package debezium

import (
	"testing"
	"time"

	"lejarat/processor/event"
)

const bad = "" // the wanted date of an unreadable value

func TestCivilDatesWithoutSchema(t *testing.T) {
	for _, c := range []struct{ encoding, json, want string }{
		{"days", `20696`, "2026-08-31"},
		{"days", `0`, "1970-01-01"},
		{"days", `-0`, "1970-01-01"},
		{"days", `-1`, "1969-12-31"},
		{"days", `-719162`, "0001-01-01"},
		{"days", `-719163`, bad},
		{"days", `2932896`, "9999-12-31"},
		{"days", `2932897`, bad},
		{"days", `2145042905`, bad},       // the largest date of PostgreSQL
		{"days", `1926287999000000`, bad}, // the column has become a timestamp
		{"days", `20696.0`, bad},
		{"days", `2.0696e4`, bad},
		{"days", `"20696"`, bad},
		{"days", `"2026-08-31"`, bad},
		{"days", `true`, bad},
		{"days", `{}`, bad},
		{"days", `99999999999999999999`, bad},
		{"millis", `1788134400000`, "2026-08-31"},
		{"millis", `1788220799999`, "2026-08-31"},
		{"millis", `-1`, bad},    // as small as a count of days
		{"millis", `20696`, bad}, // the column was a timestamp and became a date
		{"millis", `0`, "1970-01-01"},
		{"millis", `-2208988800000`, "1900-01-01"},
		{"millis", `253402300799999`, "9999-12-31"},
		{"millis", `253402300800000`, bad},
		{"millis", `-62135596800000`, "0001-01-01"},
		{"millis", `-62135596800001`, bad},
		{"micros", `1788134400000000`, "2026-08-31"},
		{"micros", `-86400000000`, "1969-12-31"},
		{"micros", `-86400000001`, "1969-12-30"},
		{"micros", `20696`, bad},
		{"nanos", `1788134400000000000`, "2026-08-31"},
		{"nanos", `-2208988800000000000`, "1900-01-01"},
		{"nanos", `-2208988800000000001`, bad},
		{"nanos", `-4852202631933722624`, bad}, // 9999-12-31, wrapped
		{"nanos", `-4389894547419103232`, bad}, // 2999-12-31, wrapped
		{"iso", `"2026-08-31"`, "2026-08-31"},
		{"iso", `"2026-08-31Z"`, "2026-08-31"},
		{"iso", `"2026-08-31   "`, "2026-08-31"},
		{"iso", `"2026-08-31T10:20"`, "2026-08-31"},
		{"iso", `"2026-08-31T10:20:30.123456789123Z"`, "2026-08-31"},
		{"iso", `"2026-08-31 23:59:59"`, "2026-08-31"},
		{"iso", `"2026-08-30T22:00:00Z"`, "2026-08-31"}, // midnight in Budapest
		{"iso", `"2026-08-30T21:59:59Z"`, "2026-08-30"},
		{"iso", `"2026-08-31T00:00:00+02:00"`, "2026-08-31"},
		{"iso", `"2026-08-31 00:00:00+02"`, "2026-08-31"},
		{"iso", `"2026-08-31 00:00:00+0200"`, "2026-08-31"},
		{"iso", `"2026-08-31 00:00:00+02:00:00"`, "2026-08-31"},
		{"iso", `"2026-08-31T00:00:00-10:00"`, "2026-08-31"},
		{"iso", `"2026-08-31T23:00:00-10:00"`, "2026-09-01"},
		{"iso", `"9999-12-31T23:59:59Z"`, "9999-12-31"}, // the year 10000 in Budapest
		{"iso", `"0001-01-01T00:00:00+18:00"`, "0001-01-01"},
		{"iso", `"\u0032026-08-31"`, "2026-08-31"},
		{"iso", `"2028-02-29"`, "2028-02-29"},
		{"iso", `"2026-02-29"`, bad},
		{"iso", `"2026-04-31"`, bad},
		{"iso", `"2026-13-01"`, bad},
		{"iso", `"2026-00-10"`, bad},
		{"iso", `"0000-00-00"`, bad},
		{"iso", `"-0043-03-15Z"`, bad},
		{"iso", `"+10000-01-01"`, bad},
		{"iso", `"10000-01-01"`, bad},
		{"iso", `"0044-03-15 BC"`, bad},
		{"iso", `"2026-08-31T"`, bad},
		{"iso", `"2026-08-31T24:00:00"`, bad},
		{"iso", `"2026-08-31T10:60:00"`, bad},
		{"iso", `"2026-08-31T10:20:30."`, bad},
		{"iso", `"2026-08-31T10:20:30+"`, bad},
		{"iso", `"2026-08-31T10:20:30+02:"`, bad},
		{"iso", `"2026-08-31T10:20:30+19:00"`, bad},
		{"iso", `"2026-08-31T10:20:30ZZ"`, bad},
		{"iso", `"2026-08-31x"`, bad},
		{"iso", `"2026.08.31"`, bad},
		{"iso", `"-"`, bad},
		{"iso", `"+T"`, bad},
		{"iso", `""`, bad},
		{"iso", `"  "`, bad},
		{"iso", `20696`, bad},
		{"iso", `"2026-08-3\ud800"`, bad},
		{"isolocal", `"2026-08-30T22:00:00Z"`, "2026-08-30"},
		{"isolocal", `"2026-08-31"`, "2026-08-31"},
		{"yyyymmdd", `20260831`, "2026-08-31"},
		{"yyyymmdd", `"20260831"`, "2026-08-31"},
		{"yyyymmdd", `"20260831 "`, "2026-08-31"},
		{"yyyymmdd", `99991231`, "9999-12-31"},
		{"yyyymmdd", `{"scale":0,"value":"ATUn3w=="}`, "2026-08-31"}, // Oracle NUMBER
		{"yyyymmdd", `20260832`, bad},
		{"yyyymmdd", `20260229`, bad},
		{"yyyymmdd", `0`, bad},
		{"yyyymmdd", `99999999`, bad},
		{"yyyymmdd", `2026083`, bad},
		{"yyyymmdd", `"2026083"`, bad},
		{"yyyymmdd", `"2026-08-31"`, bad},
		{"yyyymmdd", `1788134400000`, bad},
		{"dd.mm.yyyy", `"31.08.2026"`, "2026-08-31"},
		{"dd.mm.yyyy", `"08.31.2026"`, bad},
		{"dd.mm.yyyy", `"2026.08.31"`, bad},
		{"yyyy.mm.dd", `"2026.08.31."`, "2026-08-31"},
		{"yyyy.mm.dd", `"2026.08.31"`, "2026-08-31"},
		{"yyyy.mm.dd", `"31.08.2026"`, bad},
		{"structured", `{"year":2026,"month":8,"day":31,"specialValue":null}`, "2026-08-31"},
		{"structured", `{"year":2026,"month":8,"day":31,"hour":10,"minute":0,"second":0,"nanos":0}`, "2026-08-31"},
		{"structured", `{"year":2026,"month":8,"day":30,"hour":22,"minute":0,"second":0,"picoseconds":0,"offsetSeconds":0,"zoneId":"Z"}`, "2026-08-31"},
		{"structured", `{"year":0,"month":0,"day":0}`, bad}, // MySQL's zero date
		{"structured", `{"year":2026,"month":2,"day":30}`, bad},
		{"structured", `{"year":2026,"month":4294967298,"day":3}`, bad},
		{"structured", `{"year":2026,"month":8,"day":30,"hour":24}`, bad},
		{"structured", `{"year":2026}`, bad},
		{"structured", `{"year":"2026","month":8,"day":31}`, bad},
		{"structured", `{"specialValue":"SOMETIMES"}`, bad},
		{"structured", `{}`, bad},
		{"structured", `20696`, bad},
		{"", `"2026-08-31"`, "2026-08-31"},
		{"", `"2026-08-31Z"`, "2026-08-31"},
		{"", `"2026-08-30T22:00:00Z"`, "2026-08-31"},
		{"", `"20260831"`, bad},
		{"", `20696`, bad},
		{"", `{"year":2026,"month":8,"day":31}`, bad},
		{"", `true`, bad},
		{"", `[20696]`, bad},
	} {
		checkDate(t, c.encoding+" "+c.json, one(t, date("", c.encoding), c.json), c.want)
	}
}

func checkDate(t *testing.T, what string, v event.Value, want string) {
	t.Helper()
	switch {
	case want == bad && (v.State != event.Unreadable || v.Reason == "" || v.Date != 0):
		t.Errorf("%s: got %+v, want it unreadable", what, v)
	case want != bad && (v.State != event.Present || v.Date.String() != want):
		t.Errorf("%s: got %+v, want %s", what, v, want)
	}
}

func TestCivilDatesWithSchema(t *testing.T) {
	for _, c := range []struct{ name, encoding, json, want string }{
		{"io.debezium.time.Date", "", `20696`, "2026-08-31"},
		{"io.debezium.time.Date", "micros", `20696`, "2026-08-31"}, // the schema wins
		{"io.debezium.time.Date", "", `"2026-08-31"`, bad},
		{"org.apache.kafka.connect.data.Date", "", `20696`, "2026-08-31"},
		{"io.debezium.time.IsoDate", "days", `"2017-09-15Z"`, "2017-09-15"},
		{"io.debezium.time.StructuredDate", "", `{"year":2026,"month":8,"day":31,"specialValue":null}`, "2026-08-31"},
		{"io.debezium.time.Timestamp", "days", `1788134400000`, "2026-08-31"},
		{"io.debezium.time.Timestamp", "", `1788213600000`, "2026-08-31"}, // 22:00 as if UTC is no midnight
		{"io.debezium.time.Timestamp", "", `20696`, "1970-01-01"},
		{"org.apache.kafka.connect.data.Timestamp", "", `1788134400000`, "2026-08-31"},
		{"io.debezium.time.MicroTimestamp", "days", `1788134400000000`, "2026-08-31"},
		{"io.debezium.time.NanoTimestamp", "", `1788134400000000000`, "2026-08-31"},
		{"io.debezium.time.NanoTimestamp", "", `-4852202631933722624`, bad},
		{"io.debezium.time.IsoTimestamp", "", `"2026-08-30T22:00:00Z"`, "2026-08-30"},
		{"io.debezium.time.ZonedTimestamp", "", `"2026-08-30T22:00:00Z"`, "2026-08-31"},
		{"io.debezium.time.ZonedTimestamp", "", `1788134400000`, bad},
		{"io.debezium.time.StructuredZonedTimestamp", "", `{"year":2026,"month":8,"day":30,"hour":22,"minute":0,"second":0,"picoseconds":0,"offsetSeconds":0,"zoneId":"Z"}`, "2026-08-31"},
		{"io.debezium.time.MicroTime", "days", `20696`, bad},
		{"io.debezium.time.Year", "days", `2026`, bad},
		{"org.apache.kafka.connect.data.Decimal", "yyyymmdd", `"eMOTHA=="`, "2026-08-31"}, // scale 2
		{"org.apache.kafka.connect.data.Decimal", "yyyymmdd", `"eMOTHQ=="`, bad},
		{"org.apache.kafka.connect.data.Decimal", "", `"eMOTHA=="`, bad},
		{"", "yyyymmdd", `20260831`, "2026-08-31"},
		{"", "days", `20696`, "2026-08-31"},
		{"", "", `"2026-08-31"`, "2026-08-31"},
		{"", "", `20696`, bad},
		{"hu.example.Custom", "dd.mm.yyyy", `"31.08.2026"`, "2026-08-31"},
	} {
		checkDate(t, c.name+" "+c.json, typed(t, date("", c.encoding), c.name, c.json), c.want)
	}
}

func TestReasonWithoutEncoding(t *testing.T) {
	if v := one(t, date("", ""), `20696`); v.Reason != noEncoding {
		t.Errorf("got %q", v.Reason)
	}
}

func TestInstants(t *testing.T) {
	at := func(zone *time.Location, hour, second, nano int) time.Time {
		return time.Date(2026, 8, 31, hour, 0, second, nano, zone)
	}
	for _, c := range []struct {
		name, encoding, json string
		want                 time.Time // zero: unreadable
	}{
		{"", "days", `20696`, at(budapest, 0, 0, 0)},
		{"", "", `"2026-08-31"`, at(budapest, 0, 0, 0)},
		{"", "", `"2026-08-31Z"`, at(budapest, 0, 0, 0)},
		{"", "yyyymmdd", `20260831`, at(budapest, 0, 0, 0)},
		{"", "millis", `1788134401002`, at(budapest, 0, 1, 2e6)},
		{"", "micros", `1788134401000002`, at(budapest, 0, 1, 2e3)},
		{"", "nanos", `1788134401000000002`, at(budapest, 0, 1, 2)},
		{"", "iso", `"2026-08-31T10:00:01.5"`, at(budapest, 10, 1, 5e8)},
		{"", "iso", `"2026-08-31T10:00:01.000000002Z"`, at(time.UTC, 10, 1, 2)},
		{"", "iso", `"2026-08-31T10:00:01+02:00"`, at(time.UTC, 8, 1, 0)},
		{"", "iso", `"2026-08-31T10:00:01-02:00"`, at(time.UTC, 12, 1, 0)},
		{"", "isolocal", `"2026-08-31T10:00:01Z"`, at(budapest, 10, 1, 0)},
		{"", "structured", `{"year":2026,"month":8,"day":31,"hour":10,"minute":0,"second":1,"nanos":7}`, at(budapest, 10, 1, 7)},
		{"", "structured", `{"year":2026,"month":8,"day":31,"hour":10,"minute":0,"second":1,"picoseconds":7000,"offsetSeconds":7200}`, at(time.UTC, 8, 1, 7)},
		{"io.debezium.time.IsoTimestamp", "", `"2026-08-31T10:00:01Z"`, at(budapest, 10, 1, 0)},
		{"io.debezium.time.ZonedTimestamp", "", `"2026-08-31T10:00:01Z"`, at(time.UTC, 10, 1, 0)},
		{"io.debezium.time.Timestamp", "", `1788134401000`, at(budapest, 0, 1, 0)},
		{"", "", `1788134401000`, time.Time{}},
		{"", "", `""`, time.Time{}},
		{"", "millis", `253402300800000`, time.Time{}},
	} {
		v := typed(t, instant("", c.encoding), c.name, c.json)
		if c.want.IsZero() != (v.State == event.Unreadable) || !v.Time.Equal(c.want) {
			t.Errorf("%s %s %s: got %+v, want %v", c.name, c.encoding, c.json, v, c.want)
		}
	}
}

// Every day of the calendar passes through each unit unharmed.
func TestEveryDay(t *testing.T) {
	for d := minDay; d <= maxDay; d += 7 {
		y, m, day := d.Civil()
		for _, u := range []struct {
			enc encoding
			n   int64
		}{
			{days, int64(d)}, {millis, int64(d)*86400e3 + 86399_999}, {micros, int64(d) * 86400e6},
			{yyyymmdd, int64(y*10000 + int(m)*100 + day)},
		} {
			read := func() (moment, string) { return ofCount(u.enc, u.n, true) }
			if u.enc == yyyymmdd {
				read = func() (moment, string) { return ofDigits(u.n) }
			}
			if got, reason := read(); got.day != d || reason != "" {
				t.Fatalf("%v as %d: got %+v, %q", d, u.enc, got, reason)
			}
		}
		if got, reason := ofText(iso, []byte(d.String())); got.day != d || reason != "" {
			t.Fatalf("%v as text: got %+v, %q", d, got, reason)
		}
	}
}
