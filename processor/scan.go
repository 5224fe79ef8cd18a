package processor

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/story"
	"lejarat/processor/watch"
)

// Explain tells the story of a row from the topics alone: it reads the journal for the row, the partitions of its
// identities for everything that stands there, then what was decided and delivered. It needs no state and writes nothing.
//
// Runs are read before the decisions: a run known as complete has all of its decisions in what is read after it.
func Explain(ctx context.Context, cfg Config, q Question) (*story.Story, error) {
	e := &Engine{cfg: cfg, inputs: map[string]int32{}}
	if err := e.preflight(ctx); err != nil {
		return nil, err
	}
	runs, err := openRuns(ctx, &e.cfg)
	if err != nil {
		return nil, err
	}
	defer runs.reader.Close()
	if err := runs.readAll(ctx); err != nil {
		return nil, err
	}
	if live := runs.Live(); live != 0 && live != cfg.Generation {
		return nil, refuse("generation %d is live, state.generation is %d here: set state.generation: %d", live, cfg.Generation, live)
	}
	s, err := findRow(ctx, &e.cfg, &q)
	if err != nil {
		return nil, err
	}
	said := &decisions{refs: cfg.Watch.Refs, ids: map[journal.Ref]event.Notice{}, marks: map[journal.Ref]bool{}}
	t := &teller{cfg: &e.cfg, runs: runs, ledger: said}
	t.plan(s)
	if err := said.read(ctx, &e.cfg, concerned(s, t.rowRef(s))); err != nil {
		return nil, err
	}
	delivered, err := readDeliveries(ctx, &e.cfg, said.ids)
	if err != nil {
		return nil, err
	}
	t.record = func(id journal.Ref) record {
		n := said.ids[id]
		return record{RunDate: n.RunDate, At: n.At, Delivery: delivered[n.ID]}
	}
	out := t.tell(s)
	out.ToldFrom = story.FromTopics
	t.former(out, said)
	out.Tell()
	return out, nil
}

// finder looks for a row in the journal.
type finder struct {
	q       *Question
	sources map[uint32]*Source
	src     *Source
	row     string
	several bool
	places  map[intake.Place]*placed
	seen    []seen
}

// placed is what stands of the row at one place.
type placed struct{ facts, hold bool }

// seen is one journal record of the row.
type seen struct {
	key        journal.RowKey
	value      journal.Value // neither document nor registration nor hold: a retraction
	retraction journal.Meta
}

func (s *seen) meta() *journal.Meta {
	if s.value == (journal.Value{}) {
		return &s.retraction
	}
	return s.value.Meta()
}

// visit compares keys as bytes, and decodes what matches only.
func (f *finder) visit(r *event.Record) error {
	source, row, ok := journal.RowOf(r.Key)
	if !ok || !f.q.names(row) {
		return nil
	}
	src := f.sources[source]
	if src == nil {
		return nil
	}
	if f.src == nil {
		f.src, f.row = src, string(row)
	}
	f.several = f.several || f.src != src || f.row != string(row)
	key, err := journal.ParseKey(r.Key)
	if err != nil {
		return err
	}
	s := seen{key: key.Row}
	if r.Value == nil {
		s.retraction, err = journal.DecodeMeta(r.HeaderValue(journal.Header))
	} else {
		s.value, err = journal.DecodeValue(r.Value)
	}
	if err != nil {
		return err
	}
	f.seen = append(f.seen, s)
	at := intake.Place{List: s.key.List, Fingerprint: s.key.Fingerprint}
	if f.places[at] == nil {
		f.places[at] = &placed{}
	}
	if s.key.Kind == journal.Hold {
		f.places[at].hold = r.Value != nil
	} else {
		f.places[at].facts = r.Value != nil
	}
	return nil
}

