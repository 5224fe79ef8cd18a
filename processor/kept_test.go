package processor

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
	"lejarat/processor/watch"
)

// countedFirst is a service whose run has been counted and waits at the fuse: six people are to be told.
func countedFirst(t *testing.T) *harness {
	h := newHarness(t)
	h.begin(t)
	h.cfg.MaxRun = 1
	h.people(t, "anna", "bela", "csilla", "denes", "erika", "ferenc")
	h.play(t, "2026-02-28T12:00")
	for _, w := range h.watch {
		if w.run.phase != phaseFuse {
			t.Fatalf("partition %d is in phase %d", w.tp.Partition, w.run.phase)
		}
	}
	return h
}

// decisions are how many notices the topic says were emitted, and skipped.
func (h *harness) decisions(t *testing.T) (told, skipped int) {
	t.Helper()
	last := map[string]string{}
	for _, r := range h.log.Records("lejarat.notifications") {
		if !r.Control {
			last[string(r.Key)] = string(r.Value)
		}
	}
	for _, v := range last {
		if strings.Contains(v, `"decision":"emitted"`) {
			told++
		} else {
			skipped++
		}
	}
	return told, skipped
}

// notices are those that the partitions have kept.
func (h *harness) notices(t *testing.T) (all []watch.Notice) {
	t.Helper()
	for _, w := range h.watch {
		for i := range w.run.kept.entries {
			e := &w.run.kept.entries[i]
			if e.again {
				t.Error("a judgement is not kept of which the ledger knew nothing")
			}
			j, err := w.run.kept.packed.read(e.judgement)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, j.Notices...)
		}
	}
	if len(all) != 6 {
		t.Fatalf("%d notices are kept", len(all))
	}
	return all
}

// TestFireTakesOverOnlyWhatStands (I37): what the count has judged is fired, but for what has become otherwise since.
func TestFireTakesOverOnlyWhatStands(t *testing.T) {
	for _, c := range []struct {
		name          string
		meanwhile     func(t *testing.T, h *harness)
		command       string
		told, skipped int
	}{
		{"nothing happens", func(*testing.T, *harness) {}, CommandRelease, 6, 0},
		{"one switches off", func(t *testing.T, h *harness) {
			h.play(t, "", "registration r_anna holder=anna email=anna@example.hu since=2020-01-01 on=false")
		}, CommandRelease, 5, 0},
		{"one has a new document", func(t *testing.T, h *harness) {
			h.play(t, "", "document bela2 type=passport expires=2036-08-31 issued=2026-02-01 holder=bela")
		}, CommandRelease, 5, 0},
		{"one is held", func(t *testing.T, h *harness) {
			h.play(t, "", "document bela type=passport expires=? issued=2016-08-31 holder=bela")
		}, CommandRelease, 5, 1},
		{"two were told elsewhere", func(t *testing.T, h *harness) {
			add(t, h, h.notices(t)[2:4])
		}, CommandRelease, 4, 0},
		{"an address was told elsewhere", func(t *testing.T, h *harness) {
			n := h.notices(t)[1]
			n.ID = journal.Ref{1}
			add(t, h, []watch.Notice{n})
		}, CommandRelease, 5, 1},
		{"an operator skips the day", func(*testing.T, *harness) {}, CommandSkip, 0, 6},
		{"more has changed than is remembered", func(t *testing.T, h *harness) {
			for _, w := range h.watch {
				w.run.kept.moved = nil
			}
			h.play(t, "", "registration r_anna holder=anna email=anna@example.hu since=2020-01-01 on=false")
		}, CommandRelease, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := countedFirst(t)
			h.notices(t)
			c.meanwhile(t, h)
			h.log.Append(CommandMessage(h.cfg.Prefix, mustDate(t, "2026-02-28"), c.command, h.clock.Now()))
			h.settle(t)
			if !h.runs.Complete(mustDate(t, "2026-02-28"), 0) || !h.runs.Complete(mustDate(t, "2026-02-28"), 1) {
				t.Error("the run is not complete")
			}
			if told, skipped := h.decisions(t); told != c.told || skipped != c.skipped {
				t.Errorf("%d told, %d skipped, want %d and %d", told, skipped, c.told, c.skipped)
			}
		})
	}
}

