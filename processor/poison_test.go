package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// people plays a registration and a document that falls due on 2026-02-28 for each name.
func (h *harness) people(t testing.TB, names ...string) {
	t.Helper()
	var lines []string
	for _, n := range names {
		lines = append(lines, fmt.Sprintf("registration r_%s holder=%s email=%s@example.hu since=2020-01-01", n, n, n),
			fmt.Sprintf("document %s type=passport expires=2026-08-31 issued=2016-08-31 holder=%s", n, n))
	}
	h.play(t, "", lines...)
}

// TestUnreadableJournalRecordHoldsItsPartition (I19): any notice of the partition could be wrong, so none goes out, it says which
// record it is, also after restarts with state and without; the other partition goes on. A new generation ends it.
func TestUnreadableJournalRecordHoldsItsPartition(t *testing.T) {
	row := journal.RowKey{Source: journal.SourceID(documentTopic), Row: "x", List: 31}
	for name, bad := range map[string]event.Record{
		"key":        {Key: []byte("what"), Value: []byte("ever")},
		"value":      {Key: row.Encode(), Value: []byte{1, 2, 3}},
		"retraction": {Key: row.Encode(), Headers: []event.Header{{Key: journal.Header, Value: []byte{9}}}},
		"watermark":  {Key: journal.WatermarkKey(journal.SourceID(documentTopic), 0), Value: []byte{4, 1}},
		"control":    {Key: journal.ControlKey(), Value: []byte("{")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.begin(t)
			h.people(t, "anna", "bela", "csilla", "denes", "erika", "ferenc")
			bad.Topic = h.cfg.journal()
			offset := h.log.Append(bad) // partition 0
			told := h.play(t, "2026-02-28T12:00")
			for _, lost := range []string{"", "watch", "all"} {
				h.halt()
				if lost != "" {
					h.lose(t, lost)
				}
				h.out.Reset()
				h.start(t)
				if out := h.out.String(); out != "" {
					t.Fatalf("restarted, lost %q: %s", lost, out)
				}
				h.printRuns("2026-02-28")
				want := fmt.Sprintf("0 held journal offset %d of %s/0 cannot be read\n1 complete\n", offset, h.cfg.journal())
				if got := h.out.String(); got != want {
					t.Fatalf("restarted, lost %q: got %q, want %q", lost, got, want)
				}
			}
			if n := strings.Count(told, "emitted"); n == 0 || n == 6 {
				t.Fatalf("not spread over the partitions: %s", told)
			}
			h.people(t, "gabor", "hanna", "istvan", "judit", "karoly")
			later := h.play(t, "2026-03-01T12:00")
			if n := strings.Count(later, "emitted"); n == 0 || n == 5 {
				t.Errorf("on the next day: %s", later)
			}
			h.halt()
			h.configure(t, &datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: "generation", Vals: []string{"2"}}}})
			h.rebuild(t, false)
			h.out.Reset()
			h.start(t)
			h.play(t, "2026-03-02T12:00")
			emitted := map[string]int{}
			for _, r := range h.log.Records("lejarat.notifications") {
				emitted[string(r.Key)]++
			}
			if len(emitted) != 11 {
				t.Errorf("with a new generation %d of 11 people are told", len(emitted))
			}
			for id, n := range emitted {
				if n != 1 {
					t.Errorf("%s was emitted %d times", id, n)
				}
			}
		})
	}
}

// TestUnreadableNotificationIsRefused: it may be anybody's, who would be mailed again; passing over it loses what came
// with it too.
func TestUnreadableNotificationIsRefused(t *testing.T) {
	ctx := context.Background()
	h := newHarness(t)
	h.begin(t)
	h.people(t, "anna", "bela", "csilla")
	h.play(t, "2026-02-28T12:00")
	bad := h.log.Records("lejarat.notifications")[0]
	bad.Value = []byte(strings.Replace(string(bad.Value), `"id":"`, `"id":"x`, 1))
	bad.Offset = h.log.Append(bad)
	said := func(when string, err error) {
		t.Helper()
		var refused *Refused
		if !errors.As(err, &refused) || !harmful(err) || !strings.Contains(err.Error(), fmt.Sprintf("%s/%d offset %d cannot be read", bad.Topic, bad.Partition, bad.Offset)) {
			t.Errorf("%s: %v", when, err)
		}
	}
	said("while running", h.ledger.step(ctx, 0))
	h.halt()
	for _, when := range []string{"after a restart", "once more", "without state"} {
		if when == "without state" {
			h.lose(t, "all")
		}
		l, err := openLedger(ctx, &h.cfg)
		if err != nil {
			t.Fatal(err)
		}
		said(when, l.readAll(ctx))
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnreadableRunIsRefused: what came with it in one answer of the brokers would be left out too.
func TestUnreadableRunIsRefused(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	offset := h.log.Append(event.Record{Topic: "lejarat.runs", Key: []byte("2026-02-20/1/0"), Value: []byte("?")})
	err := h.runs.step(context.Background(), 0)
	var refused *Refused
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprintf("lejarat.runs/0 offset %d cannot be read", offset)) {
		t.Errorf("got %v", err)
	}
}
