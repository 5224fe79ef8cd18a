package debezium

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"lejarat/processor/event"
)

// FuzzDecode: whatever the bytes, no panic; a record that is accepted is JSON and decodes to the same again, also in a
// decoder that has seen it and others before; a rejection says why.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"envelope.json", "unwrapped.json", "delete.json", "unwrapped-delete.json", "truncate.json", "unwrapped-schema.json"} {
		f.Add([]byte(file(f, "key.json")), []byte(file(f, name)))
	}
	f.Add([]byte(file(f, "key-schema.json")), []byte(file(f, "envelope-schema.json")))
	for _, key := range []string{``, `null`, `12`, `"a\u00e1"`, `Struct{a=1,b=x,y}`, `{"a":{"scale":1,"value":"AQ=="},"b":null}`, `{"schema":null,"payload":7}`, "\x00\x01"} {
		f.Add([]byte(key), []byte(`{"status":"\ud83d\ude00","valid_until":20696}`))
	}
	for _, o := range observed {
		f.Add([]byte(`{"id":1}`), []byte(withSchema(1, o.semantic, "valid_until", o.json)))
		f.Add([]byte(`{"id":1}`), []byte(`{"valid_until":`+o.json+`,"changed_at":`+o.json+`,"kind":`+o.json+`}`))
	}
	used := newDecoder(f, documentColumns(true)...)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r := &event.Record{Key: key, Value: value}
		fresh := newDecoder(t, documentColumns(true)...)
		first, err := fresh.Decode(r)
		first.Values = append([]event.Value(nil), first.Values...)
		second, err2 := used.Decode(r)
		second.Values = append([]event.Value(nil), second.Values...)
		if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(err, err2) {
			t.Fatalf("first %+v, %v\nthen %+v, %v", first, err, second, err2)
		}
		third, err := fresh.Decode(r)
		if third.Values = append([]event.Value(nil), third.Values...); !reflect.DeepEqual(first, third) {
			t.Fatalf("first %+v\nthen %+v", first, third)
		}
		if err != nil {
			if reject := new(event.Reject); !errors.As(err, &reject) || reject.Reason == "" {
				t.Fatalf("got the error %#v", err)
			}
			return
		}
		if value != nil && !json.Valid(value) {
			t.Fatalf("accepted what is not JSON: %q", value)
		}
		rowless := first.Op == event.Truncate || first.Op == event.Other
		if rowless != (first.Row == "") || (first.Op == event.Upsert) != (len(first.Values) > 0) {
			t.Fatalf("got %+v", first)
		}
		for i, v := range first.Values {
			if (v.State == event.Unreadable) != (v.Reason != "") || v.State != event.Present && (v.Text != "" || v.Date != 0 || !v.Time.IsZero()) {
				t.Fatalf("value %d: got %+v", i, v)
			}
			if v.Date != event.NoExpiry && (v.Date < minDay || v.Date > maxDay) {
				t.Fatalf("value %d: got the date %v", i, v.Date)
			}
		}
		// The same record with white space about every token that allows it is the same record.
		var spaced bytes.Buffer
		if value != nil && json.Indent(&spaced, value, "\t", " \r\n") == nil && spaced.Len() <= MaxValueBytes {
			wide, err := fresh.Decode(&event.Record{Key: key, Value: spaced.Bytes()})
			wide.Values = append([]event.Value(nil), wide.Values...)
			if err != nil || !reflect.DeepEqual(first, wide) {
				t.Fatalf("compact %+v\nspaced %+v, %v", first, wide, err)
			}
		}
	})
}
