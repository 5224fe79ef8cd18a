package processor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// watchTask owns one journal partition: it applies what intake wrote, and fires the partition's part of the daily run.
// Its goroutine owns everything here; ledger and runs are the instance's.
type watchTask struct {
	cfg    *Config
	tp     event.TopicPartition
	store  *state.Store
	writer event.Writer
	reader event.Reader
	ledger *Ledger
	runs   *Runs

	position int64
	marks    map[event.TopicPartition]journal.Watermark // by source partition
	sources  map[uint32]string                          // source id → topic
	control  *journal.Control
	own      RunRules       // of this instance
	starting *clockQuestion // nil once the clock was looked at
	cursor   event.Date     // the last day whose entries were all judged in this store
	bulk     bool           // this store's first fill
	rules    string         // hash of the rules that the timeline was made for
	poison   int64          // offset of a record that cannot be read, -1 for none
	run      run
	applied  int
	batch    *state.Batch    // what was applied and is not in the store yet
	begun    time.Time       // real time of its first record
	heard    time.Time       // real time of the last record
	fed      time.Time       // real time of the last row
	delays   []time.Duration // of the poll under way, for the observer
	key      []byte          // of the write under way
	glance   *journal.Glance
	// restoring: others of the instance do; a store that is filled is brought into order after them.
	restoring func() bool
}

// Limits while a store is filled: how many writes a batch holds, for how long it waits for them, for how long without a row
// (watermarks go on coming), and after how long without any record the store is brought into order.
const (
	fillWrites = 50_000
	fillWait   = 2 * time.Second
	fillPause  = 100 * time.Millisecond
	fillIdle   = 5 * time.Second
)

// Key prefixes of the watch store.
const (
	watchPeople   = 'p' // p bare row key → journal value
	watchTimeline = 't' // t day[4] fingerprint[16] list[1] → watch.Told
	watchMark     = 'w' // w source[4] partition[4] → watermark
	watchPosition = 'o' // o → offset[8]
	watchCursor   = 'c' // c → day[4]
	watchBulk     = 'b' // b → nothing; absent once the first fill is over
	watchRules    = 'h' // h → hash of the rules
	watchControl  = 'k' // k → control record
	watchPoison   = 'x' // x → offset[8] of a record that cannot be read
)

// beforeAllDays is the cursor of a new store.
const beforeAllDays event.Date = -1 << 30

func newWatchTask(cfg *Config, partition int32, ledger *Ledger, runs *Runs) *watchTask {
	t := &watchTask{cfg: cfg, tp: event.TopicPartition{Topic: cfg.journal(), Partition: partition}, ledger: ledger, runs: runs,
		own: cfg.ownRules(), glance: journal.NewGlance(), restoring: func() bool { return false },
		marks: map[event.TopicPartition]journal.Watermark{}, sources: map[uint32]string{}, cursor: beforeAllDays, poison: -1}
	for _, topic := range cfg.inputs() {
		if s, ok := cfg.source(topic); ok {
			t.sources[s.ID] = topic
		}
	}
	return t
}

// start fences the former owner before the first read, applies the journal to its end, and writes
// what the partition is worked on with.
func (t *watchTask) start(ctx context.Context, journalID string, progress *Progress) error {
	var err error
	if t.writer, err = t.cfg.Log.Fence(ctx, t.cfg.watchID(t.tp.Partition)); err != nil {
		return fmt.Errorf("fencing watch of partition %d: %w", t.tp.Partition, err)
	}
	// After the fence, before anything is read or written: a journal made anew must not take in what goes on from the former.
	if err := t.cfg.sameIDs(ctx, t.tp.Topic, t.cfg.notifications()); err != nil {
		return err
	}
	if err := t.open(journalID); err != nil {
		return err
	}
	if err := t.runs.await(ctx); err != nil {
		return err
	}
	if err := t.restore(ctx, progress); err != nil {
		return err
	}
	return t.agree(ctx)
}

func (t *watchTask) open(journalID string) (err error) {
	dir := t.cfg.storeDir("watch", t.cfg.Generation, t.tp.Partition)
	if t.store, err = openStore(t.cfg, dir, t.cfg.stamp(journalID)); err != nil {
		return err
	}
	if err := t.load(); err != nil {
		return err
	}
	t.heard = t.cfg.Clock.Real()
	if t.bulk {
		t.store.Fill()
	}
	return nil
}

// restore applies the journal to its present end.
func (t *watchTask) restore(ctx context.Context, progress *Progress) error {
	spans, err := t.cfg.Log.Spans(ctx, t.tp.Topic)
	if err != nil {
		return err
	}
	end := spans[t.tp].End
	progress.expect(end - t.position)
	t.reader, err = t.cfg.Log.Read(ctx, map[event.TopicPartition]int64{t.tp: max(t.position, spans[t.tp].Start)})
	if err != nil {
		return err
	}
	for t.reader.Position(t.tp) < end {
		before := t.position
		if err := errors.Join(t.apply(ctx, 100*time.Millisecond), ctx.Err()); err != nil {
			return err
		}
		progress.add(t.position - before)
	}
	return t.settle()
}

