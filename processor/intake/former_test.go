package intake

import (
	"testing"
	"time"

	"lejarat/processor/event"
)

// What the generation before knew of a row is over where the new one sees it deleted later than that: made again with the same
// facts, they hold from then on. A deletion that the generation before had seen says nothing of what it knew afterwards.
func TestFormerEndsWithADeletion(t *testing.T) {
	const known, knownSince, madeAgain = 10, 5, 20
	for name, c := range map[string]struct {
		first, deleted int64 // source offsets; -1: there is none
		want           int64
	}{
		"never deleted":                     {-1, -1, knownSince},
		"deleted afterwards":                {7, 12, madeAgain},
		"deleted before":                    {7, 8, knownSince},
		"deleted afterwards, not met alive": {-1, 12, madeAgain},
		"deleted before, not met alive":     {-1, 8, knownSince},
	} {
		t.Run(name, func(t *testing.T) {
			core := testCore(Documents)
			core.Former = func(_ string, _ uint64, beyond int64) (int64, bool) { return knownSince, known > beyond }
			var row *Row
			step := func(op event.Op, offset int64) {
				at := time.UnixMilli(offset)
				in := Input{Record: &event.Record{Topic: "t", Offset: offset, Key: []byte("row"), Time: at}, Now: at}
				in.Change = event.Change{Row: "row", Op: op, Order: uint64(offset), Committed: at}
				if op == event.Upsert {
					in.Change.Values = []event.Value{{Text: "a"}, {Text: "a"}, {Text: "x"}, {Date: 100}, {Text: "m"}, {Text: "passport"}, {Text: "1"}, {Text: "V"}, {Date: 200}}
				}
				if out := core.Step(&in, row); out.Row != nil {
					row = out.Row
				}
			}
			if c.first >= 0 {
				step(event.Upsert, c.first)
			}
			if c.deleted >= 0 {
				step(event.Delete, c.deleted)
				step(event.Tombstone, c.deleted+1)
			}
			if step(event.Upsert, madeAgain); row.Effective != c.want || row.Deleted {
				t.Errorf("effective since %d, not %d: %+v", row.Effective, c.want, row)
			}
		})
	}
}
