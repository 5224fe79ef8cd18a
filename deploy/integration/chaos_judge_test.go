//go:build integration

package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lejarat/processor"
	"lejarat/processor/event"
)

// decided counts the decisions of a day that are known to the test.
func (x *chaos) decided(day event.Date) (n int) {
	for _, r := range x.j.notifications.records {
		if strings.Contains(string(r.Value), `"run_date":"`+day.String()+`"`) {
			n++
		}
	}
	return n
}

// complete says whether every partition's run of the day is known to be complete. It does not wait for the topic's end,
// which an open transaction of a killed instance may hide for a while.
func (x *chaos) complete(day event.Date) bool {
	x.runs.poll(20 * time.Millisecond)
	return x.completions()[day.String()].done() == journalPartitions
}

// completed waits for that until the day is over.
func (x *chaos) completed(day event.Date) {
	x.t.Helper()
	midnight := (day + 1).At(0, 0, x.c.zone)
	for !x.complete(day) {
		if x.c.now().After(midnight) {
			x.t.Fatalf("the run of %s is not complete at midnight: %v of %d partitions; what it owes cannot be judged then", day,
				x.completions()[day.String()], journalPartitions)
		}
	}
	if now := x.c.now(); !now.Before((day + 1).At(6, 0, x.c.zone)) {
		x.t.Fatalf("inconclusive: the next run is due before that of %s was looked at", day)
	}
}

func (x *chaos) sinceRun(day event.Date) time.Duration { return -x.c.until(day.At(6, 0, x.c.zone)) }

// completion is how often each partition has said that it is complete.
type completion map[int32]int

func (c completion) done() int { return len(c) }

func (x *chaos) completions() map[string]completion {
	all := map[string]completion{}
	for _, r := range values[processor.RunRecord](x.t, x.runs.records) {
		if r.State != processor.RunComplete {
			continue
		}
		if all[r.RunDate] == nil {
			all[r.RunDate] = completion{}
		}
		all[r.RunDate][r.Partition]++
	}
	return all
}

// compareMailSink wants one mail for each emitted notification, to the address that the oracle says.
func (x *chaos) compareMailSink() {
	x.t.Helper()
	want, got := map[string]string{}, map[string]int{}
	for key, n := range x.j.told() {
		if n.Decision != event.Emitted {
			continue
		}
		if _, twice := want[n.ID]; twice {
			x.t.Errorf("emitted twice: %s", n.ID)
		}
		want[n.ID] = x.j.owed[key].Address
	}
	var wrong []string
	for _, m := range values[event.Mail](x.t, x.mails.read()) {
		got[m.ID]++
		switch address, ok := want[m.ID]; {
		case got[m.ID] > 1:
			wrong = append(wrong, "mail twice: "+m.ID)
		case !ok:
			wrong = append(wrong, "mail, not owed: "+m.ID)
		case address != m.To.Email:
			wrong = append(wrong, fmt.Sprintf("mail %s to %s, want %s", m.ID, m.To.Email, address))
		}
	}
	for id := range want {
		if got[id] == 0 {
			wrong = append(wrong, "emitted, no mail: "+id)
		}
	}
	x.j.fail(0, "mail-sink", wrong)
}

// compareRuns wants every day complete once on each partition, and the figures of the runs to be those of the topic.
func (x *chaos) compareRuns(first, last event.Date) {
	x.t.Helper()
	x.runs.read()
	all := x.completions()
	for day := first; day <= last; day++ {
		c := all[day.String()]
		for p := range int32(journalPartitions) {
			if c[p] != 1 {
				x.t.Errorf("%s: partition %d is complete %d times", day, p, c[p])
			}
		}
		if len(c) != journalPartitions {
			x.t.Errorf("%s: %v", day, c)
		}
	}
	counted, there := map[string]int{}, map[string]int{}
	for _, r := range values[processor.RunRecord](x.t, x.runs.records) {
		if r.State != processor.RunComplete {
			continue
		}
		for _, n := range r.Counts {
			if n.Decision == event.Emitted || n.Decision == event.Skipped {
				counted[r.RunDate+" "+n.Decision] += n.Number
			}
		}
	}
	for _, n := range x.j.told() {
		there[n.RunDate+" "+n.Decision]++
	}
	for key, n := range there {
		if counted[key] != n {
			x.t.Errorf("%s: the runs count %d, the topic holds %d", key, counted[key], n)
		}
	}
}

// report prints, after a failure, what was done and how the logs end.
func (x *chaos) report() {
	if !x.t.Failed() {
		return
	}
	x.t.Logf("what happened (virtual time), to repeat with the seed above:\n%s", strings.Join(x.story, "\n"))
	for _, m := range x.c.members {
		logs, err := filepath.Glob(filepath.Join(m.dir, "run-*.log"))
		if err != nil {
			x.t.Error(err)
		}
		slices.Sort(logs)
		for _, log := range logs[max(0, len(logs)-3):] {
			x.t.Logf("--- %s/%s\n%s", m.name, filepath.Base(log), tailOf(log, 40))
		}
	}
}
