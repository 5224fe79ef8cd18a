package intake

import (
	"encoding/binary"
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
			core.Former = func(_ string, _ func(uint64) bool, beyond int64) (int64, bool) { return knownSince, known > beyond }
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

// Facts whose hash an earlier version made, as FORMAT.md gives it, are still the same, in a store and in the generation before: they
// hold since when they held.
func TestFactsOfAnEarlierVersion(t *testing.T) {
	core := testCore(Documents)
	earlier := func(expires event.Date) uint64 {
		sum := core.Refs.Sum("facts", []byte("a\x00a\x00x\x001970-04-11\x00"), []byte("passport"), binary.AppendVarint(nil, int64(expires)), []byte{1, 0})
		return binary.LittleEndian.Uint64(sum[:])
	}
	var row *Row
	step := func(offset int64, number string, expires event.Date) int64 {
		t.Helper()
		at := time.UnixMilli(offset)
		in := Input{Record: &event.Record{Topic: "t", Offset: offset, Key: []byte("row"), Time: at}, Now: at}
		in.Change = event.Change{Row: "row", Op: event.Upsert, Order: uint64(offset), Committed: at, Values: []event.Value{
			{Text: "a"}, {Text: "a"}, {Text: "x"}, {Date: 100}, {Text: "m"}, {Text: "passport"}, {Text: number}, {Text: "V"}, {Date: expires}}}
		if out := core.Step(&in, row); out.Verdict != Applied {
			t.Fatalf("offset %d: %v", offset, out.Verdict)
		} else {
			row = out.Row
		}
		return row.Effective
	}
	core.Former = func(_ string, same func(uint64) bool, _ int64) (int64, bool) { return 5, same(earlier(200)) }
	if since := step(10, "1", 200); since != 5 {
		t.Errorf("facts of the generation before hold since %d, not 5", since)
	}
	now := row.Facts
	if row.Facts = earlier(200); row.Facts == now {
		t.Fatal("the hash is that of an earlier version")
	}
	if since := step(20, "2", 200); since != 5 || row.Facts != now {
		t.Errorf("with another number the facts hold since %d, not 5", since)
	}
	row.Facts = earlier(200)
	if since := step(30, "2", 201); since != 30 {
		t.Errorf("with another expiry they hold since %d, not 30", since)
	}
	row = nil
	if since := step(40, "1", 201); since != 40 {
		t.Errorf("other facts than those of the generation before hold since %d, not 40", since)
	}
}
