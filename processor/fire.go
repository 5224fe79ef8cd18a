package processor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"sort"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// errRunOver: the date or the barrier passed, or other rules came, while a chunk was under way.
var errRunOver = errors.New("the run's date or its barrier has passed, or its rules are not the newest")

// dueEntry is an entry of the timeline and what stands under its identity.
type dueEntry struct {
	key  []byte
	told watch.Told
	rows []watch.Row
}

// read reads the rows of the identity that a key of the timeline names.
func (e *dueEntry) read(key []byte, people *state.Cursor) (err error) {
	e.key = key
	e.rows, err = readRows(e.rows[:0], people, identityOf(key))
	return err
}

// entries walks the timeline from where the scan stands, and calls judge for each identity that is due, until judge
// returns false or limit entries were walked. It returns where to go on, nil at the end.
func (t *watchTask) entries(limit int, judge func(*dueEntry) bool) (next []byte, err error) {
	from := t.run.scan
	if from == nil {
		from = timelineDay(t.cursor + 1)
	}
	cur, err := t.store.Cursor(from, timelineDay(t.run.date+1))
	if err != nil {
		return nil, err
	}
	people, err := t.store.Cursor([]byte{watchPeople}, []byte{watchPeople + 1})
	if err != nil {
		return nil, errors.Join(err, cur.Close())
	}
	var e dueEntry
	n := 0
	for ok := cur.Seek(from); ok; ok = cur.Next() {
		if n++; n > limit {
			next = append([]byte(nil), cur.Key()...)
			break
		}
		e.told = cur.Value()
		if err := e.read(cur.Key(), people); err != nil {
			return nil, errors.Join(err, people.Close(), cur.Close())
		}
		more := false
		if err := asking(func() error { more = judge(&e); return nil }); err != nil {
			return nil, errors.Join(err, people.Close(), cur.Close())
		}
		if !more {
			next = append(append([]byte(nil), cur.Key()...), 0) // the smallest key after this one
			break
		}
	}
	return next, errors.Join(people.Close(), cur.Close())
}

// readRows reads all rows of an identity, appended to rows.
func readRows(rows []watch.Row, people *state.Cursor, id []byte) ([]watch.Row, error) {
	var room [1 + identityBytes]byte
	prefix := append(append(room[:0], watchPeople), id...)
	for ok := people.Forward(prefix); ok && bytes.HasPrefix(people.Key(), prefix); ok = people.Next() {
		key, err := journal.ParseBare(people.Key()[1:])
		if err != nil {
			return nil, err
		}
		v, err := journal.DecodeValue(people.Value())
		if err != nil {
			return nil, err
		}
		rows = append(rows, watch.Row{Key: key, Value: v})
	}
	return rows, nil
}

func (t *watchTask) day() watch.Day {
	return watch.Day{Date: t.run.date, After: t.cursor, First: t.runs.firstRun(t.run.date),
		Skip: t.runs.command(t.run.date) == CommandSkip, Missed: t.runs.missedStale(t.tp.Partition)}
}

// fire decides one chunk: notices, mails and the run's state go out in one transaction, then the ledger and this store
// follow. A crash in between is repaired by the ledger.
func (t *watchTask) fire(ctx context.Context) error {
	if t.over() {
		t.again()
		return nil
	}
	c := chunk{task: t, day: t.day(), batch: t.store.SortedBatch(), ids: map[journal.Ref]watch.Decision{}, marks: map[journal.Ref]bool{}, counts: map[watch.Count]int{}}
	next, err := t.decide(&c)
	if err != nil {
		c.batch.Discard()
		return err
	}
	for k, n := range c.counts {
		t.run.counts[k] += n
	}
	state := RunRunning
	if next == nil {
		state = RunComplete
		c.batch.Set([]byte{watchCursor}, binary.BigEndian.AppendUint32(nil, uint32(t.run.date)))
	}
	v := t.record(state, "", "")
	offset, err := c.commit(ctx, &v)
	if err != nil {
		c.batch.Discard()
		for k, n := range c.counts {
			t.run.counts[k] -= n
		}
		switch { // both aborted for certain
		case errors.Is(err, event.ErrTopic):
			t.again()
			return t.withoutTopic(ctx, err)
		case errors.Is(err, event.ErrClock):
			return t.refusedByClock(ctx, err)
		}
		return t.failed(err)
	}
	return t.fired(&c, &v, offset, next)
}

// decide fills a chunk, first with what the count has judged. It returns where the timeline goes on, nil at the end.
func (t *watchTask) decide(c *chunk) (next []byte, err error) {
	k := t.run.kept
	if k == nil || k.at == len(k.entries) {
		if next, err = t.entries(t.cfg.Limits.ChunkEntries, c.judge); c.rest != nil {
			next = c.rest
		}
		return next, err
	}
	people, err := t.store.Cursor([]byte{watchPeople}, []byte{watchPeople + 1})
	if err != nil {
		return nil, err
	}
	err = asking(func() error { return c.takeOver(k, people) })
	if c.rest != nil {
		k.at--
	}
	if next = k.next; k.at < len(k.entries) {
		next = k.entries[k.at].key[:]
	}
	return next, errors.Join(err, people.Close())
}

