package processor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// stepWatch steps the watch tasks and the instance's readers, whatever befalls the readers; it returns the first error of a
// task.
func (h *harness) stepWatch() error {
	ctx := context.Background()
	for range 40 {
		h.clock.real = h.clock.real.Add(150 * time.Millisecond)
		for _, w := range h.watch {
			if err := w.step(ctx, 0); err != nil {
				return err
			}
		}
		_, _ = h.ledger.step(ctx, 0), h.runs.step(ctx, 0) // the engine tries again
	}
	return nil
}

// owing is a service that owes a notice at six o'clock of 2026-02-28.
func owing(t *testing.T) *harness {
	h := newHarness(t)
	h.begin(t)
	h.play(t, "2026-02-28T05:59", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
		"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
	return h
}

func (h *harness) six(t *testing.T) { h.clock.set(mustDate(t, "2026-02-28").At(6, 0, h.zone)) }

// TestTopicGoneForAWhileHoldsTheRun: deleted by mistake or not allowed any more, it may come back as it was. The run waits,
// says so once, and sends once.
func TestTopicGoneForAWhileHoldsTheRun(t *testing.T) {
	for _, topic := range []string{"lejarat.notifications", "lejarat.mail-sink", "lejarat.runs", documentTopic} {
		h := owing(t)
		h.log.Deny(topic, true)
		h.six(t)
		h.out.Reset()
		for range 3 {
			if err := h.stepWatch(); err != nil {
				t.Fatalf("%s is missing: %v", topic, err)
			}
		}
		if h.printNew(); h.out.Len() > 0 {
			t.Errorf("%s is missing, and yet: %s", topic, h.out.String())
		}
		detail := h.watch[0].run.detail + h.watch[1].run.detail
		if !strings.Contains(detail, "held "+HeldTopic) || !strings.Contains(detail, topic) {
			t.Errorf("%s is missing, the run says %q", topic, detail)
		}
		h.log.Deny(topic, false)
		if err := h.stepWatch(); err != nil {
			t.Fatalf("%s is back: %v", topic, err)
		}
		if h.printNew(); h.out.String() != "2026-02-28 emitted r1 passport 1 P6M due 2026-02-28 expires 2026-08-31\n" {
			t.Errorf("%s is back: %q", topic, h.out.String())
		}
		if detail := h.watch[0].run.detail + h.watch[1].run.detail; detail != "" {
			t.Errorf("%s is back, the run says %q", topic, detail)
		}
	}
}

// TestTopicsChangedUnderARunningServiceAreRefused (I33) before anything is decided.
func TestTopicsChangedUnderARunningServiceAreRefused(t *testing.T) {
	anew := func(topic string) func(*harness) {
		return func(h *harness) { h.log.Delete(topic); h.log.Create(topic, 2) }
	}
	for _, c := range []struct {
		name   string
		change func(*harness)
		want   string
	}{
		{"notifications made anew", anew("lejarat.notifications"), "lejarat.notifications was made anew, and without what it held people would be mailed again"},
		{"runs made anew", anew("lejarat.runs"), "lejarat.runs was made anew under a running service"},
		{"a source made anew", func(h *harness) { h.log.Delete(documentTopic); h.log.Create(documentTopic, 1) }, "source topics [" + documentTopic + "] were made anew"},
		{"partitions raised", func(h *harness) { h.log.AddPartitions(documentTopic, 1) }, "another number of partitions"},
		{"notifications purged", func(h *harness) {
			for p := range int32(2) {
				tp := event.TopicPartition{Topic: "lejarat.notifications", Partition: p}
				h.log.Append(event.Record{Topic: tp.Topic, Partition: p})
				h.log.Purge(tp, 1)
			}
		}, "records were deleted from the topic"},
		{"notifications with another policy", func(h *harness) {
			h.log.SetDeleting("lejarat.notifications", "cleanup.policy=delete retention.ms=604800000")
		}, "the brokers delete old records of lejarat.notifications (cleanup.policy=delete retention.ms=604800000)"},
		{"journal with another policy", func(h *harness) { h.log.SetDeleting(h.cfg.journal(), "cleanup.policy=compact,delete retention.ms=1") },
			"the brokers delete old records of lejarat.journal.1"},
	} {
		h := owing(t)
		c.change(h)
		h.six(t)
		err := h.stepWatch()
		var refused *Refused
		if !errors.As(err, &refused) || !strings.Contains(refused.Text, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		h.out.Reset()
		if h.printNew(); h.out.Len() > 0 {
			t.Errorf("%s, and yet: %s", c.name, h.out.String())
		}
	}
}

// TestJournalMadeAnewIsRefused: a task that begins again must neither go on behind the end of another journal, nor write a
// position of the former one into it.
func TestJournalMadeAnewIsRefused(t *testing.T) {
	ctx := context.Background()
	h := owing(t)
	h.log.Delete(h.cfg.journal())
	h.log.Create(h.cfg.journal(), int(h.cfg.Partitions))
	var refused *Refused
	for _, task := range []interface {
		start(context.Context, string) error
	}{starter(func() error {
		return newWatchTask(&h.cfg, 0, h.ledger, h.runs).start(ctx, "", newProgress(h.clock.real))
	}), h.intake[0]} {
		if err := task.start(ctx, ""); !errors.As(err, &refused) || !strings.Contains(refused.Text, "lejarat.journal.1 was made anew under a running service") {
			t.Errorf("a task that begins again: %v", err)
		}
	}
	if n := len(h.log.Records(h.cfg.journal())); n > 0 {
		t.Errorf("%d records were written to the new journal", n)
	}
}

type starter func() error

func (s starter) start(context.Context, string) error { return s() }

// TestDeletingPolicyIsRefusedAtStart, before anything is written.
func TestDeletingPolicyIsRefusedAtStart(t *testing.T) {
	h := owing(t)
	h.halt()
	h.log.SetDeleting("lejarat.notifications", "cleanup.policy=compact,delete retention.ms=604800000")
	h.out.Reset()
	h.start(t)
	if got := h.out.String(); !strings.HasPrefix(got, "refused: the brokers delete old records of lejarat.notifications") || !strings.Contains(got, "kafka-configs") {
		t.Errorf("started: %q", got)
	}
}

// slowSpans answers with spans that are a moment old: meanwhile something else happens.
type slowSpans struct {
	event.Log
	meanwhile func(topics []string)
}

func (s *slowSpans) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	spans, err := s.Log.Spans(ctx, topics...)
	s.meanwhile(topics)
	return spans, err
}

// TestLedgerReadsOnWhileTheRunLooks: another owner commits a notice, and this ledger reads it, just after the run asked how
// far notifications goes. That is no topic that was made anew.
func TestLedgerReadsOnWhileTheRunLooks(t *testing.T) {
	h := owing(t)
	h.six(t)
	if err := h.stepWatch(); err != nil {
		t.Fatal(err)
	}
	notices := h.log.Records("lejarat.notifications")
	if len(notices) != 1 {
		t.Fatalf("%d notices", len(notices))
	}
	met := 0
	h.cfg.Log = &slowSpans{h.log, func(topics []string) {
		if topics[0] == "lejarat.notifications" {
			met++
			h.log.Append(notices[0])
			if err := h.ledger.step(context.Background(), 0); err != nil {
				t.Error(err)
			}
		}
	}}
	h.clock.set(mustDate(t, "2026-03-01").At(6, 0, h.zone))
	if err := h.stepWatch(); err != nil {
		t.Errorf("the run of the next day: %v", err)
	}
	if met == 0 {
		t.Error("no run has looked: this shows nothing")
	}
}
