package event

import "time"

// Op says what a source record does to its row.
type Op uint8

const (
	// Upsert carries the row's new values: Debezium's c, u and r, and unwrapped rows.
	Upsert Op = iota
	// Delete removes the row: Debezium's d, an unwrapped row marked deleted.
	Delete
	// Tombstone is a record without a value: a null, a text "null" or a null payload. It says "deleted" for
	// whoever did not see the delete before it.
	Tombstone
	// Truncate removes all rows of the table.
	Truncate
	// Other is a record that concerns no row: a logical message, a transaction marker of Debezium, a heartbeat.
	Other
)

// Snapshot says where in a snapshot a record stands.
type Snapshot uint8

const (
	// Streamed is an ordinary change, outside any snapshot.
	Streamed Snapshot = iota
	// SnapshotRow is a row of an initial, repeated or blocking snapshot that is not known to be its last.
	SnapshotRow
	// SnapshotLast is the last row of this table in the snapshot (last, last_in_data_collection).
	SnapshotLast
	// SnapshotIncremental is a row of an incremental snapshot, which runs beside streaming and has no end marker.
	SnapshotIncremental
)

// ColumnKind says as what a mapped column is read.
type ColumnKind uint8

const (
	// Text is read as it stands; numbers and booleans become their JSON literals, decimals their plain decimal text.
	Text ColumnKind = iota
	// CivilDate is a date without a time: expiry, date of birth.
	CivilDate
	// Instant is a point in time: issued at, switched on at. A plain date is its midnight in the registry's legal zone.
	Instant
)

// Column is one source column that the mapping uses.
type Column struct {
	Name string
	Kind ColumnKind
	// Encoding says how dates stand in messages without a schema: one of connectors/debezium's encodings; "" is none given.
	Encoding string
}

// ValueState says whether a column's value can be used.
type ValueState uint8

const (
	// Present: the field of the column's kind is set.
	Present ValueState = iota
	// Null: the database's null.
	Null
	// Missing: the message has no such column.
	Missing
	// Unavailable: Debezium's placeholder for a large value that the change did not touch (TOAST).
	Unavailable
	// Unreadable: there is a value, but not one of this kind; Reason says why, without quoting it.
	Unreadable
)

// Value is one column's value.
type Value struct {
	State  ValueState
	Text   string    // of kind Text
	Date   Date      // of kind CivilDate; NoExpiry for an infinity
	Time   time.Time // of kind Instant
	Reason string    // of state Unreadable: words for an operator, never the value
}

// Change is one source record, decoded: what happened to which row.
type Change struct {
	Op Op
	// Row is the row's key: all fields of the decoded record key in a canonical text, equal however the
	// key was encoded. Empty for Truncate and Other.
	Row string
	// Order is the source's own order (PostgreSQL: the LSN as a number); 0 where the message has none.
	Order uint64
	// Committed is the source commit time (source.ts_ms); zero where the message has none.
	Committed time.Time
	Snapshot  Snapshot
	// Values stands in the order of the columns that the decoder was made for. Only an Upsert has values.
	Values []Value
}

// Reject is why a record cannot be used. Its text never holds personal data.
type Reject struct {
	// Row is the key of the row concerned, "" where even that could not be read.
	Row string
	// Column is the column at fault, "" for the record as a whole.
	Column string
	Reason string
}

// Error makes a Reject usable as an error.
func (r *Reject) Error() string {
	if r.Column == "" {
		return r.Reason
	}
	return "column " + r.Column + ": " + r.Reason
}
