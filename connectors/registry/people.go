package registry

import (
	"iter"
	"strconv"
	"strings"
	"time"

	"lejarat/processor/event"
)

// People yields the people of the snapshot one at a time, without keeping them: memory does not grow with their number.
// A person and its rows are valid until the next one is asked for. The sequence can be run again.
func People(o Options) iter.Seq[*Person] {
	o = o.withDefaults()
	return func(yield func(*Person) bool) {
		m := newMaker(o)
		for i := 0; i < o.People; i += 2 {
			m.pair(i)
			if !yield(&m.two[0]) || i+1 < o.People && !yield(&m.two[1]) {
				return
			}
		}
	}
}

// maker makes people in pairs of neighbours: couples, two people of one identity, or strangers.
type maker struct {
	o        Options
	dice     dice
	now      time.Time // of the snapshot
	year     int
	adult    float64 // the share of adults that is registered, so that Registered comes out over all people
	child    float64
	two      [2]Person
	due      int                      // people of Due so far
	midnight map[event.Date]time.Time // of the local days already asked for, for speed
}

func newMaker(o Options) *maker {
	m := &maker{o: o, now: o.Start.At(SnapshotHour, 0, o.Zone), midnight: map[event.Date]time.Time{}}
	m.year, _, _ = o.Start.Civil()
	m.adult = o.Registered / adultShare
	if m.adult > 1 {
		m.child = (o.Registered - adultShare) / (1 - adultShare)
	}
	return m
}

// adultShare is the share of people of 16 and more.
const adultShare = 0.85

// pair makes the people i and i+1.
func (m *maker) pair(i int) {
	d := &m.dice
	d.throw(m.o.Seed, streamPeople, uint64(i/2))
	a, b := &m.two[0], &m.two[1]
	m.person(a, i)
	m.person(b, i+1)
	couple := false
	switch {
	case d.chance(m.o.Rates.Collision):
		b.holder, b.identity, b.born, b.female, b.married = a.holder, a.identity, a.born, a.female, a.married
	case m.age(a) >= 22 && m.age(b) >= 22 && !a.married && !b.married && a.female != b.female && d.chance(0.6):
		wife, husband := a, b
		if b.female {
			wife, husband = b, a
		}
		couple = true
		m.wed(d, wife, husband.holder.Name)
		husband.married = true
	}
	for _, p := range [...]*Person{a, b} {
		m.documents(d, p)
		m.registrations(d, p)
	}
	if couple && len(a.Registrations) > 0 && len(b.Registrations) > 0 && d.chance(m.o.Rates.FamilyAddress) {
		for i := range b.Registrations {
			b.Registrations[i].Email = a.Registrations[0].Email
		}
	}
	m.fallDue(d, a, b)
}

// person makes one person without rows.
func (m *maker) person(p *Person, index int) {
	d := &m.dice
	*p = Person{Index: index, Documents: p.Documents[:0], Registrations: p.Registrations[:0]}
	p.female = d.chance(0.52)
	age := d.between(0, 15)
	if d.chance(adultShare) {
		age = d.between(16, 69)
		if d.chance(0.2) {
			age = d.between(65, 95)
		}
	}
	p.born = m.o.Start - event.Date(age*365+age/4+d.between(2, 364))
	p.holderRef = "H" + digits(int64(index)+1, 9) + "-" + strconv.Itoa(index*7%10)
	h := &p.holder
	h.BirthDate = p.born
	h.Birth = Name{Family: surname(d), Given: given(d, p.female)}
	h.Mother = Name{Family: surname(d), Given: given(d, true)}
	h.BirthPlace = birthPlace(d)
	if age >= 26 && d.chance(0.04) {
		h.Birth.Family = title + h.Birth.Family
	}
	h.Name = h.Birth
	// A wife or widow whose husband is not among the people.
	if p.female && age >= 24 && d.chance(0.3) {
		m.wed(d, p, Name{Family: surname(d), Given: given(d, false)})
	}
	p.identity = identityOf(h)
}

// wed gives a wife her name in one of the ways of the law: her own, his with -né in either form, his, or both.
func (m *maker) wed(d *dice, wife *Person, husband Name) {
	h := &wife.holder
	h.Name = marriedName(d, h.Birth, husband)
	wife.married = true
	wife.identity = identityOf(h)
}

func marriedName(d *dice, birth, husband Name) Name {
	first := firstWord(husband.Given)
	switch roll := d.below(100); {
	case roll < 30:
		return birth
	case roll < 55:
		return Name{Family: husband.Family, Given: wifeOf(first)}
	case roll < 75:
		return Name{Family: wifeOf(husband.Family) + " " + birth.Family, Given: birth.Given}
	case roll < 85:
		return Name{Family: husband.Family, Given: birth.Given}
	default:
		return Name{Family: husband.Family + "-" + birth.Family, Given: birth.Given}
	}
}

// wifeOf puts -né to a name, lengthening its last vowel: Varga, Vargáné.
func wifeOf(name string) string {
	for _, vowel := range [...][2]string{{"a", "á"}, {"e", "é"}} {
		if stem, found := strings.CutSuffix(name, vowel[0]); found {
			return stem + vowel[1] + "né"
		}
	}
	return name + "né"
}

func firstWord(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}

func surname(d *dice) string {
	s := d.frequent(surnames)
	if d.chance(0.03) {
		return s + "-" + d.frequent(surnames)
	}
	return s
}

func given(d *dice, female bool) string {
	pool := givenMale
	if female {
		pool = givenFemale
	}
	s := d.frequent(pool)
	if d.chance(0.25) {
		if second := d.frequent(pool); second != s {
			return s + " " + second
		}
	}
	return s
}

func birthPlace(d *dice) string {
	switch roll := d.below(100); {
	case roll < 20:
		return districtSpellings[d.below(23)][0]
	case roll < 23:
		return capital
	case roll < 28:
		return d.one(abroad)
	default:
		return d.frequent(cities)
	}
}

// age is the age on the day of the snapshot, to a few days.
func (m *maker) age(p *Person) int { return int(float64(m.o.Start-p.born) / 365.25) }

// clock returns an instant within office hours of a day.
func (m *maker) clock(d *dice, day event.Date) time.Time {
	start, known := m.midnight[day]
	if !known {
		start = day.At(8, 0, m.o.Zone)
		m.midnight[day] = start
	}
	return start.Add(time.Duration(d.below(12*3600)) * time.Second)
}

// nextID numbers the rows of a person.
func (p *Person) nextID() int64 {
	p.slots++
	return int64(p.Index+1)*1000 + p.slots
}

// digits writes a number with leading zeros.
func digits(n int64, width int) string {
	var b [20]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[:width])
}
