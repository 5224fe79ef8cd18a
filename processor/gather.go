package processor

// gather enters under the run's date what stands under earlier days: after missed days, or in a new store, one identity
// has entries on several. Under one day it has one entry, so the run counts and judges each identity once. It works in
// bounded steps; an entry stands under one day or the other at any moment, so a crash in between loses none.
func (t *watchTask) gather() (done bool, err error) {
	from := t.run.scan
	if from == nil {
		from = timelineDay(t.cursor + 1)
	}
	today := timelineDay(t.run.date)
	cur, err := t.store.Cursor(from, today)
	if err != nil {
		return false, err
	}
	b := t.store.Batch()
	t.run.scan = nil
	n := 0
	for ok := cur.Seek(from); ok; ok = cur.Next() {
		if n++; n > t.cfg.Limits.ChunkEntries {
			t.run.scan = append([]byte(nil), cur.Key()...)
			break
		}
		b.Set(timelineKey(t.run.date, identityOf(cur.Key())), cur.Value())
		b.Delete(cur.Key())
	}
	if err := cur.Close(); err != nil {
		b.Discard()
		return false, err
	}
	return t.run.scan == nil, b.Commit()
}
