package registry

import (
	"slices"
	"strconv"
	"time"

	"lejarat/processor/event"
)

// documents gives a person the documents of its age, as they stand on the day of the snapshot.
func (m *maker) documents(d *dice, p *Person) {
	age := m.age(p)
	if d.chance(ifElse(age >= 14, 0.96, 0.6)) {
		m.document(d, p, KindCard)
	}
	if d.chance(0.45) {
		m.document(d, p, KindPassport)
	}
	if age < 18 {
		return
	}
	if d.chance(0.65) {
		m.document(d, p, KindLicence)
	}
	for n := vehicles(d); n > 0; n-- {
		m.document(d, p, KindVehicle)
	}
}

func vehicles(d *dice) int {
	switch roll := d.below(100); {
	case roll < 50:
		return 0
	case roll < 88:
		return 1
	case roll < 98:
		return 2
	default:
		return 3
	}
}

// document makes one document somewhere in its life, and perhaps what is left of its predecessor.
func (m *maker) document(d *dice, p *Person, kind string) {
	rates := &m.o.Rates
	length := m.years(d, p, kind, m.o.Start-365)
	// Two of a hundred have run out lately.
	issued := m.o.Start - 1 - event.Date(d.share()*float64(max(length, 3))*365.25*1.02)
	if issued <= p.born {
		issued = p.born + event.Date(1+d.below(max(1, int(m.o.Start-p.born)-1)))
	}
	if kind != KindVehicle && issued-p.born > 8*365 && d.chance(rates.Predecessor) {
		old := m.newDocument(d, p, kind, issued-event.Date(d.between(900, 2000)), 6)
		old.Status = StatusReplaced
		if d.chance(rates.OldValid) {
			old.Status = StatusValid
		}
		p.Documents = append(p.Documents, old)
	}
	doc := m.newDocument(d, p, kind, issued, length)
	if d.chance(rates.LostOrStolen) {
		doc.Status = [...]string{StatusLost, StatusStolen, StatusWithdrawn}[d.below(3)]
	}
	p.Documents = append(p.Documents, doc)
}

// years returns for how many years a document issued on a day is valid, 0 for ever.
func (m *maker) years(d *dice, p *Person, kind string, issued event.Date) int {
	age := int(float64(issued-p.born) / 365.25)
	switch kind {
	case KindCard:
		switch {
		case age < 18:
			return 3
		case age >= 65 && d.chance(0.5):
			return 0
		}
		return 6
	case KindPassport:
		switch {
		case age < 6:
			return 3
		case age < 18 || age < 70 && d.chance(0.3):
			return 5
		}
		return 10
	case KindLicence:
		if age > 50 {
			return 5
		}
		return 10
	}
	return ifElse(d.chance(0.25), 4, 2)
}

// newDocument makes a valid document, issued on the given day for so many years (0: for ever).
func (m *maker) newDocument(d *dice, p *Person, kind string, issued event.Date, years int) Document {
	id := p.nextID()
	at := m.clock(d, issued)
	doc := Document{
		ID: id, Kind: kind, Number: m.number(p, kind), Status: StatusValid, IssuedOn: issued,
		ValidUntil: expiry(p.born, kind, issued, years),
		Holder:     p.holder, HolderRef: p.holderRef,
		Sex: ifElse(p.female, "N", "F"), Authority: d.one(authorities),
		CaseNumber: "OKM-" + digits(int64(d.below(1e9)), 9) + "/" + strconv.Itoa(d.between(1990, 2026)),
		PhotoRef:   "okmanytar/arckep/" + strconv.FormatUint(mix(uint64(id)), 16) + ".jp2",
		CreatedAt:  at, UpdatedAt: at,
		Truth: Truth{Person: p.Index, Identity: p.identity},
	}
	m.avoid(&doc)
	if d.chance(0.1) {
		doc.Remarks = "Kézbesítés az eljáró hatóságnál; korábbi okmány leadva."
	}
	if d.chance(0.25) { // from the time when the register was kept in capital letters
		doc.Holder = upper(doc.Holder)
	}
	return doc
}

// expiry counts the years from the day of issue: to a birthday for cards and licences, else to the same day. The
// 29th of February becomes the 28th where the year has none.
func expiry(born event.Date, kind string, issued event.Date, years int) event.Date {
	if years == 0 {
		return event.NoExpiry
	}
	year, month, day := issued.Civil()
	if kind == KindCard || kind == KindLicence {
		_, month, day = born.Civil()
	}
	if month == time.February && day == 29 && event.NewDate(year+years, month, day) == event.NewDate(year+years, time.March, 1) {
		day = 28
	}
	return event.NewDate(year+years, month, day)
}

var kinds = [4]string{KindCard, KindPassport, KindLicence, KindVehicle}

// number returns an unused document number in the format of its kind: a permutation of the person's own numbers, so
// that no two documents of a kind share one as long as nobody gets more than 16 of it.
func (m *maker) number(p *Person, kind string) string {
	made := &p.numbers[slices.Index(kinds[:], kind)]
	n := int64(p.Index)*16 + *made%16
	*made++
	switch kind {
	case KindCard: // 123456AA
		n = n * 7_368_787 % 676_000_000
		return digits(n/676, 6) + letters(n%676, 2)
	case KindPassport: // BD0002028
		n = n * 7_368_787 % 6_760_000_000
		return letters(n/10_000_000, 2) + digits(n%10_000_000, 7)
	case KindLicence: // CA 123456
		n = n * 7_368_787 % 676_000_000
		return letters(n/1_000_000, 2) + " " + digits(n%1_000_000, 6)
	default: // AABC-123
		n = n * 7_368_787 % 456_976_000
		return letters(n/1000, 4) + "-" + digits(n%1000, 3)
	}
}

func letters(n int64, width int) string {
	var b [8]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('A' + n%26)
		n /= 26
	}
	return string(b[:width])
}

func ifElse[T any](condition bool, yes, no T) T {
	if condition {
		return yes
	}
	return no
}