func add(t *testing.T, h *harness, notices []watch.Notice) {
	t.Helper()
	if err := h.ledger.add(notices, mustDate(t, "2026-02-27"), time.Time{}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestToldBeforeIsJudgedOnce (I37): on a later day the ledger knows of each that an earlier notice was emitted, which is final;
// only where it knows of a skip is the identity judged anew.
func TestToldBeforeIsJudgedOnce(t *testing.T) {
	h := countedFirst(t)
	h.play(t, "", "document bela type=passport expires=? issued=2016-08-31 holder=bela")
	h.log.Append(CommandMessage(h.cfg.Prefix, mustDate(t, "2026-02-28"), CommandRelease, h.clock.Now()))
	h.settle(t)
	if told, skipped := h.decisions(t); told != 5 || skipped != 1 {
		t.Fatalf("%d told, %d skipped", told, skipped)
	}
	h.play(t, "2026-07-31T12:00")
	kept, again := 0, 0
	for _, w := range h.watch {
		for _, e := range w.run.kept.entries {
			if e.again {
				again++
			} else {
				kept++
			}
		}
	}
	if kept != 5 || again != 1 {
		t.Errorf("%d judgements are kept, %d are not", kept, again)
	}
	h.log.Append(CommandMessage(h.cfg.Prefix, mustDate(t, "2026-07-31"), CommandRelease, h.clock.Now()))
	h.settle(t)
	if told, skipped := h.decisions(t); told != 10 || skipped != 2 {
		t.Errorf("%d told, %d skipped", told, skipped)
	}
}

// packedLeast is what a judgement takes that comes to nothing: its next day, nobody told, no figures, no notices.
const packedLeast = 4

// TestKeptIsBounded: what does not fit is judged in the fire, from where the kept ones end.
func TestKeptIsBounded(t *testing.T) {
	h := countedFirst(t)
	for _, w := range h.watch {
		k := w.run.kept
		if len(k.entries) < 2 {
			t.Fatalf("%d entries on partition %d", len(k.entries), w.tp.Partition)
		}
		k.next = slices.Clone(k.entries[1].key[:])
		k.entries, k.full = k.entries[:1], true
	}
	h.log.Append(CommandMessage(h.cfg.Prefix, mustDate(t, "2026-02-28"), CommandRelease, h.clock.Now()))
	h.settle(t)
	if told, skipped := h.decisions(t); told != 6 || skipped != 0 {
		t.Errorf("%d told, %d skipped", told, skipped)
	}
	k := newKept(watch.Day{})
	core, ledger := &h.cfg.Watch, h.ledger
	for n := range 10 {
		k.judge(core, &dueEntry{key: timelineKey(event.Date(n), make([]byte, identityBytes))}, ledger, keptBytes/(4*(entryBytes+packedLeast)))
	}
	if want := timelineKey(4, make([]byte, identityBytes)); len(k.entries) != 4 || !k.full || !slices.Equal(k.next, want) {
		t.Errorf("%d are kept, full %v, next %x", len(k.entries), k.full, k.next)
	}
}

// TestPackedJudgement: what is read back is what was written, whatever is in it.
func TestPackedJudgement(t *testing.T) {
	whole := watch.Notice{ID: journal.Ref{1}, Mark: journal.Ref{2}, Kind: event.KindExpiry, Reason: event.ReasonHeld,
		Document: &journal.Document{Meta: journal.Meta{Partition: 3, Offset: 4, Effective: journal.SinceBefore}, Type: "passport", Ref: journal.Ref{5}, Masked: "**123", Valid: true, Expires: 6},
		To:       &journal.Registration{Meta: journal.Meta{Offset: 7, On: true, Address: journal.Ref{8}}, Ref: journal.Ref{9}, Email: "a@example.hu", Name: "Á", Language: "hu"},
		Due:      rules.Due{Label: "P6M", Date: -10, Closes: 11}, Expires: event.NoExpiry}
	for i, v := 0, reflect.ValueOf(whole); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("this test does not fill %s of a notice", v.Type().Field(i).Name)
		}
	}
	emitted := whole
	emitted.Kind, emitted.Reason, emitted.Document, emitted.Due, emitted.Expires = event.KindAnnouncement, "", nil, rules.Due{}, 0
	figure := watch.Count{Kind: event.KindExpiry, Type: "passport", Threshold: "P6M", Decision: event.Skipped, Reason: event.ReasonHeld}
	var k kept
	var all [][]byte
	want := []watch.Judgement{{}, {Next: 12}, {Notices: []watch.Notice{whole, emitted}, Counts: []watch.Count{figure, {}, figure}},
		{Notices: slices.Repeat([]watch.Notice{emitted}, 2000), Next: -1, Told: slices.Repeat(watch.Told("sixteen bytes id"), 16)}, {Counts: []watch.Count{{}}}}
	for i := range want {
		all = append(all, k.pack(&want[i]))
	}
	for i := range want {
		got, err := k.packed.read(all[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("judgement %d: %s", i, diff)
		}
	}
}
