package processor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/state"
)

// former is what the live generation knows of the rows, for the one that is made from the sources: since when the facts
// hold, which compacted sources do not tell any more. It has a store of its own, which goes when the new one is live.
type former struct {
	cfg        *Config
	generation int
	dir        string
	store      *state.Store
	sources    map[uint32]bool
	taken      atomic.Int64 // effective times taken over
}

// Key prefixes of the former store.
const (
	formerRow      = 'f' // f source[4] row → source offset[8] facts[8] effective[8]
	formerPosition = 'j' // j partition[4] → journal offset read up to[8]
)

func openFormer(cfg *Config, generation int, journalID string) (*former, error) {
	f := &former{cfg: cfg, generation: generation, dir: cfg.storeDir("former", cfg.Generation), sources: map[uint32]bool{}}
	for i := range cfg.Sources {
		f.sources[cfg.Sources[i].ID] = true
	}
	var err error
	f.store, err = openStore(cfg, f.dir, state.Stamp{stampReference: cfg.Watch.ReferenceKeyID, stampJournal: journalID})
	return f, err
}

// read takes in the former journal up to its present end. It goes on where an attempt before was stopped.
func (f *former) read(ctx context.Context, progress *Progress) error {
	spans, err := f.cfg.Log.Spans(ctx, JournalTopic(f.cfg.Prefix, f.generation))
	if err != nil {
		return err
	}
	from := map[event.TopicPartition]int64{}
	for tp, span := range spans {
		at, err := f.position(tp.Partition)
		if err != nil {
			return err
		}
		from[tp] = max(at, span.Start)
		progress.expect(span.End - from[tp])
	}
	reader, err := f.cfg.Log.Read(ctx, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	for !reached(from, spans) {
		if err := f.step(ctx, reader, from, progress); err != nil {
			return err
		}
	}
	return nil
}

func (f *former) position(partition int32) (int64, error) {
	v, found, err := f.store.Get(formerPositionKey(partition))
	if err != nil || !found || len(v) != 8 {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func formerPositionKey(partition int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{formerPosition}, uint32(partition))
}

// step reads on, and moves the positions in at.
func (f *former) step(ctx context.Context, reader event.Reader, at map[event.TopicPartition]int64, progress *Progress) error {
	records, err := reader.Poll(ctx, f.cfg.Limits.BatchRecords, 100*time.Millisecond)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("reading the journal of generation %d: %w", f.generation, err)
	}
	rows := map[string][]byte{}
	for i := range records {
		rec := &records[i]
		err := f.take(rows, rec)
		if errors.Is(err, journal.ErrFormat) { // often the very reason for a new generation
			f.cfg.Logger.Warn("journal record of the former generation cannot be read: its row's effective time is made anew",
				"topic", rec.Topic, "partition", rec.Partition, "offset", rec.Offset, "error", err)
		} else if err != nil {
			return fmt.Errorf("reading %s/%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
		}
	}
	b := f.store.Batch()
	for key, value := range rows {
		b.Set([]byte(key), value)
	}
	for tp := range at {
		now := reader.Position(tp)
		progress.add(now - at[tp])
		at[tp] = now
		b.Set(formerPositionKey(tp.Partition), binary.BigEndian.AppendUint64(nil, uint64(now)))
	}
	alive(f.cfg, b)
	if err := b.Commit(); err != nil {
		return err
	}
	return f.store.Maintain(f.cfg.Clock.Real(), f.cfg.Limits.FlushEvery)
}

// take keeps of each row what its newest record says. A row that moved stands in several partitions, which come in any
// order: the highest source offset is the newest.
func (f *former) take(rows map[string][]byte, r *event.Record) error {
	if r.Control {
		return nil
	}
	key, err := journal.ParseKey(r.Key)
	if err != nil || key.Control || key.Watermark || key.Row.Kind != journal.Facts || !f.sources[key.Row.Source] {
		return err
	}
	m, err := formerMeta(r)
	if err != nil || m.Content == 0 && !m.Deleted {
		return err
	}
	k := formerKey(key.Row.Source, key.Row.Row)
	old, found := rows[string(k)]
	if !found {
		if old, found, err = f.store.Get(k); err != nil {
			return err
		}
	}
	if found && len(old) == 24 && int64(binary.BigEndian.Uint64(old)) > m.Offset {
		return nil
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(m.Offset))
	rows[string(k)] = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, m.Facts), uint64(m.Effective))
	return nil
}

// formerMeta is what the record says of its row; of one that was deleted no facts.
func formerMeta(r *event.Record) (journal.Meta, error) {
	if r.Value == nil {
		m, err := journal.DecodeMeta(r.HeaderValue(journal.Header))
		if !m.Deleted {
			m.Content = 0 // a retraction: the row stands elsewhere
		}
		return m, err
	}
	v, err := journal.DecodeValue(r.Value)
	if err != nil {
		return journal.Meta{}, err
	}
	return *v.Meta(), nil
}

func formerKey(source uint32, row string) []byte {
	return append(binary.BigEndian.AppendUint32(append(make([]byte, 0, 5+len(row)), formerRow), source), row...)
}

// of returns since when facts hold that the rows of a source still have (same says so of their hash), as far as they are known from a
// record beyond a source offset: where the new generation has seen the row deleted, what was known before is over (I29). A store that
// cannot be read must not look like a row that nobody knew: its facts would count from another time.
func (f *former) of(source uint32) func(row string, same func(facts uint64) bool, beyond int64) (effective int64, ok bool) {
	return func(row string, same func(uint64) bool, beyond int64) (int64, bool) {
		v, found, err := f.store.Get(formerKey(source, row))
		if err != nil {
			panic(fmt.Sprintf("reading what the former generation knew: %v", err))
		}
		if !found || len(v) != 24 || !same(binary.BigEndian.Uint64(v[8:])) || int64(binary.BigEndian.Uint64(v)) <= beyond {
			return 0, false
		}
		f.taken.Add(1)
		return int64(binary.BigEndian.Uint64(v[16:])), true
	}
}

func (f *former) close() error {
	if f == nil || f.store == nil {
		return nil
	}
	return f.store.Close()
}

// drop closes the store and deletes it.
func (f *former) drop() error {
	if f == nil {
		return nil
	}
	return errors.Join(f.close(), state.Remove(f.dir, f.cfg.Shared))
}
