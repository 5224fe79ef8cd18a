package debezium

import (
	"testing"
	"time"

	"lejarat/processor/event"
)

// The messages are those of Debezium 3.5 for PostgreSQL.
func TestWholeMessages(t *testing.T) {
	for _, m := range []struct {
		key, value string
		typed      bool
	}{
		{"key.json", "envelope.json", false},
		{"key-schema.json", "envelope-schema.json", true},
		{"key.json", "unwrapped.json", false},
		{"key-schema.json", "unwrapped-schema.json", true},
	} {
		t.Run(m.value, func(t *testing.T) {
			d := newDecoder(t, documentColumns(!m.typed)...)
			for range 2 { // the second time the schema is a known one
				checkDocument(t, decode(t, d, file(t, m.key), file(t, m.value)), m.typed)
			}
		})
	}
}

func checkDocument(t *testing.T, c event.Change, typed bool) {
	t.Helper()
	// 2^53+1 does not survive a float64.
	if c.Op != event.Upsert || c.Row != "id=1004" || c.Order != 9007199254740993 || c.Snapshot != event.Streamed {
		t.Errorf("got op %d, row %q, order %d, snapshot %d", c.Op, c.Row, c.Order, c.Snapshot)
	}
	if want := time.UnixMilli(1772235000131); !c.Committed.Equal(want) {
		t.Errorf("got committed %v, want %v", c.Committed, want)
	}
	fee := "JRw=" // without a schema nothing says that this is a decimal
	if typed {
		fee = "95.00"
	}
	for i, want := range []string{"UTLEVEL", "BC1234028", "V", "Kovács", "Anna Mária", "Szőke-Nagy", "Anna Mária",
		"BUDAPEST 07", "Tóth", "Ilona", "0b7e9c1e-6a52-4f0e-9d0b-0d6e2c1a7f11", fee} {
		if v := c.Values[i]; v.State != event.Present || v.Text != want {
			t.Errorf("value %d: got %+v, want %q", i, v, want)
		}
	}
	for i, want := range []string{"2026-08-31", "2016-08-30", "1983-03-15"} {
		if v := c.Values[12+i]; v.State != event.Present || v.Date.String() != want {
			t.Errorf("value %d: got %+v, want %s", 12+i, v, want)
		}
	}
	if v, want := c.Values[15], time.Date(2026, 2, 27, 23, 30, 0, 120e6, time.UTC); !v.Time.Equal(want) {
		t.Errorf("timestamptz: got %+v, want %v", v, want)
	}
	// A zone-less timestamp is a wall clock in the registry's zone.
	if v, want := c.Values[16], time.Date(2026, 2, 27, 23, 30, 0, 120e6, budapest); !v.Time.Equal(want) {
		t.Errorf("timestamp: got %+v, want %v", v, want)
	}
	if v := c.Values[17]; v.State != event.Missing {
		t.Errorf("a column that is not there: got %+v", v)
	}
}

func TestWholeMessagesWithoutRow(t *testing.T) {
	for _, m := range []struct {
		value string
		op    event.Op
		row   string
	}{
		{"delete.json", event.Delete, "id=1004"},
		{"unwrapped-delete.json", event.Delete, "id=1004"},
		{"truncate.json", event.Truncate, ""},
	} {
		c := decode(t, newDecoder(t, documentColumns(true)...), file(t, "key.json"), file(t, m.value))
		if c.Op != m.op || c.Row != m.row || c.Values != nil {
			t.Errorf("%s: got %+v", m.value, c)
		}
		if c.Order != 9007199254740993 || c.Committed.UnixMilli() != 1772235000131 {
			t.Errorf("%s: got order %d, committed %v", m.value, c.Order, c.Committed)
		}
	}
}

const source = `"source":{"lsn":7,"ts_ms":1000}`

