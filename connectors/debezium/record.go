package debezium

import (
	"strconv"
	"time"

	"lejarat/processor/event"
)

// The fields by which a record's form is told, in the order of their slots.
const (
	mSchema = iota
	mPayload
	mOp
	mSource
	mAfter
	mDeleted
	mFlatOp
	mFlatLSN
	mFlatSourceLSN
	mFlatSourceTime
	mFlatSnapshot
	mTimeMs
	mTimeUs
	mTimeNs
	mStatus
	mID
	mEventCount
	mDataCollections
	mTableChanges
	mDatabaseName
	mSpecVersion
	mCloudOp
	numTop
)

var topNames = [numTop]string{
	mSchema: "schema", mPayload: "payload",
	mOp: "op", mSource: "source", mAfter: "after",
	mDeleted: "__deleted", mFlatOp: "__op", mFlatLSN: "__lsn", mFlatSourceLSN: "__source_lsn",
	mFlatSourceTime: "__source_ts_ms", mFlatSnapshot: "__source_snapshot",
	mTimeMs: "ts_ms", mTimeUs: "ts_us", mTimeNs: "ts_ns",
	mStatus: "status", mID: "id", mEventCount: "event_count", mDataCollections: "data_collections",
	mTableChanges: "tableChanges", mDatabaseName: "databaseName",
	mSpecVersion: "specversion", mCloudOp: "iodebeziumop",
}

// sourceNames are the fields of "source" that matter.
var sourceNames = newNames("lsn", "ts_ms", "snapshot")

const (
	oLSN = iota
	oTime
	oSnapshot
)

// topPlan notes the fields of an envelope or a flat row; those of "after" and "source" are noted in the same pass,
// before "op", which comes behind them, has said whether they are needed.
func topPlan(top, row *nameTable) *plan {
	p := newPlan(top)
	p.sub[mAfter], p.sub[mSource] = newPlan(row), newPlan(sourceNames)
	p.sub[mSource].same = new(repeat)
	return p
}

// Reasons of a rejected value.
const (
	notJSON = "the value is binary (Avro, Protobuf or another converter): " +
		"set value.converter to JsonConverter in the Debezium connector"
	cloudEvent = "the value is a CloudEvents envelope: set value.converter to JsonConverter in the Debezium connector"
	noObject   = "the value is not a JSON object"
	noAfter    = "the change carries no row: after is null or missing"
	unknownOp  = "the operation (op) is not one that is known"
	badMark    = "__deleted is neither true nor false"
	badLSN     = "the source order (lsn) is not a whole number"
	badTime    = "the source commit time (ts_ms) is not a time in milliseconds"
)

// change reads a record value; a reason says why it cannot be used.
func (d *Decoder) change(value []byte) (event.Change, string) {
	if value == nil {
		return event.Change{Op: event.Tombstone}, ""
	}
	if len(value) > d.maxValue {
		return event.Change{}, "the value is larger than " + strconv.Itoa(d.maxValue) + " bytes"
	}
	s := &d.value
	s.reset(value)
	i := skipSpace(value, 0)
	switch {
	case i == len(value):
		return event.Change{}, "the value is empty"
	case value[i] < ' ':
		return event.Change{}, notJSON
	case value[i] != '{':
		end, _ := s.value(i, 0)
		if !s.whole(end) {
			return event.Change{}, s.reason()
		}
		if value[i] == 'n' {
			return event.Change{Op: event.Tombstone}, ""
		}
		return event.Change{}, noObject
	}
	if !s.whole(s.scan(i, d.outer, 0)) {
		return event.Change{}, s.reason()
	}
	if d.outer.fields != 2 || d.outer.spans[mPayload].end == 0 ||
		!s.begins(d.outer, mSchema, '{') && !s.begins(d.outer, mSchema, 'n') {
		return d.payload(d.outer, nil)
	}
	switch payload := s.cell(d.outer, mPayload); {
	case payload.none():
		return event.Change{Op: event.Tombstone}, ""
	case !payload.is('{'):
		return event.Change{}, noObject
	}
	if s.begins(d.outer, mSchema, 'n') {
		return d.payload(d.inner, nil)
	}
	return d.payload(d.inner, d.schemas.get(s.cell(d.outer, mSchema).raw))
}

// reason tells what is wrong with the JSON, and where.
func (s *scanner) reason() string {
	return "the value is unreadable at byte " + strconv.Itoa(s.at) + " of " + strconv.Itoa(len(s.b)) + ": " + s.why
}

// payload tells the form of what p has noted.
func (d *Decoder) payload(p *plan, types *schema) (event.Change, string) {
	s := &d.value
	// A flat row may have columns named op, source or after, but no column is a JSON object with that name.
	if s.begins(p, mOp, '"') && (s.begins(p, mSource, '{') || s.begins(p, mAfter, '{')) {
		return d.envelope(p, types)
	}
	switch {
	case d.isMarker(p):
		return event.Change{Op: event.Other}, ""
	case s.begins(p, mSpecVersion, '"') && p.spans[mCloudOp].end != 0:
		return event.Change{}, cloudEvent
	}
	return d.flat(p, types)
}

