package debezium

import (
	"fmt"
	"math"
	"testing"

	"lejarat/processor/event"
)

// observed are the infinities as seen on the wire, independent of the table that decodes them.
var observed = []struct {
	where    string
	semantic string // schema type
	encoding string // the same without a schema
	json     string
	minus    bool
}{
	{"DATE, stream, 2.7-3.6", "io.debezium.time.Date", "days", `-2147472692`, false},
	{"DATE, stream, 3.7", "io.debezium.time.Date", "days", `2146033979`, false},
	{"DATE, snapshot, UTC", "io.debezium.time.Date", "days", `-622191234`, false},
	{"DATE, snapshot, Budapest", "io.debezium.time.Date", "days", `-622191233`, false},
	{"DATE, stream", "io.debezium.time.Date", "days", `-2147472691`, true},
	{"DATE, snapshot, UTC", "io.debezium.time.Date", "days", `-625821272`, true},
	{"DATE, snapshot, Budapest", "io.debezium.time.Date", "days", `-625821271`, true},
	{"DATE, connect, stream", "org.apache.kafka.connect.data.Date", "days", `-2147472692`, false},
	{"DATE, connect, snapshot", "org.apache.kafka.connect.data.Date", "days", `-622191234`, false},
	{"DATE, connect, snapshot", "org.apache.kafka.connect.data.Date", "days", `-625821272`, true},
	{"DATE, isostring, snapshot, UTC", "io.debezium.time.IsoDate", "iso", `"+292278994-08-16Z"`, false},
	{"DATE, isostring, snapshot, Budapest", "io.debezium.time.IsoDate", "iso", `"+292278994-08-17Z"`, false},
	{"DATE, isostring, stream", "io.debezium.time.IsoDate", "iso", `"-5877611-06-21Z"`, false},
	{"DATE, isostring, stream, 3.7", "io.debezium.time.IsoDate", "iso", `"+5877611-06-21Z"`, false},
	{"DATE, isostring, snapshot, UTC", "io.debezium.time.IsoDate", "iso", `"+292269055-12-02Z"`, true},
	{"DATE, isostring, snapshot, Budapest", "io.debezium.time.IsoDate", "iso", `"+292269055-12-03Z"`, true},
	{"DATE, isostring, stream", "io.debezium.time.IsoDate", "iso", `"-5877611-06-22Z"`, true},
	{"TIMESTAMP, micro", "io.debezium.time.MicroTimestamp", "micros", `9223372036825200000`, false},
	{"TIMESTAMP, micro", "io.debezium.time.MicroTimestamp", "micros", `-9223372036832400000`, true},
	{"TIMESTAMP, micro, 3.7", "io.debezium.time.MicroTimestamp", "micros", `9223372036854775807`, false},
	{"TIMESTAMP, micro, 3.7", "io.debezium.time.MicroTimestamp", "micros", `-9223372036854775808`, true},
	{"TIMESTAMP, connect", "org.apache.kafka.connect.data.Timestamp", "millis", `9223372036825200`, false},
	{"TIMESTAMP, connect", "org.apache.kafka.connect.data.Timestamp", "millis", `-9223372036832400`, true},
	{"TIMESTAMP, ms", "io.debezium.time.Timestamp", "millis", `9223372036825200`, false},
	{"TIMESTAMP, ms, 3.7", "io.debezium.time.Timestamp", "millis", `9223372036854775807`, false},
	{"TIMESTAMP, ms, 3.7", "io.debezium.time.Timestamp", "millis", `-9223372036854775808`, true},
	{"TIMESTAMP, nano, wrapped", "io.debezium.time.NanoTimestamp", "nanos", `-29575808000`, false},
	{"TIMESTAMP, nano, wrapped", "io.debezium.time.NanoTimestamp", "nanos", `22375808000`, true},
	{"TIMESTAMP, nano, 3.6", "io.debezium.time.NanoTimestamp", "nanos", `9223372036854775807`, false},
	{"TIMESTAMP, nano, 3.6", "io.debezium.time.NanoTimestamp", "nanos", `-9223372036854775808`, true},
	{"TIMESTAMP, isostring", "io.debezium.time.IsoTimestamp", "isolocal", `"+294247-01-10T04:00:25.2Z"`, false},
	{"TIMESTAMP, isostring", "io.debezium.time.IsoTimestamp", "iso", `"-290308-12-21T19:59:27.6Z"`, true},
	{"TIMESTAMPTZ", "io.debezium.time.ZonedTimestamp", "", `"infinity"`, false},
	{"TIMESTAMPTZ", "io.debezium.time.ZonedTimestamp", "", `"-infinity"`, true},
	{"structured DATE", "io.debezium.time.StructuredDate", "structured", `{"year":null,"month":null,"day":null,"specialValue":"POSITIVE_INFINITY"}`, false},
	{"structured DATE", "io.debezium.time.StructuredDate", "structured", `{"year":null,"month":null,"day":null,"specialValue":"NEGATIVE_INFINITY"}`, true},
	{"structured TIMESTAMP", "io.debezium.time.StructuredTimestamp", "structured", `{"year":null,"hour":null,"nanos":null,"precision":6,"specialValue":"POSITIVE_INFINITY"}`, false},
}

