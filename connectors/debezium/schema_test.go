package debezium

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"lejarat/processor/event"
)

func withSchema(version int, semantic, field, json string) string {
	return fmt.Sprintf(`{"schema":{"type":"struct","version":%d,"fields":[{"type":"int32","name":"%s","field":"%s"}]},"payload":{"x":%s}}`,
		version, semantic, field, json)
}

func TestSchemasAreRemembered(t *testing.T) {
	d := newDecoder(t, date("x", ""))
	check := func(version int) {
		t.Helper()
		semantic, json := "io.debezium.time.Date", "20696"
		if version%2 == 1 {
			semantic, json = "io.debezium.time.MicroTimestamp", "1788134400000000"
		}
		if v := decode(t, d, `{"id":1}`, withSchema(version, semantic, "x", json)).Values[0]; v.Date.String() != "2026-08-31" {
			t.Fatalf("schema %d: got %+v", version, v)
		}
	}
	for version := range 3 * MaxSchemas {
		check(version)
		check(version / 2)
	}
	if len(d.schemas.known) != MaxSchemas {
		t.Errorf("got %d schemas, want %d", len(d.schemas.known), MaxSchemas)
	}
	check(7)
	newest := d.schemas.known[0]
	check(9)
	check(7)
	if d.schemas.known[0] != newest {
		t.Error("a known schema was read again")
	}
	known := slices.Clone(d.schemas.known)
	slices.SortFunc(known, func(a, b *schema) int { return strings.Compare(string(a.raw), string(b.raw)) })
	if len(slices.CompactFunc(known, func(a, b *schema) bool { return string(a.raw) == string(b.raw) })) != MaxSchemas {
		t.Error("a schema stands twice")
	}
}

func TestLargeSchemaIsNotRemembered(t *testing.T) {
	d := newDecoder(t, date("x", ""))
	value := withSchema(1, "io.debezium.time.Date", "x", "20696")
	value = strings.Replace(value, `"type"`, `"doc":"`+strings.Repeat("d", MaxSchemaBytes)+`","type"`, 1)
	for range 2 {
		if v := decode(t, d, `{"id":1}`, value).Values[0]; v.Date.String() != "2026-08-31" {
			t.Fatalf("got %+v", v)
		}
	}
	if len(d.schemas.known) != 0 {
		t.Error("the schema was remembered")
	}
}

// A known schema may be the beginning of nothing else: what follows it is checked as ever.
func TestRecordCutBehindKnownSchema(t *testing.T) {
	d := newDecoder(t, date("x", ""))
	whole := withSchema(1, "io.debezium.time.Date", "x", "20696")
	decode(t, d, `{"id":1}`, whole)
	end := strings.Index(whole, `,"payload"`)
	for _, tail := range []string{"", "}", "x", ",", `,"payload"`, `,"payload":{"x":20696}`, `}`} {
		_, err := d.Decode(record(`{"id":1}`, whole[:end]+tail))
		if tail != "}" && err == nil {
			t.Errorf("%q is accepted", tail)
		}
	}
}

// A schema that does not look like one leaves the columns without a type; it does not reject the record.
func TestOddSchemas(t *testing.T) {
	for _, odd := range []string{
		`{}`, `{"fields":null}`, `{"fields":{}}`, `{"fields":[]}`, `{"fields":[1]}`, `{"fields":[{}]}`, `{"fields":[{"field":7}]}`,
		`{"fields":[{"field":"x","name":null}]}`, `{"fields":[{"field":"x"}]}`, `{"fields":[{"field":"after","fields":7}]}`,
		`{"fields":[{"field":"x","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"two"}}]}`,
	} {
		v := decode(t, newDecoder(t, date("x", "days")), `{"id":1}`, `{"schema":`+odd+`,"payload":{"x":20696}}`).Values[0]
		if v.Date.String() != "2026-08-31" {
			t.Errorf("%s: got %+v", odd, v)
		}
	}
}

func TestSchemaOfBeforeIsNotUsed(t *testing.T) {
	const value = `{"schema":{"fields":[
		{"field":"before","fields":[{"field":"x","name":"io.debezium.time.MicroTimestamp"}]},
		{"field":"after","fields":[{"field":"x","name":"io.debezium.time.Date"}]},
		{"field":"x","name":"io.debezium.time.NanoTimestamp"}]},
		"payload":{"before":null,"after":{"x":20696},"op":"c"}}`
	if v := decode(t, newDecoder(t, date("x", "")), `{"id":1}`, value).Values[0]; v.Date.String() != "2026-08-31" {
		t.Errorf("got %+v", v)
	}
}

func TestOptions(t *testing.T) {
	_, err := New(Options{Columns: []event.Column{
		{Name: ""},
		{Name: "a", Kind: 7},
		{Name: "b", Kind: event.CivilDate, Encoding: "weeks"},
		{Name: "c", Encoding: "days"},
		{Name: "d"},
		{Name: "d"},
		{Name: "e", Kind: event.CivilDate, Encoding: "days"},
		{Name: "e", Kind: event.Instant, Encoding: "millis"},
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"time zone", "name is empty", "kind 7", `"weeks"`, "days, millis", `column 4 ("c")`,
		"already mapped as column 5", "differs from that of column 7"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in: %v", want, err)
		}
	}
	if _, err := New(Options{Zone: budapest, Columns: make([]event.Column, MaxColumns+1)}); err == nil {
		t.Error("too many columns are taken")
	}
}

// One column may be wanted as text and as a date; names that fall into one bucket stay apart.
func TestManyColumns(t *testing.T) {
	var columns []event.Column
	var row strings.Builder
	for i := range MaxColumns / 2 {
		name := fmt.Sprintf("column_%03d", i)
		columns = append(columns, event.Column{Name: name}, date(name, ""))
		fmt.Fprintf(&row, `,"%s":"%s"`, name, (event.Date(20000 + i)).String())
	}
	d := newDecoder(t, columns...)
	for _, value := range []string{`{"y":1` + row.String() + `}`, `{"after":{"y":1` + row.String() + `},"op":"c"}`} {
		c := decode(t, d, `{"id":1}`, value)
		for i := range MaxColumns / 2 {
			want := event.Date(20000 + i)
			if c.Values[2*i].Text != want.String() || c.Values[2*i+1].Date != want {
				t.Fatalf("column %d: got %+v, %+v", i, c.Values[2*i], c.Values[2*i+1])
			}
		}
	}
}
