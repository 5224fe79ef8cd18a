package simtest

import (
	"context"
	"fmt"

	"lejarat/processor/event"
)

// AddPartitions raises the number of partitions of a topic.
func (l *Log) AddPartitions(name string, more int) {
	for range more {
		l.topics[name].partitions = append(l.topics[name].partitions, &partition{})
	}
}

// Delete takes a topic away.
func (l *Log) Delete(name string) { delete(l.topics, name) }

// Deny takes the right to use a topic away, or gives it back.
func (l *Log) Deny(name string, denied bool) {
	if l.denied == nil {
		l.denied = map[string]bool{}
	}
	l.denied[name] = denied
}

// SetDeleting says by which settings the old records of a topic are deleted, "" for not at all.
func (l *Log) SetDeleting(name, how string) { l.topics[name].deleting = how }

// Deleting implements event.Log.
func (l *Log) Deleting(_ context.Context, topics ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range topics {
		t := l.topics[name]
		if t == nil || l.denied[name] {
			return nil, fmt.Errorf("topic %s: %w", name, event.ErrTopic)
		}
		if t.deleting != "" {
			out[name] = t.deleting
		}
	}
	return out, nil
}
