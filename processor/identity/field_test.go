package identity_test

import (
	"slices"
	"testing"

	"lejarat/processor/identity"
)

func TestParseList(t *testing.T) {
	names := []string{"mother_name", "name", "birth_date", "birth_place", "birth_name"}
	all, err := identity.ParseList(names)
	if err != nil || all != identity.AllFields || all.Len() != identity.Fields || !all.Valid() {
		t.Fatalf("ParseList(%v) = %s, %v", names, all, err)
	}
	if want := []string{"name", "birth_name", "birth_place", "birth_date", "mother_name"}; !slices.Equal(all.Names(), want) {
		t.Errorf("Names() = %v, want %v", all.Names(), want)
	}
	some, err := identity.ParseList([]string{"birth_date", "birth_name"})
	if err != nil || !some.Has(identity.BirthName) || !some.Has(identity.BirthDate) || some.Has(identity.Name) || some.Len() != 2 {
		t.Errorf("the list is %s, %v", some, err)
	}
	if some.Has(identity.Fields) || some.Has(200) {
		t.Error("a list has a field that does not exist")
	}
	if some.String() != "birth_name+birth_date" {
		t.Errorf("printed as %s", some)
	}
}

func TestParseListRefuses(t *testing.T) {
	for _, names := range [][]string{nil, {}, {"nev"}, {"name", "name"}, {""}, {"Name"}} {
		if l, err := identity.ParseList(names); err == nil {
			t.Errorf("ParseList(%v) = %s, want an error", names, l)
		}
	}
}

func TestEveryListRoundTrips(t *testing.T) {
	for l := identity.List(1); l <= identity.AllFields; l++ {
		if got, err := identity.ParseList(l.Names()); err != nil || got != l {
			t.Errorf("%s is read back as %s, %v", l, got, err)
		}
	}
	if identity.List(0).Valid() || identity.List(1<<identity.Fields).Valid() || identity.List(255).Valid() {
		t.Error("a list of nothing or of unknown fields is valid")
	}
}

func TestFieldNames(t *testing.T) {
	for f, want := range []string{"name", "birth_name", "birth_place", "birth_date", "mother_name", "field(5)"} {
		if got := identity.Field(f).String(); got != want {
			t.Errorf("field %d is %q, want %q", f, got, want)
		}
	}
}
