package intake

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

func testKey(fill byte) *identity.Key {
	k, err := identity.NewKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		panic(err)
	}
	return k
}

// testCore maps the columns: five of the holder, then type, number, status, expires or email, active, service, language.
func testCore(kind Kind) *Core {
	all, most := identity.AllFields, identity.AllFields&^(1<<identity.MotherName)
	s := Source{Topic: "t", ID: journal.SourceID("t"), Kind: kind, Names: []string{"n", "bn", "bp", "bd", "mn", "c5", "c6", "c7", "c8"},
		Type: 5, Types: map[string]string{"passport": "passport", "card": "card"}, Number: 6, Status: 7, Valid: map[string]bool{"V": true},
		Expires: []int{8}, HolderID: None, Email: 5, Active: Bool{Column: 6, True: map[string]bool{"V": true}}, Service: Bool{Column: None},
		Language: 7, Effective: None}
	for f := range s.Holder {
		s.Holder[f] = []int{f}
	}
	return &Core{Source: s, TypeList: map[string]identity.List{"passport": most, "card": all}, Lists: []identity.List{all, most},
		Identity: testKey(1), Refs: testKey(2), Partitions: 4, Journal: "journal", Suppressions: "suppressions", Rejects: "rejects", Zone: time.UTC}
}

func genInput(t *rapid.T, c *Core, offset int64) Input {
	order := uint64(rapid.IntRange(0, 40).Draw(t, "order"))
	at := time.UnixMilli(int64(order) * 1000)
	in := Input{Record: &event.Record{Topic: "t", Offset: offset, Key: []byte("row"), Time: at}, Now: time.UnixMilli(1e6 + offset)}
	in.Change = event.Change{Row: "row", Order: order, Committed: at}
	switch rapid.IntRange(0, 9).Draw(t, "op") {
	case 0:
		in.Change.Op = event.Delete
	case 1:
		in.Change.Op, in.Change.Order, in.Change.Committed = event.Tombstone, 0, time.Time{}
	case 2:
		in.Reject = &event.Reject{Row: "row", Reason: "not JSON"}
	default:
		text := func(name string, of ...string) event.Value {
			s := rapid.SampledFrom(of).Draw(t, name)
			if s == "bad" {
				return event.Value{State: event.Unreadable, Reason: "bad"}
			}
			return event.Value{Text: s}
		}
		in.Change.Values = []event.Value{text("name", "a", "b"), {Text: "a"}, text("place", "x", "x", ""), {Date: 100}, text("mother", "m", "", "k"),
			text("type", "passport", "card"), text("number", "1", "2", "bad"), text("status", "V", "X"), {Date: event.Date(rapid.IntRange(1, 2).Draw(t, "expires"))}}
	}
	return in
}

// written is a history of one row: the journal records by partition, the row as of the last record that wrote one, and
// the stores that may have been left behind before that.
type written struct {
	partitions [4][]event.Record
	row        *Row
	stores     []store
}

// store is the row after some record, with how many records each partition had by then.
type store struct {
	row  *Row
	read [4]int
}

func history(t *rapid.T, c *Core) written {
	var w written
	var row *Row
	past := []store{{}}
	for offset := range int64(rapid.IntRange(1, 12).Draw(t, "records")) {
		in := genInput(t, c, offset)
		out := c.Step(&in, row)
		if out.Row != nil {
			row = out.Row
		}
		for _, r := range out.Records {
			if r.Topic == c.Journal {
				w.partitions[r.Partition] = append(w.partitions[r.Partition], r)
				w.row, w.stores = row, past
			}
		}
		now := store{row: row}
		for p := range now.read {
			now.read[p] = len(w.partitions[p])
		}
		past = append(past, now)
	}
	return w
}

// compact keeps the newest record of each key.
func compact(records []event.Record) (kept []event.Record) {
	for i := range records {
		if !slices.ContainsFunc(records[i+1:], func(r event.Record) bool { return bytes.Equal(r.Key, records[i].Key) }) {
			kept = append(kept, records[i])
		}
	}
	return kept
}

func restoreRecord(t *rapid.T, row *Row, r *event.Record) {
	key, err := journal.ParseKey(r.Key)
	if err != nil {
		t.Fatal(err)
	}
	head, err := journal.DecodeHead(r.Value, r.HeaderValue(journal.Header))
	if err != nil {
		t.Fatal(err)
	}
	Restore(row, &key.Row, &head)
}

// reload writes the row to the store and reads it back.
func reload(t *rapid.T, row *Row) *Row {
	if row == nil {
		return nil
	}
	again, err := DecodeRow(row.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// visible is the row without what a restore need not bring back: at which offset a place was last written, and the order
// of places.
func visible(r *Row) string {
	if r == nil {
		return "none"
	}
	ids := slices.Clone(r.IDs)
	slices.SortFunc(ids, func(a, b Place) int { return int(a.List) - int(b.List) })
	for i := range ids {
		ids[i].Offset = 0
	}
	return fmt.Sprintf("%+v\nhold %d\nplaces %x", r.Meta, r.Hold, ids)
}

// TestRestoreEqualsStep: whatever happened to a row, the journal brings back what Step knew of it, with its partitions read
// in any order or interleaved, compacted or not, and from any moment at which the store was left behind.
func TestRestoreEqualsStep(t *testing.T) {
	for _, kind := range []Kind{Documents, Registrations} {
		t.Run(fmt.Sprint(kind), rapid.MakeCheck(func(t *rapid.T) {
			w := history(t, testCore(kind))
			left := w.partitions
			var row *Row
			if len(w.stores) > 0 {
				from := rapid.SampledFrom(w.stores).Draw(t, "store")
				row = reload(t, from.row)
				for p := range left {
					left[p] = left[p][from.read[p]:]
				}
			}
			if rapid.Bool().Draw(t, "compacted") {
				for p := range left {
					left[p] = compact(left[p])
				}
			}
			for {
				var open []int
				for p := range left {
					if len(left[p]) > 0 {
						open = append(open, p)
					}
				}
				if len(open) == 0 {
					break
				}
				if row == nil {
					row = &Row{Meta: journal.Meta{Offset: -1}}
				}
				p := rapid.SampledFrom(open).Draw(t, "partition")
				restoreRecord(t, row, &left[p][0])
				left[p] = left[p][1:]
				row = reload(t, row)
			}
			if diff := cmp.Diff(visible(w.row), visible(row)); diff != "" {
				t.Fatalf("restored row differs (-step +restored):\n%s", diff)
			}
		}))
	}
}

func FuzzDecodeRow(f *testing.F) {
	r := Row{Meta: journal.Meta{Offset: 7, Effective: journal.SinceBefore}, IDs: []Place{{List: 31, Offset: 7}}}
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		row, err := DecodeRow(b)
		if err != nil {
			return
		}
		again, err := DecodeRow(row.Append(nil))
		if err != nil || !cmp.Equal(row, again) {
			t.Fatalf("%v: %+v and %+v", err, row, again)
		}
	})
}
