package tally

import (
	"context"
	"maps"
	"testing"

	"lejarat/processor/event"
	"lejarat/processor/numbered"
)

// positions are what groups have committed.
type positions struct {
	Log
	of map[string]map[event.TopicPartition]int64
}

func (p positions) Committed(_ context.Context, group, _ string) (map[event.TopicPartition]int64, error) {
	return maps.Clone(p.of[group]), nil
}

// TestOnlyWhatAllGroupsHavePassedIsPassed: each group takes a part of the mails, and passes over the rest; nobody can tell here
// whose a mail is, so one that a group has still to read waits.
func TestOnlyWhatAllGroupsHavePassedIsPassed(t *testing.T) {
	at := func(p int32) event.TopicPartition { return event.TopicPartition{Topic: "mails", Partition: p} }
	log := positions{of: map[string]map[event.TopicPartition]int64{"all": {at(0): 10, at(1): 20, at(2): 30}, "last-day": {at(0): 12, at(1): 15}}}
	tl := &tally{q: Query{Groups: []string{"all", "last-day"}, Topics: Topics{MailSink: "mails"}}, log: log}
	passed, err := tl.committed(t.Context())
	if err != nil || !maps.Equal(passed, map[event.TopicPartition]int64{at(0): 10, at(1): 15}) {
		t.Fatal(passed, err)
	}
	for want, n := range map[string]notice{Lost: {offset: -1}, Missing: {offset: 14, partition: 1}, Waiting: {offset: 15, partition: 1}} {
		tl.fates = numbered.Values[fate]{}
		tl.fates.Number(fate{})
		if got := tl.outcome(n, passed).status; got != want {
			t.Errorf("%+v is %s, want %s", n, got, want)
		}
	}
	if got := tl.outcome(notice{offset: 5, partition: 2}, passed).status; got != Waiting {
		t.Errorf("in a partition that a group has never read, a mail is %s", got)
	}
}
