package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// preflight reads what the topics were made with and refuses what does not fit, before anything is written.
func (e *Engine) preflight(ctx context.Context) error {
	cfg := &e.cfg
	own := []string{cfg.journal(), cfg.notifications(), cfg.runs(), cfg.topic("mail-sink"), cfg.topic("suppressions"), cfg.topic("rejects")}
	inputs, err := cfg.Log.Spans(ctx, cfg.inputs()...)
	if err != nil {
		return err
	}
	for tp := range inputs {
		e.inputs[tp.Topic] = max(e.inputs[tp.Topic], tp.Partition+1)
	}
	spans, err := cfg.Log.Spans(ctx, own...)
	if err != nil {
		return fmt.Errorf("%w (lejarat topics create makes lejarat's own topics)", err)
	}
	partitions := int32(0)
	for tp := range spans {
		if tp.Topic == cfg.journal() {
			partitions = max(partitions, tp.Partition+1)
		}
	}
	if partitions != cfg.Partitions {
		return refuse("%s has %d partitions, configured are %d: set kafka.journal_partitions to %d, or %s",
			cfg.journal(), partitions, cfg.Partitions, partitions, newGeneration)
	}
	cfg.SourcePartitions = e.inputs
	if cfg.TopicIDs, err = cfg.Log.TopicIDs(ctx, append(cfg.inputs(), cfg.notifications())...); err != nil {
		return err
	}
	own = []string{cfg.journal(), cfg.runs()}
	if cfg.ids, err = cfg.Log.TopicIDs(ctx, own...); err != nil {
		return err
	}
	e.journalID = cfg.ids[cfg.journal()]
	maps.Copy(cfg.ids, cfg.TopicIDs)
	if err := cfg.keepsAll(ctx); err != nil {
		return err
	}
	cfg.unchecked(ctx)
	if err := firstRecords(ctx, cfg, spans, cfg.journal(), e.checkJournal); err != nil {
		return err
	}
	return firstRecords(ctx, cfg, spans, cfg.notifications(), e.checkNotification)
}

// checkJournal looks at a control record among the first records of a partition. The newest one is checked again by
// whoever reads the whole partition, and who meets what cannot be read there holds that partition only.
func (e *Engine) checkJournal(r *event.Record) (enough bool, err error) {
	if key, err := journal.ParseKey(r.Key); err != nil || !key.Control {
		return false, nil
	}
	err = checkControl(&e.cfg, r.Value)
	if errors.Is(err, journal.ErrFormat) {
		return false, nil
	}
	return true, err
}

func (e *Engine) checkNotification(r *event.Record) (enough bool, err error) {
	if r.Value == nil {
		return false, nil
	}
	var n event.Notice
	if err := json.Unmarshal(r.Value, &n); err != nil {
		return false, unreadableNotice(r, fmt.Errorf("not a notification: %w", journal.ErrFormat))
	}
	return true, checkNotice(&e.cfg, r.Topic, &n)
}

// checkNotice refuses notifications made with another reference key, under which everybody would be mailed again, or by
// another kind of clock.
func checkNotice(cfg *Config, topic string, n *event.Notice) error {
	if err := checkReference(cfg, topic, n.ReferenceKeyID, ""); err != nil || cfg.Look {
		return err
	}
	return checkClock(topic, n.Virtual, cfg.Virtual)
}

func checkReference(cfg *Config, topic, made, by string) error {
	if made == cfg.Watch.ReferenceKeyID {
		return nil
	}
	return refuse("%s was made with reference key %s%s, the configured one is %s: %s", topic, made, by, cfg.Watch.ReferenceKeyID, refusals[stampReference])
}

// preflightRecords is how many records of a partition are looked at for a sign of what it was made with.
const preflightRecords = 200

// readAtOnce bounds one look at a topic.
const readAtOnce = 5000

// CheckClock refuses a clock of another kind than the topics were made with: a virtual one must not decide what real
// people are sent. The journal's control record may stand far behind its beginning after compaction; every notification
// says it too, and where there is none no mail waits.
func CheckClock(ctx context.Context, l event.Log, prefix string, generation int, virtual bool) error {
	cfg := &Config{Log: l, Prefix: prefix, Generation: generation}
	spans, err := l.Spans(ctx, cfg.journal(), cfg.notifications())
	if err != nil {
		return fmt.Errorf("%w (lejarat topics create makes lejarat's own topics)", err)
	}
	// What cannot be read is run's to report.
	err = firstRecords(ctx, cfg, spans, cfg.journal(), func(r *event.Record) (bool, error) {
		var c journal.Control
		if key, err := journal.ParseKey(r.Key); err != nil || !key.Control || json.Unmarshal(r.Value, &c) != nil {
			return false, nil
		}
		return true, checkClock(cfg.journal(), c.Virtual, virtual)
	})
	if err != nil {
		return err
	}
	return firstRecords(ctx, cfg, spans, cfg.notifications(), func(r *event.Record) (bool, error) {
		var n event.Notice
		if r.Value == nil || json.Unmarshal(r.Value, &n) != nil {
			return false, nil
		}
		return true, checkClock(cfg.notifications(), n.Virtual, virtual)
	})
}

func checkClock(topic string, made, now bool) error {
	if made == now {
		return nil
	}
	return refuse("%s belongs to a service on a %s clock: start it %s --clock, or use another topic prefix", topic, clockName(made), withWithout(made))
}

// firstRecords shows the beginning of each partition to check until it has seen enough of the partition.
func firstRecords(ctx context.Context, cfg *Config, spans map[event.TopicPartition]event.Span, topic string,
	check func(*event.Record) (bool, error)) error {
	for tp, span := range spans {
		if tp.Topic != topic || span.End == span.Start {
			continue
		}
		if err := readRecords(ctx, cfg, tp, span, preflightRecords, check); err != nil {
			return err
		}
	}
	return nil
}

// readRecords shows at most so many records of a partition to check, until it has seen enough.
func readRecords(ctx context.Context, cfg *Config, tp event.TopicPartition, span event.Span, most int64, check func(*event.Record) (enough bool, err error)) error {
	reader, err := cfg.Log.Read(ctx, map[event.TopicPartition]int64{tp: span.Start})
	if err != nil {
		return err
	}
	defer reader.Close()
	// An open transaction may hide the end of the partition from us; what it hides will be checked by its reader.
	for seen, idle := int64(0), 0; seen < most && idle < 3 && reader.Position(tp) < span.End; {
		records, err := reader.Poll(ctx, int(min(most, readAtOnce)), 200*time.Millisecond)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			idle++
		}
		for i := range records {
			seen++
			if records[i].Control {
				continue
			}
			if enough, err := check(&records[i]); enough || err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}
