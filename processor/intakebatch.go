package processor

import (
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
)

// intakeBatch is what one transaction will hold.
type intakeBatch struct {
	began   time.Time // by the clock in use
	records []event.Record
	rows    []batchRow     // in the order in which they came: nearly that of the keys
	at      map[string]int // name → index of rows
	// truncate is the last record taken, where it empties the table.
	truncate *intake.Input
}

type batchRow struct {
	name string
	row  *intake.Row
}

// begin makes the task's batch an empty one. Of the former one, which held names and addresses, nothing is left.
func (t *intakeTask) begin() *intakeBatch {
	b := &t.batch
	clear(b.records)
	clear(b.rows)
	clear(b.at)
	*b = intakeBatch{began: t.cfg.Clock.Now(), records: b.records[:0], rows: b.rows[:0], at: b.at}
	if b.at == nil {
		b.at = map[string]int{}
	}
	return b
}

// keep takes a row's new state into the batch.
func (t *intakeTask) keep(b *intakeBatch, name string, old, row *intake.Row) {
	t.held += heldNow(row) - heldNow(old)
	if i, ok := b.at[name]; ok {
		b.rows[i].row = row
		return
	}
	b.at[name] = len(b.rows)
	b.rows = append(b.rows, batchRow{name, row})
}

// row returns what is known of a row: from this batch, else from the store, to which goes first what waits.
func (t *intakeTask) row(b *intakeBatch, name string, met bool) (*intake.Row, error) {
	if name == "" || !met {
		return nil, nil
	}
	if i, ok := b.at[name]; ok {
		return b.rows[i].row, nil
	}
	if t.load != nil {
		if t.load.waits(name) {
			if err := t.settle(); err != nil {
				return nil, err
			}
		}
		return t.load.row(t.store, name)
	}
	v, found, err := t.store.Get(rowStoreKey(name))
	if err != nil || !found {
		return nil, err
	}
	return intake.DecodeRow(v)
}

// heldNow is 1 for a row that is held.
func heldNow(r *intake.Row) int64 {
	if r != nil && r.Hold != journal.HoldNone {
		return 1
	}
	return 0
}