func (t *watchTask) load() error {
	if v, found, err := t.store.Get([]byte{watchPosition}); err != nil {
		return err
	} else if found {
		t.position = int64(binary.BigEndian.Uint64(v))
	}
	if v, found, err := t.store.Get([]byte{watchCursor}); err != nil {
		return err
	} else if found {
		t.cursor = event.Date(int32(binary.BigEndian.Uint32(v)))
	}
	if v, found, err := t.store.Get([]byte{watchPoison}); err != nil {
		return err
	} else if found {
		t.poison = int64(binary.BigEndian.Uint64(v))
	}
	v, found, err := t.store.Get([]byte{watchRules})
	if err != nil {
		return err
	}
	if !found {
		return t.initialise()
	}
	t.rules = string(v)
	if t.bulk, err = t.store.Has([]byte{watchBulk}); err != nil {
		return err
	}
	cur, err := t.store.Cursor([]byte{watchMark}, []byte{watchMark + 1})
	if err != nil {
		return err
	}
	for ok := cur.Seek([]byte{watchMark}); ok; ok = cur.Next() {
		if err := t.mark(cur.Key()[1:], cur.Value()); err != nil {
			return errors.Join(err, cur.Close())
		}
	}
	if v, found, err := t.store.Get([]byte{watchControl}); err != nil {
		return errors.Join(err, cur.Close())
	} else if found {
		t.control = &journal.Control{}
		if err := errors.Join(json.Unmarshal(v, t.control), checkControl(t.cfg, v)); err != nil {
			return errors.Join(err, cur.Close())
		}
	}
	return cur.Close()
}

// initialise begins a new store: a bulk load under today's rules.
func (t *watchTask) initialise() error {
	day, _ := t.cfg.today()
	t.bulk, t.rules = true, t.cfg.rulesHash(day)
	b := t.store.Batch()
	b.Set([]byte{watchBulk}, nil)
	b.Set([]byte{watchRules}, []byte(t.rules))
	return b.Commit()
}

// mark takes in a watermark; key is source[4] partition[4].
func (t *watchTask) mark(key, value []byte) error {
	w, err := journal.DecodeWatermark(value)
	if err != nil {
		return err
	}
	topic, ok := t.sources[binary.BigEndian.Uint32(key)]
	if ok {
		t.marks[event.TopicPartition{Topic: topic, Partition: int32(binary.BigEndian.Uint32(key[4:]))}] = w
	}
	return nil
}

// step applies what is there, waiting up to wait, and takes the day's run one step further.
func (t *watchTask) step(ctx context.Context, wait time.Duration) error {
	if t.run.busy() {
		wait = min(wait, t.run.wait(t.cfg.Clock.Real()))
	}
	if err := t.apply(ctx, wait); err != nil {
		return err
	}
	if err := t.startingClock(); err != nil {
		return err
	}
	if !t.cfg.rebuilding {
		if err := t.advance(ctx); err != nil {
			return err
		}
	}
	return t.store.Maintain(t.cfg.Clock.Real(), t.cfg.Limits.FlushEvery)
}

// apply takes journal records into the store. It never reads a row: see package watch.
func (t *watchTask) apply(ctx context.Context, wait time.Duration) error {
	records, err := t.reader.Poll(ctx, t.cfg.Limits.BatchRecords, wait)
	if err != nil {
		return fmt.Errorf("reading %s/%d: %w", t.tp.Topic, t.tp.Partition, err)
	}
	t.applied = len(records)
	position := t.reader.Position(t.tp)
	now := t.cfg.Clock.Real()
	if position == t.position && len(records) == 0 {
		if err := t.settle(); err != nil || !t.bulk || now.Sub(t.heard) < fillIdle || t.restoring() {
			return err
		}
		return t.store.Compact(ctx)
	}
	t.heard = now
	today, _ := t.cfg.today()
	at := watch.Applied{Today: today, Floor: max(today, t.cursor+1), Bulk: t.bulk}
	if t.run.closed() {
		at.Floor = max(at.Floor, t.run.date+1)
	}
	t.delays = t.delays[:0]
	if t.batch == nil {
		t.batch, t.begun = t.newBatch(), now
	}
	for i := range records {
		if records[i].Control {
			continue
		}
		if err := t.applyRecord(t.batch, &records[i], at, now); err != nil {
			var refused *Refused
			if errors.As(err, &refused) {
				return err
			}
			t.poisoned(t.batch, &records[i], err)
		}
	}
	t.position = position
	t.cfg.observe(AppliedRows{Partition: t.tp.Partition, Records: len(records), Delays: t.delays})
	if t.bulk && t.batch.Len() < fillWrites && now.Sub(t.begun) < fillWait && now.Sub(t.fed) < fillPause {
		return nil
	}
	return t.settle()
}

