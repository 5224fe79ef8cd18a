package config

import "lejarat/processor/event"

// Mapping is a source's mapping as the decoder and intake use it: the columns to decode, each once, and for every logical
// field the index of its column. None is the index of a field that is not mapped.
type Mapping struct {
	// Columns is what the decoder reads; a Change's Values stand in this order.
	Columns []event.Column
	// Type, Number, Status, HolderRef and Expires are of a documents source.
	Type, Number, Status, HolderRef int
	// Expires are the expiry dates; the earliest non-null one counts.
	Expires []int
	// Effective is when the facts took effect.
	Effective int
	// Holder are the columns of each identity field, in the order of HolderFields, to be joined with one blank; an
	// empty list is a field that this source does not have.
	Holder [5][]int
	// Email, Active, Service and Language are of a registrations source.
	Email, Active, Service, Language int
}

// None is the index of a field that is not mapped.
const None = -1

// Mapping returns the source's mapping.
func (s Source) Mapping() Mapping {
	m, _ := s.mapColumns()
	return m
}

// use is one logical use of a column.
type use struct {
	path   string // within columns
	column event.Column
}

// clash is a use of a column that does not agree with an earlier use.
type clash struct{ first, second use }

// mapColumns builds the mapping; where two uses of a column read it in different ways, the first counts.
func (s Source) mapColumns() (Mapping, []clash) {
	var m Mapping
	var uses []use
	var clashes []clash
	add := func(path, name string, kind event.ColumnKind, encoding string) int {
		if name == "" {
			return None
		}
		u := use{path, event.Column{Name: name, Kind: kind, Encoding: encoding}}
		for i, first := range uses {
			if first.column.Name == name {
				if first.column != u.column {
					clashes = append(clashes, clash{first, u})
				}
				return i
			}
		}
		uses = append(uses, u)
		m.Columns = append(m.Columns, u.column)
		return len(uses) - 1
	}
	c := s.Columns
	m.Type = add("type", c.Type.Column, event.Text, "")
	m.Number = add("number", c.Number.Column, event.Text, "")
	m.Status = add("status", c.Status.Column, event.Text, "")
	for i, e := range c.Expires {
		m.Expires = append(m.Expires, add(index("expires", i), e.Column, event.CivilDate, e.Date))
	}
	m.Effective = add("effective", c.Effective.Column, event.Instant, c.Effective.Date)
	for i, name := range HolderFields {
		path := "holder." + name
		if name == "birth_date" {
			if at := add(path, c.Holder.BirthDate.Column, event.CivilDate, c.Holder.BirthDate.Date); at != None {
				m.Holder[i] = []int{at}
			}
			continue
		}
		for j, column := range c.Holder.texts(name) {
			m.Holder[i] = append(m.Holder[i], add(index(path, j), column, event.Text, ""))
		}
	}
	m.HolderRef = add("holder_ref", c.HolderRef.Column, event.Text, "")
	m.Email = add("email", c.Email.Column, event.Text, "")
	m.Active = add("active", c.Active.Column, event.Text, "")
	m.Service = add("service", c.Service.Column, event.Text, "")
	m.Language = add("language", c.Language.Column, event.Text, "")
	return m, clashes
}

// texts returns the columns of a text field of the identity.
func (h Holder) texts(field string) []string {
	switch field {
	case "name":
		return h.Name
	case "birth_name":
		return h.BirthName
	case "birth_place":
		return h.BirthPlace
	case "mother_name":
		return h.MotherName
	default:
		return nil
	}
}

// maps says whether the source has an identity field.
func (h Holder) maps(field string) bool {
	return len(h.texts(field)) > 0 || field == "birth_date" && h.BirthDate.Column != ""
}

// kindName says in words how a column is read.
func kindName(c event.Column) string {
	name := [...]string{event.Text: "text", event.CivilDate: "a date", event.Instant: "a point in time"}[c.Kind]
	if c.Encoding != "" {
		name += " (" + c.Encoding + ")"
	}
	return name
}
