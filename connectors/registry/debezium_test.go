package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// envelope is what a reader of the records sees.
type envelope struct {
	Before, After map[string]any
	Source        struct {
		Version, Connector, Name, Snapshot, DB, Sequence, Schema, Table string
		TsMS                                                            int64 `json:"ts_ms"`
		TsUS                                                            int64 `json:"ts_us"`
		TsNS                                                            int64 `json:"ts_ns"`
		TxID, LSN                                                       int64
	}
	Op   string
	TsMS int64 `json:"ts_ms"`
}

func read(t *testing.T, value []byte) envelope {
	t.Helper()
	var e envelope
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%v in %s", err, value)
	}
	return e
}

func TestASnapshotIsMarkedAsDebeziumMarksIt(t *testing.T) {
	for _, c := range []struct {
		registrationsServer, first, last string
	}{
		{"", "first", "last"},
		{"okmany", "first_in_data_collection", "last"},
	} {
		o := options(300)
		at := o.Start.At(4, 0, budapest)
		e := NewEncoder(EncoderOptions{SnapshotAt: at, RegistrationsServer: c.registrationsServer})
		markers, values := map[string][]string{}, map[string][]byte{}
		size, rows := 0, 0
		e.Snapshot(People(o), func(topic string, key, value []byte) bool {
			r := read(t, value)
			markers[topic] = append(markers[topic], r.Source.Snapshot)
			values[topic] = bytes.Clone(value)
			if want := fmt.Sprintf(`{"id":%v}`, r.After["id"]); string(key) != want || r.Op != "r" || r.Before != nil {
				t.Fatalf("key %s, op %s, before %v", key, r.Op, r.Before)
			}
			if r.Source.TsMS != at.UnixMilli() || r.Source.TsNS != at.UnixNano() || r.Source.Version != version {
				t.Fatalf("source %+v", r.Source)
			}
			if r.Source.Table != string(Heartbeats) {
				size, rows = size+len(value), rows+1
			}
			return true
		})
		documents, registrations := markers[e.Topics()[0]], markers[e.Topics()[1]]
		inner := documents[1 : len(documents)-1]
		if documents[0] != "first" || documents[len(documents)-1] != "last_in_data_collection" || slices.ContainsFunc(inner, func(s string) bool { return s != "true" }) {
			t.Errorf("documents are marked %q … %q", documents[0], documents[len(documents)-1])
		}
		if c.registrationsServer == "" { // the heartbeat table comes before
			c.first = "first_in_data_collection"
		}
		if registrations[0] != c.first || registrations[len(registrations)-1] != c.last {
			t.Errorf("registrations are marked %q … %q", registrations[0], registrations[len(registrations)-1])
		}
		if mean := size / rows; mean < 900 || mean > 1300 {
			t.Errorf("a record has %d bytes", mean)
		}
	}
}

