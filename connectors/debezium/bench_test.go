package debezium

import (
	"testing"

	"lejarat/processor/event"
)

func BenchmarkDecode(b *testing.B) {
	for _, m := range []struct{ name, key, value string }{
		{"envelope", "key.json", "envelope.json"},
		{"envelope with schema", "key-schema.json", "envelope-schema.json"},
		{"unwrapped", "key.json", "unwrapped.json"},
		{"delete", "key.json", "delete.json"},
	} {
		b.Run(m.name, func(b *testing.B) {
			d := newDecoder(b, documentColumns(true)...)
			r := record(file(b, m.key), file(b, m.value))
			b.SetBytes(int64(len(r.Value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// A row costs its name and one string for all its texts.
func TestAllocations(t *testing.T) {
	for _, m := range []struct {
		key, value string
		most       float64
	}{
		{"key.json", "envelope.json", 2},
		{"key-schema.json", "envelope-schema.json", 2},
		{"key.json", "unwrapped.json", 2},
		{"key.json", "delete.json", 1},
		{"key.json", "truncate.json", 1},
	} {
		d := newDecoder(t, documentColumns(true)...)
		r := record(file(t, m.key), file(t, m.value))
		if got := testing.AllocsPerRun(1000, func() { _, _ = d.Decode(r) }); got > m.most {
			t.Errorf("%s: %v allocations, want at most %v", m.value, got, m.most)
		}
	}
	d := newDecoder(t, event.Column{Name: "fee"})
	r := record(`{"id":{"scale":0,"value":"AQ=="}}`, `{"fee":{"scale":2,"value":"JRw="}}`)
	if got := testing.AllocsPerRun(1000, func() { _, _ = d.Decode(r) }); got > 2 {
		t.Errorf("decimals: %v allocations", got)
	}
}
