// Package debezium turns the bytes of one Debezium record, written as JSON, into a row change.
//
// It is pure: no clock, no I/O, no log. A [Decoder] is made for the mapped columns of one source, belongs to one
// goroutine, and reads positions in the raw bytes: whatever is not mapped is checked to be JSON and passed over.
//
// # Record forms
//
// The form is told from each record by itself, so a topic may change it half-way.
//
//	value                                              change
//	nothing, JSON null, {"schema":…,"payload":null}    Tombstone
//	envelope, op c, u, r                               Upsert from after; before is never read
//	envelope, op d                                     Delete by the key alone
//	envelope, op t; op m                               Truncate; Other
//	flat row (ExtractNewRecordState)                   Upsert
//	flat row with __deleted "true", or __op "d"        Delete by the key alone
//	heartbeat, transaction or schema-change record     Other
//
// Envelope and flat row come with a schema ({"schema":…,"payload":…}; the schema may be null) or without. A delete's
// columns are never read: under PostgreSQL's default replica identity Debezium makes them up (empty texts, 1970-01-01,
// column defaults), and the flat row of a delete is made from those.
//
// A change of primary key comes as a delete of the old key and a create of the new one, and is taken as that.
//
// # Row
//
// A row is named by its decoded key, all fields in the key's order: id=12, or office=7,number=AB1. The name is the same
// for a JSON key with schema, without, and for the text Struct{id=12} of StringConverter; so it cannot use the key's
// schema, and a decimal key stays the base64 text that the message carries (an unconstrained one, which brings its own
// scale, is written as a number). A key that is one bare value is its own name.
// Backslash and comma are escaped by a backslash in values, the equals sign too in field names and bare values; null is
// \N. Different keys of one table in one form therefore never share a name. A row that has no key cannot be followed:
// its upserts, deletes and tombstones are rejected.
//
// # Order, time, snapshot
//
// Order is source.lsn (flat row: __lsn, __source_lsn), read as an integer, Committed is source.ts_ms (__source_ts_ms),
// Snapshot is source.snapshot (__source_snapshot). An op r is part of a snapshot whatever else the record says, and so
// is a marker that is not known: neither ever ends a snapshot.
//
// # Values
//
// Text: the string without trailing blanks, because CHAR(n) arrives padded; numbers and booleans as written; decimals as
// plain decimal text, for which a base64 decimal needs the schema's scale.
//
// CivilDate and Instant: the schema's semantic type says how the value counts; only where there is none (no schema, or a
// date kept as text or number), the column's Encoding:
//
//	days, millis, micros, nanos  whole number since 1970-01-01
//	iso                          2026-08-31, with or without Z, time of day and offset
//	isolocal                     the same, any offset ignored: zone-less columns in time.precision.mode=isostring
//	yyyymmdd                     20260831, number or text
//	dd.mm.yyyy, yyyy.mm.dd       text; the latter with or without the closing dot
//	structured                   {"year":2026,"month":8,"day":31,…}
//
// A text without any of these is read as iso; a bare number without any is unreadable, since nothing says what it counts.
//
//   - Zone-less timestamps are written as if they were UTC. Their date is the date so written; their instant is that
//     wall clock in Options.Zone. A value with an offset is an instant; its date is the date that it has in Options.Zone.
//     A plain date read as Instant is its midnight there.
//   - Only 0001-01-01 to 9999-12-31 is accepted. The codes that databases, drivers and versions use for infinity stand in
//     one table and become event.NoExpiry; minus infinity is unreadable, and so is anything else out of range, which is
//     what a column looks like whose type was changed under the same name.
//   - Nanosecond timestamps before 1900 are unreadable: Debezium lets dates beyond 2262 wrap around to there.
//   - As an Instant, infinity is unreadable.
//
// A column that the message lacks is Missing, a JSON null is Null, Debezium's placeholder for an unchanged large value is
// Unavailable. What cannot be read is Unreadable, with a reason; it does not reject the record by itself.
//
// # Rejections and limits
//
// A record that is no JSON, of no known form or too large is an *event.Reject, with the row wherever the key could be
// read. No reason ever quotes anything out of a record. Sizes, nesting, columns and remembered schemas are bounded by the
// constants of this package.
package debezium

// Limits. What exceeds one of the first four is refused; the others bound what the decoder keeps.
const (
	// MaxValueBytes is the largest record value that is read.
	MaxValueBytes = 1 << 20
	// MaxKeyBytes is the largest record key that is read.
	MaxKeyBytes = 64 << 10
	// MaxDepth is how deep JSON values may nest.
	MaxDepth = 64
	// MaxColumns is how many columns one decoder may map.
	MaxColumns = 256
	// MaxSchemas is how many value schemas a decoder remembers; beyond it the one used least recently is forgotten.
	MaxSchemas = 16
	// MaxSchemaBytes is the largest schema that is remembered; a larger one is read anew with every record.
	MaxSchemaBytes = 256 << 10
	// MaxDecimalBytes and MaxDecimalScale bound the decimals that are written out as text.
	MaxDecimalBytes = 64
	MaxDecimalScale = 256
)