// newBatch is for one poll's records, or for those of many while the store is filled for the first time: tens of thousands of
// random keys in their order go into memory several times as fast as a thousand at a time.
func (t *watchTask) newBatch() *state.Batch {
	if t.bulk {
		return t.store.SortedBatch()
	}
	return t.store.Batch()
}

// settle brings the store to what was applied. No run looks at it before: see work.
func (t *watchTask) settle() error {
	b := t.batch
	if b == nil {
		return nil
	}
	t.batch = nil
	b.Set([]byte{watchPosition}, binary.BigEndian.AppendUint64(nil, uint64(t.position)))
	alive(t.cfg, b)
	return b.Commit()
}

// poisoned stops the partition from firing: what the record said is not known, so any notice could be wrong.
func (t *watchTask) poisoned(b *state.Batch, r *event.Record, err error) {
	if t.poison < 0 {
		t.poison = r.Offset
		b.Set([]byte{watchPoison}, binary.BigEndian.AppendUint64(nil, uint64(r.Offset)))
	}
	t.cfg.Logger.Error("journal record cannot be read: this partition does not fire; make a new generation (lejarat rebuild --from-sources)",
		"topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
}

func (t *watchTask) applyRecord(b *state.Batch, r *event.Record, at watch.Applied, now time.Time) error {
	if _, _, ok := journal.RowOf(r.Key); ok {
		return t.applyRow(b, r, at, now)
	}
	key, err := journal.ParseKey(r.Key)
	switch {
	case err != nil:
		return err
	case key.Control:
		return t.applyControl(b, r.Value)
	}
	if err := t.mark(r.Key[1:], r.Value); err != nil {
		return err
	}
	b.Set(append([]byte{watchMark}, r.Key[1:]...), r.Value)
	return nil
}

// applyRow takes in a row's facts or hold, or the retraction of either.
func (t *watchTask) applyRow(b *state.Batch, r *event.Record, at watch.Applied, now time.Time) error {
	t.fed = now
	bare := r.Key[1:]
	t.run.kept.touch(bare)
	var value *journal.Value
	t.key = append(append(t.key[:0], watchPeople), bare...)
	if r.Value == nil {
		if _, err := journal.DecodeMeta(r.HeaderValue(journal.Header)); err != nil {
			return err
		}
		b.Delete(t.key)
	} else {
		v, err := t.glance.Decode(r.Value)
		if err != nil {
			return err
		}
		value = &v
		if committed := v.Meta().Committed; committed != 0 {
			t.delays = append(t.delays, now.Sub(time.UnixMilli(committed)))
		}
		b.Set(t.key, r.Value)
	}
	var days [3]event.Date
	for _, day := range t.cfg.Watch.Days(days[:0], value, at) {
		t.key = appendTimelineKey(t.key[:0], day, bare)
		b.Set(t.key, nil)
	}
	return nil
}

func (t *watchTask) applyControl(b *state.Batch, value []byte) error {
	if err := checkControl(t.cfg, value); err != nil {
		return err
	}
	var c journal.Control
	if err := json.Unmarshal(value, &c); err != nil {
		return fmt.Errorf("reading the control record: %w", journal.ErrFormat)
	}
	t.control = &c
	b.Set([]byte{watchControl}, value)
	return nil
}

// timelineKey is the entry that makes the identity of a bare row key be looked at on a day.
func timelineKey(day event.Date, bare []byte) []byte {
	return appendTimelineKey(make([]byte, 0, 5+identityBytes), day, bare)
}

func appendTimelineKey(b []byte, day event.Date, bare []byte) []byte {
	return append(appendTimelineDay(b, day), bare[:identityBytes]...)
}

// identityBytes is the length of fingerprint and list, the head of a bare row key; timelineBytes that of a timeline's key.
const (
	identityBytes = 17
	timelineBytes = 1 + 4 + identityBytes
)

// identityOf is fingerprint and list of a timeline's key.
func identityOf(key []byte) []byte { return key[timelineBytes-identityBytes:] }

// timelineDay is the prefix of a day; days before 1970 sort first.
func timelineDay(day event.Date) []byte {
	return appendTimelineDay(make([]byte, 0, 5+identityBytes), day)
}

func appendTimelineDay(b []byte, day event.Date) []byte {
	return binary.BigEndian.AppendUint32(append(b, watchTimeline), uint32(day)^1<<31)
}

func (t *watchTask) close() error {
	if t.reader != nil {
		t.reader.Close()
	}
	if t.writer != nil {
		t.writer.Close()
	}
	if t.batch != nil {
		t.batch.Discard() // it is read again
	}
	if t.store != nil {
		return t.store.Close()
	}
	return nil
}
