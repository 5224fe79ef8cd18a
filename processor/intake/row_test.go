package intake

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// The longest row there can be: the length of its meta still fits in one byte.
func TestLongestRow(t *testing.T) {
	ref := journal.Ref{15: 255}
	r := &Row{Hold: journal.HoldRedeliveredDelete, Meta: journal.Meta{Partition: math.MaxInt32, Offset: math.MaxInt64, Order: math.MaxUint64,
		Committed: math.MinInt64, Content: math.MaxUint64, Facts: math.MaxUint64, Effective: math.MinInt64, Moved: math.MinInt64,
		Deleted: true, On: true, Address: ref}}
	for l := identity.List(1); l <= 2; l++ {
		r.IDs = append(r.IDs, Place{List: l, Fingerprint: ref, Offset: math.MaxInt64})
	}
	got, err := DecodeRow(r.Append([]byte("before"))[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
}