func TestInfinities(t *testing.T) {
	for _, o := range observed {
		t.Run(fmt.Sprintf("%s/minus=%t", o.where, o.minus), func(t *testing.T) {
			// The schema wins over a wrong setting.
			for what, v := range map[string]event.Value{
				"with schema":    typed(t, date("", "yyyymmdd"), o.semantic, o.json),
				"without schema": one(t, date("", o.encoding), o.json),
			} {
				switch {
				case o.minus && (v.State != event.Unreadable || v.Reason != "minus infinity"):
					t.Errorf("%s: %s: got %+v, want it unreadable as minus infinity", what, o.json, v)
				case !o.minus && (v.State != event.Present || v.Date != event.NoExpiry):
					t.Errorf("%s: %s: got %+v, want no expiry", what, o.json, v)
				}
			}
			for what, v := range map[string]event.Value{
				"with schema":    typed(t, instant("", ""), o.semantic, o.json),
				"without schema": one(t, instant("", o.encoding), o.json),
			} {
				if v.State != event.Unreadable || !v.Time.IsZero() {
					t.Errorf("%s: %s as an instant: got %+v, want it unreadable", what, o.json, v)
				}
			}
		})
	}
}

// Every code of the table decodes to what the table says, and none of them hides a day that somebody may mean.
func TestInfinityTables(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes {
		m, reason := ofCount(c.enc, c.code, true)
		if m.is != c.is || reason != "" {
			t.Errorf("%s: got %+v, %q", c.origin, m, reason)
		}
		if key := fmt.Sprint(c.enc, c.code); seen[key] {
			t.Errorf("%s: stands twice", c.origin)
		} else {
			seen[key] = true
		}
		if c.enc == days && c.code >= int64(minDay) && c.code <= int64(maxDay) {
			t.Errorf("%s: is a date", c.origin)
		}
	}
	for _, w := range words {
		for _, tail := range []string{"", "Z", "T00:00:00Z", " 00:00:00"} {
			if m, reason := ofText(iso, []byte(w.text+tail)); m.is != w.is || reason != "" {
				t.Errorf("%s: got %+v, %q", w.origin, m, reason)
			}
		}
	}
}

// One off an infinity is nothing.
func TestNextToInfinity(t *testing.T) {
	for _, c := range codes {
		for _, off := range []int64{-1, 1} {
			n := c.code + off
			if boundOfCode(c.enc, n) != finite || c.code == math.MaxInt64 && off > 0 || c.code == math.MinInt64 && off < 0 {
				continue
			}
			m, reason := ofCount(c.enc, n, true)
			if m.is != finite || c.enc != nanos && reason == "" {
				t.Errorf("%s %+d: got %+v, %q", c.origin, off, m, reason)
			}
		}
	}
}
