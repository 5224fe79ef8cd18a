//go:build integration

package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// TestFrozenOwner (I9) freezes (SIGSTOP) the owner of a partition within an open transaction, for longer than its session,
// while a run is due. Another instance fences it, does its work, and finishes the run. Then the owner wakes (SIGCONT) with
// its transaction in hand. What it had written by then is aborted, and it never gets a record committed any more: neither
// a notice nor a journal record. That is read from the topics as they are, by producer id and epoch.
func TestFrozenOwner(t *testing.T) {
	for _, test := range []struct {
		name, topic string
		freeze      func(*chaos, event.Date) (*instance, kadm.DescribedTransaction)
	}{
		{"within a chunk of the run", "notifications", (*chaos).freezeChunk},
		{"within a batch of intake", "journal.1", (*chaos).freezeBatch},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newChaos(openKafkaStack(t), size{seed: uint64(time.Now().Unix() % 100_000), instances: 2, people: 1000, chunk: 2, day: 24 * time.Hour})
			x.c.begin(chaosStart.At(5, 59, x.c.zone).Add(50*time.Second), time.Now())
			x.c.upAll()
			expected := x.owes(chaosStart)
			x.owedNow = len(expected)
			x.j.expect(chaosStart, expected)

			zombie, had := test.freeze(x, chaosStart)
			frozen := time.Now()
			x.note("%s: SIGSTOP within a transaction of %s: producer %d, epoch %d", zombie.name, had.TxnID, had.ProducerID, had.ProducerEpoch)
			x.completed(chaosStart)
			time.Sleep(time.Until(frozen.Add(sessionOver)))
			x.note("%s: SIGCONT after %.1f s", zombie.name, time.Since(frozen).Seconds())
			zombie.signal(syscall.SIGCONT)
			await(t, 30*time.Second, "the frozen owner's word", func() (bool, string) { return len(x.complaints(zombie)) > 0, "it has noticed nothing" })
			x.c.awaitReady()
			x.c.stopAll()

			x.j.compareDecisions(chaosStart)
			x.compareMailSink()
			x.compareRuns(chaosStart, chaosStart)
			x.rawTopics().neverBackwards(t)
			x.zombieAborted(had, x.c.prefix+test.topic)
		})
	}
}

// zombieAborted wants what the frozen owner had in hand to be aborted and written by its successor, and nothing of its own
// to be committed from there on.
func (x *chaos) zombieAborted(had kadm.DescribedTransaction, topic string) {
	x.t.Helper()
	all := x.rawTopics()
	inHand := all.of(had.ProducerID, had.ProducerEpoch)
	keys := map[string]bool{}
	for _, r := range inHand {
		if r.fate != aborted {
			x.t.Errorf("%s/%d offset %d, in the frozen owner's hand, is %s", r.Topic, r.Partition, r.Offset, r.fate)
		}
		if r.Topic == topic {
			keys[string(r.Key)] = true
		}
	}
	if len(keys) == 0 {
		x.t.Fatalf("the frozen owner had nothing for %s in hand: this shows nothing", topic)
	}
	for _, r := range all {
		if r.ProducerID != had.ProducerID || r.fate != committed || r.Timestamp.UnixMilli() < had.StartTimestamp {
			continue
		}
		if r.ProducerEpoch <= had.ProducerEpoch {
			x.t.Errorf("%s/%d offset %d is committed under epoch %d, the frozen owner's was %d", r.Topic, r.Partition, r.Offset, r.ProducerEpoch, had.ProducerEpoch)
		}
		delete(keys, string(r.Key)) // done by the successor
	}
	for key := range keys {
		x.t.Errorf("%s: nobody has done what the frozen owner had in hand (key %x)", topic, key)
	}
	x.t.Logf("%s: epoch %d had %d records in hand, all aborted; epochs above it did them", had.TxnID, had.ProducerEpoch, len(inHand))
}

// freezeChunk freezes an instance within a chunk of the run.
func (x *chaos) freezeChunk(day event.Date) (*instance, kadm.DescribedTransaction) {
	x.t.Helper()
	x.c.awaitReady()
	x.midway(day, 0.2)
	for _, m := range x.pick() {
		if had, met := x.freezeWithin(m, x.watchIDs(m)); met {
			return m, had
		}
		m.signal(syscall.SIGCONT)
	}
	x.t.Fatal("no instance was met within a transaction of its run")
	return nil, kadm.DescribedTransaction{}
}

// freezeBatch freezes the instance that reads the documents within a batch, seconds before the run is due: the run has to
// wait for what it has in hand. The documents are new people's who have no registration, and so change no decision. They
// change so fast that one transaction of the reader follows the other.
func (x *chaos) freezeBatch(event.Date) (*instance, kadm.DescribedTransaction) {
	x.t.Helper()
	x.c.awaitReady()
	for i := range x.book.arrivals {
		x.book.arrivals[i].Registrations = nil
	}
	var came []registry.Change
	x.change(func() []registry.Change {
		came = x.book.comeIn(x.c.now(), len(x.book.arrivals))
		return came
	})
	reader := x.readerOf(documentsOf(x))
	stop := x.reissue(came)
	defer stop()
	had, met := x.freezeWithin(reader, []string{fmt.Sprintf("%sintake.1.%s.0", x.c.prefix, documentsOf(x))})
	if !met {
		x.t.Fatal("the reader was not met within a batch")
	}
	return reader, had
}

// reissue gives documents one later expiry after the other, so many at a time, until stop is called.
func (x *chaos) reissue(documents []registry.Change) (stop func()) {
	const together = 250
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
			changes := make([]registry.Change, together)
			for i := range changes {
				at := n*together + i
				c := documents[at%len(documents)]
				d := *c.Document
				d.ValidUntil = chaosStart + 400 + event.Date(at/len(documents))
				c.Op, c.Document = registry.Update, &d
				changes[i] = c
			}
			x.book.mu.Lock()
			err := x.produce(x.book.write(changes))
			x.book.mu.Unlock()
			if err != nil {
				x.t.Errorf("writing new people's documents: %v", err)
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func documentsOf(x *chaos) string { return x.book.enc.Topics()[0] }

// readerOf is the instance whose intake reads a topic.
func (x *chaos) readerOf(topic string) (reader *instance) {
	x.t.Helper()
	await(x.t, 10*time.Second, "the reader of "+topic, func() (bool, string) {
		for _, m := range x.c.members {
			r, _ := m.p.readiness()
			for _, task := range r.Detail {
				if task.Task == "intake/"+topic+"/0" {
					reader = m
				}
			}
		}
		return reader != nil, "nobody"
	})
	return reader
}
