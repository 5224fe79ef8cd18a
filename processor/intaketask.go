package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/state"
)

// intakeTask owns one source partition: it reads it, and writes what intake.Core makes of it to the journal, each
// transaction with the position behind it. Its goroutine owns everything here.
type intakeTask struct {
	cfg    *Config
	src    *Source
	tp     event.TopicPartition
	core   intake.Core
	store  *state.Store
	dec    Decoder
	writer event.Writer
	reader event.Reader

	partitions int32 // of the source topic
	journalAt  []int64
	mark       journal.Watermark
	markAt     time.Time // real time of the last watermark to all partitions
	marked     journal.Watermark
	lastCommit time.Time
	rejects    rejectShare
	held       int64       // rows held
	urgent     func() bool // a run is due, or about to be
	crowded    func() bool // others load: what they write is read by a restart of this one, back to its last watermark
	taken      map[intake.Verdict]int
	loading    bool       // the last poll brought as much as one takes
	load       *firstLoad // nil after it
	loadEnds   int64      // source offset at which it is over
	batch      intakeBatch
	names      []rowName // of the records that are taken next
	key, value []byte    // of one row, on its way into the store
}

func newIntakeTask(cfg *Config, tp event.TopicPartition, partitions int32, urgent func() bool) (*intakeTask, error) {
	src, ok := cfg.source(tp.Topic)
	if !ok {
		return nil, fmt.Errorf("topic %s is not a configured source", tp.Topic)
	}
	t := &intakeTask{cfg: cfg, src: src, tp: tp, core: cfg.Intake, partitions: partitions, urgent: urgent, crowded: func() bool { return false },
		journalAt: make([]int64, cfg.Partitions)}
	t.core.Source = src.Source
	t.core.Partitions, t.core.Generation = cfg.Partitions, cfg.Generation
	t.core.Journal, t.core.Suppressions, t.core.Rejects = cfg.journal(), cfg.topic("suppressions"), cfg.topic("rejects")
	t.rejects.share = src.MaxRejectShare
	if cfg.former != nil {
		t.core.Former = cfg.former.of(src.ID)
	}
	var err error
	if t.dec, err = src.NewDecoder(); err != nil {
		return nil, err
	}
	return t, nil
}

// start fences the former owner and opens the store; restoreIntake then brings the store up to the journal.
func (t *intakeTask) start(ctx context.Context, journalID string) error {
	var err error
	if t.writer, err = t.cfg.Log.Fence(ctx, t.cfg.intakeID(t.tp)); err != nil {
		return fmt.Errorf("fencing intake of %s/%d: %w", t.tp.Topic, t.tp.Partition, err)
	}
	if err := t.cfg.sameIDs(ctx, t.tp.Topic, t.cfg.journal()); err != nil {
		return err
	}
	return t.open(journalID)
}

func (t *intakeTask) open(journalID string) (err error) {
	dir := t.cfg.storeDir("intake", t.cfg.Generation, fmt.Sprintf("%08x", t.src.ID), t.tp.Partition)
	if t.store, err = openStore(t.cfg, dir, t.cfg.stamp(journalID)); err != nil {
		return err
	}
	return t.loadPositions()
}

// follow opens the source where the journal says that it goes on.
func (t *intakeTask) follow(ctx context.Context) error {
	spans, err := t.cfg.Log.Spans(ctx, t.tp.Topic)
	if err != nil {
		return err
	}
	span := spans[t.tp]
	switch known := t.mark.Next > 0; {
	case t.mark.Next < span.Start || t.mark.Next > span.End:
		t.cfg.Logger.Error("source is held: records are missing from the topic; take a new complete snapshot",
			"topic", t.tp.Topic, "partition", t.tp.Partition, "position", t.mark.Next, "start", span.Start, "end", span.End, "first_start", !known)
		t.mark.Next, t.mark.Lost, t.mark.LostBy = span.Start, t.cfg.Clock.Real().UnixMilli(), journal.SourceGap
	case t.mark.Held == journal.SourceRejects && t.cfg.Started.UnixMilli() > t.mark.HeldAt:
		t.mark.Held = journal.SourceRuns // started after the stop: an operator's word that the source was mended
	}
	if err := t.expectRows(span.End - t.mark.Next); err != nil {
		return err
	}
	t.loadEnds = span.End
	t.marked = journal.Watermark{Next: -1} // the first watermark is written at once, also for an empty partition
	t.reader, err = t.cfg.Log.Read(ctx, map[event.TopicPartition]int64{t.tp: t.mark.Next})
	return err
}

