package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// TestOracle plays an invented registry's life on the embedded broker and compares, day by day, what the service decided
// with what the oracle, which shares no code with it, says is owed. The two sources arrive in a random interleaving, and the
// processor is restarted now and then, with its state and without, or begins a new generation.
// LEJARAT_ORACLE_SEED, _SEEDS, _DAYS and _PEOPLE change the size.
func TestOracle(t *testing.T) {
	first := uint64(sizeFrom("SEED", 1))
	for seed := first; seed < first+uint64(sizeFrom("SEEDS", 2)); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { playYear(t, seed) })
	}
}

func sizeFrom(name string, normal int) int {
	if n, err := strconv.Atoi(os.Getenv("LEJARAT_ORACLE_" + name)); err == nil {
		return n
	}
	return normal
}

// discard is a log that nobody reads.
var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

// restartDays is how many days pass on average between restarts of the processor, every other time without its state, every
// third time with a new generation.
const restartDays = 40

func playYear(t *testing.T, seed uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	o := stageOptions{Seed: seed, People: sizeFrom("PEOPLE", 5000), Start: event.NewDate(2031, 1, 10), Churn: 3,
		Log: discard}
	s, err := openStage(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.mix = rand.New(rand.NewPCG(seed, 3))
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	j := &judge{t: t, s: s, owed: map[string]bool{}, told: map[string]bool{}}
	for day := s.world.Day(); day < event.NewDate(2031, 1, 10)+event.Date(sizeFrom("DAYS", 365)); day++ {
		expected, err := s.run(ctx, day)
		if err != nil {
			t.Fatal(err)
		}
		j.compare(ctx, day, expected)
		if t.Failed() {
			return
		}
		if _, err := s.live(ctx); err != nil {
			t.Fatal(err)
		}
		if s.mix.IntN(restartDays) == 0 {
			lose := s.mix.IntN(2) == 0
			if s.mix.IntN(3) == 0 {
				abandoned := s.mix.IntN(2) == 0
				t.Logf("%s: new generation, state lost: %v, at the second attempt: %v", day, lose, abandoned)
				s.rebuild(t, ctx, o, abandoned, lose)
				continue
			}
			t.Logf("%s: restart, state lost: %v", day, lose)
			if err := s.restart(ctx, o, lose); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d decisions compared, %d of them emitted", len(j.owed), j.emitted)
}

// judge compares decisions as sets of day, kind, decision, document, threshold, expiry, due date and registration.
type judge struct {
	t          *testing.T
	s          *stage
	reader     event.Reader
	owed, told map[string]bool
	emitted    int
}

func (j *judge) compare(ctx context.Context, day event.Date, expected []registry.Expected) {
	for _, e := range expected {
		j.owed[j.owedKey(day, e)] = true
		if e.Decision == event.Emitted {
			j.emitted++
		}
	}
	spans, err := j.s.k.Spans(ctx, j.s.cfg.Kafka.Topics().Notifications)
	if err != nil {
		j.t.Fatal(err)
	}
	if j.reader == nil {
		from := map[event.TopicPartition]int64{}
		for tp := range spans {
			from[tp] = 0
		}
		if j.reader, err = j.s.k.Read(ctx, from); err != nil {
			j.t.Fatal(err)
		}
		j.t.Cleanup(j.reader.Close)
	}
	for tp, span := range spans {
		for j.reader.Position(tp) < span.End {
			j.read(ctx)
		}
	}
	var wrong []string
	for k := range j.owed {
		if !j.told[k] {
			wrong = append(wrong, "owed, not decided: "+k)
		}
	}
	for k := range j.told {
		if !j.owed[k] {
			wrong = append(wrong, "decided, not owed: "+k)
		}
	}
	sort.Strings(wrong)
	if len(wrong) > 0 {
		j.t.Errorf("%s: %d differences", day, len(wrong))
		for _, w := range wrong[:min(len(wrong), 20)] {
			j.t.Error(w)
		}
	}
}

func (j *judge) read(ctx context.Context) {
	records, err := j.reader.Poll(ctx, 1000, 100*time.Millisecond)
	if err != nil {
		j.t.Fatal(err)
	}
	for i := range records {
		if records[i].Control {
			continue
		}
		var n event.Notice
		if err := json.Unmarshal(records[i].Value, &n); err != nil {
			j.t.Fatal(err)
		}
		k := j.toldKey(&n)
		if j.told[k] {
			j.t.Errorf("decided twice: %s", k)
		}
		j.told[k] = true
	}
}

func (j *judge) owedKey(day event.Date, e registry.Expected) string {
	core := j.s.intakeCore(1)
	reg := core.RegistrationRef("id=" + strconv.FormatInt(e.RegistrationKey, 10))
	k := fmt.Sprintf("%s %s %s %s to %x", day, e.Kind, e.Decision, e.Reason, reg)
	if e.Kind == event.KindAnnouncement {
		return k
	}
	doc := core.DocumentRef(e.DocumentType, e.DocumentNumber, "")
	return k + fmt.Sprintf(" %x %s %s due %s expires %s", doc, e.DocumentType, e.Threshold, e.Due, e.Expires)
}

func (j *judge) toldKey(n *event.Notice) string {
	reason := ""
	if n.Reason != nil {
		reason = *n.Reason
	}
	k := fmt.Sprintf("%s %s %s %s to %s", n.RunDate, n.Kind, n.Decision, reason, n.RegistrationRef)
	if n.Kind == event.KindAnnouncement {
		return k
	}
	return k + fmt.Sprintf(" %s %s %s due %s expires %s", *n.DocumentRef, *n.DocumentType, *n.Threshold, *n.Due, *n.Expires)
}