func TestForms(t *testing.T) {
	for _, m := range []struct {
		name, key, value string
		op               event.Op
		row              string
		x                string // the text of column x of an upsert
	}{
		{"null", `{"id":1}`, "", event.Tombstone, "id=1", ""},
		{"text null", `{"id":1}`, `null`, event.Tombstone, "id=1", ""},
		{"null payload", `{"id":1}`, `{"schema":{"type":"struct","fields":[]},"payload":null}`, event.Tombstone, "id=1", ""},
		{"null payload and schema", `{"id":1}`, `{"schema":null,"payload":null}`, event.Tombstone, "id=1", ""},
		{"create", `{"id":1}`, `{"before":null,"after":{"x":"a"},` + source + `,"op":"c"}`, event.Upsert, "id=1", "a"},
		{"update", `{"id":1}`, `{"before":{"x":"b"},"after":{"x":"a"},` + source + `,"op":"u"}`, event.Upsert, "id=1", "a"},
		{"read", `{"id":1}`, `{"op":"r",` + source + `,"after":{"x":"a"}}`, event.Upsert, "id=1", "a"},
		{"null schema", `{"id":1}`, `{"schema":null,"payload":{"after":{"x":"a"},` + source + `,"op":"c"}}`, event.Upsert, "id=1", "a"},
		{"payload first", `{"id":1}`, `{"payload":{"after":{"x":"a"},` + source + `,"op":"c"},"schema":null}`, event.Upsert, "id=1", "a"},
		{"no source", `{"id":1}`, `{"after":{"x":"a"},"op":"c"}`, event.Upsert, "id=1", "a"},
		{"white space", `{"id":1}`, " {\n\t\"after\" : {\"x\" : \"a\" , \"y\":[ 1 , {} , [] ] } ,\r\n\"op\" : \"c\" } ", event.Upsert, "id=1", "a"},
		{"delete", `{"id":1}`, `{"before":{"x":"b"},"after":null,` + source + `,"op":"d"}`, event.Delete, "id=1", ""},
		{"delete with schema", `{"id":1}`, `{"schema":null,"payload":{"before":{"x":""},"after":null,` + source + `,"op":"d"}}`, event.Delete, "id=1", ""},
		{"truncate", "", `{"before":null,"after":null,` + source + `,"op":"t"}`, event.Truncate, "", ""},
		{"logical message", `{"prefix":"p"}`, `{"op":"m",` + source + `,"message":{"prefix":"p","content":"AA=="}}`, event.Other, "", ""},
		{"flat", `{"id":1}`, `{"x":"a","y":{}}`, event.Upsert, "id=1", "a"},
		{"flat with a column op", `{"id":1}`, `{"x":"a","op":"d","source":"web"}`, event.Upsert, "id=1", "a"},
		{"flat, not deleted", `{"id":1}`, `{"x":"a","__deleted":"false"}`, event.Upsert, "id=1", "a"},
		{"flat, not deleted, boolean", `{"id":1}`, `{"x":"a","__deleted":false}`, event.Upsert, "id=1", "a"},
		{"flat, deleted", `{"id":1}`, `{"x":"","__deleted":"true"}`, event.Delete, "id=1", ""},
		{"flat, deleted, boolean", `{"id":1}`, `{"x":"","__deleted":true}`, event.Delete, "id=1", ""},
		{"flat, op d", `{"id":1}`, `{"x":"","__op":"d"}`, event.Delete, "id=1", ""},
		{"flat, null schema", `{"id":1}`, `{"schema":null,"payload":{"x":"a"}}`, event.Upsert, "id=1", "a"},
		{"flat, columns schema and payload", `{"id":1}`, `{"schema":"s","payload":"p","x":"a"}`, event.Upsert, "id=1", "a"},
		{"heartbeat", `{"serverName":"registry"}`, `{"ts_ms":1772235000131}`, event.Other, "", ""},
		{"heartbeat with schema", `{"serverName":"registry"}`, `{"schema":{},"payload":{"ts_ms":1772235000131}}`, event.Other, "", ""},
		{"transaction begin", `{"id":"1292:146331280"}`, `{"status":"BEGIN","id":"1292:146331280","event_count":null,"data_collections":null,"ts_ms":1}`, event.Other, "", ""},
		{"transaction end", `{"id":"1292:146331600"}`, `{"status":"END","id":"1292:146331600","event_count":2,"data_collections":[{"data_collection":"public.document","event_count":2}],"ts_ms":1}`, event.Other, "", ""},
		{"a row whose status is END", `{"id":1}`, `{"status":"END","id":"1","x":"a"}`, event.Upsert, "id=1", "a"},
		{"schema change", `{"databaseName":"d"}`, `{` + source + `,"ts_ms":1,"databaseName":"d","schemaName":null,"ddl":"ALTER TABLE t","tableChanges":[]}`, event.Other, "", ""},
	} {
		t.Run(m.name, func(t *testing.T) {
			c := decode(t, newDecoder(t, text("x")...), m.key, m.value)
			if c.Op != m.op || c.Row != m.row {
				t.Errorf("got op %d, row %q, want %d, %q", c.Op, c.Row, m.op, m.row)
			}
			if m.op != event.Upsert {
				if c.Values != nil {
					t.Errorf("got values %+v", c.Values)
				}
			} else if c.Values[0].Text != m.x {
				t.Errorf("got %+v, want %q", c.Values[0], m.x)
			}
		})
	}
}

