package numbered

import "testing"

func TestValues(t *testing.T) {
	var x Values[string]
	for i, c := range []struct {
		value string
		want  uint32
	}{{"b", 0}, {"a", 1}, {"b", 0}, {"", 2}, {"a", 1}} {
		if n := x.Number(c.value); n != c.want || x.Value(n) != c.value {
			t.Errorf("%d: %q has number %d, want %d; that is %q", i, c.value, n, c.want, x.Value(n))
		}
	}
}
