package processor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// intakeCommits lets visit see every committed transaction of an intake task: its records, and the watermarks among
// them by journal partition.
func (h *harness) intakeCommits(t testing.TB, visit func(id string, records []event.Record, marks map[int32]journal.Watermark)) {
	h.log.Committed = func(id string, records []event.Record) {
		if !strings.HasPrefix(id, "lejarat.intake.") {
			return
		}
		marks := map[int32]journal.Watermark{}
		for i := range records {
			if records[i].Topic != h.cfg.journal() {
				continue
			}
			key, err := journal.ParseKey(records[i].Key)
			if err != nil {
				t.Fatal(err)
			}
			if key.Watermark {
				if marks[records[i].Partition], err = journal.DecodeWatermark(records[i].Value); err != nil {
					t.Fatal(err)
				}
			}
		}
		visit(id, records, marks)
	}
}

// TestEveryIntakeTransactionHoldsItsPosition (I8): the position is in the journal after every commit, and after every
// start in all of its partitions, also where a source is empty.
func TestEveryIntakeTransactionHoldsItsPosition(t *testing.T) {
	h := newHarness(t)
	h.cfg.Limits.WatermarkBusy, h.cfg.Limits.WatermarkIdle = time.Hour, time.Hour
	first := map[string]bool{}
	h.intakeCommits(t, func(id string, _ []event.Record, marks map[int32]journal.Watermark) {
		if len(marks) == 0 {
			t.Errorf("a transaction of %s without its position", id)
		}
		if !first[id] && len(marks) != int(h.cfg.Partitions) {
			t.Errorf("the first transaction of %s after a start tells %d of %d journal partitions", id, len(marks), h.cfg.Partitions)
		}
		first[id] = true
	})
	h.begin(t)
	for range 3 {
		h.play(t, "", "document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	}
	if len(first) != len(h.cfg.inputs()) {
		t.Errorf("%d sources told their positions, there are %d", len(first), len(h.cfg.inputs()))
	}
	h.halt()
	clear(first)
	h.start(t)
	if len(first) != len(h.cfg.inputs()) {
		t.Errorf("after a restart %d sources told their positions, there are %d", len(first), len(h.cfg.inputs()))
	}
}

// TestTheEndOfALoadIsToldAtOnce: in the transaction with its last row, to every journal partition, and not before.
func TestTheEndOfALoadIsToldAtOnce(t *testing.T) {
	h := newHarness(t)
	h.cfg.Limits.WatermarkBusy, h.cfg.Limits.WatermarkIdle, h.cfg.Limits.WatermarkLoad = time.Hour, time.Hour, time.Hour
	h.cfg.Limits.BatchRecords = 2
	h.clock.set(mustDate(t, "2026-01-01").At(3, 0, h.zone))
	h.configure(t, &datadriven.TestData{})
	for n := range 7 {
		h.record(t, fmt.Sprintf("document %d type=passport expires=2026-08-31 issued=2016-08-31 holder=anna", n))
	}
	spans, err := h.log.Spans(t.Context(), documentTopic)
	if err != nil {
		t.Fatal(err)
	}
	end := spans[event.TopicPartition{Topic: documentTopic}].End
	var told []int64
	h.intakeCommits(t, func(id string, _ []event.Record, marks map[int32]journal.Watermark) {
		if strings.Contains(id, documentTopic) && len(marks) == int(h.cfg.Partitions) {
			told = append(told, marks[0].Next)
		}
	})
	h.start(t)
	h.settle(t)
	if len(told) != 2 || told[0] >= end || told[1] != end { // the first follows the start
		t.Errorf("told %v of a load that ends at %d", told, end)
	}
}

// TestTruncateKeepsItsPositionUntilTheLastRow (I7): a crash half-way must begin it again, or half of the table stays.
func TestTruncateKeepsItsPositionUntilTheLastRow(t *testing.T) {
	h := newHarness(t)
	h.cfg.Limits.BatchRecords = 2
	h.begin(t)
	h.play(t, "", "document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna times=7")
	spans, err := h.log.Spans(t.Context(), documentTopic)
	if err != nil {
		t.Fatal(err)
	}
	at := spans[event.TopicPartition{Topic: documentTopic}].End
	gone, transactions := 0, 0
	h.intakeCommits(t, func(id string, records []event.Record, marks map[int32]journal.Watermark) {
		for i := range records {
			if records[i].Topic == h.cfg.journal() && records[i].Value == nil {
				gone++
			}
		}
		for _, m := range marks {
			if strings.Contains(id, documentTopic) && m.Next > at && gone < 7 {
				t.Errorf("the position is past the truncate when %d of 7 rows are gone", gone)
			}
		}
		transactions++
	})
	h.play(t, "", "truncate document")
	if gone != 7 || transactions < 4 {
		t.Errorf("%d of 7 rows are gone, in %d transactions", gone, transactions)
	}
}

var errIdle = errors.New("nothing more to read")

// TestIntakeWaitsForEveryControlRecord (I4): two first starts under different keys must not both write before one of them
// is refused.
func TestIntakeWaitsForEveryControlRecord(t *testing.T) {
	h := newHarness(t)
	second := event.TopicPartition{Topic: h.cfg.journal(), Partition: 1}
	h.mine = func(tp event.TopicPartition) bool { return tp != second }
	h.log.Idle = func() error { return errIdle }
	commits := 0
	h.intakeCommits(t, func(string, []event.Record, map[int32]journal.Watermark) { commits++ })
	h.configure(t, &datadriven.TestData{})
	h.recordLine(t, "document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	h.start(t)
	if got := h.out.String(); !strings.Contains(got, errIdle.Error()) || commits > 0 {
		t.Fatalf("intake did not wait: %q, %d transactions", got, commits)
	}
	h.mine, h.log.Idle = nil, nil
	h.start(t)
	if commits == 0 {
		t.Error("intake writes nothing although every partition has its control record")
	}
}

// TestTwoRowsOfOneDocumentAreToldOfOnce (I18): the number is one, and so is the notice, although both rows are judged
// before the ledger knows of either.
func TestTwoRowsOfOneDocumentAreToldOfOnce(t *testing.T) {
	for _, chunk := range []int{1, 100} {
		h := newHarness(t)
		h.cfg.Limits.ChunkNotices = chunk
		h.begin(t)
		got := h.play(t, "2026-02-28T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
			"document 1 type=car number=AB12 expires=2026-03-28 issued=2026-02-01 holder=anna",
			"document 2 type=car number=AB12 expires=2026-03-28 issued=2026-02-01 holder=anna")
		lines := slices.DeleteFunc(strings.Split(got, "\n"), func(l string) bool { return !strings.Contains(l, "vehicle_inspection") })
		if len(lines) != 1 {
			t.Errorf("chunks of %d: %s", chunk, got)
		}
	}
}
