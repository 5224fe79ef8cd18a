package processor

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestStateTooOld: what a store missed while it lay still may be gone from the topics (tombstones are, after a while), so
// a store that has not advanced for too long is made anew. The ledger's topic keeps everything: the ledger is kept.
func TestStateTooOld(t *testing.T) {
	for _, c := range []struct {
		name   string
		asleep time.Duration
		anew   bool
	}{
		{"young enough", 15*24*time.Hour - time.Minute, false},
		{"too old", 15*24*time.Hour + time.Minute, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t)
			h.begin(t)
			h.play(t, "2026-02-28T12:00", "registration r1 holder=anna email=anna@example.hu since=2020-01-01",
				"document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
			h.halt()
			h.clock.real = h.clock.real.Add(c.asleep)
			var log bytes.Buffer
			h.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			h.out.Reset()
			h.start(t)
			for _, store := range []string{"watch-1-0", "watch-1-1", "intake-1-"} {
				if got := strings.Contains(log.String(), "state store too old to continue, rebuilding it\" dir=state/"+store); got != c.anew {
					t.Errorf("%s made anew: %v, want %v\n%s", store, got, c.anew, log.String())
				}
			}
			if strings.Contains(log.String(), "ledger") {
				t.Errorf("the ledger is not what gets old:\n%s", log.String())
			}
			// Nothing twice, and what comes due later is still known, whether the stores were kept or restored.
			got := h.out.String() + h.play(t, "2026-07-31T12:00")
			if want := "emitted r1 passport 1 P1M"; strings.Contains(got, "P6M") || strings.Count(got, want) != 1 {
				t.Errorf("want %q once and nothing again, got\n%s", want, got)
			}
		})
	}
}

// TestNoIntakeTaskOpens: the right to the source is taken away in the moment of the first assignment, with the journal still
// empty. Each task gets nothing, and makes an attempt of its own; the instance lives.
func TestNoIntakeTaskOpens(t *testing.T) {
	h := newHarness(t)
	e := h.open(t)
	tp := event.TopicPartition{Topic: documentTopic}
	if err := h.runs.readAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.log.Deny(documentTopic, true)
	ready := make(chan *intakeTask, 1)
	e.restoreTogether(context.Background(), map[event.TopicPartition]*handle{tp: {}},
		map[event.TopicPartition]context.Context{tp: context.Background()}, map[event.TopicPartition]chan *intakeTask{tp: ready})
	if task, ok := <-ready; ok {
		t.Errorf("handed over: %v", task)
	}
}

// TestAnIdleSourceKeepsUpWithALoad (I8): while another source loads, one with nothing new says where it is every second, and a
// restart of it reads no more of the journal than since then.
func TestAnIdleSourceKeepsUpWithALoad(t *testing.T) {
	for _, crowded := range []bool{true, false} {
		h := newHarness(t)
		h.cfg.Limits.WatermarkSame, h.cfg.Limits.WatermarkLoad = time.Minute, time.Second
		h.begin(t)
		var documents, idle *intakeTask
		for _, task := range h.intake {
			task.urgent = func() bool { return false }
			switch task.tp.Topic {
			case documentTopic:
				documents = task
			case registrationTopic:
				idle = task
			}
		}
		idle.crowded = func() bool { return crowded }
		step := func(task *intakeTask) {
			t.Helper()
			if err := task.step(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		step(idle) // what it still had to say
		h.record(t, "document 1 type=passport expires=2026-08-31 issued=2016-08-31 holder=anna")
		step(documents)
		h.clock.real = h.clock.real.Add(time.Second)
		step(idle)
		behind := false
		for p, at := range documents.journalAt {
			behind = behind || idle.journalAt[p] < at
		}
		if behind == crowded {
			t.Errorf("beside a load %v: reads from %v, the other has written up to %v", crowded, idle.journalAt, documents.journalAt)
		}
	}
}