// findRow reads the journal for the row, then for all rows of its identities.
func findRow(ctx context.Context, cfg *Config, q *Question) (*sighting, error) {
	f := &finder{q: q, sources: map[uint32]*Source{}, places: map[intake.Place]*placed{}}
	for i := range cfg.Sources {
		if src := &cfg.Sources[i]; src.Kind == q.Kind && slices.Contains(q.Topics, src.Topic) {
			f.sources[src.ID] = src
		}
	}
	spans, err := cfg.Log.Spans(ctx, cfg.journal())
	if err != nil {
		return nil, err
	}
	if err := event.Scan(ctx, cfg.Log, spans, f.visit); err != nil {
		return nil, err
	}
	switch {
	case len(f.seen) == 0:
		return findInSources(ctx, cfg, q)
	case f.several:
		return nil, ErrSeveralRows
	}
	s := &sighting{src: f.src, row: f.row}
	f.history(cfg, s)
	return s, s.gather(ctx, cfg, f.places, spans)
}

// history puts what was seen of the row in order: its versions, its last reference, its deletion.
func (f *finder) history(cfg *Config, s *sighting) {
	slices.SortStableFunc(f.seen, func(a, b seen) int { return cmp.Compare(a.meta().Offset, b.meta().Offset) })
	t := &teller{cfg: cfg}
	newest := f.seen[len(f.seen)-1].meta()
	fingerprints := map[uint8]journal.Fingerprint{} // by list
	for i := range f.seen {
		o := &f.seen[i]
		m := o.meta()
		v := story.Version{Position: t.position(m)}
		switch {
		case o.value == (journal.Value{}) && m.Deleted:
			v.What = "deleted"
			if m.Offset == newest.Offset {
				s.deleted = m
			}
		case o.value == (journal.Value{}):
			continue // a move or the end of a hold: the facts beside it say so
		case o.value.Hold != nil:
			v.What, v.Hold = "held", holdName(o.value.Hold.Reason)
		default:
			v.What, v.Effective = "facts", t.effective(m)
			if before, ok := fingerprints[uint8(o.key.List)]; ok && before != o.key.Fingerprint {
				v.What = "moved"
			}
			fingerprints[uint8(o.key.List)] = o.key.Fingerprint
			if d := o.value.Document; d != nil {
				v.Type, v.Valid, v.Expires = d.Type, d.Valid, expiry(d.Expires)
				s.ref = d.Ref
			} else {
				v.On, s.ref = o.value.Registration.On, o.value.Registration.Ref
			}
		}
		// A registration is written once for each list: that is one version.
		if n := len(s.versions); n == 0 || s.versions[n-1].Position.Offset != m.Offset || s.versions[n-1].What != v.What {
			s.versions = append(s.versions, v)
		}
	}
}

// gather reads everything that stands under the identities where the row stands now.
func (s *sighting) gather(ctx context.Context, cfg *Config, places map[intake.Place]*placed, journalSpans map[event.TopicPartition]event.Span) error {
	spans := map[event.TopicPartition]event.Span{}
	var prefixes [][]byte
	for at, p := range places {
		if !p.facts && !p.hold {
			continue
		}
		tp := event.TopicPartition{Topic: cfg.journal(), Partition: journal.Partition(&at.Fingerprint, cfg.Partitions)}
		spans[tp] = journalSpans[tp]
		prefixes = append(prefixes, journal.IdentityPrefix(&at.Fingerprint, at.List))
		s.groups = append(s.groups, group{place: at})
	}
	rows := make([]map[string][]byte, len(s.groups))
	for i := range rows {
		rows[i] = map[string][]byte{}
	}
	err := event.Scan(ctx, cfg.Log, spans, func(r *event.Record) error {
		for i := range prefixes {
			switch {
			case !bytes.HasPrefix(r.Key, prefixes[i]):
			case r.Value == nil:
				delete(rows[i], string(r.Key))
			default:
				rows[i][string(r.Key)] = r.Value
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range s.groups {
		for _, k := range sortedNames(rows[i]) {
			key, err := journal.ParseKey([]byte(k))
			if err != nil {
				return err
			}
			v, err := journal.DecodeValue(rows[i][k])
			if err != nil {
				return err
			}
			s.groups[i].rows = append(s.groups[i].rows, watch.Row{Key: key.Row, Value: v})
		}
	}
	return nil
}

func sortedNames(rows map[string][]byte) []string {
	names := make([]string, 0, len(rows))
	for k := range rows {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
