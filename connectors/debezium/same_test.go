package debezium

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// TestSameSource: a source that stands in one record after the other is taken over, wherever it stands, and only whole.
func TestSameSource(t *testing.T) {
	plain := file(t, "envelope.json")
	at := strings.Index(plain, `"source"`)
	long := strings.Replace(plain, `"after":{`, `"after":{"remarks":"a longer row","unknown":[1,{}],`, 1)
	if at < 0 || long == plain {
		t.Fatal("the record is not as it was")
	}
	end := at + strings.Index(plain[at:], "}")
	used := newDecoder(t, documentColumns(true)...)
	for _, value := range []string{
		plain, long, plain,
		strings.Replace(plain, `"lsn":`, `"lsn":1`, 1), // another position
		long,
		plain[:end] + `,"lsn":7}` + plain[end+1:], // twice
		plain[:end+1] + plain[end+2:],             // no comma behind it
		plain[:end],
		plain,
		plain[:end] + `,"more":"` + strings.Repeat("x", repeatMost) + `"}` + plain[end+1:], // too long to be kept
		long, long,
	} {
		r := record(file(t, "key.json"), value)
		got, err := used.Decode(r)
		got.Values = slices.Clone(got.Values)
		want, wantErr := newDecoder(t, documentColumns(true)...).Decode(r)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v, %v", value, got, err, want, wantErr)
		}
	}
	if got := decode(t, used, file(t, "key.json"), long); got.Op != event.Upsert || got.Order == 0 {
		t.Errorf("got %+v", got)
	}
}
