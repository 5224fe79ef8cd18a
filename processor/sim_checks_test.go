package processor

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// simRun is a partition's run of a date.
type simRun struct {
	date       event.Date
	generation int
	partition  int32
}

// simSource is a source partition as a journal knows it.
type simSource struct {
	journal string
	event.TopicPartition
}

// simChecks looks at every transaction when it is committed: one function a guarantee.
type simChecks struct {
	s        *sim
	emitted  map[string]simNotice // notification id → what it was
	ids      map[string]string    // simNotice.id → the address
	marks    map[string]bool      // simNotice.mark
	shared   map[string]string    // simNotice.id → the address at which another registration was told, while it stays
	skipped  map[string]bool      // simNotice.id of what an operator skipped
	mailed   map[string]bool
	byDate   map[event.Date][]simNotice
	runs     map[simRun]RunRecord
	sent     map[simRun]int // notices emitted
	complete map[simRun]bool
	next     map[simSource]int64  // newest position in the journal
	asked    map[string]time.Time // transactional id → when the end of its transaction was asked for
	names    map[string]string    // reference → row or address
	troubled int                  // notices sent while things went wrong
	passedOn int                  // ids that timelines name as emitted
	live     int                  // the generation that was made live by a rebuild
	controls map[int32]bool       // journal partitions that have a control record
}

func newSimChecks(s *sim) simChecks {
	return simChecks{s: s, emitted: map[string]simNotice{}, ids: map[string]string{}, marks: map[string]bool{}, shared: map[string]string{}, skipped: map[string]bool{}, mailed: map[string]bool{},
		byDate: map[event.Date][]simNotice{}, runs: map[simRun]RunRecord{}, sent: map[simRun]int{}, complete: map[simRun]bool{},
		next: map[simSource]int64{}, asked: map[string]time.Time{}, names: map[string]string{}, controls: map[int32]bool{}}
}

// committed is the model's hook.
func (c *simChecks) committed(id string, records []event.Record) {
	var notices []event.Notice
	mails := map[string]int{}
	var runs []RunRecord
	for i := range records {
		r := &records[i]
		switch r.Topic {
		case c.s.cfg.notifications():
			notices = append(notices, decodeSim[event.Notice](c.s, r))
		case c.s.cfg.topic("mail-sink"):
			mails[decodeSim[event.Mail](c.s, r).ID]++
		case c.s.cfg.runs():
			if v := decodeSim[RunRecord](c.s, r); v.RunDate != "" { // else what the instances agree on
				runs = append(runs, v)
			}
		case c.s.cfg.journal():
			c.journalInOrder(id, r)
		}
	}
	if len(runs) == 0 {
		return
	}
	c.exactlyOnce(id, notices, mails)
	run := &runs[len(runs)-1]
	c.dateNotOutlived(id, notices, run)
	date, err := event.ParseDate(run.RunDate)
	c.s.check(err)
	for i := range notices {
		if notices[i].Decision == event.Emitted {
			c.sent[simRun{date, run.Generation, run.Partition}]++
		}
	}
	c.neverStale(id, notices)
	for i := range runs {
		c.runsGoForward(id, &runs[i])
	}
}

func decodeSim[T any](s *sim, r *event.Record) (v T) {
	if err := json.Unmarshal(r.Value, &v); err != nil {
		s.failf("%s: %v", r.Topic, err)
	}
	return v
}

// exactlyOnce: an id is emitted once, with its mail in the same transaction, nothing about it comes later, nor after an
// operator skipped it, and a person is told once at an address (SPEC 3.1, 1.2).
func (c *simChecks) exactlyOnce(id string, notices []event.Notice, mails map[string]int) {
	for i := range notices {
		n := &notices[i]
		what := c.name(n)
		if _, done := c.emitted[n.ID]; done {
			c.s.failf("exactly once: %s, %s by %s after it was emitted", what.id(), n.Decision, id)
		}
		if c.skipped[what.id()] {
			c.s.failf("exactly once: %s, %s by %s after an operator had skipped it", what.id(), n.Decision, id)
		}
		if n.Decision != event.Emitted {
			c.skipped[what.id()] = n.Reason != nil && *n.Reason == event.ReasonOperator
			delete(c.shared, what.id())
			if n.Reason != nil && *n.Reason == event.ReasonDuplicateAddress {
				c.shared[what.id()] = what.email
			}
			continue
		}
		if c.marks[what.mark()] {
			c.s.failf("exactly once: %s, a second mail to that person at that address, by %s", what.mark(), id)
		}
		if mails[n.ID] != 1 || c.mailed[n.ID] {
			c.s.failf("exactly once: %s has %d mails", what.id(), mails[n.ID])
		}
		delete(mails, n.ID)
		c.mailed[n.ID], c.emitted[n.ID], c.ids[what.id()], c.marks[what.mark()] = true, what, what.email, true
		if c.s.faults {
			c.troubled++
		}
		c.s.tracef("SENT by %s: %s, %s", id, what.id(), what.email)
		c.remember(n, what)
	}
	for other := range mails {
		c.s.failf("exactly once: a mail %s without its notification", other)
	}
}

func (c *simChecks) remember(n *event.Notice, what simNotice) {
	date, err := event.ParseDate(n.RunDate)
	c.s.check(err)
	c.byDate[date] = append(c.byDate[date], what)
}

// told says whether a notice was sent already, to this registration or to this address, or skipped by an operator.
func (c *simChecks) told(n simNotice) bool {
	return c.ids[n.id()] != "" || c.skipped[n.id()] || c.marks[n.mark()] || c.shared[n.id()] == n.email
}