// takeOver decides what the count has kept, until the chunk is full or nothing of it is left. An aborted chunk leaves
// nothing of it either: the run begins anew.
func (c *chunk) takeOver(k *kept, people *state.Cursor) error {
	var anew dueEntry
	n := 0
	for more := true; more && n < c.task.cfg.Limits.ChunkEntries && k.at < len(k.entries); k.at++ {
		n++
		e := &k.entries[k.at]
		if k.stands(e, c) {
			j, err := k.packed.read(e.judgement)
			if err != nil {
				return err
			}
			more = c.take(e.key[:], &j)
			continue
		}
		if err := anew.read(e.key[:], people); err != nil {
			return err
		}
		more = c.judge(&anew)
	}
	return nil
}

// fired follows a committed chunk: the ledger, then the store.
func (t *watchTask) fired(c *chunk, v *RunRecord, offset int64, next []byte) error {
	if err := t.ledger.add(c.notices, t.run.date, c.at, c.records); err != nil {
		return err
	}
	if err := c.batch.Commit(); err != nil {
		return err
	}
	t.runs.put(*v, offset)
	t.cfg.observe(RunState{Partition: t.tp.Partition, Date: t.run.date, State: v.State})
	t.cfg.observe(RunChunk{Partition: t.tp.Partition, Date: t.run.date, Counts: c.counts})
	if t.run.scan = next; next == nil {
		t.cursor = t.run.date
		t.run = run{}
	}
	return nil
}

// over says whether the run must not write any more: its date has passed, its barrier is too old, or an instance with
// other rules has started.
func (t *watchTask) over() bool {
	date, _ := t.cfg.today()
	return date != t.run.date || t.cfg.Clock.Real().Sub(t.run.taken) > t.cfg.Limits.BarrierAge || t.otherRules() != ""
}

// chunk is one transaction of a run. It is its own ledger on top of the instance's: what it has decided, nobody else knows yet.
type chunk struct {
	task    *watchTask
	day     watch.Day
	batch   *state.Batch
	notices []watch.Notice
	counts  map[watch.Count]int
	ids     map[journal.Ref]watch.Decision
	marks   map[journal.Ref]bool
	at      time.Time      // when it was decided, by the clock in use
	records []event.Record // what the notices write
	rest    []byte         // the timeline entry of which only a part was decided
}

// judge decides for one identity; false ends the chunk.
func (c *chunk) judge(e *dueEntry) bool {
	j := c.task.cfg.Watch.Judge(e.rows, e.told, c.day, c)
	return c.take(e.key, &j)
}

// take adds a judgement to the chunk; false ends it. Of many more notices than a transaction should hold it takes a part, and
// leaves the entry: judged anew in the next chunk, the identity is owed what the ledger does not have then.
func (c *chunk) take(key []byte, j *watch.Judgement) bool {
	const judged = 4 // chunks in one transaction: each judges all of the identity again
	most := judged * c.task.cfg.Limits.ChunkNotices
	whole := len(j.Notices) <= most
	if !whole {
		part := j.Part(most)
		j, c.rest = &part, append([]byte(nil), key...)
	}
	for i := range j.Notices {
		n := &j.Notices[i]
		c.ids[n.ID] = watch.Decision{Emitted: n.Reason == "", Reason: n.Reason, Address: n.To.Address}
		if n.Reason == "" {
			c.marks[n.Mark] = true
		}
	}
	c.notices = append(c.notices, j.Notices...)
	for i := range j.Counts {
		c.counts[j.Counts[i]]++
	}
	if whole {
		c.batch.Delete(key)
		if j.Next != 0 {
			c.batch.Set(timelineKey(j.Next, identityOf(key)), j.Told)
		}
	}
	return whole && len(c.notices) < c.task.cfg.Limits.ChunkNotices
}

// Decided implements watch.Ledger.
func (c *chunk) Decided(id journal.Ref) watch.Decision {
	if d, ok := c.ids[id]; ok {
		return d
	}
	return c.task.ledger.Decided(id)
}

// EmittedTo implements watch.Ledger.
func (c *chunk) EmittedTo(mark journal.Ref) bool {
	return c.marks[mark] || c.task.ledger.EmittedTo(mark)
}

// maybe is false for an id or mark of which neither the chunk nor the ledger knows anything.
func (c *chunk) maybe(ref journal.Ref) bool {
	_, decided := c.ids[ref]
	return decided || c.marks[ref] || c.task.ledger.known.maybe(ref)
}

// commit writes the chunk and returns the offset of the run's record.
func (c *chunk) commit(ctx context.Context, v *RunRecord) (int64, error) {
	t := c.task
	c.at = t.cfg.Clock.Now()
	c.records = t.cfg.Watch.Records(c.notices, t.run.date, c.at)
	records := append(c.records, runMessage(t.cfg, t.run.date, v))
	offsets, err := t.writer.Commit(ctx, records, func() error {
		if t.over() {
			return errRunOver
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return offsets[len(offsets)-1], nil
}

func sortedCounts(counts map[watch.Count]int) []RunCount {
	out := make([]RunCount, 0, len(counts))
	for c, n := range counts {
		out = append(out, RunCount{Count: c, Number: n})
	}
	sort.Slice(out, func(i, j int) bool { return countLess(&out[i].Count, &out[j].Count) })
	return out
}

func countLess(a, b *watch.Count) bool {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Threshold, b.Threshold),
		cmp.Compare(a.Decision, b.Decision), cmp.Compare(a.Reason, b.Reason)) < 0
}
