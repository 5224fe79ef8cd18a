package debezium

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lejarat/processor/event"
)

// Options say what a decoder reads.
type Options struct {
	// Columns are the mapped columns; Change.Values stands in this order. A column may be mapped once as each kind.
	Columns []event.Column
	// Zone is the registry's legal zone. It gives an instant its civil date, and a wall clock or a plain date its instant.
	Zone *time.Location
	// MaxValueBytes is the largest record value that is read, 0 or more than MaxValueBytes: that constant.
	MaxValueBytes int
}

// Encodings returns the words that event.Column.Encoding may be besides "".
func Encodings() []string {
	var all []string
	for _, e := range encodingNames {
		all = append(all, e.name)
	}
	return all
}

// Decoder decodes the records of one source. One goroutine uses it.
type Decoder struct {
	maxValue int
	value    scanner
	outer    *plan // the whole value
	inner    *plan // its "payload"
	schemas  schemaCache
	key      keys
	values   values
}

// New returns a decoder. Its error lists every fault of the options.
func New(o Options) (*Decoder, error) {
	var faults []error
	if o.Zone == nil {
		faults = append(faults, errors.New("the time zone is missing"))
	}
	if len(o.Columns) > MaxColumns {
		faults = append(faults, fmt.Errorf("%d columns are mapped: at most %d can be", len(o.Columns), MaxColumns))
	}
	top, row := newNames(topNames[:]...), newNames()
	columns := make([]column, len(o.Columns))
	for i, c := range o.Columns {
		faults = append(faults, columnFaults(o.Columns, i)...)
		enc, _ := encodingOf(c.Encoding)
		if len(faults) == 0 {
			columns[i] = column{kind: c.Kind, enc: enc, top: top.add(c.Name), row: row.add(c.Name)}
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("preparing to read Debezium records: %w", errors.Join(faults...))
	}
	limit := o.MaxValueBytes
	if limit <= 0 || limit > MaxValueBytes {
		limit = MaxValueBytes
	}
	d := &Decoder{maxValue: limit, key: newKeys(), schemas: schemaCache{columns: row}}
	d.inner = topPlan(top, row)
	d.outer = topPlan(top, row)
	d.outer.sub[mPayload] = d.inner
	d.outer.known = &d.schemas
	d.values = values{columns: columns, zone: o.Zone, out: make([]event.Value, len(columns)),
		decimals: newDecimals(), date: newPlan(structuredNames)}
	return d, nil
}

func encodingOf(name string) (encoding, bool) {
	for _, e := range encodingNames {
		if e.name == name {
			return e.enc, true
		}
	}
	return none, name == ""
}

// columnFaults returns what is wrong with column i, by itself and against those before it.
func columnFaults(all []event.Column, i int) (faults []error) {
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("column %d (%q): "+format, append([]any{i + 1, all[i].Name}, args...)...))
	}
	c := all[i]
	if c.Name == "" {
		fault("the name is empty")
	}
	if c.Kind > event.Instant {
		fault("kind %d is not known", c.Kind)
	}
	if _, ok := encodingOf(c.Encoding); !ok {
		fault("date encoding %q is not known: use one of %s", c.Encoding, strings.Join(Encodings(), ", "))
	} else if c.Kind == event.Text && c.Encoding != "" {
		fault("date encoding %q for a column read as text", c.Encoding)
	}
	for j, other := range all[:i] {
		if other.Name != c.Name {
			continue
		}
		if other.Kind == c.Kind {
			fault("already mapped as column %d", j+1)
		} else if other.Kind != event.Text && c.Kind != event.Text && other.Encoding != c.Encoding {
			fault("its date encoding differs from that of column %d, which is the same column", j+1)
		}
	}
	return faults
}

// Decode returns what the record says. Its error is an *event.Reject for a record that cannot be used.
//
// Change.Values is the decoder's own and valid until the next Decode; the strings in it and Row stay valid. All texts of
// one change share memory, so whoever keeps one keeps them all; Row stands alone.
func (d *Decoder) Decode(r *event.Record) (event.Change, error) {
	row, noRow := d.Row(r.Key)
	return d.DecodeRow(r, row, noRow)
}

// Row returns the name of the row that a record key belongs to, or why it names none.
func (d *Decoder) Row(key []byte) (row, reason string) {
	defer func() { d.key.s.b = nil }()
	return d.key.row(key)
}

// DecodeRow is Decode for a record of which Row has been asked.
func (d *Decoder) DecodeRow(r *event.Record, row, noRow string) (event.Change, error) {
	if r.Control {
		return event.Change{Op: event.Other}, nil
	}
	// The record's bytes are part of a whole fetch: they are let go with the record.
	defer func() { d.value.b = nil }()
	c, reason := d.change(r.Value)
	if reason == "" && (c.Op == event.Truncate || c.Op == event.Other) {
		return c, nil
	}
	if reason == "" {
		reason = noRow
	}
	if reason != "" {
		return event.Change{}, &event.Reject{Row: row, Reason: reason}
	}
	c.Row = row
	return c, nil
}
