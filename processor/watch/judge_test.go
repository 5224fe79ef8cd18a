package watch

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
)

var testDay, testZone = event.NewDate(2026, 3, 10), time.UTC

func testCore(t interface{ Fatal(...any) }) *Core {
	key, err := identity.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &Core{Rules: rules.Set{Types: rules.Defaults()}, Zone: testZone, RunHour: 6, Refs: key, Sources: map[uint32]bool{1: true}, Announcements: true}
}

// memory is a ledger of what Judge decided.
type memory struct {
	ids   map[journal.Ref]Decision
	marks map[journal.Ref]bool
}

func (m *memory) Decided(id journal.Ref) Decision { return m.ids[id] }
func (m *memory) EmittedTo(mark journal.Ref) bool { return m.marks[mark] }
func (m *memory) add(t *rapid.T, notices []Notice) {
	for _, n := range notices {
		if m.ids[n.ID].Emitted {
			t.Fatalf("decided again after it was emitted: %+v", n)
		}
		if n.Reason == "" && m.marks[n.Mark] {
			t.Fatalf("emitted to one address twice: %+v", n)
		}
		m.ids[n.ID] = Decision{Emitted: n.Reason == "", Reason: n.Reason, Address: n.To.Address}
		m.marks[n.Mark] = m.marks[n.Mark] || n.Reason == ""
	}
}

func genMeta(t *rapid.T) journal.Meta {
	effective := (testDay - event.Date(rapid.IntRange(0, 60).Draw(t, "effective"))).At(12, 0, time.UTC).UnixMilli()
	return journal.Meta{Effective: rapid.SampledFrom([]int64{journal.SinceBefore, journal.SinceBefore, effective}).Draw(t, "since")}
}

func genRows(t *rapid.T) (rows []Row) {
	add := func(source uint32, name string, v journal.Value) {
		kind := journal.Facts
		if v.Hold != nil {
			kind = journal.Hold
		}
		rows = append(rows, Row{Key: journal.RowKey{Kind: kind, Source: source, Row: name}, Value: v})
		if v.Hold == nil && rapid.IntRange(0, 7).Draw(t, "held") == 0 {
			rows = append(rows, Row{Key: journal.RowKey{Kind: journal.Hold, Source: source, Row: name}, Value: journal.Value{Hold: &journal.HoldMark{}}})
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "documents") {
		typ := rapid.SampledFrom([]string{"passport", "passport", "vehicle_inspection"}).Draw(t, "type")
		expires := testDay + event.Date(rapid.IntRange(-40, 200).Draw(t, "expires"))
		if rapid.IntRange(0, 9).Draw(t, "never") == 0 {
			expires = event.NoExpiry
		}
		add(1, string(rune('a'+i)), journal.Value{Document: &journal.Document{Meta: genMeta(t), Type: typ, Ref: journal.Ref{1, byte(i)},
			Valid: rapid.IntRange(0, 4).Draw(t, "valid") > 0, Expires: expires}})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "registrations") {
		m := genMeta(t)
		m.On, m.Address = rapid.IntRange(0, 4).Draw(t, "on") > 0, journal.Ref{2, rapid.ByteMax(1).Draw(t, "address")}
		add(1, string(rune('p'+i)), journal.Value{Registration: &journal.Registration{Meta: m, Ref: journal.Ref{3, byte(i)},
			Announce: true, Person: journal.Ref{4}, Email: "x"}})
	}
	return rows
}

// naive says of one document and registration, in the order of the words of SPEC 1.2, on which due date something is owed
// on the day; ok is false for nothing.
func naive(c *Core, rows []Row, d *journal.Document, key string, r *journal.Registration) (due rules.Due, ok bool) {
	if !d.Valid || !r.On {
		return due, false
	}
	if c.Rules.Types[d.Type].OnePerPerson {
		for i := range rows {
			o := rows[i].Value.Document
			if o == nil || !o.Valid || o.Type != d.Type || rows[i].Key.Row == key {
				continue
			}
			if o.Expires > d.Expires || o.Expires == d.Expires && (o.Effective > d.Effective || o.Effective == d.Effective && rows[i].Key.Row > key) {
				return due, false
			}
		}
	}
	for _, candidate := range c.Rules.Due(d.Type, d.Expires) {
		if candidate.Date <= testDay {
			due, ok = candidate, true // the latest that is due
		}
	}
	if !ok || testDay >= due.Closes {
		return due, false
	}
	for _, m := range []journal.Meta{d.Meta, r.Meta} {
		if m.Effective != journal.SinceBefore && event.DateOf(time.UnixMilli(m.Effective), c.Zone) > due.Date {
			return due, false
		}
	}
	return due, true
}

// TestJudgeOwesWhatTheRulesSay: whoever is owed something by a naive reading of the rules is told, or one registration of
// each address is, or the reason stands there; nobody else is told; in whatever order the rows stand.
func TestJudgeOwesWhatTheRulesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, rows := testCore(t), genRows(t)
		day := Day{Date: testDay, After: testDay - 1, First: testDay - 100}
		ledger := &memory{ids: map[journal.Ref]Decision{}, marks: map[journal.Ref]bool{}}
		j := c.Judge(slices.Clone(rows), nil, day, ledger)
		other := c.Judge(rapid.Permutation(rows).Draw(t, "order"), nil, day, ledger)
		byID := cmpopts.SortSlices(func(a, b Notice) bool { return bytes.Compare(a.ID[:], b.ID[:]) < 0 })
		byText := cmpopts.SortSlices(func(a, b Count) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
		if diff := cmp.Diff(j, other, byID, byText, sortedTold); diff != "" {
			t.Fatalf("the order of rows matters:\n%s", diff)
		}
		ledger.add(t, j.Notices)
		// Judged again, a held registration may learn that its address has been told; nothing goes out, and then all is said.
		again := c.Judge(rows, nil, day, ledger)
		for _, n := range again.Notices {
			if n.Reason != event.ReasonDuplicateAddress {
				t.Fatalf("judged again, it decides otherwise: %+v", n)
			}
		}
		ledger.add(t, again.Notices)
		if again = c.Judge(rows, nil, day, ledger); len(again.Notices) != 0 {
			t.Fatalf("judged a third time, it still decides: %+v", again.Notices)
		}
		compare(t, c, rows, j.Notices)
	})
}

