package config

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"lejarat/connectors/debezium"
)

const defaultMaxAge = 10 * time.Minute

func (c *Config) checkSources(r *report) {
	if len(c.Sources) == 0 {
		r.fault("sources", "missing; describe at least one topic of documents and one of registrations")
		return
	}
	kinds := map[string]bool{}
	unclear := false
	for i, s := range c.Sources {
		kinds[s.Kind] = true
		unclear = unclear || s.Kind != KindDocuments && s.Kind != KindRegistrations
		c.checkSource(r, i)
	}
	for _, kind := range []string{KindDocuments, KindRegistrations} {
		if !kinds[kind] && !unclear {
			r.also("sources", "there is no source of kind %s; add one, since nobody can be told anything without", kind)
		}
	}
}

func (c *Config) checkSource(r *report, i int) {
	s, path := c.Sources[i], index("sources", i)
	c.checkTopic(r, i)
	oneOf(r, path+".format", s.Format, "auto", "json")
	if s.MaxRejectShare <= 0 || s.MaxRejectShare > 1 {
		r.fault(path+".max_reject_share", "%v is out of range; choose a share above 0 and up to 1, for example 0.05", s.MaxRejectShare)
	}
	between(r, path+".delay_limit", s.DelayLimit, time.Second, 30*day)
	if s.Heartbeat != (Heartbeat{}) {
		c.checkHeartbeat(r, path+".heartbeat", s.Heartbeat)
	}
	if !r.given(path + ".columns") {
		r.fault(path+".columns", "missing; say which column means what")
	}
	switch s.Kind {
	case KindDocuments:
		s.misplaced(r, path, "email", "active", "service", "language")
		c.checkDocumentColumns(r, path+".columns", s.Columns)
	case KindRegistrations:
		s.misplaced(r, path, "type", "number", "status", "expires", "holder_ref")
		c.checkRegistrationColumns(r, path+".columns", s.Columns)
	case "":
		r.fault(path+".kind", "missing; write documents or registrations")
		return
	default:
		oneOf(r, path+".kind", s.Kind, KindDocuments, KindRegistrations)
		return
	}
	if !r.given(path + ".columns") {
		return
	}
	dateColumn(r, path+".columns.effective", s.Columns.Effective)
	c.checkHolder(r, path+".columns.holder", s)
	m, clashes := s.mapColumns()
	if len(m.Columns) > debezium.MaxColumns {
		r.fault(path+".columns", "%d columns are mapped; map at most %d", len(m.Columns), debezium.MaxColumns)
	}
	for _, x := range clashes {
		r.fault(join(path+".columns", x.second.path), "column %s is read here as %s but as %s under %s; map two different columns, or read both in one way",
			x.second.column.Name, kindName(x.second.column), kindName(x.first.column), x.first.path)
	}
}

func (c *Config) checkTopic(r *report, i int) {
	s, path := c.Sources[i], index("sources", i)
	if s.Topic == "" {
		r.fault(path+".topic", "missing; name the topic that the connector writes")
		return
	}
	if !isTopic(s.Topic) {
		r.fault(path+".topic", "%q cannot be a topic; use at most 249 letters, digits, dots, underscores and hyphens", s.Topic)
	}
	if c.Kafka.owns(s.Topic) {
		r.fault(path+".topic", "%s is a topic that lejarat writes itself; name the connector's, or choose another kafka.topic_prefix", s.Topic)
	}
	for j, other := range c.Sources[:i] {
		switch {
		case other.Topic == s.Topic:
			r.fault(path+".topic", "sources[%d] has this topic already; a topic is of one source", j)
		case other.Name == s.Name:
			r.fault(path+".name", "sources[%d] has this name already; give every source its own", j)
		}
	}
}

func (c *Config) checkHeartbeat(r *report, path string, h Heartbeat) {
	switch {
	case h.Topic == "":
		r.fault(path+".topic", "missing; name the topic of the heartbeat table, or remove heartbeat")
		return
	case !isTopic(h.Topic):
		r.fault(path+".topic", "%q cannot be a topic; use at most 249 letters, digits, dots, underscores and hyphens", h.Topic)
	case slices.ContainsFunc(c.Sources, func(s Source) bool { return s.Topic == h.Topic }):
		r.fault(path+".topic", "%s is a source's own topic; name that of the heartbeat table", h.Topic)
	}
	between(r, path+".max_age", h.MaxAge, time.Second, 30*day)
}

// misplaced reports fields that the other kind of source has.
func (s Source) misplaced(r *report, path string, keys ...string) {
	for _, key := range keys {
		if at := join(path+".columns", key); r.given(at) {
			r.fault(at, "a source of %s has no such field; remove it", s.Kind)
		}
	}
}

