package processor

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// play runs lines of source records and clock moves on a started harness.
func (h *harness) play(t testing.TB, clock string, lines ...string) string {
	t.Helper()
	h.out.Reset()
	for _, l := range lines {
		h.recordLine(t, l)
	}
	h.settle(t)
	if clock != "" {
		h.moveClock(t, clock)
		h.settle(t)
	}
	h.printNew()
	return h.out.String()
}

// begin starts the service with the shipped rules.
func (h *harness) begin(t testing.TB) {
	t.Helper()
	h.configure(t, &datadriven.TestData{})
	h.start(t)
	h.play(t, "2026-02-27T12:00")
}

// TestTopicsMadeAnewAreRefused (I26): without what the topics held, people would be mailed again, or rows would be missed.
func TestTopicsMadeAnewAreRefused(t *testing.T) {
	for _, c := range []struct {
		topic string
		lose  bool
		want  string
	}{
		{"lejarat.notifications", false, "made anew"},
		{"lejarat.notifications", true, "made anew"},
		{documentTopic, false, "source topics [" + documentTopic + "] were made anew"},
		{documentTopic, true, "source topics [" + documentTopic + "] were made anew"},
	} {
		h := newHarness(t)
		h.begin(t)
		got := h.play(t, "2026-02-28T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
			"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
		if !strings.Contains(got, "emitted r1 passport 1 P6M") {
			t.Fatalf("before: %s", got)
		}
		h.halt()
		h.log.Create(c.topic, 1)
		if c.lose {
			h.lose(t, "all")
		}
		h.out.Reset()
		h.start(t)
		if got := h.out.String(); !strings.HasPrefix(got, "refused: ") || !strings.Contains(got, c.want) {
			t.Errorf("%s made anew, state lost %v: %q", c.topic, c.lose, got)
		}
	}
}

// TestNotificationsMadeAnewAreRefusedByANewGeneration (I32): its journal knows nothing of the former topic, and the ledger is
// gone with the state directory. An operator's word that the records were restored lets it go on.
func TestNotificationsMadeAnewAreRefusedByANewGeneration(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "2026-02-28T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	h.halt()
	held := h.log.Records("lejarat.notifications")
	h.log.Create("lejarat.notifications", 2)
	h.lose(t, "all")
	h.cfg.Generation++
	h.out.Reset()
	h.rebuild(t, false)
	if got := h.out.String(); !strings.HasPrefix(got, "refused: lejarat.notifications was made anew") || !strings.Contains(got, "lejarat topics restored") {
		t.Fatalf("notifications made anew, another generation: %q", got)
	}
	h.lose(t, "all")
	for _, r := range held {
		h.log.Append(r)
	}
	ids, err := h.log.TopicIDs(context.Background(), "lejarat.notifications")
	if err != nil {
		t.Fatal(err)
	}
	h.log.Append(NotificationsMessage(h.cfg.Prefix, ids["lejarat.notifications"], h.clock.Real()))
	h.rebuild(t, false)
	h.out.Reset()
	h.start(t)
	if got := h.play(t, "2026-03-01T12:00"); strings.Contains(got, "emitted") || h.ledger == nil {
		t.Errorf("notifications restored: %q", got)
	}
}

// TestRaisedPartitionsAreRefused: with another number of partitions a row may stand in two of them.
func TestRaisedPartitionsAreRefused(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.halt()
	h.log.AddPartitions(documentTopic, 2)
	h.out.Reset()
	h.start(t)
	if got := h.out.String(); !strings.Contains(got, "source topics ["+documentTopic+"] have another number of partitions") {
		t.Errorf("partitions raised: %q", got)
	}
}

// TestPurgedNotificationsAreRefused: a ledger with a hole must not decide.
func TestPurgedNotificationsAreRefused(t *testing.T) {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "2026-02-28T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	h.halt()
	spans, err := h.log.Spans(context.Background(), "lejarat.notifications")
	if err != nil {
		t.Fatal(err)
	}
	for tp, span := range spans {
		h.log.Purge(tp, span.End)
	}
	h.lose(t, "all")
	h.out.Reset()
	h.start(t)
	if got := h.out.String(); !strings.Contains(got, "people would be mailed again") {
		t.Errorf("purged: %q", got)
	}
}
