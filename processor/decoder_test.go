package processor

import (
	"strconv"
	"strings"
	"time"

	"lejarat/processor/event"
)

// testDecoder reads the records of scripts: op, lsn, commit time, snapshot and the columns, separated by 1f.
type testDecoder struct {
	columns []event.Column
	zone    *time.Location
}

func testColumns(kind string) []event.Column { return testColumnsOf[kind] }

var testColumnsOf = map[string][]event.Column{"document": makeColumns("document"), "heartbeat": makeColumns("heartbeat"),
	"registration": makeColumns("registration")}

func makeColumns(kind string) []event.Column {
	var names string
	switch kind {
	case "document", "heartbeat":
		names = "name birth_name birth_place birth_date* mother_name type number status expires* issued@ holder_ref expires2*"
	case "registration":
		names = "name birth_name birth_place birth_date* mother_name email active on since@ language"
	}
	var columns []event.Column
	for _, n := range strings.Fields(names) {
		c := event.Column{Name: strings.TrimRight(n, "*@")}
		switch n[len(n)-1] {
		case '*':
			c.Kind = event.CivilDate
		case '@':
			c.Kind = event.Instant
		}
		columns = append(columns, c)
	}
	return columns
}

func columnNames(kind string) (names []string) {
	for _, c := range testColumns(kind) {
		names = append(names, c.Name)
	}
	return names
}

var testSnapshots = map[string]event.Snapshot{"": event.Streamed, "row": event.SnapshotRow, "last": event.SnapshotLast}

// Decode implements Decoder.
func (d *testDecoder) Decode(r *event.Record) (event.Change, error) {
	row, reason := d.Row(r.Key)
	return d.DecodeRow(r, row, reason)
}

// Row implements Decoder.
func (d *testDecoder) Row(key []byte) (row, reason string) { return string(key), "" }

// DecodeRow implements Decoder.
func (d *testDecoder) DecodeRow(r *event.Record, row, _ string) (event.Change, error) {
	parts := strings.Split(string(r.Value), "\x1f")
	lsn, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return event.Change{}, &event.Reject{Row: row, Reason: "no order"}
	}
	ms, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return event.Change{}, &event.Reject{Row: row, Reason: "no commit time"}
	}
	ch := event.Change{Row: row, Order: lsn, Committed: time.UnixMilli(ms)}
	ch.Snapshot = testSnapshots[parts[3]]
	switch parts[0] {
	case "delete":
		ch.Op = event.Delete
	case "tombstone":
		ch.Op = event.Tombstone
		ch.Order = 0
		ch.Committed = time.Time{}
	case "truncate":
		ch.Op = event.Truncate
	case "garbage":
		return ch, &event.Reject{Row: row, Reason: "not JSON"}
	}
	ch.Values = make([]event.Value, 0, len(d.columns))
	for i, c := range d.columns {
		ch.Values = append(ch.Values, d.value(c, parts[4+i]))
	}
	return ch, nil
}

func (d *testDecoder) value(c event.Column, s string) event.Value {
	switch {
	case s == "null":
		return event.Value{State: event.Null}
	case s == "missing":
		return event.Value{State: event.Missing}
	case s == "toast":
		return event.Value{State: event.Unavailable}
	case c.Kind == event.Text:
		return event.Value{Text: s}
	case s == "infinity":
		return event.Value{Date: event.NoExpiry}
	}
	date, err := event.ParseDate(s)
	if err != nil {
		return event.Value{State: event.Unreadable, Reason: "not a date"}
	}
	return event.Value{Date: date, Time: date.At(0, 0, d.zone)}
}