func TestARowIsWrittenInDebeziumsTypes(t *testing.T) {
	doc := document(5, KindCard, "never")
	doc.Name.Family = `D'Angelo "Ö" \`
	doc.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 678901000, budapest)
	at := noon("2026-03-02")
	m := NewEncoder(EncoderOptions{}).Change(Change{At: at, Table: Documents, Op: Update, Key: 5, Document: &doc})
	if len(m) != 1 || m[0].Topic != "okmany.public.document" || string(m[0].Key) != `{"id":5}` {
		t.Fatalf("%+v", m)
	}
	r := read(t, m[0].Value)
	for column, want := range map[string]any{
		"id": json.Number("5"), "kind": "SZIG", "valid_until": nil, "issued_on": json.Number(fmt.Sprint(int(doc.IssuedOn))),
		"family_name": doc.Name.Family, "created_at": "2026-01-02T02:04:05.678901Z", "photo_ref": nil, "holder_ref": "anna",
	} {
		if got := r.After[column]; got != want {
			t.Errorf("%s is %v, want %v", column, got, want)
		}
	}
	if r.Op != "u" || r.Before != nil || r.Source.Snapshot != "false" || r.Source.TsMS != at.UnixMilli() || r.TsMS < at.UnixMilli() {
		t.Errorf("%+v", r)
	}
}

func TestADeletionHasAFabricatedBeforeAndATombstone(t *testing.T) {
	e := NewEncoder(EncoderOptions{})
	m := e.Change(Change{At: noon("2026-03-02"), Table: Registrations, Op: Delete, Key: 8})
	if len(m) != 2 || m[1].Value != nil || !bytes.Equal(m[0].Key, m[1].Key) || m[0].Topic != "ugyfelkapu.public.registration" {
		t.Fatalf("%+v", m)
	}
	r := read(t, m[0].Value)
	for column, want := range map[string]any{
		"id": json.Number("8"), "family_name": "", "birth_date": json.Number("0"), "active": true, "phone": nil,
		"service_since": "1970-01-01T00:00:00.000000Z", "language": "hu",
	} {
		if got := r.Before[column]; got != want {
			t.Errorf("%s is %v, want %v", column, got, want)
		}
	}
	if r.Op != "d" || r.After != nil {
		t.Errorf("%+v", r)
	}
}

func TestLSNsIncrease(t *testing.T) {
	e := NewEncoder(EncoderOptions{RegistrationsServer: "okmany"})
	doc := document(5, KindCard, "2026-08-20")
	at := noon("2026-03-02")
	var last, tx int64
	var messages []Message
	for range 3 {
		messages = append(messages, e.Change(Change{At: at, Table: Documents, Op: Insert, Key: 5, Document: &doc})...)
		messages = append(messages, e.Heartbeats(at)...)
	}
	for i, m := range messages {
		r := read(t, m.Value)
		if r.Source.LSN <= last || r.Source.TxID <= tx {
			t.Errorf("LSN %d after %d", r.Source.LSN, last)
		}
		last, tx = r.Source.LSN, r.Source.TxID
		var sequence []*string
		if err := json.Unmarshal([]byte(r.Source.Sequence), &sequence); err != nil || len(sequence) != 2 || (sequence[0] == nil) != (i == 0) {
			t.Errorf("sequence %s", r.Source.Sequence)
		}
	}
}

func TestSchemasDescribeTheirPayload(t *testing.T) {
	type schema struct {
		Field, Type, Name string
		Optional          bool
		Fields            []schema
	}
	e := NewEncoder(EncoderOptions{Schemas: true, SnapshotAt: noon("2026-03-02")})
	e.Snapshot(People(options(40)), func(topic string, key, value []byte) bool {
		var v struct {
			Schema  schema
			Payload map[string]any
		}
		if err := json.Unmarshal(value, &v); err != nil {
			t.Fatalf("%v in %s", err, value)
		}
		if !json.Valid(key) || !strings.HasPrefix(string(key), `{"schema":`) || v.Schema.Name != topic+".Envelope" {
			t.Fatalf("key %s, name %s", key, v.Schema.Name)
		}
		for _, f := range v.Schema.Fields {
			if _, there := v.Payload[f.Field]; !there {
				t.Errorf("payload lacks %s", f.Field)
			}
			row, isRow := v.Payload[f.Field].(map[string]any)
			if !isRow {
				continue
			}
			if len(row) != len(f.Fields) {
				t.Errorf("%s has %d fields, its schema %d", f.Field, len(row), len(f.Fields))
			}
			for _, col := range f.Fields {
				got, there := row[col.Field]
				kinds := map[string]string{"int64": "float64", "int32": "float64", "string": "string", "boolean": "bool"}
				if !there || got == nil && !col.Optional || got != nil && fmt.Sprintf("%T", got) != kinds[col.Type] {
					t.Errorf("%s.%s is %T %v, its schema %+v", f.Field, col.Field, got, got, col)
				}
			}
		}
		return true
	})
}

func TestASnapshotStopsWhenAsked(t *testing.T) {
	n := 0
	NewEncoder(EncoderOptions{}).Snapshot(People(options(1000)), func(string, []byte, []byte) bool { n++; return n < 5 })
	if n != 5 {
		t.Errorf("%d records after the fifth", n)
	}
}

// BenchmarkSnapshot invents people and writes their rows; ns/op is one record.
func BenchmarkSnapshot(b *testing.B) {
	for _, schemas := range []bool{false, true} {
		b.Run(fmt.Sprintf("schemas=%v", schemas), func(b *testing.B) {
			o := options(100_000_000)
			e := NewEncoder(EncoderOptions{Schemas: schemas, SnapshotAt: noon("2026-03-02")})
			n, size := 0, 0
			b.ReportAllocs()
			e.Snapshot(People(o), func(_ string, key, value []byte) bool {
				n++
				size += len(key) + len(value)
				return n < b.N
			})
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(size)/float64(n), "B/record")
		})
	}
}

// BenchmarkSnapshotSQL writes the rows of 20,000 people as COPY blocks; ns/op is one world.
func BenchmarkSnapshotSQL(b *testing.B) {
	for b.Loop() {
		if err := SnapshotSQL(discard{}, People(options(20_000))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOracleDay judges one day of 4,000 people.
func BenchmarkOracleDay(b *testing.B) {
	w := New(options(4_000))
	q := NewOracle(OracleOptions{Zone: budapest})
	q.Load(w.People())
	day := w.Day()
	for b.Loop() {
		q.Run(day)
		day++
	}
	_ = event.Emitted
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
