package processor

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/simtest"
)

// simRow is a row of one of the two registries as the sim knows it, after one record of its topic.
type simRow struct {
	table   string // document, registration
	key     string
	deleted bool
	person  int // who it belongs to
	name    int // under which of their names: a marriage raises it

	typ     string // passport: one valid per person; vehicle_inspection: any number
	valid   bool
	expires event.Date

	on    bool
	email string

	at        time.Time // when the record came to stand in the topic
	effective time.Time // since when the facts hold; zero: since before
	moved     time.Time // when the identity last changed, or the row was deleted
	held      bool      // its newest record was unreadable or a re-delivery
	unsure    bool      // whether it is held depends on what a lost store knew
	order     uint64
	solid     uint64 // order of the newest record that changed anything
	committed time.Time
}

func (r *simRow) id() string { return r.table + "/" + r.key }

// sameIdentity says whether two rows are joined.
func (r *simRow) sameIdentity(o *simRow) bool { return r.person == o.person && r.name == o.name }

// simChange is one record of a source topic.
type simChange struct {
	op       string // upsert, delete, garbage
	row      simRow // as it is afterwards
	order    uint64
	ts       time.Time
	snapshot string
}

// simWorld is the two registries: what was written to their topics, and what a careful reader knows of it.
type simWorld struct {
	zone     *time.Location
	log      *simtest.Log
	clock    *manualClock
	rng      *rand.Rand
	day      event.Date // documents expire around here
	rows     map[string][]simRow
	ids      []string // the rows in the order in which they were made
	records  map[event.TopicPartition][]simChange
	parts    map[string]int32
	order    uint64
	size     *simSize
	names    []int
	smooth   bool                 // no snapshots, no re-deliveries, nothing unreadable: runs are not held
	snapshot map[string]time.Time // topic → commit time of the newest row of an unfinished snapshot
	begun    map[string]time.Time // topic → when that snapshot began to stand in the topic
}

var simTopics = map[string]string{"document": documentTopic, "registration": registrationTopic}

// current is the row's newest version, nil for none.
func (w *simWorld) current(id string) *simRow {
	v := w.rows[id]
	if len(v) == 0 {
		return nil
	}
	return &v[len(v)-1]
}

// place is the partition of a row's topic.
func (w *simWorld) place(r *simRow) event.TopicPartition {
	h := fnv.New32a()
	h.Write([]byte(r.key))
	topic := simTopics[r.table]
	return event.TopicPartition{Topic: topic, Partition: int32(h.Sum32() % uint32(w.parts[topic]))}
}

// write puts a change into its topic and takes note of what it means.
func (w *simWorld) write(c simChange) {
	tp := w.place(&c.row)
	for _, r := range w.encode(&c) {
		w.log.Append(r)
	}
	w.noted(tp, c)
}

// writeOpen is write in a transaction of the connector that stays open.
func (w *simWorld) writeOpen(c simChange) {
	tp := w.place(&c.row)
	w.log.Begin("connector", w.encode(&c))
	w.noted(tp, c)
}

func (w *simWorld) noted(tp event.TopicPartition, c simChange) {
	w.records[tp] = append(w.records[tp], c)
	topic := tp.Topic
	switch {
	case c.snapshot == "row":
		if w.snapshot[topic].IsZero() {
			w.begun[topic] = w.clock.now
		}
		w.snapshot[topic] = c.ts
	case c.snapshot == "last", c.op != "garbage" && !c.ts.Before(w.snapshot[topic]):
		delete(w.snapshot, topic)
		delete(w.begun, topic)
	}
	w.take(c)
}

// take is the rule of SPEC 1.2.4, 1.6 and 3.2 for one record, in plain words: an older record holds the row, an unreadable
// one too; a good one brings facts, which are effective from its commit unless they are the same as before.
func (w *simWorld) take(c simChange) {
	id := c.row.id()
	old := w.current(id)
	next := c.row
	next.at = w.clock.now
	if old == nil {
		if c.op == "upsert" {
			next.order, next.solid, next.committed = c.order, c.order, c.ts
			if c.snapshot == "" {
				next.effective = c.ts
			}
			w.ids = append(w.ids, id)
			w.rows[id] = append(w.rows[id], next)
		}
		return
	}
	older := c.order < old.order && !c.ts.After(old.committed)
	kept := *old
	kept.at = w.clock.now
	switch {
	case c.op == "garbage" && !old.deleted:
		kept.held, kept.order, kept.committed = true, max(old.order, c.order), maxTime(old.committed, c.ts)
		kept.solid = kept.order
	case c.op == "garbage", old.deleted && (older || c.op == "delete"):
		return
	case older:
		kept.held = true
		kept.unsure = kept.unsure || c.order >= old.solid
	case c.op == "delete":
		kept.deleted, kept.held, kept.unsure, kept.moved = true, false, false, w.clock.now
		kept.order, kept.solid, kept.committed = c.order, c.order, c.ts
	default:
		next.order, next.committed, next.solid = c.order, c.ts, c.order
		next.moved, next.effective = old.moved, c.ts
		if !old.deleted && !next.sameIdentity(old) {
			next.moved = w.clock.now
		}
		if !old.deleted && next.sameFacts(old) {
			next.effective = old.effective
			if next.email == old.email && (!old.held || old.unsure) { // then nothing of it may have been written
				next.solid = old.solid
			}
		}
		kept = next
	}
	w.rows[id] = append(w.rows[id], kept)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sameFacts says whether the effective time stays.
func (r *simRow) sameFacts(o *simRow) bool {
	return r.sameIdentity(o) && r.typ == o.typ && r.valid == o.valid && r.expires == o.expires && r.on == o.on
}

// encode makes the record, in the form of testDecoder.
func (w *simWorld) encode(c *simChange) []event.Record {
	r := &c.row
	args := map[string]string{"holder": simPerson(r.person, r.name)}
	if r.table == "document" {
		args["type"] = map[string]string{"passport": "passport", "vehicle_inspection": "car"}[r.typ]
		args["number"], args["status"], args["expires"] = "N"+r.key, map[bool]string{true: "V", false: "X"}[r.valid], r.expires.String()
	} else {
		args["email"], args["on"] = r.email, strconv.FormatBool(r.on)
	}
	tp := w.place(r)
	record := func(op string) event.Record {
		value := []string{op, strconv.FormatUint(c.order, 10), strconv.FormatInt(c.ts.UnixMilli(), 10), c.snapshot}
		for _, col := range testColumns(r.table) {
			value = append(value, testValue(col.Name, args))
		}
		return event.Record{Topic: tp.Topic, Partition: tp.Partition, Key: []byte(r.key), Value: []byte(strings.Join(value, "\x1f"))}
	}
	if c.op == "delete" {
		return []event.Record{record("delete"), record("tombstone")}
	}
	return []event.Record{record(c.op)}
}

// change is a change of a row that happens now.
func (w *simWorld) change(op string, row simRow) simChange {
	w.order++
	w.clock.jump(w.clock.now.Add(time.Millisecond)) // no two changes are committed at once
	row.held, row.unsure = false, false
	if op != "delete" {
		row.deleted = false
	}
	return simChange{op: op, row: row, order: w.order, ts: w.clock.now}
}
