package identity

import (
	"fmt"
	"math/bits"
	"strings"
)

// Field is one of the five identity data by which people are joined (SPEC 1.4).
type Field uint8

// The identity data, in the order in which they stand in a Holder and in every printed list.
const (
	Name       Field = iota // current name
	BirthName               // name at birth
	BirthPlace              // place of birth
	BirthDate               // date of birth, as 1970-01-31
	MotherName              // mother's name at birth
)

// Fields is the number of identity fields.
const Fields = 5

var fieldNames = [Fields]string{"name", "birth_name", "birth_place", "birth_date", "mother_name"}

// String returns the field's name in configuration: name, birth_name, birth_place, birth_date, mother_name.
func (f Field) String() string {
	if f < Fields {
		return fieldNames[f]
	}
	return fmt.Sprintf("field(%d)", uint8(f))
}

// isName reports whether the field holds a person's name.
func (f Field) isName() bool { return f == Name || f == BirthName || f == MotherName }

// List is a match list: the set of fields that must be equal, one bit each (1 << Field). The zero List matches nothing.
// Its number stands in fingerprints and journal keys, so the bits are never given out anew.
type List uint8

// AllFields is the list of all five fields, the default of every shipped document type.
const AllFields List = 1<<Fields - 1

// ParseList reads a configured match list, in any order. An empty list, an unknown field and a field named twice are errors.
func ParseList(names []string) (List, error) {
	var l List
	for _, name := range names {
		f, ok := fieldNamed(name)
		if !ok {
			return 0, fmt.Errorf("reading a match list: %q is no identity field; use %s", name, strings.Join(fieldNames[:], ", "))
		}
		if l.Has(f) {
			return 0, fmt.Errorf("reading a match list: %s stands in it twice", name)
		}
		l |= 1 << f
	}
	if l == 0 {
		return 0, fmt.Errorf("reading a match list: it is empty; name at least one of %s", strings.Join(fieldNames[:], ", "))
	}
	return l, nil
}

func fieldNamed(name string) (Field, bool) {
	for f, n := range fieldNames {
		if n == name {
			return Field(f), true
		}
	}
	return 0, false
}

// Has reports whether the field belongs to the list.
func (l List) Has(f Field) bool { return f < Fields && l>>f&1 != 0 }

// Len returns the number of fields in the list.
func (l List) Len() int { return bits.OnesCount8(uint8(l & AllFields)) }

// Valid reports whether the list names at least one field and nothing that is no field.
func (l List) Valid() bool { return l != 0 && l&^AllFields == 0 }

// Names returns the names of the list's fields in the order of the fields; ParseList reads them back.
func (l List) Names() []string {
	names := make([]string, 0, Fields)
	for f, n := range fieldNames {
		if l.Has(Field(f)) {
			names = append(names, n)
		}
	}
	return names
}

// String returns the names joined by "+", for messages.
func (l List) String() string { return strings.Join(l.Names(), "+") }

// Holder is a person's normalised identity data, each at the index of its Field; "" is a field that is not known. It is
// personal data: it stays inside the intake step (SPEC 1.4).
type Holder [Fields]string
