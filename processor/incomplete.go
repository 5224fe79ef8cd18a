package processor

import (
	"fmt"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// incomplete says why the rows of a source must not be used as they are, "" when nothing speaks against it: it was stopped,
// or something was lost in one of its partitions. What was lost a snapshot makes up for, in all partitions at once, that
// began later and whose last row is there, wherever it stands; after a truncate the rows that it lacks must be retired too.
// Nothing has to be written when that comes: every partition says what it has seen, and whoever has all their watermarks
// judges.
func incomplete(marks map[event.TopicPartition]journal.Watermark, topic string) (why string) {
	var all journal.Watermark
	for tp, m := range marks {
		if tp.Topic == topic {
			all.Snapshot, all.Complete, all.Swept = max(all.Snapshot, m.Snapshot), max(all.Complete, m.Complete), max(all.Swept, m.Swept)
		}
	}
	first := int32(-1)
	for tp, m := range marks {
		if tp.Topic != topic || first >= 0 && tp.Partition > first {
			continue
		}
		if text := lacking(&m, &all); text != "" {
			first, why = tp.Partition, fmt.Sprintf("%s/%d: %s", topic, tp.Partition, text)
		}
	}
	return why
}

// lacking is what one partition waits for; all is what any partition of the source has seen.
func lacking(m, all *journal.Watermark) string {
	complete := all.Complete > m.Lost
	switch {
	case m.Held != journal.SourceRuns:
		return m.Held.String()
	case m.LostBy == journal.SourceRuns, complete && m.LostBy == journal.SourceGap, all.Swept > m.Lost:
		return ""
	case complete:
		return "held until rows that the new snapshot lacks are retired: the table was truncated and the topic has several partitions (lejarat sweep)"
	case all.Snapshot > m.Lost:
		return "held until the snapshot that has begun is complete"
	}
	return m.LostBy.String()
}
