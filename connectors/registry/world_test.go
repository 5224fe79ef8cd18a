package registry

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lejarat/processor/event"
)

func options(people int) Options {
	return Options{Seed: 7, People: people, Start: civil("2026-03-02"), Zone: budapest}
}

// life is a digest of a snapshot and some days.
func life(o Options, days int) string {
	h := fnv.New128a()
	w := New(o)
	e := NewEncoder(EncoderOptions{SnapshotAt: w.SnapshotAt()})
	e.Snapshot(w.People(), func(topic string, key, value []byte) bool {
		fmt.Fprintf(h, "%s %s %s\n", topic, key, value)
		return true
	})
	for range days {
		for _, c := range w.Advance() {
			for _, m := range e.Change(c) {
				fmt.Fprintf(h, "%s %s %s\n", m.Topic, m.Key, m.Value)
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestAWorldFollowsFromItsSeed(t *testing.T) {
	o := options(500)
	o.Churn = 3
	first, second := life(o, 60), life(o, 60)
	if first != second {
		t.Error("two worlds of one seed differ")
	}
	other := o
	other.Seed++
	if life(o, 3) == life(other, 3) {
		t.Error("two seeds make one world")
	}
}

func TestALargerWorldBeginsWithTheSmallerOne(t *testing.T) {
	small, large := New(options(101)), New(options(140))
	for i := range small.people {
		a, b := small.people[i].Person, large.people[i].Person
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("person %d differs", i)
		}
	}
}

func TestPeopleAreSpreadAsInTheRegisters(t *testing.T) {
	w := New(options(20_000))
	c := w.Census()
	within := func(what string, got, of int, low, high float64) {
		t.Helper()
		if share := float64(got) / float64(of); share < low || share > high {
			t.Errorf("%s: %.4f, want %.4f to %.4f", what, share, low, high)
		}
	}
	within("registered", c.Registered, c.People, 0.43, 0.47)
	within("documents a person", c.Documents, c.People, 2.5, 4)
	within("expiring within a year", c.Expiring, c.Valid, 0.12, 0.25)
	within("without expiry", c.NoExpiry, c.Valid, 0.01, 0.08)
	within("switched on", c.SwitchedOn, c.Registrations, 0.85, 0.95)
	within("matched", c.Matched, c.Registered, 0.8, 0.95)
	within("misspelled", c.Misspelled, c.Registrations, 0.008, 0.03)
	within("respelled", c.Respelled, c.Registrations, 0.15, 0.3)
	within("colliding people", c.Collisions, c.People, 0.0008, 0.004)
	within("shared addresses", c.Shared, c.Registrations, 0.01, 0.12)
	inCapital, accented, years := 0, 0, map[int]int{}
	for p := range w.People() {
		inCapital += ifElse(districtOf(p.holder.BirthPlace) >= 0, 1, 0)
		accented += ifElse(plain(p.holder.Name.Family) != strings.ToLower(p.holder.Name.Family), 1, 0)
		for _, doc := range p.Documents {
			if doc.ValidUntil != event.NoExpiry && doc.ValidUntil >= w.o.Start {
				years[int(doc.ValidUntil-w.o.Start)/365]++
			}
		}
	}
	within("born in a district of Budapest", inCapital, c.People, 0.17, 0.23)
	within("accents in the family name", accented, c.People, 0.4, 0.8)
	for year := range 10 {
		if years[year] < 500 {
			t.Errorf("%d documents expire in year %d of ten", years[year], year)
		}
	}
}

func TestRowsAreSound(t *testing.T) {
	o := options(20_000)
	ids, numbers, emails := map[int64]bool{}, map[string]bool{}, map[string]int{}
	for p := range People(o) {
		for _, doc := range p.Documents {
			if ids[doc.ID] || numbers[doc.Kind+doc.Number] {
				t.Fatalf("document %d %s twice", doc.ID, doc.Number)
			}
			ids[doc.ID], numbers[doc.Kind+doc.Number] = true, true
			if doc.IssuedOn <= p.born && doc.Status == StatusValid || doc.IssuedOn >= o.Start || doc.ValidUntil <= doc.IssuedOn {
				t.Errorf("document %d of one born %s: issued %s, valid until %s", doc.ID, p.born, doc.IssuedOn, doc.ValidUntil)
			}
		}
		for _, reg := range p.Registrations {
			if ids[reg.ID] {
				t.Fatalf("registration %d twice", reg.ID)
			}
			ids[reg.ID] = true
			emails[reg.Email]++
			if !strings.Contains(strings.ToLower(reg.Email), "example.") || !utf8.ValidString(reg.Name.Given) {
				t.Errorf("registration %d: %q %q", reg.ID, reg.Email, reg.Name.Given)
			}
			if !reg.ServiceSince.Before(o.Start.At(0, 0, budapest)) {
				t.Errorf("registration %d: service since %s", reg.ID, reg.ServiceSince)
			}
		}
	}
}

func TestMisspelledIsNeverEqual(t *testing.T) {
	var d dice
	d.throw(1, 2, 3)
	for p := range People(options(5_000)) {
		wrong := misspell(&d, p.holder)
		if wrong == p.holder || identityOf(&wrong) == p.identity || normal(wrong) == normal(p.holder) {
			t.Fatalf("not misspelled: %+v", wrong)
		}
	}
}

func TestRespelledIsAlwaysEqual(t *testing.T) {
	var d dice
	d.throw(1, 2, 4)
	other := 0
	for p := range People(options(5_000)) {
		again := respell(&d, p.holder, false)
		other += ifElse(again != p.holder, 1, 0)
		if normal(again) != normal(p.holder) {
			t.Fatalf("%+v is %+v", again, p.holder)
		}
	}
	if other < 3_000 {
		t.Errorf("only %d of 5,000 are spelled otherwise", other)
	}
}

// normal takes back what respell may do.
func normal(h Holder) Holder {
	composed := []string{"\u2010", "-", "\u2011", "-", "\u2013", "-", "\u2014", "-", "\u00a0", " ", "(MAGYARORSZÁG)", ""}
	for letter, forms := range accents {
		composed = append(composed, forms[0], string(letter))
	}
	compose := strings.NewReplacer(composed...)
	text := func(s string) string {
		s = strings.Join(strings.Fields(strings.ToLower(compose.Replace(compose.Replace(s)))), " ")
		return strings.ReplaceAll(s, " - ", "-")
	}
	h = eachName(h, text)
	h.BirthPlace = strings.TrimSpace(strings.TrimSuffix(text(h.BirthPlace), "(magyarország)"))
	for i, all := range districtSpellings {
		for _, spelling := range all {
			if h.BirthPlace == text(spelling) {
				h.BirthPlace = fmt.Sprint("district ", i)
			}
		}
	}
	return h
}

func TestLifeGoesOnInOrderAndByDay(t *testing.T) {
	o := options(2_000)
	o.Churn = 4
	w := New(o)
	rows := map[int64]bool{}
	for p := range w.People() {
		for _, doc := range p.Documents {
			rows[doc.ID] = true
		}
		for _, reg := range p.Registrations {
			rows[reg.ID] = true
		}
	}
	var last time.Time
	for range 180 {
		day := w.Day()
		for _, c := range w.Advance() {
			if event.DateOf(c.At, budapest) != day || c.At.In(budapest).Hour() < 8 || c.At.In(budapest).Hour() >= 20 {
				t.Fatalf("a change of %s at %s", day, c.At)
			}
			if c.At.Before(last) {
				t.Fatalf("a change at %s after one at %s", c.At, last)
			}
			if rows[c.Key] != (c.Op != Insert) {
				t.Fatalf("operation %d on row %d, which is there: %v", c.Op, c.Key, rows[c.Key])
			}
			if there := c.Document != nil || c.Registration != nil; there != (c.Op != Delete) {
				t.Fatalf("operation %d with a row: %v", c.Op, there)
			}
			last, rows[c.Key] = c.At, c.Op != Delete
		}
	}
	left := 0
	for _, there := range rows {
		left += ifElse(there, 1, 0)
	}
	if c := w.Census(); left != c.Documents+c.Registrations {
		t.Errorf("%d rows by the changes, %d in the world", left, c.Documents+c.Registrations)
	}
}

// The oracle's memory and the world together: nobody is told twice, every reason occurs.
func TestHalfAYearWithTheOracle(t *testing.T) {
	o := options(4_000)
	o.Churn = 2
	w := New(o)
	q := NewOracle(OracleOptions{Zone: budapest})
	q.Load(w.People())
	told := map[string]bool{}
	reasons := map[string]int{}
	for day := range 183 {
		if day%40 != 25 { // a missed run now and then
			for _, e := range q.Run(w.Day()) {
				reasons[e.Kind+" "+e.Decision+" "+e.Reason]++
				key := fmt.Sprint(e.DocumentType, e.DocumentNumber, e.Expires, e.Due, e.RegistrationKey)
				if e.Decision == event.Emitted && told[key] {
					t.Errorf("twice: %+v", e)
				}
				told[key] = told[key] || e.Decision == event.Emitted
			}
		}
		for _, c := range w.Advance() {
			q.Apply(c)
		}
	}
	for _, reason := range []string{
		"expiry emitted ", "announcement emitted ", "expiry skipped late", "expiry skipped duplicate_address",
		"announcement skipped duplicate_address",
	} {
		if reasons[reason] == 0 {
			t.Errorf("never: %s", reason)
		}
	}
	t.Log(reasons)
}
