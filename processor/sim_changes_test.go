package processor

import (
	"fmt"
	"time"

	"lejarat/processor/event"
)

// fill writes the first snapshot of both registries.
func (w *simWorld) fill() {
	var rows []simRow
	for p := range w.names {
		for n := range w.size.documents.draw(w.rng) {
			rows = append(rows, w.newDocument(fmt.Sprintf("d%d%d", p, n), p))
		}
		for n := range w.size.registrations.draw(w.rng) {
			rows = append(rows, w.newRegistration(fmt.Sprintf("r%d%d", p, n), p))
		}
	}
	last := map[string]int{}
	for i := range rows {
		last[rows[i].table] = i
	}
	for i := range rows {
		c := w.change("upsert", rows[i])
		c.snapshot = "row"
		if last[rows[i].table] == i {
			c.snapshot = "last"
		}
		w.write(c)
	}
}

func (w *simWorld) newDocument(key string, person int) simRow {
	types := [...]string{"passport", "vehicle_inspection"}
	return simRow{table: "document", key: key, person: person, name: w.names[person], typ: types[w.rng.IntN(2)],
		valid: w.rng.IntN(6) > 0, expires: w.expiry()}
}

func (w *simWorld) newRegistration(key string, person int) simRow {
	return simRow{table: "registration", key: key, person: person, name: w.names[person], on: w.rng.IntN(5) > 0, email: w.email()}
}

// expiry is a date around which something comes due while the sim runs.
func (w *simWorld) expiry() event.Date { return w.day + event.Date(w.rng.IntN(w.size.expiry)) }

// email is one of few, so that people share addresses.
func (w *simWorld) email() string { return fmt.Sprintf("m%d@example.hu", w.rng.IntN(3)) }

