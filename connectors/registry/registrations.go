package registry

import (
	"strconv"
	"strings"

	"lejarat/processor/event"
)

// registrations gives a person the registrations of the snapshot.
func (m *maker) registrations(d *dice, p *Person) {
	if !d.chance(ifElse(m.age(p) >= 16, m.adult, m.child)) {
		return
	}
	m.oldRegistration(d, p)
	if !d.chance(m.o.Rates.SecondRegistration) {
		return
	}
	m.oldRegistration(d, p)
	if d.chance(m.o.Rates.SharedAddress) {
		p.Registrations[1].Email = sameAddress(d, p.Registrations[0].Email)
	}
}

// sameAddress writes an address as another registration may: it counts as the same.
func sameAddress(d *dice, email string) string {
	if name, domain, found := strings.Cut(email, "@"); found && d.chance(0.3) {
		return name + "@" + strings.ToUpper(domain[:1]) + domain[1:]
	}
	return email
}

// oldRegistration adds a registration that was made some time before the snapshot.
func (m *maker) oldRegistration(d *dice, p *Person) {
	rates := &m.o.Rates
	day := m.o.Start - 1 - event.Date(d.below(10*365))
	if d.chance(0.1) { // lately: perhaps after a threshold has passed
		day = m.o.Start - 1 - event.Date(d.below(60))
	}
	r := m.newRegistration(d, p, day)
	if d.chance(rates.ServiceOff) {
		r.ServiceOn = false
	} else if d.chance(0.1) { // switched off and on again since
		day += event.Date(d.below(int(m.o.Start - day)))
		r.ServiceSince = m.clock(d, day)
	}
	r.Active = !d.chance(rates.Inactive)
	r.LastLogin = m.clock(d, m.o.Start-1-event.Date(d.below(int(m.o.Start-day))))
	m.spell(d, p, &r)
	p.Registrations = append(p.Registrations, r)
}

// newRegistration makes a registration with the service switched on, spelled canonically.
func (m *maker) newRegistration(d *dice, p *Person, day event.Date) Registration {
	id := p.nextID()
	at := m.clock(d, day)
	family := strings.TrimPrefix(p.holder.Name.Family, title)
	name := plain(firstWord(p.holder.Birth.Given)) + "." + plain(firstWord(family)) + strconv.FormatInt(id, 10)
	return Registration{
		ID: id, Holder: p.holder, Email: name + "@" + d.frequent(domains),
		Active: true, ServiceOn: true, ServiceSince: at, Language: ifElse(d.chance(0.95), "hu", "en"),
		UserName: name, Phone: "+36 20 555 " + digits(int64(d.below(10000)), 4),
		PostalCode: strconv.Itoa(d.between(1011, 9985)), City: d.frequent(cities),
		Level:     d.one([]string{"Ügyfélkapu+", "DÁP", "Ügyfélkapu"}),
		LastLogin: at, CreatedAt: at, UpdatedAt: at,
		Truth: Truth{Person: p.Index, Identity: p.identity},
	}
}

// spell writes the holder into a registration: canonically, in a losslessly equal way, or with an error.
func (m *maker) spell(d *dice, p *Person, r *Registration) {
	rates := &m.o.Rates
	r.Holder, r.Identity = p.holder, p.identity
	switch {
	case d.chance(rates.Misspelled):
		r.Holder = misspell(d, r.Holder)
		r.Identity = identityOf(&r.Holder)
	case d.chance(rates.Incomplete):
		r.Mother = Name{}
		r.Identity = 0
	}
	if d.chance(rates.Respelled) {
		r.Holder = respell(d, r.Holder, m.o.TitlesDropped)
	}
}