// expectRows begins a first load of so many records, where the store holds no row. One that a restore has filled goes on
// with what was met there.
func (t *intakeTask) expectRows(records int64) error {
	cur, err := t.store.Cursor([]byte{intakeRow}, []byte{intakeRow + 1})
	if err != nil {
		return err
	}
	if !cur.Seek([]byte{intakeRow}) {
		t.load = newFirstLoad(records)
		t.store.Fill()
	}
	return cur.Close()
}

// step takes the records that there are, waiting for them up to wait, and commits what they do.
func (t *intakeTask) step(ctx context.Context, wait time.Duration) error {
	if t.mark.Held == journal.SourceRejects {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		return t.commit(ctx, &intakeBatch{})
	}
	records, err := t.reader.Poll(ctx, t.cfg.Limits.BatchRecords, wait)
	if err != nil {
		return fmt.Errorf("reading %s/%d: %w", t.tp.Topic, t.tp.Partition, err)
	}
	t.loading = len(records) >= t.cfg.Limits.BatchRecords/2
	t.taken = map[intake.Verdict]int{}
	b := t.begin()
	for i := range records {
		if i%together == 0 {
			t.nameRows(records[i:min(i+together, len(records))])
		}
		if err := t.take(b, &records[i], &t.names[i%together]); err != nil {
			return err
		}
		if b.truncate != nil {
			if err := t.truncate(ctx, b); err != nil {
				return err
			}
			b = t.begin()
		}
		if t.mark.Held == journal.SourceRejects {
			break
		}
	}
	if t.mark.Held != journal.SourceRejects {
		t.mark.Next = max(t.mark.Next, t.reader.Position(t.tp))
	}
	if err := t.commit(ctx, b); err != nil {
		return err
	}
	if t.mark.Next >= t.loadEnds {
		if err := t.loaded(); err != nil {
			return err
		}
	}
	if len(t.taken) > 0 {
		t.cfg.observe(Taken{Source: t.tp, Verdicts: t.taken})
	}
	return t.store.Maintain(t.cfg.Clock.Real(), t.cfg.Limits.FlushEvery)
}

// rowName is the row of a record.
type rowName struct {
	row, reason string // as Decoder.Row says
	met         bool   // false: nothing of it can stand in the store
}

// together is how many records have their rows named at once. Their values come from memory meanwhile, and are not yet gone from the
// caches when they are decoded.
const together = 64

// nameRows fills t.names for records.
func (t *intakeTask) nameRows(records []event.Record) {
	t.names = t.names[:0]
	touch(records)
	for i := range records {
		n := rowName{met: true}
		if !records[i].Control {
			n.row, n.reason = t.dec.Row(records[i].Key)
		}
		t.names = append(t.names, n)
	}
	t.load.meet(t.names)
}

// touch asks memory for all keys at once: each lies a value behind the last, and would be waited for by itself.
//
//go:noinline
func touch(records []event.Record) (sum byte) {
	for i := range records {
		if key := records[i].Key; len(key) > 0 {
			sum += key[0]
		}
	}
	return sum
}

