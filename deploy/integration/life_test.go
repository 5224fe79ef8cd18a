//go:build integration

package integration

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Europe/Budapest must be known on any machine

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// plan is what happens on which day after today. On the days between nothing runs: what fell due is caught up.
var plan = []struct {
	after event.Date
	play  func(*story, event.Date)
}{
	{0, (*story).goLive},
	{1, (*story).ordinary},
	{2, (*story).ordinary},
	{6, (*story).afterLoss},
	{13, (*story).continuous},
	{14, (*story).ordinary},
	{22, (*story).ordinary},
	{34, (*story).killed},
	{35, (*story).ordinary},
}

// story is an invented registry that lives on in PostgreSQL, the service that learns of it, and the oracle.
type story struct {
	t      *testing.T
	r      *registries
	v      *service
	j      *judge
	runs   *tail
	world  *registry.World
	oracle *registry.Oracle
	rows   *census
}

// TestLife plays some weeks of an invented registry's life on the real stack and compares the decisions and the mails,
// as sets, with what the oracle says. All facts have effective columns that are never null, so the calendar of the
// facts is the virtual one although the commit times are real; a source counts as late by real times alone.
func TestLife(t *testing.T) {
	stack := openStack(t)
	run := fmt.Sprint(time.Now().Unix())
	s := &story{t: t, r: newRegistries(t, stack), oracle: registry.NewOracle(registry.OracleOptions{OlderLate: true, NoHolderRef: true})}
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		t.Fatal(err)
	}
	s.world = registry.New(registry.Options{Seed: 1, People: 600, Start: event.DateOf(time.Now(), zone), Zone: zone,
		Registered: 0.7, Churn: 12})
	s.oracle.Load(s.world.People())
	s.rows = newCensus(s.world.People())
	s.r.create(s.world.People())
	s.r.stream(run)
	s.v = newService(stack, run, 1)
	s.j = newJudge(t, s.v)
	s.runs = s.v.follow(t, "runs")
	first := s.world.Day()
	for _, step := range plan {
		began := time.Now()
		day := first + step.after
		s.live(day)
		step.play(s, day)
		s.j.compareDecisions(day)
		s.j.compareMails(day)
		t.Logf("%s: equal after %.1f s; %d decisions so far, %d of them emitted, %d mails", day, time.Since(began).Seconds(),
			len(s.j.owed), s.j.emitted, len(s.j.box.read()))
	}
	s.rows.missing(t)
	s.r.drop()
}

// live lets the registries live up to a day, which is not lived yet.
func (s *story) live(until event.Date) {
	var changes []registry.Change
	for s.world.Day() < until {
		changes = append(changes, s.world.Advance()...)
	}
	s.apply(changes)
}

func (s *story) apply(changes []registry.Change) {
	for _, c := range changes {
		s.rows.count(c)
		s.oracle.Apply(c)
	}
	s.r.change(changes)
}

// ordinary is a day by a scheduler: join, run, send.
func (s *story) ordinary(day event.Date) {
	s.v.join(day)
	s.j.expect(day, s.oracle.Run(day))
	s.v.fire(day)
	s.v.send(day.At(6, 10, s.v.zone))
}

// goLive is the first day. After the run, while all mails are queued, somebody switches off and somebody moves.
func (s *story) goLive(day event.Date) {
	s.v.join(day)
	s.j.expect(day, s.oracle.Run(day))
	s.v.fire(day)
	told := s.j.receivers(day, event.KindExpiry)
	if len(told) < 2 {
		s.t.Fatalf("only %d people are told on the first day", len(told))
	}
	off, moved := s.rows.registrations[told[0]], s.rows.registrations[told[1]]
	off.ServiceOn, moved.Email = false, "moved."+moved.Email
	at := day.At(7, 0, s.v.zone)
	s.apply([]registry.Change{
		{At: at, Table: registry.Registrations, Op: registry.Update, Key: off.ID, Registration: &off},
		{At: at, Table: registry.Registrations, Op: registry.Update, Key: moved.ID, Registration: &moved},
	})
	s.v.pass(day.At(7, 30, s.v.zone))
	s.t.Logf("%d mails stopped in the queue", s.j.stop(off.ID, day)+s.j.stop(moved.ID, day))
	s.v.send(day.At(8, 0, s.v.zone))
}

// afterLoss is an ordinary day without the state of the days before.
func (s *story) afterLoss(day event.Date) {
	s.v.loseState()
	s.ordinary(day)
}

// clockRate makes the minutes around a run pass in seconds.
const clockRate = 10

// services starts processor and connector as services, on one virtual clock that shows 05:59:30 now.
func (s *story) services(day event.Date) (clock []string, run, mail *process) {
	from := day.At(6, 0, s.v.zone).Add(-30 * time.Second)
	clock = []string{"--clock", fmt.Sprintf("%s@%d", from.Format(time.RFC3339), time.Now().Unix()), "--clock-rate", fmt.Sprint(clockRate)}
	return clock, s.v.start(append([]string{"run"}, clock...)...), s.v.start(append([]string{"mail"}, clock...)...)
}

// continuous is a day of services that are there before the run and after it, when the registries go on living.
func (s *story) continuous(day event.Date) {
	s.v.join(day)
	s.j.expect(day, s.oracle.Run(day))
	_, run, mail := s.services(day)
	s.completed(day)
	s.j.compareMails(day)
	joined := maps.Clone(s.r.sent)
	s.live(day + 1)
	s.r.joined(run, joined)
	s.v.stop(mail)
	s.v.stop(run)
}

func (s *story) completed(day event.Date) {
	await(s.t, time.Minute, "the run of "+day.String(), func() (bool, string) {
		return s.runs.complete(day, journalPartitions), "not complete"
	})
}

// killed is such a day on which the processor is killed in the middle of its run, twice, and started again.
func (s *story) killed(day event.Date) {
	s.v.join(day)
	expected := s.oracle.Run(day)
	s.j.expect(day, expected)
	clock, run, mail := s.services(day)
	for range 2 {
		known := s.decided(day)
		await(s.t, time.Minute, "the next decision of "+day.String(), func() (bool, string) {
			for deadline := time.Now().Add(pollEvery); time.Now().Before(deadline); {
				s.j.notifications.poll(2 * time.Millisecond)
				if s.decided(day) > known {
					run.kill()
					return true, ""
				}
			}
			return false, fmt.Sprint(known)
		})
		// No more can be read now: the transaction that was open hides what comes after it until its successor fences it.
		s.t.Logf("killed after %d of %d decisions of %s", s.decided(day), len(expected), day)
		run = s.v.start(append([]string{"run"}, clock...)...)
	}
	s.completed(day)
	s.j.compareMails(day)
	s.v.stop(mail)
	s.v.stop(run)
}

// decided counts the decisions of a day that are known to the test.
func (s *story) decided(day event.Date) (n int) {
	for _, r := range s.j.notifications.records {
		if strings.Contains(string(r.Value), `"run_date":"`+day.String()+`"`) {
			n++
		}
	}
	return n
}