// pick is a row of the table ("" for any), or nil.
func (w *simWorld) pick(table string, deleted bool) *simRow {
	var found []*simRow
	for _, id := range w.ids {
		if r := w.current(id); r.deleted == deleted && (table == "" || r.table == table) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[w.rng.IntN(len(found))]
}

// happen lets something happen in the registries, and says what.
func (w *simWorld) happen() string {
	among := 100
	if w.smooth {
		among = 74 // nothing that holds a run
	}
	switch n := w.rng.IntN(among); {
	case n < 12:
		return w.created()
	case n < 36:
		return w.edited()
	case n < 50:
		return w.touched()
	case n < 57:
		return w.deleted()
	case n < 67:
		return w.married()
	case n < 74:
		return w.corrected()
	case n < 86:
		return w.redelivered()
	case n < 92:
		return w.garbled()
	default:
		return w.snapshots()
	}
}

func (w *simWorld) created() string {
	if r := w.pick("", true); r != nil && w.rng.IntN(2) == 0 {
		next := *r
		next.name = w.names[r.person]
		w.write(w.change("upsert", next))
		return "made again: " + next.String()
	}
	p := w.rng.IntN(len(w.names))
	row := w.newDocument(fmt.Sprintf("d-%d", len(w.ids)), p)
	if w.rng.IntN(3) == 0 {
		row = w.newRegistration(fmt.Sprintf("r-%d", len(w.ids)), p)
	}
	w.write(w.change("upsert", row))
	return "new: " + row.String()
}

// signedUp: somebody registers, or switches the service on.
func (w *simWorld) signedUp() string {
	for _, id := range w.ids {
		if r := w.current(id); r.table == "registration" && !r.deleted && !r.on {
			next := *r
			next.on = true
			w.write(w.change("upsert", next))
			return "switched on: " + next.String()
		}
	}
	row := w.newRegistration(fmt.Sprintf("r-%d", len(w.ids)), w.rng.IntN(len(w.names)))
	row.on = true
	w.write(w.change("upsert", row))
	return "signed up: " + row.String()
}

// edited changes a fact of a row; now and then the connector writes it in a transaction that stays open.
func (w *simWorld) edited() string {
	r := w.pick("", false)
	if r == nil {
		return "nothing"
	}
	next := *r
	switch n := w.rng.IntN(3); {
	case next.table == "registration" && n == 0:
		next.email = w.email()
	case next.table == "registration":
		next.on = !next.on
	case n == 0:
		next.valid = !next.valid
	default:
		next.expires = w.expiry()
	}
	c := w.change("upsert", next)
	if !w.smooth && w.rng.IntN(3) == 0 {
		w.writeOpen(c)
		return "edited in an open transaction: " + next.String()
	}
	w.write(c)
	return "edited: " + next.String()
}

// touched writes a row as it is: something changed that does not matter here. Best a row that is held, which ends the hold.
func (w *simWorld) touched() string {
	r := w.pick("", false)
	for _, id := range w.ids {
		if o := w.current(id); o.held && !o.deleted && w.rng.IntN(4) > 0 {
			r = o
		}
	}
	if r == nil {
		return "nothing"
	}
	c := w.change("upsert", *r)
	w.write(c)
	return "as it was: " + c.row.String()
}

func (w *simWorld) deleted() string {
	r := w.pick("", false)
	if r == nil {
		return "nothing"
	}
	c := w.change("delete", *r)
	w.write(c)
	return "deleted: " + r.id()
}

// married gives a person another name, in both registries or, for the time being, in one.
func (w *simWorld) married() string {
	p := w.rng.IntN(len(w.names))
	w.names[p]++
	only := [...]string{"", "", "document", "registration"}[w.rng.IntN(4)]
	for _, id := range append([]string(nil), w.ids...) {
		if r := w.current(id); r.person == p && !r.deleted && (only == "" || r.table == only) {
			next := *r
			next.name = w.names[p]
			w.write(w.change("upsert", next))
		}
	}
	return fmt.Sprintf("%c has another name in %q", 'A'+p, only)
}

// corrected puts one row under the newest name of its person, or back under an older one.
func (w *simWorld) corrected() string {
	r := w.pick("", false)
	if r == nil {
		return "nothing"
	}
	next := *r
	next.name = w.rng.IntN(w.names[r.person] + 1)
	w.write(w.change("upsert", next))
	return "corrected: " + next.String()
}

// redelivered: a connector begins again at an older position, and comes as far as it comes.
func (w *simWorld) redelivered() string {
	id := w.pick("", w.rng.IntN(4) == 0)
	if id == nil {
		return "nothing"
	}
	tp := w.place(id)
	all := w.records[tp]
	from := max(0, len(all)-1-w.rng.IntN(6))
	to := len(all)
	if w.rng.IntN(3) == 0 {
		to = from + 1 + w.rng.IntN(len(all)-from)
	}
	for _, c := range append([]simChange(nil), all[from:to]...) {
		if c.snapshot == "" && c.op != "garbage" {
			w.write(c)
		}
	}
	return fmt.Sprintf("re-delivered: the last %d to %d records of %s/%d", len(all)-from, len(all)-to+1, tp.Topic, tp.Partition)
}

func (w *simWorld) garbled() string {
	r := w.pick("", false)
	if r == nil {
		return "nothing"
	}
	w.write(w.change("garbage", *r))
	return "unreadable: " + r.id()
}

// snapshots begins a snapshot of a table and leaves it there, or ends the one that was begun.
func (w *simWorld) snapshots() string {
	table := [...]string{"document", "registration"}[w.rng.IntN(2)]
	if !w.snapshot[simTopics[table]].IsZero() {
		return w.endSnapshot(table)
	}
	r := w.pick(table, false)
	if r == nil {
		return "nothing"
	}
	c := w.change("upsert", w.unseen(*r))
	c.snapshot = "row"
	w.write(c)
	return "a snapshot begins with " + c.row.String()
}

func (w *simWorld) endSnapshot(table string) string {
	r := w.pick(table, false)
	if r == nil {
		return "nothing"
	}
	c := w.change("upsert", w.unseen(*r))
	c.snapshot = "last"
	w.write(c)
	return "a snapshot ends with " + c.row.String()
}

// unseen is the row as a snapshot finds it: now and then changed while the connector had lost its position.
func (w *simWorld) unseen(r simRow) simRow {
	if w.rng.IntN(3) == 0 {
		r.name = w.rng.IntN(w.names[r.person] + 1)
	}
	if w.rng.IntN(3) == 0 {
		r.valid, r.on = !r.valid, !r.on
	}
	return r
}

// calm ends what would hold a run for ever.
func (w *simWorld) calm() {
	for _, tx := range w.log.Open() {
		w.log.End(tx, tx.ID == "connector" || w.rng.IntN(2) == 0)
	}
	for _, table := range []string{"document", "registration"} {
		if w.snapshot[simTopics[table]].IsZero() {
			continue
		}
		if w.pick(table, false) == nil {
			w.write(w.change("upsert", w.newDocumentOrRegistration(table)))
			continue
		}
		w.endSnapshot(table)
	}
}

func (w *simWorld) newDocumentOrRegistration(table string) simRow {
	if table == "document" {
		return w.newDocument(fmt.Sprintf("d-%d", len(w.ids)), 0)
	}
	return w.newRegistration(fmt.Sprintf("r-%d", len(w.ids)), 0)
}

// String describes a row in a trace.
func (r *simRow) String() string {
	who := fmt.Sprintf("%s of %c:%d", r.id(), 'A'+r.person, r.name)
	if r.table == "document" {
		return fmt.Sprintf("%s %s valid=%v expires=%s", who, r.typ, r.valid, r.expires)
	}
	return fmt.Sprintf("%s on=%v %s", who, r.on, r.email)
}

func clockText(t time.Time) string { return t.Format("01-02 15:04:05") }
