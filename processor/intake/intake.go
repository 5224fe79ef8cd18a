// Package intake turns row changes into journal records: it maps columns, normalises the identity, makes the
// fingerprints and knows, per row, what was said last.
//
// The rules (SPEC 1.4, 1.6, 2.1, 3; ARCHITECTURE 1, 2):
//   - A row is written under one identity list (documents) or all of them (registrations). When its identity changes,
//     the retraction of the old place and the facts at the new one are in one Step, hence in one transaction.
//   - A record that changes nothing that is used here writes nothing.
//   - The effective time is the mapped column, else the commit time of the change that brought the facts; it stays
//     when only other columns change. In a source's first snapshot it is "since before".
//   - A record that cannot be used holds its row; so does a re-delivered one, until the newest facts are confirmed.
//   - Clear text leaves this package in two places only: name and e-mail address of a registration.
//
// The core is a function of its input: no clock, no I/O, no log.
package intake

import (
	"time"

	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// Kind is what a source holds.
type Kind uint8

const (
	// Documents: rows of a document register.
	Documents Kind = iota
	// Registrations: rows of the Ügyfélkapu store.
	Registrations
	// Heartbeats: the heartbeat table of a source; its rows only prove that the stream moves.
	Heartbeats
)

// A primary-key change arrives as a delete and a create; Debezium marks the two halves.
const (
	newKeyHeader = "__debezium.newkey"
	oldKeyHeader = "__debezium.oldkey"
)

// None is a column that is not mapped.
const None = -1

// Source is the mapping of one topic. Columns are indexes into event.Change.Values; None where not mapped.
type Source struct {
	Topic string
	ID    uint32 // journal.SourceID(Topic)
	Kind  Kind
	Names []string // the columns' names, for messages

	Holder   [identity.Fields][]int // joined with one blank
	Options  identity.Options
	Type     int
	Types    map[string]string // value of the type column → document type
	Ignored  map[string]bool   // values of types that are not served
	Constant string            // the type of every row, where there is no type column
	Number   int
	Status   int
	Valid    map[string]bool
	Invalid  map[string]bool // nil: whatever is not valid is invalid
	Expires  []int           // the earliest non-null counts
	HolderID int             // the registry's own holder reference

	Email    int
	Active   Bool
	Service  Bool
	Language int
	// Languages maps the column's values to hu or en; nil: it holds the codes themselves.
	Languages map[string]string

	Effective int
	// DelayLimit: a streamed record that arrives later than this after its commit makes the source count as behind.
	DelayLimit time.Duration
}

// Bool is how a source writes a yes or no. A value in neither set is unreadable.
type Bool struct {
	Column int // None: always true
	True   map[string]bool
	False  map[string]bool // nil: whatever is not in True is false
}

// Core is the intake of one source. It is used by one goroutine, and not copied once it has taken a step.
type Core struct {
	Source Source
	// TypeList is the identity list of each document type; Lists all of them, the announcement's list first.
	TypeList map[string]identity.List
	Lists    []identity.List
	Identity *identity.Key
	Refs     *identity.Key
	// Generation is the journal's. In a later one than the first, suppressions of former ones may stand.
	Generation int
	// Partitions is the number of journal partitions.
	Partitions int32
	// Journal, Suppressions and Rejects are topic names.
	Journal, Suppressions, Rejects string
	Zone                           *time.Location
	// Former, where it is there, tells since when a row's facts held already in the generation before, if their hash is the same and
	// it knew them from a record beyond that source offset.
	Former func(row string, same func(facts uint64) bool, beyond int64) (effective int64, ok bool)

	records []event.Record // what the step under way writes
	room    []byte         // for their values and keys, of length 0
	facts   facts          // of its record
}

// Input is one source record with what the engine knows of it.
type Input struct {
	Change event.Change
	Reject *event.Reject // the decoder's verdict, instead of a change
	Record *event.Record // coordinates and Kafka time; its bytes are only hashed
	Now    time.Time     // the clock in use
	First  bool          // this record belongs to the source's first snapshot
}

// Output is what one record does.
type Output struct {
	Records []event.Record // to be written in the transaction that moves the position past the record; valid until the next Step
	Row     *Row           // the row's new state; nil leaves it as it is
	Verdict Verdict
	// Truncate asks the engine to delete every row of the source.
	Truncate bool
}

// Verdict says what became of a record.
type Verdict uint8

const (
	// Applied: it changed something.
	Applied Verdict = iota
	// Unchanged: nothing that is used here differs.
	Unchanged
	// Rejected: it could not be used; Output.Records tell why.
	Rejected
	// Redelivered: older than what the row already knew.
	Redelivered
	// Ignored: it concerns no row.
	Ignored
)

// String names the verdict in metrics.
func (v Verdict) String() string {
	return [...]string{"applied", "unchanged", "rejected", "redelivered", "ignored"}[v]
}

// Step applies one record to the row's old state (nil: never seen).
func (c *Core) Step(in *Input, old *Row) Output {
	c.records = c.records[:0]
	out := c.step(in, old)
	out.Records = c.records
	return out
}

func (c *Core) step(in *Input, old *Row) Output {
	if in.Reject != nil {
		return c.reject(in, old, in.Reject, nil)
	}
	switch in.Change.Op {
	case event.Upsert:
		return c.upsert(in, old)
	case event.Delete, event.Tombstone:
		return c.remove(in, old)
	case event.Truncate:
		return Output{Truncate: true, Verdict: Applied}
	}
	return Output{Verdict: Ignored}
}

// stale says whether a record is a re-delivery: a lower source order and no later commit time than the row's newest
// (a fail-over to a server with lower positions has later commit times).
func stale(ch *event.Change, old *Row) bool {
	return old != nil && ch.Order != 0 && old.Order != 0 && ch.Order < old.Order &&
		(ch.Committed.IsZero() || ch.Committed.UnixMilli() <= old.Committed)
}

func (c *Core) upsert(in *Input, old *Row) Output {
	if stale(&in.Change, old) {
		return c.redelivered(in, old, journal.HoldRedelivered)
	}
	f := &c.facts
	if bad := c.read(in, f); bad != nil {
		return c.reject(in, old, bad, f)
	}
	next := &Row{Meta: c.meta(in, old), IDs: f.places}
	next.Content, next.Facts, next.On, next.Address = f.content, f.facts, f.on, f.address
	known := old.known()
	next.Effective = c.effective(f, in, old, known)
	if known && old.Hold == journal.HoldNone && old.Content == next.Content && old.samePlaces(next) {
		return c.unchanged(in, old)
	}
	// A primary-key change arrives as delete and create, perhaps of another identity: the header tells.
	if old != nil && !old.samePlaces(next) && len(old.IDs) > 0 || in.Record.HeaderValue(oldKeyHeader) != nil {
		next.Moved = in.Now.UnixMilli()
	}
	out := Output{Row: next, Verdict: Applied}
	c.retractOthers(in.Change.Row, old, next)
	for i := range next.IDs {
		c.write(c.key(in.Change.Row, &next.IDs[i], journal.Facts), c.appendValue(c.begin(), f, next, i))
		if old != nil && old.Hold != journal.HoldNone && old.has(&next.IDs[i]) {
			c.retract(c.key(in.Change.Row, &next.IDs[i], journal.Hold), &next.Meta)
		}
	}
	if c.Source.Kind == Registrations {
		c.suppressions(in, f, old, next)
	}
	return out
}

func (c *Core) effective(f *facts, in *Input, old *Row, known bool) int64 {
	switch {
	case !f.effective.IsZero():
		return f.effective.UnixMilli()
	case known && c.sameFacts(old.Facts, f):
		return old.Effective
	}
	if !known && c.Former != nil {
		beyond := int64(-1)
		if old != nil && old.Deleted { // which the generation before may not have come to
			beyond = old.Offset
		}
		if since, ok := c.Former(in.Change.Row, func(facts uint64) bool { return c.sameFacts(facts, f) }, beyond); ok {
			return since
		}
	}
	switch {
	case in.First && !known: // what replaced known facts came into force with the change, also in a snapshot
		return journal.SinceBefore
	case !in.Change.Committed.IsZero():
		return in.Change.Committed.UnixMilli()
	}
	return in.Record.Time.UnixMilli()
}

func (c *Core) meta(in *Input, old *Row) journal.Meta {
	m := journal.Meta{Partition: in.Record.Partition, Offset: in.Record.Offset, Order: in.Change.Order}
	if !in.Change.Committed.IsZero() {
		m.Committed = in.Change.Committed.UnixMilli()
	}
	if old != nil {
		m.Moved = old.Moved
	}
	return m
}

// unchanged moves the row's order on, so that a later re-delivery is known for one.
func (c *Core) unchanged(in *Input, old *Row) Output {
	m := c.meta(in, old)
	if m.Order == old.Order {
		return Output{Verdict: Unchanged}
	}
	next := *old
	next.Order, next.Committed = m.Order, m.Committed
	return Output{Row: &next, Verdict: Unchanged}
}

// remove deletes the row. A tombstone shares the verdict of the delete before it: after an accepted one there is
// nothing left to do, after a re-delivered one it is ignored.
func (c *Core) remove(in *Input, old *Row) Output {
	tombstone := in.Change.Op == event.Tombstone
	switch {
	case old == nil && c.Former != nil: // the generation before may have known it: that is over
		next := &Row{Meta: c.meta(in, nil)}
		next.Deleted = true
		return Output{Row: next, Verdict: Unchanged}
	case old == nil || old.Deleted:
		return Output{Verdict: Unchanged}
	case tombstone && old.Hold == journal.HoldRedeliveredDelete:
		return Output{Verdict: Redelivered}
	case !tombstone && stale(&in.Change, old):
		return c.redelivered(in, old, journal.HoldRedeliveredDelete)
	}
	next := &Row{Meta: c.meta(in, old)}
	next.Deleted = true
	if len(old.IDs) > 0 {
		next.Moved = in.Now.UnixMilli() // should the row come back, it may be under another identity
	}
	if tombstone || next.Order == 0 {
		next.Order, next.Committed = old.Order, max(old.Committed, next.Committed)
	}
	out := Output{Row: next, Verdict: Applied}
	c.retractOthers(in.Change.Row, old, next)
	// A registration that only gets another key is not gone: what waits for it may still be handed over.
	if c.Source.Kind == Registrations && in.Record.HeaderValue(newKeyHeader) == nil {
		c.suppress(in, c.RegistrationRef(in.Change.Row), event.SuppressDeleted, nil)
	}
	return out
}

// redelivered holds the row: its newest facts may not be what the source holds now (a database restored from a
// backup), until they are confirmed by a record that is not older.
func (c *Core) redelivered(in *Input, old *Row, why journal.HoldReason) Output {
	next := *old
	next.Offset = in.Record.Offset
	next.Hold = why
	out := Output{Row: &next, Verdict: Redelivered}
	c.hold(in.Change.Row, &next, "")
	return out
}

// retractOthers takes back what stands at places that the row has no longer.
func (c *Core) retractOthers(row string, old, next *Row) {
	if old == nil {
		return
	}
	for i := range old.IDs {
		if next.has(&old.IDs[i]) {
			continue
		}
		c.retract(c.key(row, &old.IDs[i], journal.Facts), &next.Meta)
		if old.Hold != journal.HoldNone {
			c.retract(c.key(row, &old.IDs[i], journal.Hold), &next.Meta)
		}
	}
}

func (c *Core) key(row string, id *Place, kind journal.Kind) journal.RowKey {
	return journal.RowKey{Fingerprint: id.Fingerprint, List: id.List, Kind: kind, Source: c.Source.ID, Row: row}
}

// begin is where a value can be appended, and its key behind it.
func (c *Core) begin() []byte {
	if cap(c.room) < 256 {
		c.room = make([]byte, 0, 32<<10)
	}
	return c.room
}

// write writes a value that was appended to begin.
func (c *Core) write(k journal.RowKey, value []byte) {
	n := len(value)
	both := k.Append(value)
	if len(both) <= cap(c.room) { // a longer one has memory of its own
		c.room = c.room[len(both):len(both)]
	}
	c.records = append(c.records, event.Record{Topic: c.Journal, Partition: journal.Partition(&k.Fingerprint, c.Partitions),
		Key: both[n:len(both):len(both)], Value: both[:n:n]})
}

func (c *Core) retract(k journal.RowKey, m *journal.Meta) {
	c.records = append(c.records, event.Record{Topic: c.Journal, Partition: journal.Partition(&k.Fingerprint, c.Partitions),
		Key: k.Encode(), Headers: []event.Header{{Key: journal.Header, Value: journal.EncodeMeta(m)}}})
}

// hold marks every place of the row.
func (c *Core) hold(row string, next *Row, docType string) {
	for i := range next.IDs {
		h := journal.HoldMark{Meta: next.Meta, Reason: next.Hold, Type: docType}
		c.write(c.key(row, &next.IDs[i], journal.Hold), h.Append(c.begin()))
	}
}
