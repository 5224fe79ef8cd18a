//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// trouble is a registry of six invented people to whom unusual things happen.
type trouble struct {
	t    *testing.T
	r    *registries
	v    *service
	j    *judge
	day  event.Date // today
	zone *time.Location
}

// The people. Their documents are 10·i+1 and up, their registration is 10·i.
const (
	anna  = 10
	bela  = 20
	cili  = 30
	dora  = 40
	erik  = 50
	flora = 60
)

// canary stands in every personal column, and must not appear where nothing personal may be.
const canary = "Kanari"

// TestTrouble shows on the real stack what the rules promise for a renamed column, a truncated table, infinite dates in
// snapshot and stream, and effective columns that are null.
func TestTrouble(t *testing.T) {
	stack := openStack(t)
	run := fmt.Sprint(time.Now().Unix())
	s := &trouble{t: t, r: newRegistries(t, stack)}
	var err error
	if s.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		t.Fatal(err)
	}
	s.day = event.DateOf(time.Now(), s.zone)
	s.r.create(slices.Values(s.people()))
	s.r.sql(okmany, "UPDATE public.document SET valid_until = 'infinity' WHERE id = 21")
	s.r.sql(ugyfelkapu, `ALTER TABLE public.registration ALTER service_since DROP NOT NULL;
		UPDATE public.registration SET service_since = NULL WHERE id = 50`)
	s.r.stream(run)
	s.v = newService(stack, run, 5000)
	s.j = newJudge(t, s.v)
	metrics := s.changes()
	s.today()
	s.tomorrow()
	s.truncated()
	s.nothingPersonal(metrics)
	s.r.drop()
}

// holder is a person's identity, a canary in every column.
func holder(i int) registry.Holder {
	name := func(what string) registry.Name {
		return registry.Name{Family: fmt.Sprint(canary, what, i), Given: fmt.Sprint(canary, "Given", what, i)}
	}
	return registry.Holder{Name: name("Family"), Birth: name("Birth"), BirthPlace: fmt.Sprint(canary, "Place", i),
		BirthDate: event.NewDate(1903, 7, 11+i/10), Mother: name("Mother")}
}

// document is a valid one. With issued a month before the expiry, no threshold before P1M is owed.
func (s *trouble) document(person, n int, kind string, expires, issued event.Date) registry.Document {
	at := time.Now().Add(-time.Hour)
	return registry.Document{ID: int64(person + n), Kind: kind, Number: fmt.Sprint(canary, "Number", person+n), Status: registry.StatusValid,
		ValidUntil: expires, IssuedOn: issued, Holder: holder(person), HolderRef: "-", Sex: "-", Authority: "-", CaseNumber: "-",
		CreatedAt: at, UpdatedAt: at}
}

func (s *trouble) registration(person int) registry.Registration {
	at := time.Now().Add(-5 * 365 * 24 * time.Hour)
	return registry.Registration{ID: int64(person), Holder: holder(person), Email: fmt.Sprint(canary, person, "@example.hu"), Active: true,
		ServiceOn: true, ServiceSince: at, Language: "hu", UserName: "-", Level: "-", CreatedAt: at, UpdatedAt: at}
}

// monthly is a document of which P1M is due now and for some days yet.
func (s *trouble) monthly(person, n int) registry.Document {
	return s.document(person, n, registry.KindVehicle, s.day+25, s.day-6)
}

// people are the rows of the snapshot. Flóra registers later.
func (s *trouble) people() []*registry.Person {
	d := s.day
	lasts := func(person, n int, kind string, until event.Date) registry.Document {
		return s.document(person, n, kind, until, d-1)
	}
	person := func(id int, documents ...registry.Document) *registry.Person {
		p := &registry.Person{Documents: documents}
		if id != flora {
			p.Registrations = []registry.Registration{s.registration(id)}
		}
		return p
	}
	return []*registry.Person{
		person(anna, lasts(anna, 1, registry.KindPassport, d), lasts(anna, 2, registry.KindVehicle, d+2)),
		person(bela, lasts(bela, 1, registry.KindPassport, d+1000), lasts(bela, 2, registry.KindPassport, d), lasts(bela, 3, registry.KindVehicle, d+3)),
		person(cili, lasts(cili, 1, registry.KindPassport, d)),
		person(dora, s.monthly(dora, 1)),
		person(erik, s.monthly(erik, 1)),
		person(flora, s.monthly(flora, 1), lasts(flora, 2, registry.KindVehicle, d)),
	}
}

