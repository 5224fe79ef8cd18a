package debezium

import (
	"strings"
	"testing"

	"lejarat/processor/event"
)

func TestRejectedRecords(t *testing.T) {
	const upsert = `{"after":{"x":"a"},` + source + `,"op":"c"}`
	for _, m := range []struct{ name, key, value, row, reason string }{
		{"upsert without a key", "", upsert, "", "message.key.columns"},
		{"delete without a key", "", `{"before":null,"after":null,` + source + `,"op":"d"}`, "", "message.key.columns"},
		{"tombstone without a key", "", "", "", "message.key.columns"},
		{"key null", "null", upsert, "", "message.key.columns"},
		{"key with null payload", `{"schema":null,"payload":null}`, upsert, "", "message.key.columns"},
		{"after null", `{"id":1}`, `{"after":null,` + source + `,"op":"c"}`, "id=1", "after"},
		{"after missing", `{"id":1}`, `{` + source + `,"op":"u"}`, "id=1", "after"},
		{"after a text", `{"id":1}`, `{"after":"x",` + source + `,"op":"u"}`, "id=1", "after"},
		{"unknown op", `{"id":1}`, `{"after":{},` + source + `,"op":"z"}`, "id=1", "op"},
		{"unknown flat op", `{"id":1}`, `{"x":1,"__op":"upsert"}`, "id=1", "op"},
		{"deleted neither", `{"id":1}`, `{"x":1,"__deleted":"perhaps"}`, "id=1", "__deleted"},
		{"lsn a fraction", `{"id":1}`, `{"after":{},"source":{"lsn":1.5},"op":"c"}`, "id=1", "lsn"},
		{"lsn with exponent", `{"id":1}`, `{"after":{},"source":{"lsn":2.4e7},"op":"c"}`, "id=1", "lsn"},
		{"lsn too large", `{"id":1}`, `{"after":{},"source":{"lsn":18446744073709551616},"op":"c"}`, "id=1", "lsn"},
		{"commit time a text", `{"id":1}`, `{"after":{},"source":{"ts_ms":"1"},"op":"c"}`, "id=1", "ts_ms"},
		{"commit time in ns", `{"id":1}`, `{"after":{},"source":{"ts_ms":1772235000131544000},"op":"c"}`, "id=1", "ts_ms"},
		{"empty value", `{"id":1}`, " ", "id=1", "empty"},
		{"Avro", `{"id":1}`, "\x00\x00\x00\x00\x07\x02a", "id=1", "JsonConverter"},
		{"Avro with its id in a header", `{"id":1}`, "\x02a", "id=1", "JsonConverter"},
		{"Avro key", "\x00\x00\x00\x00\x07\x02", upsert, "", "key.converter"},
		{"CloudEvents", `{"id":1}`, `{"specversion":"1.0","id":"a","iodebeziumop":"c","data":{}}`, "id=1", "CloudEvents"},
		{"array", `{"id":1}`, `[{"x":"a"}]`, "id=1", "object"},
		{"payload a text", `{"id":1}`, `{"schema":{},"payload":"a"}`, "id=1", "object"},
		{"trailing bytes", `{"id":1}`, upsert + `x`, "id=1", "after the JSON value"},
		{"two values", `{"id":1}`, upsert + upsert, "id=1", "after the JSON value"},
		{"field twice", `{"id":1}`, `{"after":{"x":"a","x":"b"},"op":"c"}`, "id=1", "twice"},
		{"envelope field twice", `{"id":1}`, `{"after":{"x":"a"},"op":"c","op":"d"}`, "id=1", "twice"},
		{"damaged key", `{"id":`, upsert, "", "damaged"},
		{"empty key", `{}`, upsert, "", "empty"},
		{"key with half a surrogate", `{"id":"\ud800"}`, upsert, "", "text"},
		{"key of invalid UTF-8", "\xff\xfe", upsert, "", "key.converter"},
		{"large value", `{"id":1}`, `{"x":"` + strings.Repeat("a", MaxValueBytes) + `"}`, "id=1", "larger than 1048576"},
		{"large key", `{"id":"` + strings.Repeat("a", MaxKeyBytes) + `"}`, upsert, "", "too large"},
		{"nested too deep", `{"id":1}`, `{"x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, "id=1", "deep"},
	} {
		t.Run(m.name, func(t *testing.T) {
			r := rejected(t, newDecoder(t, text("x")...), m.key, m.value)
			if r.Row != m.row || !strings.Contains(r.Reason, m.reason) {
				t.Errorf("got row %q, reason %q; want row %q, a reason with %q", r.Row, r.Reason, m.row, m.reason)
			}
		})
	}
}

func TestNestedAsDeepAsAllowed(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1)
	decode(t, newDecoder(t), `{"id":1}`, `{"x":`+deep+`}`)
}

func TestMalformedJSON(t *testing.T) {
	d := newDecoder(t, text("x")...)
	for _, json := range []string{
		`{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a" 1}`, `{"a":1 "b":2}`,
		`{"a":}`, `{"a":01}`, `{"a":+1}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":0x1}`, `{"a":NaN}`,
		`{"a":tru}`, `{"a":True}`, `{"a":nul}`, `{"a":nulll}`, `{"a":falsey}`, `{"a":[}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`,
		`{"a":[1}`, `{"a":{]}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"\`, `{"a":"\u`, "{\"a\":\"line\nbreak\"}",
		"{\"a\":\"a long text and then a\ttab\"}", `{"x":"unfinished, and longer than a word`, `nul`, `"text`, `{}}`, `{"schema":{,"payload":{}}`,
	} {
		if r := rejected(t, d, `{"id":1}`, json); r.Row != "id=1" {
			t.Errorf("%s: got row %q", json, r.Row)
		}
	}
}

// Cut anywhere, a message must not be read as another one.
func TestTruncatedMessages(t *testing.T) {
	for _, name := range []string{"envelope.json", "envelope-schema.json", "unwrapped.json"} {
		d := newDecoder(t, documentColumns(false)...)
		key, whole := file(t, "key.json"), file(t, name)
		decode(t, d, key, whole)
		for n := 1; n < len(whole); n++ {
			if c, err := d.Decode(record(key, whole[:n])); err == nil {
				t.Fatalf("%s cut to %d bytes: got %+v", name, n, c)
			}
		}
	}
}

// canary stands wherever a record can hold personal data; no text for operators may contain it.
const canary = "KANARI-Kovács-Anna"

func TestReasonsHoldNoPersonalData(t *testing.T) {
	columns := []event.Column{{Name: "x"}, date("x", ""), date("y", "days"), instant("z", "")}
	d := newDecoder(t, columns...)
	q := `"` + canary + `"`
	keys := []string{`{"id":"` + canary + `"}`, canary, "\x00" + canary, `{"id":"` + canary, `{"` + canary + `":"\ud800"}`, "\xff" + canary}
	values := []string{
		`{"x":` + q + `,"y":` + q + `,"z":` + q + `}`, `{"x":{"a":` + q + `}}`, `{"x":[` + q + `]}`, `{"x":"\ud800` + canary + `"}`,
		`{"after":` + q + `,"source":{},"op":"c"}`, `{"after":{},"source":{},"op":` + q + `}`, `{"after":{},"source":{"lsn":` + q + `},"op":"c"}`,
		`{"after":{},"source":{"ts_ms":` + q + `},"op":"c"}`, `{"x":1,"__deleted":` + q + `}`, `{"x":1,"__op":` + q + `}`, `{"x":` + q, canary,
		q, `{"x":` + q + `,"x":` + q + `}`, `{` + canary + `}`, "\x00" + canary, `{"schema":{},"payload":` + q + `}`, `{"x":` + q + `}` + canary,
		`{"specversion":` + q + `,"iodebeziumop":` + q + `}`, `[` + q + `]`, `{"` + canary + `":}`,
	}
	for _, key := range keys {
		for _, value := range values {
			c, err := d.Decode(record(key, value))
			if r, ok := err.(*event.Reject); ok && (strings.Contains(r.Error(), "KANARI") || strings.Contains(r.Column, "KANARI")) {
				t.Errorf("key %q, value %q: %v", key, value, r)
			}
			for _, v := range c.Values {
				if strings.Contains(v.Reason, "KANARI") {
					t.Errorf("key %q, value %q: %s", key, value, v.Reason)
				}
			}
		}
	}
}
