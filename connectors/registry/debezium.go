package registry

import (
	"iter"
	"strconv"
	"time"
)

// EncoderOptions says how records are written. What is left empty takes its default.
type EncoderOptions struct {
	// Schemas writes {"schema":…,"payload":…}, as JsonConverter does with schemas.enable.
	Schemas bool
	// DocumentsServer and RegistrationsServer are the connectors' topic prefixes: okmany and ugyfelkapu. Where they are
	// equal, one connector reads one database with all tables.
	DocumentsServer, RegistrationsServer string
	// SnapshotAt is the source.ts_ms of snapshot records. It must be given where Snapshot is used.
	SnapshotAt time.Time
	// WithoutHeartbeat leaves the heartbeat tables out.
	WithoutHeartbeat bool
}

// Encoder writes rows and changes as a Debezium 3.5 connector for PostgreSQL writes them through JsonConverter. It is
// not safe for concurrent use.
type Encoder struct {
	o                        EncoderOptions
	documents, registrations *connector
	documentTable            *tableEncoder[Document]
	registrationTable        *tableEncoder[Registration]
	beats                    []*tableEncoder[beat]
	key, value               []byte
}

// Message is one Kafka record. A nil value is a tombstone.
type Message struct {
	Topic      string
	Key, Value []byte
}

// connector is what the tables of one database share.
type connector struct {
	server string
	lsn    int64
	commit int64 // LSN of the last commit
	txID   int64
}

// NewEncoder makes an encoder at the start of the connectors' logs.
func NewEncoder(o EncoderOptions) *Encoder {
	if o.DocumentsServer == "" {
		o.DocumentsServer = "okmany"
	}
	if o.RegistrationsServer == "" {
		o.RegistrationsServer = "ugyfelkapu"
	}
	e := &Encoder{o: o}
	e.documents = &connector{server: o.DocumentsServer, lsn: 34_389_280, txID: 779}
	e.registrations = e.documents
	if o.RegistrationsServer != o.DocumentsServer {
		e.registrations = &connector{server: o.RegistrationsServer, lsn: 26_740_096, txID: 761}
	}
	e.documentTable = newTableEncoder(e.documents, Documents, documentColumns, o.Schemas)
	e.registrationTable = newTableEncoder(e.registrations, Registrations, registrationColumns, o.Schemas)
	if !o.WithoutHeartbeat {
		e.beats = append(e.beats, newTableEncoder(e.documents, Heartbeats, heartbeatColumns, o.Schemas))
		if e.registrations != e.documents {
			e.beats = append(e.beats, newTableEncoder(e.registrations, Heartbeats, heartbeatColumns, o.Schemas))
		}
	}
	return e
}

// Topics returns the names of all topics written to: documents, registrations, then the heartbeats.
func (e *Encoder) Topics() []string {
	topics := []string{e.documentTable.topic, e.registrationTable.topic}
	for _, b := range e.beats {
		topics = append(topics, b.topic)
	}
	return topics
}

// Snapshot writes the rows of all people as an initial snapshot, with Debezium's markers on first and last rows, until
// yield returns false. Rows of different topics are interleaved, and each topic's own order is the tables'. Key and value
// are valid until yield returns.
func (e *Encoder) Snapshot(people iter.Seq[*Person], yield func(topic string, key, value []byte) bool) {
	// A row is written when the next one is there, since the last one is marked.
	oneConnector := e.documents == e.registrations
	documents := &snapshotTable[Document]{
		table: e.documentTable, firstTable: true,
		lastTable: !oneConnector && len(e.beats) == 0,
	}
	registrations := &snapshotTable[Registration]{
		table: e.registrationTable, firstTable: !oneConnector && len(e.beats) == 0, lastTable: true,
	}
	for p := range people {
		for i := range p.Documents {
			if !documents.push(e, &p.Documents[i], yield) {
				return
			}
		}
		for i := range p.Registrations {
			if !registrations.push(e, &p.Registrations[i], yield) {
				return
			}
		}
	}
	if !documents.end(e, yield) {
		return
	}
	for _, table := range e.beats {
		one := &snapshotTable[beat]{
			table: table, firstTable: table.connector != e.documents, lastTable: table.connector == e.documents && !oneConnector,
		}
		if !one.push(e, &beat{at: e.o.SnapshotAt}, yield) || !one.end(e, yield) {
			return
		}
	}
	registrations.end(e, yield)
}

// snapshotTable holds back one row of a table.
type snapshotTable[R any] struct {
	table                 *tableEncoder[R]
	firstTable, lastTable bool
	row                   R
	held, begun           bool
}

func (s *snapshotTable[R]) push(e *Encoder, row *R, yield func(string, []byte, []byte) bool) bool {
	if s.held && !s.write(e, false, yield) {
		return false
	}
	s.row, s.held = *row, true
	return true
}

func (s *snapshotTable[R]) end(e *Encoder, yield func(string, []byte, []byte) bool) bool {
	return !s.held || s.write(e, true, yield)
}

func (s *snapshotTable[R]) write(e *Encoder, last bool, yield func(string, []byte, []byte) bool) bool {
	marker := "true"
	switch {
	case last && s.lastTable:
		marker = "last"
	case !s.begun && s.firstTable:
		marker = "first"
	case last:
		marker = "last_in_data_collection"
	case !s.begun:
		marker = "first_in_data_collection"
	}
	s.begun = true
	t := s.table
	e.key = t.appendKey(e.key[:0], &s.row)
	e.value = t.appendValue(e.value[:0], record[R]{
		after: &s.row, op: 'r', snapshot: marker, at: e.o.SnapshotAt, lsn: t.connector.lsn, txID: t.connector.txID,
	})
	return yield(t.topic, e.key, e.value)
}

// Change writes one change, committed at its own time: one message, and for a deletion its tombstone.
func (e *Encoder) Change(c Change) []Message { return e.ChangeAt(c, c.At) }

// ChangeAt writes one change as committed at another time.
func (e *Encoder) ChangeAt(c Change, at time.Time) []Message {
	if c.Table == Documents {
		row := c.Document
		if row == nil {
			row = &Document{ID: c.Key}
		}
		return stream(e.documentTable, row, c.Op, at)
	}
	row := c.Registration
	if row == nil {
		row = &Registration{ID: c.Key}
	}
	return stream(e.registrationTable, row, c.Op, at)
}

// Heartbeats writes the update of the heartbeat row of every connector.
func (e *Encoder) Heartbeats(at time.Time) []Message {
	var all []Message
	for _, table := range e.beats {
		all = append(all, stream(table, &beat{at: at}, Update, at)...)
	}
	return all
}

func stream[R any](t *tableEncoder[R], row *R, op Op, at time.Time) []Message {
	r := record[R]{snapshot: "false", at: at}
	r.lsn, r.txID, r.commit = t.connector.next()
	key := t.appendKey(nil, row)
	switch op {
	case Insert:
		r.op, r.after = 'c', row
	case Update:
		r.op, r.after = 'u', row
	case Delete:
		r.op, r.before = 'd', row
		return []Message{{t.topic, key, t.appendValue(nil, r)}, {t.topic, key, nil}}
	}
	return []Message{{t.topic, key, t.appendValue(nil, r)}}
}

// next begins a transaction with one change.
func (c *connector) next() (lsn, txID int64, commit string) {
	commit = "null"
	if c.commit != 0 {
		commit = `\"` + strconv.FormatInt(c.commit, 10) + `\"`
	}
	c.lsn += 256
	c.txID++
	lsn = c.lsn
	c.lsn += 56
	c.commit = c.lsn
	return lsn, c.txID, commit
}
