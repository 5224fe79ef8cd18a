package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"lejarat/processor/event"
)

// sameTopics asks the brokers whether every topic that a run rests on is the one that it was when this instance started,
// with as many partitions (spans, of the inputs), and keeps its records. What is not, is refused; a topic that is
// missing, or may not be looked at, is an event.ErrTopic.
//
// Spans must be taken before: a topic made anew never gets its former id back, so spans that were taken before the id was
// seen are those of the right topic.
func (c *Config) sameTopics(ctx context.Context, spans map[event.TopicPartition]event.Span) error {
	topics := append(slices.Sorted(maps.Keys(c.ids)), c.topic("mail-sink")) // that must be there, whichever it is
	if err := c.sameIDs(ctx, topics...); err != nil {
		return err
	}
	partitions := map[string]int32{}
	for tp := range spans {
		partitions[tp.Topic] = max(partitions[tp.Topic], tp.Partition+1)
	}
	if err := samePartitions(c.SourcePartitions, partitions); err != nil {
		return err
	}
	return c.keepsAll(ctx)
}

// sameIDs refuses topics that were made anew since this instance started.
func (c *Config) sameIDs(ctx context.Context, topics ...string) error {
	now, err := c.Log.TopicIDs(ctx, topics...)
	if err != nil {
		return err
	}
	return c.madeAnew(c.ids, now)
}

// madeAnew refuses topics that have another id than before. What helps depends on what they hold.
func (c *Config) madeAnew(before, now map[string]string) error {
	var sources []string
	for _, topic := range remade(before, now) {
		switch topic {
		case c.notifications():
			return refuseNotifications(topic)
		case c.journal():
			return refuse("%s was made anew under a running service: stop all instances and %s", topic, newGeneration)
		case c.runs():
			return refuse("%s was made anew under a running service: stop all instances, then start them again (the day's run is judged again, nobody is mailed again)", topic)
		default:
			sources = append(sources, topic)
		}
	}
	if len(sources) == 0 {
		return nil
	}
	return refuse("source topics %v were made anew: offsets of the former ones mean nothing in them; %s", sources, newGeneration)
}

func refuseNotifications(topic string) error {
	return refuse("%s was made anew, and without what it held people would be mailed again: restore its records, then say so with "+
		"lejarat topics restored (runbook, \"Lost notifications\"), or for a new installation take another topic prefix", topic)
}

func samePartitions(before, now map[string]int32) error {
	if topics := remade(before, now); len(topics) > 0 {
		return refuse("source topics %v have another number of partitions than they had: a row may stand in two of them, and their order is lost; "+
			"make the topics anew (their connector takes a new snapshot) and %s", topics, newGeneration)
	}
	return nil
}

// remade are the topics of which something is not as it was: the id, the number of partitions.
func remade[V comparable](before, now map[string]V) (topics []string) {
	for topic, v := range before {
		if other, ok := now[topic]; ok && other != v {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	return topics
}

// keepsAll refuses to work while the brokers delete records of what must be kept for ever. Whether they do is not known
// where the settings may not be read.
func (c *Config) keepsAll(ctx context.Context) error {
	own := []string{c.notifications(), c.journal(), c.runs()}
	deleting, err := c.Log.Deleting(ctx, own...)
	if errors.Is(err, event.ErrTopic) {
		return nil // see preflight, which says so once
	}
	if err != nil {
		return err
	}
	for _, topic := range own {
		if how, ok := deleting[topic]; ok {
			return refuse("the brokers delete old records of %s (%s), and without them people would be mailed again or not at all: set cleanup.policy=compact "+
				"(kafka-configs --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact), then look with lejarat topics verify", topic, how, topic)
		}
	}
	return nil
}

// withoutTopic holds the run while a topic is missing or may not be used: it comes back, or it comes back as another one
// and is refused then. Any other error is the task's.
func (t *watchTask) withoutTopic(ctx context.Context, err error) error {
	if !errors.Is(err, event.ErrTopic) {
		return err
	}
	t.run.ends = nil
	t.run.again = t.cfg.Clock.Real().Add(heldRetry)
	detail := err.Error()
	return t.held(ctx, HeldTopic, detail, detail)
}

// stands is how far the ledger has read.
func (l *Ledger) stands() map[event.TopicPartition]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.positions)
}

// checkSpans refuses notifications whose beginning is gone, or which end before where this ledger stood: compaction moves
// neither, only a purge, retention or another topic of the name does. Where it stood must be asked before the spans are
// taken: another partition's owner writes on, and the ledger may have read beyond spans that are a moment old.
func (l *Ledger) checkSpans(spans map[event.TopicPartition]event.Span, stood map[event.TopicPartition]int64) error {
	for tp, span := range spans {
		if at := stood[tp]; tp.Topic == l.cfg.notifications() && (at > span.End || span.Start > 0) {
			return refuse("%s/%d holds offsets %d to %d, the ledger stands at %d: records were deleted from the topic, or it was made anew; "+
				"without them people would be mailed again: restore the topic, and check its cleanup.policy (lejarat topics verify)",
				tp.Topic, tp.Partition, span.Start, span.End, at)
		}
	}
	return nil
}

// unchecked says, for the log, that nobody knows whether the brokers delete records.
func (c *Config) unchecked(ctx context.Context) {
	if _, err := c.Log.Deleting(ctx, c.notifications(), c.journal(), c.runs()); err != nil {
		c.Logger.Warn("whether the brokers delete records of lejarat's topics is not checked: allow DescribeConfigs on them", "error", fmt.Sprint(err))
	}
}