func (c *Config) checkDocumentColumns(r *report, path string, cols Columns) {
	c.checkTypeColumn(r, path+".type", cols.Type)
	textColumn(r, path+".number", cols.Number)
	textColumn(r, path+".holder_ref", cols.HolderRef)
	if required(r, path+".status", cols.Status.Column, "name the column that says whether a document is valid"); cols.Status.Column != "" {
		if len(cols.Status.Valid) == 0 {
			r.fault(path+".status", "no value is valid; write for example {column: %s, valid: [V]}", cols.Status.Column)
		}
		disjoint(r, path+".status", "valid", cols.Status.Valid, "invalid", cols.Status.Invalid)
	}
	if len(cols.Expires) == 0 {
		r.fault(path+".expires", "missing; name the column of the expiry date")
	}
	for i, e := range cols.Expires {
		at := index(path+".expires", i)
		required(r, at, e.Column, "name the column of the expiry date")
		dateColumn(r, at, e)
	}
}

func (c *Config) checkTypeColumn(r *report, path string, t TypeColumn) {
	if t.Constant != "" {
		if t.Column != "" || len(t.Values) > 0 || len(t.Ignored) > 0 {
			r.fault(path+".constant", "stands beside a column; a table is of one type, or a column tells")
			return
		}
		c.checkType(r, path+".constant", t.Constant)
		return
	}
	required(r, path, t.Column, "name the column that holds the document type, or write {constant: passport} for a table of one type")
	for _, value := range slices.Sorted(maps.Keys(t.Values)) {
		c.checkType(r, join(path+".values", value), t.Values[value])
	}
	disjoint(r, path, "values", slices.Sorted(maps.Keys(t.Values)), "ignored", t.Ignored)
}

func (c *Config) checkRegistrationColumns(r *report, path string, cols Columns) {
	required(r, path+".email", cols.Email.Column, "name the column of the e-mail address")
	textColumn(r, path+".email", cols.Email)
	required(r, path+".active", cols.Active.Column, "name the column that says whether a registration is in use")
	disjoint(r, path+".active", "true", cols.Active.True, "false", cols.Active.False)
	required(r, path+".service", cols.Service.Column, "name the column that says whether notices are switched on")
	disjoint(r, path+".service", "true", cols.Service.True, "false", cols.Service.False)
	l := cols.Language
	if len(l.Values) > 0 {
		required(r, path+".language.column", l.Column, "name the column of the language")
	}
	for _, value := range slices.Sorted(maps.Keys(l.Values)) {
		oneOf(r, join(path+".language.values", value), l.Values[value], "hu", "en")
	}
}

// checkHolder reports identity fields that a match list names and the source does not have.
func (c *Config) checkHolder(r *report, path string, s Source) {
	dateColumn(r, path+".birth_date", s.Columns.Holder.BirthDate)
	if isEmpty(reflect.ValueOf(s.Columns.Holder)) {
		r.fault(path, "missing; name the columns of %s", fieldList)
	}
	for _, f := range HolderFields {
		columns := s.Columns.Holder.texts(f)
		noBlanks(r, join(path, f), columns)
		noRepeats(r, join(path, f), columns)
		if s.Columns.Holder.maps(f) {
			continue
		}
		for _, name := range c.typesOf(s) {
			if slices.Contains(c.Documents[name].Match, f) {
				r.fault(join(path, f), "not mapped, but %s is matched by it; map it, or leave it out of documents.%s.match", name, name)
				break
			}
		}
	}
}

// typesOf returns the document types that rows of a source can have or, for registrations, be matched with.
func (c *Config) typesOf(s Source) []string {
	t := s.Columns.Type
	switch {
	case s.Kind == KindDocuments && t.Constant != "":
		return []string{t.Constant}
	case s.Kind == KindDocuments && len(t.Values) > 0:
		return slices.Compact(slices.Sorted(maps.Values(t.Values)))
	default:
		return slices.Sorted(maps.Keys(c.Documents))
	}
}

func textColumn(r *report, path string, c Column) {
	if c.Date != "" {
		r.fault(path+".date", "this column is text, not a date; remove it")
		required(r, path+".column", c.Column, "name the column")
	}
}

func dateColumn(r *report, path string, c Column) {
	if c.Date == "" {
		return
	}
	required(r, path+".column", c.Column, "name the column")
	oneOf(r, path+".date", c.Date, debezium.Encodings()...)
}

// disjoint reports values that stand in two lists that exclude each other.
func disjoint(r *report, path, one string, ones []string, other string, others []string) {
	noRepeats(r, join(path, other), others)
	if one != "values" {
		noRepeats(r, join(path, one), ones)
	}
	for i, v := range others {
		if slices.Contains(ones, v) {
			r.fault(index(join(path, other), i), "%q stands under %s too; keep it in one place", v, one)
		}
	}
}
