package main

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An instance that has lost its ledger, and reads it again slowly, is not ready before it knows what was told, although all its
// partitions are; a run that is due waits as long.
func TestEngineIsReadyWhenTheLedgerIsRead(t *testing.T) {
	t.Parallel()
	inHouse(t, func(t *testing.T) {
		s := station(t, 1, houseOptions{})
		a := s.all[0]
		s.must(a.shut())
		s.must(a.lose("ledger"))
		release := make(chan struct{})
		tail := s.fetching(s.cfg.Kafka.Topics().Notifications)
		a.rules = func(g *gate) {
			g.when(&rule{key: kmsg.Fetch, keep: true, match: tail, before: func(down <-chan struct{}) {
				select {
				case <-release:
				case <-down:
				}
			}})
		}
		s.must(a.start())
		finish := s.due()
		s.must(s.await("all partitions run", func() (bool, error) { return a.states()["running"] >= 2+2+1, a.err() }))
		for range 50 {
			if ready, _ := a.engine.Status(); ready {
				t.Fatal("ready, and the ledger is not read")
			}
			time.Sleep(100 * time.Millisecond)
		}
		s.going()
		close(release)
		s.must(s.await("the instance is ready", func() (bool, error) { return holds(a), a.err() }))
		finish()
		s.again()
	})
}

// states counts the tasks in each state.
func (i *instance) states() map[string]int {
	_, tasks := i.engine.Status()
	n := map[string]int{}
	for _, task := range tasks {
		n[task.State]++
	}
	return n
}