// isMarker tells heartbeats, transaction markers and schema changes.
func (d *Decoder) isMarker(p *plan) bool {
	s := &d.value
	times := 0
	for _, slot := range [...]int{mTimeMs, mTimeUs, mTimeNs} {
		if sp := p.spans[slot]; sp.end != 0 && s.b[sp.start]-'0' <= 9 {
			times++
		}
	}
	if times == p.fields && times > 0 {
		return true
	}
	if status := s.cell(p, mStatus); status.text("BEGIN") || status.text("END") {
		return s.begins(p, mID, '"') && p.spans[mEventCount].end != 0 && p.spans[mDataCollections].end != 0
	}
	return s.begins(p, mTableChanges, '[') && p.spans[mDatabaseName].end != 0 && s.begins(p, mSource, '{')
}

// envelope reads a change that Debezium wrapped in an envelope.
func (d *Decoder) envelope(p *plan, types *schema) (c event.Change, reason string) {
	s := &d.value
	op := s.cell(p, mOp)
	if c.Op, reason = opOf(op); reason != "" || c.Op == event.Other {
		return c, reason
	}
	var lsn, committed, snapshot cell
	if s.begins(p, mSource, '{') {
		source := p.sub[mSource]
		lsn, committed, snapshot = s.cell(source, oLSN), s.cell(source, oTime), s.cell(source, oSnapshot)
	}
	if reason = place(&c, lsn, committed, snapshot, op); reason != "" || c.Op != event.Upsert {
		return c, reason
	}
	if !s.begins(p, mAfter, '{') {
		return c, noAfter
	}
	c.Values = d.read(p.sub[mAfter], true, types)
	return c, ""
}

// flat reads a row that Debezium's unwrap transformation made.
func (d *Decoder) flat(p *plan, types *schema) (c event.Change, reason string) {
	s := &d.value
	op := s.cell(p, mFlatOp)
	if !op.none() {
		if c.Op, reason = opOf(op); reason != "" || c.Op == event.Other {
			return c, reason
		}
	}
	switch mark := s.cell(p, mDeleted); {
	case mark.text("true") || mark.is('t'):
		c.Op = event.Delete
	case mark.text("false") || mark.is('f') || mark.none():
	default:
		return c, badMark
	}
	lsn := s.cell(p, mFlatLSN)
	if lsn.none() {
		lsn = s.cell(p, mFlatSourceLSN)
	}
	reason = place(&c, lsn, s.cell(p, mFlatSourceTime), s.cell(p, mFlatSnapshot), op)
	if reason == "" && c.Op == event.Upsert {
		c.Values = d.read(p, false, types)
	}
	return c, reason
}

// read reads the mapped columns from what p has noted: the row of an envelope, or a flat row.
func (d *Decoder) read(p *plan, wrapped bool, types *schema) []event.Value {
	s, v := &d.value, &d.values
	v.start()
	for i := range v.columns {
		col := &v.columns[i]
		slot := col.top
		var t fieldType
		switch {
		case wrapped && types != nil:
			slot, t = col.row, types.row[col.row]
		case wrapped:
			slot = col.row
		case types != nil:
			t = types.flat[col.row]
		}
		v.read(i, s.cell(p, slot), t)
	}
	return v.finish()
}

func opOf(op cell) (event.Op, string) {
	if len(op.raw) == 3 && op.raw[0] == '"' {
		switch op.raw[1] {
		case 'c', 'u', 'r':
			return event.Upsert, ""
		case 'd':
			return event.Delete, ""
		case 't':
			return event.Truncate, ""
		case 'm':
			return event.Other, ""
		}
	}
	return event.Other, unknownOp
}

// latestCommit is the end of the year 9999 in milliseconds.
const latestCommit = (int64(maxDay)+1)*secondsOfDay*1000 - 1

// place fills in where the record stands in its source. What the source does not tell stays zero; what it tells in an
// unreadable way is a reason, because a change without its order might overtake a newer one.
func place(c *event.Change, lsn, committed, snapshot, op cell) (reason string) {
	var ok bool
	if !lsn.none() {
		if c.Order, ok = parseUint(lsn.raw); !ok {
			return badLSN
		}
	}
	if !committed.none() {
		ms, ok := parseInt(committed.raw)
		if !ok || ms < 0 || ms > latestCommit {
			return badTime
		}
		if ms > 0 {
			c.Committed = time.UnixMilli(ms).UTC()
		}
	}
	c.Snapshot = snapshotOf(snapshot)
	if c.Snapshot == event.Streamed && op.text("r") {
		c.Snapshot = event.SnapshotRow
	}
	return ""
}

func snapshotOf(mark cell) event.Snapshot {
	switch {
	case mark.none(), mark.text("false"), mark.is('f'):
		return event.Streamed
	case mark.text("last"), mark.text("last_in_data_collection"):
		return event.SnapshotLast
	case mark.text("incremental"):
		return event.SnapshotIncremental
	}
	return event.SnapshotRow
}