// neverStale: see sim.stale (SPEC 3.2).
func (c *simChecks) neverStale(id string, notices []event.Notice) {
	for i := range notices {
		n := &notices[i]
		if n.Decision != event.Emitted {
			continue
		}
		date, err := event.ParseDate(n.RunDate)
		c.s.check(err)
		what := c.name(n)
		if why := c.s.stale(what, date, c.asked[id]); why != "" {
			c.s.failf("never stale: %s to %s by %s: %s", what.id(), what.email, id, why)
		}
	}
}

// dateNotOutlived: what a run writes is written on its date, after six (SPEC 3.2).
func (c *simChecks) dateNotOutlived(id string, notices []event.Notice, run *RunRecord) {
	at := c.asked[id]
	today := event.DateOf(at, c.s.cfg.Watch.Zone)
	for i := range notices {
		if notices[i].RunDate != today.String() || at.Before(today.At(6, 0, c.s.cfg.Watch.Zone)) {
			c.s.failf("date never outlived: a notice of %s by %s at %s", notices[i].RunDate, id, at)
		}
	}
	if run.State == RunComplete && run.RunDate != today.String() {
		c.s.failf("date never outlived: the run of %s is completed by %s at %s", run.RunDate, id, at)
	}
}

// runsGoForward: after complete nothing more is said of a date, figures never fall, and they are those of what was sent.
func (c *simChecks) runsGoForward(id string, v *RunRecord) {
	date, err := event.ParseDate(v.RunDate)
	c.s.check(err)
	k := simRun{date, v.Generation, v.Partition}
	if v.Generation < c.live {
		c.s.failf("one generation decides: %s writes a run after generation %d was made live", id, c.live)
	}
	if c.complete[k] {
		c.s.failf("runs go forward: %s/%d is %s after it was complete, by %s", v.RunDate, v.Partition, v.State, id)
	}
	was, now := total(c.runs[k].Counts), total(v.Counts)
	if now < was {
		c.s.failf("runs go forward: the figures of %s/%d fall from %d to %d, by %s", v.RunDate, v.Partition, was, now, id)
	}
	if sent := c.sent[k]; emittedOf(v.Counts) != sent {
		c.s.failf("runs go forward: %s/%d counts %d emitted, it was %d, by %s", v.RunDate, v.Partition, emittedOf(v.Counts), sent, id)
	}
	c.runs[k] = *v
	if v.State == RunComplete {
		c.complete[k] = true
		c.s.tracef("COMPLETE by %s: %s/%d", id, v.RunDate, v.Partition)
	}
}

func total(counts []RunCount) (n int) {
	for i := range counts {
		n += counts[i].Number
	}
	return n
}

func emittedOf(counts []RunCount) (n int) {
	for i := range counts {
		if counts[i].Decision == event.Emitted {
			n += counts[i].Number
		}
	}
	return n
}

var sourceTopics = map[uint32]string{journal.SourceID(documentTopic): documentTopic, journal.SourceID(registrationTopic): registrationTopic}

// journalInOrder: the position in the journal of a source partition never goes back, so no source record enters twice.
func (c *simChecks) journalInOrder(id string, r *event.Record) {
	key, err := journal.ParseKey(r.Key)
	c.s.check(err)
	if key.Control {
		c.controls[r.Partition] = true
	}
	if !key.Watermark {
		return
	}
	w, err := journal.DecodeWatermark(r.Value)
	c.s.check(err)
	tp := simSource{r.Topic, event.TopicPartition{Topic: sourceTopics[key.Source], Partition: key.Partition}}
	if w.Next < c.next[tp] {
		c.s.failf("journal in order: %s writes position %d after %d", id, w.Next, c.next[tp])
	}
	c.next[tp] = w.Next
}

// toldIsTrue: what a timeline says is emitted, of which the ledger is not asked, is emitted (I39).
func (c *simChecks) toldIsTrue() {
	for _, i := range c.s.instances {
		for _, w := range i.watch {
			c.s.each(w.store, watchTimeline, func(_, told []byte) {
				for id := range slices.Chunk(told, journal.RefBytes) {
					if _, done := c.emitted[hex.EncodeToString(id)]; !done {
						c.s.failf("told is true: %x is not emitted", id)
					}
					c.passedOn++
				}
			})
		}
	}
}

// nothingLost: on a quiet day exactly what the oracle says is owed went out, no matter what crashed (SPEC 3.3, 3.5).
func (c *simChecks) nothingLost(date event.Date, owed map[string]bool) {
	sent := map[string]bool{}
	for _, n := range c.byDate[date] {
		sent[n.mark()] = true
	}
	var wrong []string
	for mark := range owed {
		if !sent[mark] && !c.unsure(mark) {
			wrong = append(wrong, "lost: "+mark)
		}
	}
	for mark := range sent {
		if !owed[mark] && !c.unsure(mark) {
			wrong = append(wrong, "not owed: "+mark)
		}
	}
	if len(wrong) > 0 {
		sort.Strings(wrong)
		c.s.failf("nothing lost: on %s %s", date, strings.Join(wrong, "; "))
	}
}

// unsure says whether a person has a row of which only a store that is lost knew that it is held.
func (c *simChecks) unsure(mark string) bool {
	for _, id := range c.s.world.ids {
		if r := c.s.world.current(id); r.unsure && strings.Contains(mark, fmt.Sprintf(" to %c:", 'A'+r.person)) {
			return true
		}
	}
	return false
}
