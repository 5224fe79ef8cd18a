package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lejarat/connectors/console"
	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
	told "lejarat/processor/story"
)

// explainStage is a stage with a page to ask, after the runs of some days.
type explainStage struct {
	*stage
	t       *testing.T
	log     bytes.Buffer
	address string
}

func openExplainStage(t *testing.T, ctx context.Context) *explainStage {
	e := &explainStage{t: t}
	log := slog.New(slog.NewTextHandler(&e.log, nil))
	s, err := openStage(ctx, stageOptions{Seed: 3, People: 800, Start: event.NewDate(2031, 1, 10), Churn: 3, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	e.stage = s
	server, err := console.Start(console.Options{Listen: "127.0.0.1:0", Logger: log, Explain: answer(s.cfg, s.engine, log)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(context.WithoutCancel(ctx)) })
	e.address = "http://" + server.Addr()
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	// Joined is known a moment before the last task shows its store.
	if err := s.await(ctx, func() (bool, error) { return len(s.engine.StoreBytes()) == 3+s.cfg.Kafka.JournalPartitions, nil }); err != nil {
		t.Fatal(err)
	}
	return e
}

// ask asks for a row's story in one way: from the instance, or with scan from the topics.
func (e *explainStage) ask(ctx context.Context, f explainFlags) (*told.Story, error) {
	f.instance = e.address
	return explain(ctx, e.cfg, e.clock, &f, slog.New(slog.NewTextHandler(&e.log, nil)))
}

// fromInstance asks until the instance answers: on a busy machine it may take too long, and the topics be read instead.
func (e *explainStage) fromInstance(ctx context.Context, f explainFlags) (s *told.Story) {
	e.t.Helper()
	err := e.await(ctx, func() (bool, error) {
		var err error
		s, err = e.ask(ctx, f)
		return err == nil && s.ToldFrom == told.FromInstance, err
	})
	if err != nil {
		e.t.Fatal(err, e.log.String())
	}
	return s
}

// both asks in both ways and compares the answers.
func (e *explainStage) both(ctx context.Context, f explainFlags) *told.Story {
	e.t.Helper()
	instance := e.fromInstance(ctx, f)
	f.scan = true
	topics, err := e.ask(ctx, f)
	if err != nil {
		e.t.Fatal(err)
	}
	if topics.ToldFrom != told.FromTopics {
		e.t.Errorf("told from %s", topics.ToldFrom)
	}
	if diff := cmp.Diff(topics, instance, cmpopts.IgnoreFields(told.Story{}, "ToldFrom", "Former", "Versions", "Text")); diff != "" {
		e.t.Errorf("the instance tells otherwise than the topics:\n%s", diff)
	}
	return topics
}

// TestExplainAgreesWithTheOracle: what the oracle says that a registration was owed, and what it was not for a reason, stands in
// its story, told by an instance and from the topics alike.
func TestExplainAgreesWithTheOracle(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e := openExplainStage(t, ctx)
	asked := 0
	for day := e.world.Day(); day < event.NewDate(2031, 1, 22); day++ {
		expected, err := e.run(ctx, day)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range expected[:min(len(expected), 12)] {
			e.compare(day, x, e.both(ctx, explainFlags{registration: strconv.FormatInt(x.RegistrationKey, 10)}))
			asked++
		}
		if _, err := e.live(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if asked < 20 {
		t.Errorf("asked for %d stories only", asked)
	}
	if log := e.log.String(); strings.Count(log, "msg=explain") < 2*asked || !strings.Contains(log, "from=instance") || strings.Contains(log, "id=") {
		t.Errorf("%d look-ups, and the audit says: %s", 2*asked, log)
	}
}

func (e *explainStage) compare(day event.Date, x registry.Expected, s *told.Story) {
	e.t.Helper()
	code := x.Reason
	if x.Decision == event.Emitted {
		code = event.Emitted
	}
	if !slices.ContainsFunc(append(s.Notices, s.Former...), func(n told.Notice) bool {
		same := n.Kind == x.Kind && n.Code == code && n.RunDate == day.String() && n.Registration == s.Ref
		return same && (x.Kind == event.KindAnnouncement || n.Threshold == x.Threshold && n.Due == x.Due.String() && n.Type == x.DocumentType)
	}) {
		e.t.Errorf("%s: the oracle says %+v, the story\n%s", day, x, strings.Join(s.Text, "\n"))
	}
}

// TestExplainFindsARowByEveryFormOfItsKey, and says what is wrong with one that it cannot read.
func TestExplainFindsARowByEveryFormOfItsKey(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e := openExplainStage(t, ctx)
	id := int64(0)
	for p := range e.world.People() {
		if len(p.Documents) > 0 && p.Documents[0].HolderRef != "" {
			id = p.Documents[0].ID
			break
		}
	}
	first := e.both(ctx, explainFlags{document: fmt.Sprint(id)})
	for _, key := range []string{fmt.Sprintf("id=%d", id), fmt.Sprintf(`{"id":%d}`, id), fmt.Sprintf(` {"id": "%d"} `, id)} {
		if s := e.both(ctx, explainFlags{document: key, source: "okmany.public.document"}); s.Ref != first.Ref {
			t.Errorf("%s is another row", key)
		}
	}
	body, err := json.Marshal(first)
	if err != nil || bytes.Contains(body, []byte(fmt.Sprint(id))) {
		t.Errorf("the row's key stands in the story: %s", body)
	}
	for _, f := range []explainFlags{{}, {document: "1", registration: "2"}, {document: "{nonsense"}, {document: "=5"}, {document: "a=1,"}, {document: "1", source: "other"},
		{document: "1", instance: "nonsense"}} {
		if f.instance == "" {
			f.instance = e.address
		}
		_, err := explain(ctx, e.cfg, e.clock, &f, slog.New(slog.DiscardHandler))
		if exitStatus(err) != exitUsage {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, scan := range []bool{false, true} {
		_, err := e.ask(ctx, explainFlags{document: "no-such-row", scan: scan})
		if !errors.Is(err, processor.ErrUnknownRow) || exitStatus(err) != exitFailed {
			t.Error(err)
		}
	}
	if strings.Contains(e.log.String(), "no-such-row") || !strings.Contains(e.log.String(), "not found") {
		t.Errorf("the audit says: %s", e.log.String())
	}
}

// TestExplainTurnsToTheTopics where no instance can tell: none is there, another service's answers, or its partitions are
// somebody else's.
func TestExplainTurnsToTheTopics(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e := openExplainStage(t, ctx)
	id := ""
	for p := range e.world.People() {
		if len(p.Registrations) > 0 {
			id = fmt.Sprint(p.Registrations[0].ID)
			break
		}
	}
	from := func(address string) string {
		f := explainFlags{registration: id, instance: address}
		s, err := explain(ctx, e.cfg, e.clock, &f, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s.ToldFrom
	}
	e.fromInstance(ctx, explainFlags{registration: id})
	other, err := console.Start(console.Options{Listen: "127.0.0.1:0", Explain: func(context.Context, string, string, string) (int, any) {
		return 200, told.Story{Journal: "lejarat.journal.2"}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(ctx)
	e.stop()
	e.running.Wait()
	for _, address := range []string{"http://127.0.0.1:1", "http://" + other.Addr(), e.address} {
		if got := from(address); got != told.FromTopics {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// TestExplainWhileTheInstanceStops: whoever asks while tasks and stores close gets a story or is sent to the topics.
func TestExplainWhileTheInstanceStops(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e := openExplainStage(t, ctx)
	var rows []int64
	for p := range e.world.People() {
		for _, r := range p.Registrations {
			rows = append(rows, r.ID)
		}
	}
	warm, ended := make(chan struct{}), make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-ended:
					return
				default:
				}
				q, err := question(e.cfg, &explainFlags{registration: fmt.Sprint(rows[i%len(rows)])})
				if err == nil {
					_, err = e.engine.Explain(ctx, q)
				}
				if err != nil && !errors.Is(err, processor.ErrNotHere) {
					t.Error(err)
					return
				}
				if i == 20 {
					warm <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-warm
	}
	e.stop()
	e.running.Wait()
	close(ended)
	asking.Wait()
}