// sortedTold compares what is passed on whatever its order.
var sortedTold = cmp.Transformer("sorted", func(t Told) []string {
	var ids []string
	for part := range slices.Chunk(t, journal.RefBytes) {
		ids = append(ids, string(part))
	}
	slices.Sort(ids)
	return ids
})

// silent is a ledger that fails the test when it is asked about an emitted notice that was passed on.
type silent struct {
	*memory
	t    *rapid.T
	told Told
}

func (s *silent) Decided(id journal.Ref) Decision {
	if s.told.Has(id) {
		s.t.Fatalf("asked again about %x", id)
	}
	return s.memory.Decided(id)
}

// TestToldIsNotAskedAgain (I39): whatever part of the emitted notices a judgement is told of, it comes to the same as without,
// passes the same on, and asks nobody about them; a piece of an id says nothing.
func TestToldIsNotAskedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, rows := testCore(t), genRows(t)
		ledger := &memory{ids: map[journal.Ref]Decision{}, marks: map[journal.Ref]bool{}}
		first := c.Judge(rows, nil, Day{Date: testDay, After: testDay - 1, First: testDay - 100}, ledger)
		for _, n := range first.Notices {
			if n.Reason == "" && len(first.Told) < mostTold*journal.RefBytes && !first.Told.Has(n.ID) {
				t.Fatalf("emitted and not passed on: %+v", n)
			}
		}
		for part := range slices.Chunk(first.Told, journal.RefBytes) {
			if !slices.ContainsFunc(first.Notices, func(n Notice) bool { return n.ID == journal.Ref(part) && n.Reason == "" }) {
				t.Fatalf("passed on and not emitted: %x", part)
			}
		}
		ledger.add(t, first.Notices)
		day := Day{Date: testDay + event.Date(rapid.IntRange(0, 70).Draw(t, "days")), After: testDay, First: testDay - 100}
		want := c.Judge(slices.Clone(rows), nil, day, ledger)
		told := first.Told[:rapid.IntRange(0, len(first.Told)).Draw(t, "told")]
		got := c.Judge(rows, told, day, &silent{ledger, t, told})
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("told of %d bytes it judges otherwise:\n%s", len(told), diff)
		}
	})
}

func compare(t *rapid.T, c *Core, rows []Row, notices []Notice) {
	open := map[journal.Ref]Notice{}
	for _, n := range notices {
		if n.Kind == event.KindExpiry && n.Reason != event.ReasonLate {
			open[n.ID] = n
		}
	}
	for i := range rows {
		d := rows[i].Value.Document
		for k := range rows {
			r := rows[k].Value.Registration
			if d == nil || r == nil {
				continue
			}
			due, owed := naive(c, rows, d, rows[i].Key.Row, r)
			if !owed {
				continue
			}
			id := NoticeID(c.Refs, event.KindExpiry, d.Ref, d.Expires, due.Date, r.Ref)
			if _, found := open[id]; !found {
				t.Fatalf("owed and not decided: %+v to %+v due %s", d, r, due.Date)
			}
			delete(open, id)
		}
	}
	for _, n := range open {
		t.Fatalf("decided and not owed: %+v", n)
	}
}
