package registry

import (
	"time"

	"lejarat/processor/event"
)

// form is the type of a column.
type form uint8

const (
	number form = iota
	text
	date
	flag
	instant
)

// column is one column of a table of rows R: what both encoders need to know about it.
type column[R any] struct {
	name    string
	form    form
	null    bool   // nullable: zero values are null
	normal  string // the column's default, in the form of its kind; "" is none
	comment string
	get     func(*R, *cell)
}

// cell receives one value; which field counts is the column's form.
type cell struct {
	number int64
	text   string
	date   event.Date
	flag   bool
	at     time.Time
}

// empty says whether a nullable column holds null.
func (c *cell) empty(f form) bool {
	switch f {
	case text:
		return c.text == ""
	case date:
		return c.date == event.NoExpiry
	case instant:
		return c.at.IsZero()
	default:
		return false
	}
}

func holderColumns[R any](h func(*R) *Holder) []column[R] {
	return []column[R]{
		{name: "family_name", form: text, comment: "viselt családi név", get: func(r *R, c *cell) { c.text = h(r).Name.Family }},
		{name: "given_name", form: text, comment: "viselt utónév", get: func(r *R, c *cell) { c.text = h(r).Name.Given }},
		{name: "birth_family_name", form: text, get: func(r *R, c *cell) { c.text = h(r).Birth.Family }},
		{name: "birth_given_name", form: text, get: func(r *R, c *cell) { c.text = h(r).Birth.Given }},
		{name: "birth_place", form: text, get: func(r *R, c *cell) { c.text = h(r).BirthPlace }},
		{name: "birth_date", form: date, get: func(r *R, c *cell) { c.date = h(r).BirthDate }},
		{name: "mother_family_name", form: text, comment: "anyja születési családi neve", get: func(r *R, c *cell) { c.text = h(r).Mother.Family }},
		{name: "mother_given_name", form: text, comment: "anyja születési utóneve", get: func(r *R, c *cell) { c.text = h(r).Mother.Given }},
	}
}

var documentColumns = join(
	[]column[Document]{
		{name: "id", form: number, get: func(d *Document, c *cell) { c.number = d.ID }},
		{name: "kind", form: text, comment: "UTLEVEL, SZIG, JOGSI, FORGALMI", get: func(d *Document, c *cell) { c.text = d.Kind }},
		{name: "number", form: text, get: func(d *Document, c *cell) { c.text = d.Number }},
		{name: "status", form: text, normal: "V", comment: "V érvényes, C cserélt, E elveszett, L ellopott, B bevont", get: func(d *Document, c *cell) { c.text = d.Status }},
		{name: "valid_until", form: date, null: true, comment: "üres: határidő nélküli", get: func(d *Document, c *cell) { c.date = d.ValidUntil }},
		{name: "issued_on", form: date, get: func(d *Document, c *cell) { c.date = d.IssuedOn }},
	},
	holderColumns(func(d *Document) *Holder { return &d.Holder }),
	[]column[Document]{
		{name: "holder_ref", form: text, comment: "the register's own reference of the holder", get: func(d *Document, c *cell) { c.text = d.HolderRef }},
		{name: "sex", form: text, get: func(d *Document, c *cell) { c.text = d.Sex }},
		{name: "citizenship", form: text, normal: "HUN", get: func(_ *Document, c *cell) { c.text = "HUN" }},
		{name: "authority", form: text, get: func(d *Document, c *cell) { c.text = d.Authority }},
		{name: "case_number", form: text, get: func(d *Document, c *cell) { c.text = d.CaseNumber }},
		{name: "photo_ref", form: text, null: true, get: func(d *Document, c *cell) { c.text = d.PhotoRef }},
		{name: "remarks", form: text, null: true, get: func(d *Document, c *cell) { c.text = d.Remarks }},
		{name: "created_at", form: instant, get: func(d *Document, c *cell) { c.at = d.CreatedAt }},
		{name: "updated_at", form: instant, get: func(d *Document, c *cell) { c.at = d.UpdatedAt }},
	})

var registrationColumns = join(
	[]column[Registration]{
		{name: "id", form: number, get: func(r *Registration, c *cell) { c.number = r.ID }},
		{name: "user_name", form: text, get: func(r *Registration, c *cell) { c.text = r.UserName }},
	},
	holderColumns(func(r *Registration) *Holder { return &r.Holder }),
	[]column[Registration]{
		{name: "email", form: text, get: func(r *Registration, c *cell) { c.text = r.Email }},
		{name: "active", form: flag, normal: "true", get: func(r *Registration, c *cell) { c.flag = r.Active }},
		{name: "service_on", form: flag, normal: "true", comment: "előzetes értesítést kér okmányai lejáratáról", get: func(r *Registration, c *cell) { c.flag = r.ServiceOn }},
		{name: "service_since", form: instant, comment: "when the service was last switched on", get: func(r *Registration, c *cell) { c.at = r.ServiceSince }},
		{name: "language", form: text, normal: "hu", get: func(r *Registration, c *cell) { c.text = r.Language }},
		{name: "auth_level", form: text, get: func(r *Registration, c *cell) { c.text = r.Level }},
		{name: "phone", form: text, null: true, get: func(r *Registration, c *cell) { c.text = r.Phone }},
		{name: "postal_code", form: text, null: true, get: func(r *Registration, c *cell) { c.text = r.PostalCode }},
		{name: "city", form: text, null: true, get: func(r *Registration, c *cell) { c.text = r.City }},
		{name: "last_login_at", form: instant, null: true, get: func(r *Registration, c *cell) { c.at = r.LastLogin }},
		{name: "created_at", form: instant, get: func(r *Registration, c *cell) { c.at = r.CreatedAt }},
		{name: "updated_at", form: instant, get: func(r *Registration, c *cell) { c.at = r.UpdatedAt }},
	})

// beat is the only row of the table heartbeat.
type beat struct{ at time.Time }

var heartbeatColumns = []column[beat]{
	{name: "id", form: number, get: func(_ *beat, c *cell) { c.number = 1 }},
	{name: "at", form: instant, get: func(b *beat, c *cell) { c.at = b.at }},
}

func join[R any](parts ...[]column[R]) []column[R] {
	var all []column[R]
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
