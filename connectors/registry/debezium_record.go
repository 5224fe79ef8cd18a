package registry

import (
	"strconv"
	"time"

	"lejarat/processor/event"
)

// version is the Debezium version whose records are written.
const version = "3.5.0.Final"

// tableEncoder writes the records of one table.
type tableEncoder[R any] struct {
	connector *connector
	topic     string
	columns   []column[R]
	labels    []string // of the columns: `"id":`, `,"kind":`, …
	// What comes before and after the changing parts of a record.
	keyHead, keyTail, valueHead, valueTail string
	sourceHead, sourceTable                string
}

func newTableEncoder[R any](c *connector, table Table, columns []column[R], schemas bool) *tableEncoder[R] {
	t := &tableEncoder[R]{connector: c, topic: c.server + ".public." + string(table), columns: columns}
	for i, col := range columns {
		label := `"` + col.name + `":`
		if i > 0 {
			label = "," + label
		}
		t.labels = append(t.labels, label)
	}
	if schemas {
		t.keyHead = `{"schema":` + keySchema(t.topic) + `,"payload":`
		t.valueHead = `{"schema":` + valueSchema(t.topic, columns) + `,"payload":`
		t.keyTail, t.valueTail = "}", "}"
	}
	t.sourceHead = `,"source":{"version":"` + version + `","connector":"postgresql","name":"` + c.server + `","ts_ms":`
	t.sourceTable = `,"schema":"public","table":"` + string(table) + `","txId":`
	return t
}

// record is one change event.
type record[R any] struct {
	before, after *R
	op            byte
	snapshot      string
	at            time.Time
	lsn, txID     int64
	commit        string // the first element of source.sequence, escaped; "" is null
}

// appendKey writes the record key: the primary key, which is the first column.
func (t *tableEncoder[R]) appendKey(b []byte, row *R) []byte {
	var c cell
	t.columns[0].get(row, &c)
	b = append(b, t.keyHead...)
	b = append(b, `{"id":`...)
	b = strconv.AppendInt(b, c.number, 10)
	b = append(b, '}')
	return append(b, t.keyTail...)
}

func (t *tableEncoder[R]) appendValue(b []byte, r record[R]) []byte {
	b = append(b, t.valueHead...)
	b = append(b, `{"before":`...)
	if r.before == nil {
		b = append(b, "null"...)
	} else {
		b = t.appendFabricated(b, r.before)
	}
	b = append(b, `,"after":`...)
	if r.after == nil {
		b = append(b, "null"...)
	} else {
		b = t.appendRow(b, r.after)
	}
	b = t.appendSource(b, r)
	b = append(b, `,"transaction":null,"op":"`...)
	b = append(b, r.op, '"')
	// The connector sees a change a moment after its commit.
	b = appendTimes(b, r.at.Add(183*time.Millisecond+417*time.Microsecond))
	b = append(b, '}')
	return append(b, t.valueTail...)
}

func (t *tableEncoder[R]) appendSource(b []byte, r record[R]) []byte {
	b = append(b, t.sourceHead...)
	b = strconv.AppendInt(b, r.at.UnixMilli(), 10)
	b = append(b, `,"snapshot":"`...)
	b = append(b, r.snapshot...)
	b = append(b, `","db":"`...)
	b = append(b, t.connector.server...)
	b = append(b, `","sequence":"[`...)
	if r.commit == "" {
		b = append(b, "null"...)
	} else {
		b = append(b, r.commit...)
	}
	b = append(b, `,\"`...)
	b = strconv.AppendInt(b, r.lsn, 10)
	b = append(b, `\"]","ts_us":`...)
	b = strconv.AppendInt(b, r.at.UnixMicro(), 10)
	b = append(b, `,"ts_ns":`...)
	b = strconv.AppendInt(b, r.at.UnixNano(), 10)
	b = append(b, t.sourceTable...)
	b = strconv.AppendInt(b, r.txID, 10)
	b = append(b, `,"lsn":`...)
	b = strconv.AppendInt(b, r.lsn, 10)
	return append(b, `,"xmin":null,"origin":null,"origin_lsn":null}`...)
}

func appendTimes(b []byte, at time.Time) []byte {
	b = append(b, `,"ts_ms":`...)
	b = strconv.AppendInt(b, at.UnixMilli(), 10)
	b = append(b, `,"ts_us":`...)
	b = strconv.AppendInt(b, at.UnixMicro(), 10)
	b = append(b, `,"ts_ns":`...)
	return strconv.AppendInt(b, at.UnixNano(), 10)
}

func (t *tableEncoder[R]) appendRow(b []byte, row *R) []byte {
	b = append(b, '{')
	var c cell
	for i := range t.columns {
		col := &t.columns[i]
		b = append(b, t.labels[i]...)
		col.get(row, &c)
		if col.null && c.empty(col.form) {
			b = append(b, "null"...)
			continue
		}
		switch col.form {
		case number:
			b = strconv.AppendInt(b, c.number, 10)
		case text:
			b = appendText(b, c.text)
		case date:
			b = strconv.AppendInt(b, int64(c.date), 10)
		case flag:
			b = strconv.AppendBool(b, c.flag)
		case instant:
			b = appendInstant(b, c.at)
		}
	}
	return append(b, '}')
}

// appendFabricated writes what REPLICA IDENTITY DEFAULT leaves of a deleted row: its key, null where the column may be
// null, else the column's default, else a zero.
func (t *tableEncoder[R]) appendFabricated(b []byte, row *R) []byte {
	b = append(b, '{')
	var c cell
	for i := range t.columns {
		col := &t.columns[i]
		b = append(b, t.labels[i]...)
		switch {
		case i == 0:
			col.get(row, &c)
			b = strconv.AppendInt(b, c.number, 10)
		case col.null:
			b = append(b, "null"...)
		case col.form == text:
			b = appendText(b, col.normal)
		case col.form == flag:
			b = append(b, ifElse(col.normal == "", "false", col.normal)...)
		case col.form == instant:
			b = appendInstant(b, time.Unix(0, 0))
		default:
			b = append(b, '0')
		}
	}
	return append(b, '}')
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch >= ' ' && ch != '"' && ch != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		if ch < ' ' {
			b = append(b, '\\', 'u', '0', '0', hex[ch>>4], hex[ch&15])
		} else {
			b = append(b, '\\', ch)
		}
		start = i + 1
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendInstant writes a timestamptz as Debezium's ZonedTimestamp: in UTC, with microseconds.
func appendInstant(b []byte, at time.Time) []byte {
	u := at.Unix()
	day := u / 86400
	if u%86400 < 0 {
		day--
	}
	second := int(u - day*86400)
	b = append(b, '"')
	b = appendDate(b, event.Date(day))
	b = append(b, 'T')
	b = append2(b, second/3600)
	b = append(b, ':')
	b = append2(b, second/60%60)
	b = append(b, ':')
	b = append2(b, second%60)
	micro := at.Nanosecond() / 1000
	b = append(b, '.')
	b = append2(b, micro/10000)
	b = append2(b, micro/100%100)
	b = append2(b, micro%100)
	return append(b, 'Z', '"')
}

// appendDate writes a date of the years 0 to 9999 as 2026-08-31.
func appendDate(b []byte, d event.Date) []byte {
	year, month, day := d.Civil()
	b = append2(b, year/100)
	b = append2(b, year%100)
	b = append(b, '-')
	b = append2(b, int(month))
	b = append(b, '-')
	return append2(b, day)
}

func append2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
