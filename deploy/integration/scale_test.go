//go:build integration

package integration

import (
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestScaling grows a cluster from one instance to three, restarts one after the other, and shrinks it to the first, all
// while one run is under way. A task that comes back to where its state is reads only what that lacks.
func TestScaling(t *testing.T) {
	x := newChaos(openKafkaStack(t), size{seed: uint64(time.Now().Unix() % 100_000), instances: 3, people: 2500, chunk: 1, day: 24 * time.Hour})
	day, a, others := chaosStart, x.c.members[0], x.c.members[1:]
	x.c.begin(day.At(5, 59, x.c.zone).Add(50*time.Second), time.Now())
	a.up()
	expected := x.owes(day)
	x.owedNow = len(expected)
	x.j.expect(day, expected)
	a.awaitReady()
	x.step(day, "one instance", func() {})
	x.step(day, "from one instance to three", func() {
		for _, m := range others {
			m.up()
		}
		x.c.awaitReady()
	})
	for _, m := range x.c.members {
		x.step(day, "rolling restart", func() {
			had := x.c.sight.records(m.name)
			m.down()
			m.up()
			m.awaitReady()
			x.restoredLittle(m, had)
		})
	}
	had := map[string]int64{}
	x.step(day, "from three instances to one", func() {
		for _, m := range others {
			for task, n := range x.c.sight.records(m.name) {
				had[task] = n
			}
			m.down()
		}
		await(t, time.Minute, "the last instance", func() (bool, string) {
			return x.c.sight.tasks(a.name) == journalPartitions+2 && a.ready(), tailOf(a.log, 5)
		})
	})
	x.restoredLittle(a, had) // all of it stood here in the beginning
	x.completed(day)
	x.c.stopAll()
	x.j.compareDecisions(day)
	x.compareMailSink()
	x.compareRuns(day, day)
	x.rawTopics().neverBackwards(t)
	x.c.sight.report()
	t.Logf("%d decisions, %d of %d steps while the run was under way", len(x.j.owed), x.hits, x.faults)
	if x.hits < 3 {
		t.Errorf("only %d steps met the run: it is too short to show anything", x.hits)
	}
}

// step does something to the cluster while the run goes on.
func (x *chaos) step(day event.Date, what string, do func()) {
	x.t.Helper()
	x.midway(day, 0.1)
	x.c.sight.now(what)
	do()
	x.note("%s: done", what)
}

// restoredLittle wants the watch tasks of an instance that had them before to have read a small part of their partitions. What
// intake tasks read is printed: where a source was quiet, that is all that others wrote since.
func (x *chaos) restoredLittle(m *instance, had map[string]int64) {
	x.t.Helper()
	journal := int64(0)
	for _, span := range x.c.spans(x.c.prefix + "journal.1") {
		journal += span.End
	}
	for task, n := range x.c.sight.records(m.name) {
		if _, kept := had[task]; !kept || !strings.Contains(task, "/") {
			continue // ledger and runs are the instance's
		}
		if strings.HasPrefix(task, "watch/") && n > journal/journalPartitions/10 {
			x.t.Errorf("%s, %s: read %d records to restore itself, of some %d in its partition", m.name, task, n, journal/journalPartitions)
		}
		x.note("%s, %s: read %d of the journal's %d records", m.name, task, n, journal)
	}
}