// take applies one source record to the batch.
func (t *intakeTask) take(b *intakeBatch, r *event.Record, name *rowName) error {
	t.mark.Next = r.Offset + 1
	if r.Control {
		return nil
	}
	in := intake.Input{Record: r, Now: t.now(b, r)}
	var err error
	if in.Change, err = t.dec.DecodeRow(r, name.row, name.reason); err != nil {
		var bad *event.Reject
		if !errors.As(err, &bad) {
			return fmt.Errorf("decoding %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		in.Reject = bad
	}
	in.First = t.mark.SnapshotEnded == 0 && (in.Change.Snapshot == event.SnapshotRow || in.Change.Snapshot == event.SnapshotLast)
	t.see(&in, r)
	if t.src.Kind == intake.Heartbeats && in.Reject == nil {
		t.taken[intake.Ignored]++
		return nil
	}
	row := in.Change.Row
	if in.Reject != nil {
		row = in.Reject.Row
	}
	old, err := t.row(b, row, name.met)
	if err != nil {
		return err
	}
	out := t.core.Step(&in, old)
	t.taken[out.Verdict]++
	b.records = append(b.records, out.Records...)
	if out.Row != nil {
		t.keep(b, row, old, out.Row)
	}
	if out.Truncate {
		t.seeTruncate(b, &in)
	}
	if t.rejects.add(out.Verdict == intake.Rejected) {
		t.mark.Held, t.mark.HeldAt = journal.SourceRejects, t.cfg.Clock.Real().UnixMilli()
		t.cfg.Logger.Error("source stopped: too many of its records are rejected; where its mapping is wrong, mend it (sources, columns) and make a new generation (lejarat rebuild --from-sources), where the source was, restart",
			"topic", t.tp.Topic, "partition", t.tp.Partition, "offset", r.Offset)
	}
	return nil
}

// now is when the record counts as read. A machine whose clock is behind must not let a moved row take part too early: it
// was read no sooner than it was written.
func (t *intakeTask) now(b *intakeBatch, r *event.Record) time.Time {
	if !t.cfg.Virtual && r.Time.After(b.began) {
		return r.Time
	}
	return b.began
}

// Key prefixes of the intake store.
const (
	intakeRow      = 'r' // r row → intake.Row
	intakeJournal  = 'j' // j partition[4] → journal offset read up to[8]
	intakePosition = 'w' // w → Watermark of this source partition
	intakeHeld     = 'n' // n → number of rows held[8]
)

func rowStoreKey(row string) []byte { return append([]byte{intakeRow}, row...) }

// commit writes the batch in one transaction with the position, then brings the store after it. Without anything to
// write, a watermark goes out when one is due.
func (t *intakeTask) commit(ctx context.Context, b *intakeBatch) error {
	real := t.cfg.Clock.Real()
	due := t.watermarkDue(real)
	if len(b.records) == 0 && !due {
		return t.apply(b, nil, nil)
	}
	if err := t.pause(ctx, real); err != nil {
		return err
	}
	if due {
		for p := int32(0); p < t.cfg.Partitions; p++ {
			b.records = append(b.records, t.watermark(p))
		}
	} else {
		b.records = append(b.records, t.watermark(t.somePartition(b)))
	}
	offsets, err := t.writer.Commit(ctx, b.records, nil)
	if err != nil {
		return fmt.Errorf("writing the journal for %s/%d: %w", t.tp.Topic, t.tp.Partition, err)
	}
	t.lastCommit = t.cfg.Clock.Real()
	if due {
		t.marked, t.markAt = t.mark, real
	}
	return t.apply(b, b.records, offsets)
}

// pause keeps the distance between two transactions of one id: one begun right after the last waits inside the broker.
func (t *intakeTask) pause(ctx context.Context, real time.Time) error {
	if rest := t.cfg.Limits.CommitPause - real.Sub(t.lastCommit); rest > 0 {
		return sleep(ctx, rest)
	}
	return nil
}

// somePartition is a journal partition that the transaction touches anyway.
func (t *intakeTask) somePartition(b *intakeBatch) int32 {
	for i := range b.records {
		if b.records[i].Topic == t.core.Journal {
			return b.records[i].Partition
		}
	}
	return 0
}

func (t *intakeTask) watermark(partition int32) event.Record {
	return event.Record{Topic: t.core.Journal, Partition: partition,
		Key: journal.WatermarkKey(t.src.ID, t.tp.Partition), Value: t.mark.Encode()}
}

func (t *intakeTask) watermarkDue(real time.Time) bool {
	every := t.cfg.Limits.WatermarkIdle
	switch {
	case t.marked.Next < t.loadEnds && t.mark.Next >= t.loadEnds: // who waits for the load to be over waits for this
		return true
	case t.mark == t.marked && t.crowded():
		every = t.cfg.Limits.WatermarkLoad
	case t.mark == t.marked:
		every = t.cfg.Limits.WatermarkSame
	case t.urgent() || t.marked.Held != t.mark.Held || t.marked.Lost != t.mark.Lost || t.marked.Complete != t.mark.Complete:
		every = t.cfg.Limits.WatermarkBusy
	case t.loading:
		every = t.cfg.Limits.WatermarkLoad
	}
	return t.marked.Next < 0 || real.Sub(t.markAt) >= every
}

// apply brings the store to what was committed: rows, and how far each journal partition need not be read again.
func (t *intakeTask) apply(b *intakeBatch, records []event.Record, offsets []int64) error {
	if len(b.rows) == 0 && len(records) == 0 {
		return nil
	}
	for i := range records {
		if records[i].Topic == t.core.Journal {
			p := records[i].Partition
			t.journalAt[p] = max(t.journalAt[p], offsets[i]+1)
		}
	}
	return t.put(b)
}

// write puts the rows of b into a batch of the store.
func (t *intakeTask) write(batch *state.Batch, b *intakeBatch) {
	for i := range b.rows {
		t.key = append(append(t.key[:0], intakeRow), b.rows[i].name...)
		t.value = b.rows[i].row.Append(t.value[:0])
		batch.Set(t.key, t.value)
	}
}

func (t *intakeTask) close() error {
	if t.reader != nil {
		t.reader.Close()
	}
	if t.writer != nil {
		t.writer.Close()
	}
	err := t.load.close()
	if t.store != nil {
		err = errors.Join(err, t.store.Close())
	}
	return err
}

// sleep waits in real time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
