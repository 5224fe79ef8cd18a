package debezium

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lejarat/processor/event"
)

var budapest = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		panic(err)
	}
	return zone
}()

func text(names ...string) (columns []event.Column) {
	for _, n := range names {
		columns = append(columns, event.Column{Name: n})
	}
	return columns
}

func date(name, encoding string) event.Column {
	return event.Column{Name: name, Kind: event.CivilDate, Encoding: encoding}
}

func instant(name, encoding string) event.Column {
	return event.Column{Name: name, Kind: event.Instant, Encoding: encoding}
}

func newDecoder(t testing.TB, columns ...event.Column) *Decoder {
	t.Helper()
	d, err := New(Options{Columns: columns, Zone: budapest})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// record makes a record; an empty key or value is none at all.
func record(key, value string) *event.Record {
	r := new(event.Record)
	if key != "" {
		r.Key = []byte(key)
	}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

func decode(t testing.TB, d *Decoder, key, value string) event.Change {
	t.Helper()
	c, err := d.Decode(record(key, value))
	if err != nil {
		t.Fatalf("decoding %s: %v", value, err)
	}
	return c
}

func rejected(t testing.TB, d *Decoder, key, value string) *event.Reject {
	t.Helper()
	c, err := d.Decode(record(key, value))
	var r *event.Reject
	if !errors.As(err, &r) {
		t.Fatalf("decoding %s: got %+v and %v, want a rejection", value, c, err)
	}
	if r.Reason == "" {
		t.Error("the rejection gives no reason")
	}
	return r
}

// one decodes a flat row with the one column x, without a schema.
func one(t testing.TB, column event.Column, json string) event.Value {
	t.Helper()
	column.Name = "x"
	return decode(t, newDecoder(t, column), `{"id":1}`, `{"x":`+json+`}`).Values[0]
}

// typed is one with a schema that gives x the semantic type name.
func typed(t testing.TB, column event.Column, name, json string) event.Value {
	t.Helper()
	column.Name = "x"
	value := `{"schema":{"type":"struct","fields":[{"type":"any","optional":true,"name":"` + name +
		`","version":1,"parameters":{"scale":"2"},"field":"x"}],"optional":false},"payload":{"x":` + json + `}}`
	return decode(t, newDecoder(t, column), `{"id":1}`, value).Values[0]
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// documentColumns are the columns of the recorded messages. untyped adds what messages without a schema need.
func documentColumns(untyped bool) []event.Column {
	days, micros := "", ""
	if untyped {
		days, micros = "days", "micros"
	}
	columns := text("kind", "number", "status", "family_name", "given_name", "birth_family_name", "birth_given_name",
		"birth_place", "mother_family_name", "mother_given_name", "holder_ref", "fee")
	return append(columns, date("valid_until", days), date("issued_on", days), date("birth_date", days),
		instant("changed_at", ""), instant("recorded_at", micros), date("no_such_column", days))
}