// changes happen while the service runs, before today's run: another infinite passport, one that is touched in a column
// that nobody maps, a registration that does not say since when, and a column that gets another name.
func (s *trouble) changes() (metrics string) {
	p := s.v.start("run", "--clock", s.day.At(4, 0, s.zone).Format(time.RFC3339))
	metrics = s.r.joined(p, nil)
	if n := taken(metrics, documentTopic, "rejected"); n != 0 {
		s.t.Errorf("%d documents of the snapshot are rejected", n)
	}
	second := s.document(cili, 2, registry.KindPassport, s.day+1000, s.day-1)
	s.r.do(okmany, 1, registry.ChangeSQL(registry.Change{Table: registry.Documents, Op: registry.Insert, Key: second.ID, Document: &second}))
	s.r.do(okmany, 1, "UPDATE public.document SET valid_until = 'infinity' WHERE id = 32")
	s.r.do(okmany, 1, "UPDATE public.document SET remarks = 'touched' WHERE id = 21")
	late := s.registration(flora)
	late.ServiceSince = time.Time{}
	s.r.do(ugyfelkapu, 1, strings.Replace(registry.ChangeSQL(registry.Change{Table: registry.Registrations, Op: registry.Insert,
		Key: late.ID, Registration: &late}), "'0001-01-01T00:00:00Z'", "NULL", 1))
	s.r.do(okmany, 1, `ALTER TABLE public.document RENAME valid_until TO valid_to;
		UPDATE public.document SET remarks = 'touched' WHERE id = 41`)
	metrics = s.r.joined(p, nil)
	s.v.stop(p)
	for what, n := range map[string][2]int{
		"unchanged: the snapshot's infinity is the stream's": {taken(metrics, documentTopic, "unchanged"), 1},
		"rejected: the renamed column":                       {taken(metrics, documentTopic, "rejected"), 1},
		"rejected registrations":                             {taken(metrics, registrationTopic, "rejected"), 0},
		"rows held":                                          {sum(metrics, "lejarat_held_rows"), 1},
	} {
		if n[0] != n[1] {
			s.t.Errorf("%s: %d records, want %d", what, n[0], n[1])
		}
	}
	return metrics
}

// emitted is an emitted notice about a document, or with 0 the announcement.
func (s *trouble) emitted(person, n int, threshold string) registry.Expected {
	return s.decision(person, n, threshold, event.Emitted, "")
}

func (s *trouble) decision(person, n int, threshold, decision, reason string) registry.Expected {
	e := registry.Expected{Kind: event.KindAnnouncement, Decision: decision, Reason: reason, RegistrationKey: int64(person),
		Address: fmt.Sprint(canary, person, "@example.hu")}
	if n == 0 {
		return e
	}
	e.Kind, e.Threshold, e.DocumentType, e.DocumentNumber = event.KindExpiry, threshold, "vehicle_inspection", fmt.Sprint(canary, "Number", person+n)
	for _, p := range s.people() {
		for _, doc := range p.Documents {
			if doc.ID == int64(person+n) {
				e.Expires, e.Due = doc.ValidUntil, doc.ValidUntil
				if doc.Kind == registry.KindPassport {
					e.DocumentType = "passport"
				}
			}
		}
	}
	if threshold == "P1M" {
		year, month, day := e.Expires.Civil()
		last := event.NewDate(year, month, 0)
		e.Due = min(event.NewDate(year, month-1, day), last)
	}
	return e
}

// run is the day's run with what it must decide, and the mails.
func (s *trouble) run(day event.Date, expected ...registry.Expected) {
	s.t.Helper()
	s.v.join(day)
	s.j.expect(day, expected)
	s.v.fire(day)
	s.v.send(day.At(6, 10, s.zone))
	s.j.compareDecisions(day)
	s.j.compareMails(day)
	s.t.Logf("%s: equal", day)
}

// today: an infinite passport supersedes those of Béla and Cili; Dóra's document is held by the renamed column; Erik's
// registration counts since before, Flóra's since its commit.
func (s *trouble) today() {
	all := []registry.Expected{
		s.emitted(anna, 1, "P0D"), s.emitted(erik, 1, "P1M"), s.emitted(flora, 2, "P0D"),
		s.decision(dora, 1, "P1M", event.Skipped, event.ReasonHeld),
	}
	for _, person := range []int{anna, bela, cili, dora, erik, flora} {
		all = append(all, s.emitted(person, 0, ""))
	}
	s.run(s.day, all...)
	rejects := values[event.Rejected](s.t, s.v.follow(s.t, "rejects").read())
	if len(rejects) != 1 || rejects[0].Topic != documentTopic || rejects[0].Column == nil || *rejects[0].Column != "valid_until" {
		s.t.Errorf("want one reject, of valid_until: %+v", rejects)
	}
}

// tomorrow the column has its name back, and Dóra's row has come again.
func (s *trouble) tomorrow() {
	s.r.do(okmany, 1, `ALTER TABLE public.document RENAME valid_to TO valid_until;
		UPDATE public.document SET remarks = 'touched again' WHERE id = 41`)
	s.run(s.day+1, s.emitted(dora, 1, "P1M"))
}

// truncated: no registration is left, Anna is told nothing more; then Béla's comes back and the stream goes on.
func (s *trouble) truncated() {
	s.r.do(ugyfelkapu, 1, "TRUNCATE public.registration")
	s.run(s.day + 2)
	back := s.registration(bela)
	s.r.change([]registry.Change{{Table: registry.Registrations, Op: registry.Insert, Key: back.ID, Registration: &back}})
	s.run(s.day+3, s.emitted(bela, 3, "P0D"))
}

// nothingPersonal looks for the canary wherever nothing personal may be.
func (s *trouble) nothingPersonal(metrics string) {
	look := func(where, text string) {
		if at := strings.Index(strings.ToLower(text), strings.ToLower(canary)); at >= 0 {
			s.t.Errorf("%s holds personal data: …%s…", where, text[max(0, at-80):min(len(text), at+40)])
		}
	}
	look("metrics", metrics)
	for _, topic := range []string{"notifications", "deliveries", "runs", "rejects", "suppressions"} {
		for _, r := range s.v.follow(s.t, topic).read() {
			look(topic, string(r.Key)+" "+string(r.Value))
		}
	}
	for _, pattern := range []string{"*.log", "*.out"} {
		files, err := filepath.Glob(filepath.Join(s.v.dir, pattern))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				s.t.Fatal(err)
			}
			look(filepath.Base(file), string(text))
		}
	}
}