func TestControlRecord(t *testing.T) {
	c, err := newDecoder(t).Decode(&event.Record{Control: true, Key: []byte{0, 0, 0, 1}, Value: []byte{0}})
	if err != nil || c.Op != event.Other {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A column may have the name of a field by which forms are told.
func TestColumnsNamedLikeMetadata(t *testing.T) {
	d := newDecoder(t, text("status", "id", "op", "payload", "after", "__op")...)
	const row = `{"status":"V","id":7,"op":"x","payload":"p","after":"later","__op":"c"}`
	for _, value := range []string{row, `{"before":null,"after":` + row + `,` + source + `,"op":"c"}`} {
		c := decode(t, d, `{"id":7}`, value)
		for i, want := range []string{"V", "7", "x", "p", "later", "c"} {
			if c.Values[i].Text != want {
				t.Errorf("%s: value %d: got %+v, want %q", value, i, c.Values[i], want)
			}
		}
	}
}

func TestBeforeIsNeverRead(t *testing.T) {
	d := newDecoder(t, text("x")...)
	c := decode(t, d, `{"id":1}`, `{"before":{"x":"old"},"after":{"y":1},"op":"u"}`)
	if c.Values[0].State != event.Missing {
		t.Errorf("got %+v", c.Values[0])
	}
}

func TestSnapshotMarks(t *testing.T) {
	d := newDecoder(t)
	for _, m := range []struct {
		op, mark string
		want     event.Snapshot
	}{
		{"r", `"true"`, event.SnapshotRow},
		{"r", `true`, event.SnapshotRow},
		{"r", `"first"`, event.SnapshotRow},
		{"r", `"first_in_data_collection"`, event.SnapshotRow},
		{"r", `"last_in_data_collection"`, event.SnapshotLast},
		{"r", `"last"`, event.SnapshotLast},
		{"r", `"incremental"`, event.SnapshotIncremental},
		{"r", `"false"`, event.SnapshotRow},
		{"r", `null`, event.SnapshotRow},
		{"r", `"a mark of the future"`, event.SnapshotRow},
		{"u", `"false"`, event.Streamed},
		{"u", `false`, event.Streamed},
		{"u", `null`, event.Streamed},
		{"u", `"true"`, event.SnapshotRow},
	} {
		c := decode(t, d, `{"id":1}`, `{"after":{},"source":{"snapshot":`+m.mark+`},"op":"`+m.op+`"}`)
		if c.Snapshot != m.want {
			t.Errorf("op %s, snapshot %s: got %d, want %d", m.op, m.mark, c.Snapshot, m.want)
		}
	}
	if c := decode(t, d, `{"id":1}`, `{"after":{},"source":{},"op":"r"}`); c.Snapshot != event.SnapshotRow {
		t.Errorf("op r without a mark: got %d", c.Snapshot)
	}
	if c := decode(t, d, `{"id":1}`, `{"x":1,"__op":"r"}`); c.Snapshot != event.SnapshotRow {
		t.Errorf("flat row with op r: got %d", c.Snapshot)
	}
	if c := decode(t, d, `{"id":1}`, `{"x":1,"__op":"r","__source_snapshot":"last"}`); c.Snapshot != event.SnapshotLast {
		t.Errorf("flat row with a mark: got %d", c.Snapshot)
	}
}

func TestOrderAndCommitted(t *testing.T) {
	d := newDecoder(t)
	c := decode(t, d, `{"id":1}`, `{"after":{},"source":{"lsn":18446744073709551615,"ts_ms":1},"op":"c"}`)
	if c.Order != 1<<64-1 || c.Committed.UnixMilli() != 1 {
		t.Errorf("got %d, %v", c.Order, c.Committed)
	}
	c = decode(t, d, `{"id":1}`, `{"after":{},"source":{"lsn":null,"ts_ms":0},"ts_ms":5,"op":"c"}`)
	if c.Order != 0 || !c.Committed.IsZero() {
		t.Errorf("nothing given: got %d, %v", c.Order, c.Committed)
	}
	c = decode(t, d, `{"id":1}`, `{"x":1,"__source_lsn":8,"__ts_ms":9}`)
	if c.Order != 8 || !c.Committed.IsZero() {
		t.Errorf("flat row: got %d, %v", c.Order, c.Committed)
	}
}

// Fields are expected where they stood in the record before; a record that is written otherwise is read all the same.
func TestFieldsStandElsewhereThanBefore(t *testing.T) {
	s := &scanner{}
	p := newPlan(newNames("a", "b"))
	for _, c := range []struct{ text, a, b string }{
		{`{"a":1,"b":2}`, "1", "2"},
		{`{"a":1,"b":2}`, "1", "2"},
		{`{"a": 1,"b":	2}`, "1", "2"},
		{`{"b":2,"a":1}`, "1", "2"},
		{`{"x":0,"b":2,"a":1}`, "1", "2"},
		{`{"a":1}`, "1", ""},
		{`{ "a":1 , "b":2 }`, "1", "2"},
		{`{"a":1,"b":2,"c":3}`, "1", "2"},
		{`{}`, "", ""},
	} {
		s.reset([]byte(c.text))
		if end := s.scan(0, p, 0); end != len(c.text) {
			t.Fatalf("%s: read up to %d: %s", c.text, end, s.why)
		}
		a, b := string(s.cell(p, 0).raw), string(s.cell(p, 1).raw)
		if a != c.a || b != c.b {
			t.Errorf("%s: a is %q, b is %q", c.text, a, b)
		}
	}
	for _, bad := range []string{`{"a":`, `{"a":}`, `{"a":1,"a":2}`, `{"a":1"b":2}`, `{,"a":1}`, `{"a":1,}`} {
		s.reset([]byte(bad))
		if end := s.scan(0, p, 0); end >= 0 {
			t.Errorf("%s: read up to %d", bad, end)
		}
	}
}
