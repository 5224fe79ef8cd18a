// Package numbered gives equal values one number, for tables of what is said of many.
package numbered

// Values are numbered from 0, in the order in which they come. The zero Values is empty.
type Values[T comparable] struct {
	numbers map[T]uint32
	values  []T
}

// Number is the number of a value, a new one where it comes for the first time.
func (x *Values[T]) Number(v T) uint32 {
	n, ok := x.numbers[v]
	if !ok {
		if x.numbers == nil {
			x.numbers = map[T]uint32{}
		}
		n = uint32(len(x.values))
		x.numbers[v], x.values = n, append(x.values, v)
	}
	return n
}

// Value is the value that has number n; it panics where none has.
func (x *Values[T]) Value(n uint32) T { return x.values[n] }
