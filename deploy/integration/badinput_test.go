//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
)

// TestGarbage: a partition of nothing but garbage stops its source, which says so, and the other partition and the other
// source are joined. With max_reject_share 1 all of it is rejected, one by one, and nothing else happens.
func TestGarbage(t *testing.T) {
	const garbage = 50_000
	b := newBadLoad(t, "garbage")
	b.snapshot(registry.People(registry.Options{Seed: 1, People: 1000, Start: b.start}), b.second)
	var batch []event.Record
	for i := range garbage {
		junk := make([]byte, 500)
		rand.Read(junk)
		batch = append(batch, event.Record{Topic: b.documents, Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: []byte(hex.EncodeToString(junk))})
	}
	if err := b.k.Produce(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	b.use("lejarat-bad-garbage.", "0.05")
	p := b.watched(b.start.At(5, 59, b.zone).Add(50 * time.Second))
	b.awaitJoined(p, b.register, 0)
	b.awaitJoined(p, b.documents, 1)
	var held string
	await(t, time.Minute, "the run is held", func() (bool, string) {
		r, _ := p.readiness()
		for _, task := range r.Detail {
			if strings.HasPrefix(task.Run, processor.RunHeld) {
				held = task.Run
			}
		}
		return strings.Contains(held, processor.HeldSource), fmt.Sprint(r.Detail)
	})
	t.Log(held)
	if !strings.Contains(held, b.documents+"/0") || !strings.Contains(held, "reject") {
		t.Errorf("the run is held, and says only: %s", held)
	}
	if rejected := sample(p.metrics(t), "lejarat_source_records_total", `verdict="rejected"`); rejected < 50 || rejected > 10_000 {
		t.Errorf("%.0f records were rejected before the source stopped", rejected)
	}
	b.stop(p)
	b.bounded(150 << 20)

	b.use("lejarat-bad-garbage2.", "1")
	p = b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.documents, 0)
	if rejected := sample(p.metrics(t), "lejarat_source_records_total", `verdict="rejected"`); rejected != garbage {
		t.Errorf("%.0f records were rejected, want %d", rejected, garbage)
	}
	b.stop(p)
	b.bounded(250 << 20)
}

// TestLargeRecords: a partition of records of almost a megabyte, in a column that nobody maps, takes the memory of a few
// fetches, and the other one does not wait for it.
func TestLargeRecords(t *testing.T) {
	b := newBadLoad(t, "large")
	n := 0
	b.snapshot(registry.People(registry.Options{Seed: 1, People: 100, Start: b.start}), func(r *event.Record) {
		if r.Topic != b.documents {
			return
		}
		text := make([]byte, 450_000)
		rand.Read(text) // so that it cannot be compressed by much
		r.Value = []byte(strings.Replace(string(r.Value), `"remarks":`, `"scan":"`+hex.EncodeToString(text)+`","remarks":`, 1))
		n++
	})
	b.snapshot(registry.People(registry.Options{Seed: 2, People: 1000, Start: b.start}), b.second)
	b.use("lejarat-bad-large.", "0.05")
	p := b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.documents, 0)
	m := p.metrics(t)
	if rejected := sample(m, "lejarat_source_records_total", `verdict="rejected"`); rejected != 0 {
		t.Errorf("%.0f records were rejected", rejected)
	}
	if taken := sample(m, "lejarat_source_records_total", `topic="`+b.documents+`"`, `partition="0"`, `verdict="applied"`); int(taken) != n {
		t.Errorf("%.0f of %d large records were applied", taken, n)
	}
	b.stop(p)
	b.bounded(250 << 20)
}

// TestOneIdentity: a wrong mapping makes 100,000 documents those of one person, all of them due. Its partition's runs come to
// their end, in bounded memory, and so do the others'.
func TestOneIdentity(t *testing.T) {
	const documents = 100_000
	b := newBadLoad(t, "identity")
	b.snapshot(b.oneIdentity(documents), func(r *event.Record) {})
	b.snapshot(registry.People(registry.Options{Seed: 2, People: 1000, Start: b.start}), b.second)
	b.use("lejarat-bad-identity.", "0.05")
	p := b.watched(b.start.At(4, 0, b.zone))
	b.awaitJoined(p, b.documents, 0)
	b.awaitJoined(p, b.documents, 1)
	b.awaitJoined(p, b.register, 0)
	b.stop(p)
	b.bounded(300 << 20)
	for day := b.start; day < b.start+2; day++ {
		began := time.Now()
		p := b.watched(day.At(5, 59, b.zone).Add(58 * time.Second))
		runs := b.follow(t, "runs")
		complete := map[int32]bool{}
		await(t, 5*time.Minute, "the run of "+day.String(), func() (bool, string) {
			for _, v := range values[processor.RunRecord](t, runs.read()) {
				if v.RunDate == day.String() && v.State == processor.RunComplete {
					complete[v.Partition] = true
				}
			}
			return len(complete) == 4, fmt.Sprint(complete, tailOf(p.log, 3))
		})
		t.Logf("%s took %s", day, time.Since(began).Round(time.Millisecond))
		b.stop(p)
		b.bounded(400 << 20)
	}
	told := map[string]int{}
	for _, n := range values[event.Notice](t, b.follow(t, "notifications").read()) {
		if n.Kind == event.KindExpiry && n.Decision == event.Emitted {
			told[n.RegistrationRef]++
		}
	}
	if got := slices.Max(slices.Collect(maps.Values(told))); got != documents {
		t.Errorf("%d notices of the one identity, want %d", got, documents)
	}
}

// oneIdentity is a person with one registration and so many vehicles, all due on the first day.
func (b *badLoad) oneIdentity(documents int) iter.Seq[*registry.Person] {
	return func(yield func(*registry.Person) bool) {
		for p := range registry.People(registry.Options{Seed: 3, People: 1000, Start: b.start}) {
			if len(p.Registrations) == 0 || len(p.Documents) == 0 || p.Registrations[0].Identity != p.Documents[0].Identity {
				continue
			}
			base, reg := p.Documents[0], p.Registrations[0]
			base.Kind, base.Status, base.IssuedOn = registry.KindVehicle, registry.StatusValid, b.start-400
			reg.ID, reg.Active, reg.ServiceOn, reg.ServiceSince = 1, true, true, b.start.At(8, 0, b.zone).AddDate(-1, 0, 0)
			one := &registry.Person{Registrations: []registry.Registration{reg}}
			for i := range documents {
				base.ID, base.Number = int64(10_000_000+i), fmt.Sprintf("ONE-%06d", i)
				base.ValidUntil = b.start + 20
				one.Documents = append(one.Documents, base)
			}
			yield(one)
			return
		}
	}
}
