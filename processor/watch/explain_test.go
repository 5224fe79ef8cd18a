package watch

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// decided is what Judge did about a notice, or what Explain says of it.
type decided struct {
	ID     journal.Ref
	Reason string
}

// genLedger remembers some of what Judge decides, as if earlier runs had decided it, or an operator had.
func genLedger(t *rapid.T, c *Core, rows []Row, day Day) *memory {
	ledger := &memory{ids: map[journal.Ref]Decision{}, marks: map[journal.Ref]bool{}}
	for _, n := range c.Judge(rows, nil, day, ledger).Notices {
		switch rapid.IntRange(0, 3).Draw(t, "before") {
		case 0:
			ledger.ids[n.ID] = Decision{Emitted: true, Address: n.To.Address}
			ledger.marks[n.Mark] = true
		case 1:
			ledger.ids[n.ID] = Decision{Reason: rapid.SampledFrom([]string{event.ReasonHeld, event.ReasonOperator, event.ReasonLate,
				event.ReasonDuplicateAddress}).Draw(t, "skip"), Address: journal.Ref{2, rapid.ByteMax(1).Draw(t, "then")}}
		}
	}
	return ledger
}

// genMoved lets some rows have moved to the identity just now, so that they wait.
func genMoved(t *rapid.T, rows []Row) {
	for i := range rows {
		if rapid.IntRange(0, 5).Draw(t, "moved") == 0 {
			rows[i].Value.Meta().Moved = (testDay + event.Date(rapid.IntRange(-1, 2).Draw(t, "when"))).At(6, 0, testZone).UnixMilli()
		}
	}
}

// TestExplainSaysWhatJudgeDoes: whatever the rows, the day and the ledger, Explain announces exactly the notices that Judge
// decides, each with its reason, and gives the same reason wherever Judge counts that there was nothing to decide.
func TestExplainSaysWhatJudgeDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, rows := testCore(t), genRows(t)
		genMoved(t, rows)
		day := Day{Date: testDay, After: testDay - event.Date(rapid.IntRange(1, 60).Draw(t, "after")), First: testDay - event.Date(rapid.IntRange(-3, 3).Draw(t, "first")),
			Skip: rapid.IntRange(0, 7).Draw(t, "operator") == 0}
		ledger := genLedger(t, c, rows, day)
		j := c.Judge(slices.Clone(rows), nil, day, ledger)
		ex := c.Explain(slices.Clone(rows), day, ledger)
		var did, said []decided
		for _, n := range j.Notices {
			did = append(did, decided{n.ID, cmp.Or(n.Reason, Owed)})
		}
		for _, l := range ex.Lines {
			if l.New {
				said = append(said, decided{l.ID, l.Code})
			}
		}
		byID := func(a, b decided) int { return slices.Compare(a.ID[:], b.ID[:]) }
		slices.SortFunc(did, byID)
		slices.SortFunc(said, byID)
		if !slices.Equal(did, said) {
			t.Fatalf("Judge did %x, Explain says %x", did, said)
		}
		sameSilence(t, &ex, j.Counts)
		everyThreshold(t, c, rows, ex.Lines)
	})
}

// sameSilence: wherever Judge counts a reason for which nothing was decided, Explain has a line of it, unless the notice was
// decided before, or the only registrations are on their way here.
func sameSilence(t *rapid.T, ex *Explanation, counts []Count) {
	said, decided := map[Count]bool{}, map[string]bool{}
	for _, l := range ex.Lines {
		said[Count{Kind: l.Kind, Threshold: l.Due.Label, Decision: DecisionNone, Reason: l.Code}] = true
		decided[l.Due.Label] = decided[l.Due.Label] || l.Was != (Decision{})
	}
	wait := slices.ContainsFunc(ex.Registrations, func(s Standing) bool { return s.From != 0 })
	for _, k := range counts {
		k.Type = ""
		if k.Decision == DecisionNone && !said[k] && !decided[k.Threshold] && !(wait && k.Reason == NoMatch) {
			t.Fatalf("Judge counts %+v, Explain does not say so: %+v", k, ex.Lines)
		}
	}
}

// everyThreshold: each threshold of each document has a line.
func everyThreshold(t *rapid.T, c *Core, rows []Row, lines []Line) {
	for i := range rows {
		d := rows[i].Value.Document
		if d == nil {
			continue
		}
		key := rowID(&rows[i].Key)
		for _, due := range c.Rules.Due(d.Type, d.Expires) {
			if !slices.ContainsFunc(lines, func(l Line) bool { return l.Document == key && l.Due == due }) {
				t.Fatalf("nothing is said of %s of document %q", due.Label, key)
			}
		}
	}
}
