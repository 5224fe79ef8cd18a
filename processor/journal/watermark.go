package journal

import (
	"encoding/binary"
	"fmt"
)

// Watermark is how far intake has read one source partition, and what it saw of the source's life. A watch task that
// has applied it has applied every journal record that came from the source offsets before Next. Times are ms, 0 never.
type Watermark struct {
	Next          int64      // the next source offset
	Snapshot      int64      // source time of the newest row of a snapshot
	SnapshotEnded int64      // source time of the newest row that ends a snapshot, or was streamed
	Committed     int64      // newest commit time of a streamed row
	Heartbeat     int64      // newest heartbeat row
	Delayed       int64      // Kafka time of the newest streamed record that came with a delay above the limit
	Held          SourceHold // SourceRuns or SourceRejects
	HeldAt        int64      // real time at which the source was stopped by rejects
	Complete      int64      // source time of the newest snapshot whose last row stands in this partition
	From          int64      // the offset here of the first row of the snapshot that Snapshot tells of
	Lost          int64      // only a complete snapshot that began later than this makes up for what was lost, see Whole
	Swept         int64      // source time of the snapshot by which rows that it lacks were retired last
	LostBy        SourceHold // what made Lost: SourceGap or SourceTruncate; SourceRuns where nothing was
}

// SourceHold is why a source does not move on, or must not be used as it is.
type SourceHold uint8

const (
	// SourceRuns: not held.
	SourceRuns SourceHold = iota
	// SourceRejects: too many of its records were rejected; the mapping is wrong.
	SourceRejects
	// SourceGap: records were lost: the position lies outside the log, or the log did not start at 0.
	SourceGap
	// SourceTruncate: a truncate on a source of several partitions.
	SourceTruncate
	// sourceNewSnapshot was written before Lost was: a gap or truncate, and a snapshot had begun.
	sourceNewSnapshot
)

// String says it to an operator.
func (h SourceHold) String() string {
	switch h {
	case SourceRuns:
		return "running"
	case SourceRejects:
		return "stopped: too many records rejected; where the mapping of this source is wrong, mend it and make a new generation (lejarat rebuild --from-sources); where the source was, restart"
	case SourceGap:
		return "held until a new complete snapshot: records are missing from the topic"
	case SourceTruncate:
		return "held until a new complete snapshot: the table was truncated and the topic has several partitions"
	}
	return "held"
}

// Encode returns the value.
func (w *Watermark) Encode() []byte {
	b := append(make([]byte, 0, 80), valueWatermark)
	for _, v := range []int64{w.Next, w.Snapshot, w.SnapshotEnded, w.Committed, w.Heartbeat, w.Delayed, w.HeldAt} {
		b = binary.AppendVarint(b, v)
	}
	b = append(b, byte(w.Held))
	for _, v := range []int64{w.Complete, w.From, w.Lost, w.Swept} {
		b = binary.AppendVarint(b, v)
	}
	return append(b, byte(w.LostBy))
}

// DecodeWatermark reads what Encode wrote, now or before there was more than the holds: a source held then is whole again
// with the next complete snapshot.
func DecodeWatermark(b []byte) (Watermark, error) {
	if len(b) == 0 || b[0] != valueWatermark {
		return Watermark{}, fmt.Errorf("reading a watermark: %w", ErrFormat)
	}
	r := reader{b: b[1:]}
	w := Watermark{Next: r.varint(), Snapshot: r.varint(), SnapshotEnded: r.varint(), Committed: r.varint(),
		Heartbeat: r.varint(), Delayed: r.varint(), HeldAt: r.varint(), Held: SourceHold(r.byte())}
	if len(r.b) > 0 {
		w.Complete, w.From, w.Lost, w.Swept, w.LostBy = r.varint(), r.varint(), r.varint(), r.varint(), SourceHold(r.byte())
		return w, r.done("watermark")
	}
	switch w.Held {
	case SourceGap, SourceTruncate:
		w.Held, w.Lost, w.LostBy = SourceRuns, 1, w.Held
	case sourceNewSnapshot:
		w.Held, w.Lost, w.LostBy = SourceRuns, 1, SourceGap
	}
	return w, r.done("watermark")
}

// Control is the value of the control record: what the generation was made with, and by whom. A process that differs in
// any of the first group refuses to work on it.
type Control struct {
	Format         int               `json:"format"`
	IdentityKeyID  string            `json:"identity_key_id"`
	ReferenceKeyID string            `json:"reference_key_id"`
	Virtual        bool              `json:"virtual"`
	TopicIDs       map[string]string `json:"topic_ids"`
	Partitions     map[string]int32  `json:"partitions"` // of the source topics
	Mapping        string            `json:"mapping"`    // hash of what decides fingerprints and facts

	Instance string `json:"instance"` // which instance wrote this
	Started  string `json:"started"`  // when its process started, RFC 3339 with ns
}

// Format is the version of the journal's form.
const Format = 1
