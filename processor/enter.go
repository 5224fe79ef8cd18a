package processor

import (
	"errors"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// enterOpen enters, after the rules changed, every document's open thresholds, in bounded steps. When it is done the
// store's first fill is over too: the barrier has been reached.
func (t *watchTask) enterOpen() error {
	hash := t.cfg.rulesHash(t.run.date)
	if hash == t.rules && !t.bulk {
		t.run.phase, t.run.scan = phaseGather, nil
		return nil
	}
	b := t.store.Batch()
	done := true
	if hash != t.rules {
		var err error
		if done, err = t.enterPeople(b); err != nil {
			b.Discard()
			return err
		}
	}
	if done {
		b.Set([]byte{watchRules}, []byte(hash))
		b.Delete([]byte{watchBulk})
	}
	if err := b.Commit(); err != nil {
		return err
	}
	if done {
		t.rules, t.bulk, t.run.phase, t.run.scan = hash, false, phaseGather, nil
	}
	return nil
}

// enterPeople makes the entries of one part of the people.
func (t *watchTask) enterPeople(b *state.Batch) (done bool, err error) {
	from := t.run.scan
	if from == nil {
		from = []byte{watchPeople}
	}
	cur, err := t.store.Cursor(from, []byte{watchPeople + 1})
	if err != nil {
		return false, err
	}
	at := watch.Applied{Today: t.run.date, Bulk: true}
	n := 0
	for ok := cur.Seek(from); ok; ok = cur.Next() {
		if n++; n > t.cfg.Limits.ChunkEntries {
			t.run.scan = append([]byte(nil), cur.Key()...)
			return false, cur.Close()
		}
		v, err := journal.DecodeValue(cur.Value())
		if err != nil {
			return false, errors.Join(err, cur.Close())
		}
		var days [3]event.Date
		for _, day := range t.cfg.Watch.Days(days[:0], &v, at) {
			// A day that this store has judged already is judged again in this run.
			if day <= t.cursor {
				day = t.run.date
			}
			b.Set(timelineKey(day, cur.Key()[1:]), nil)
		}
	}
	return true, cur.Close()
}
