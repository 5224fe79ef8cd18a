package intake

import (
	"encoding/binary"
	"fmt"

	"lejarat/processor/identity"
	"lejarat/processor/journal"
)

// Row is what intake remembers of a row. The journal rebuilds it: see Restore.
type Row struct {
	journal.Meta
	Hold journal.HoldReason
	IDs  []Place
}

// Place is where a row stands in the journal: one for each identity list under which it has an identity.
type Place struct {
	List        identity.List
	Fingerprint journal.Fingerprint
	Offset      int64 // source offset of the record that last wrote here
}

// known says whether the row's facts were read at least once since it was created.
func (r *Row) known() bool { return r != nil && !r.Deleted && r.Content != 0 }

func (r *Row) has(p *Place) bool {
	for i := range r.IDs {
		if r.IDs[i].List == p.List {
			return r.IDs[i].Fingerprint == p.Fingerprint
		}
	}
	return false
}

func (r *Row) samePlaces(o *Row) bool {
	if len(r.IDs) != len(o.IDs) {
		return false
	}
	for i := range r.IDs {
		if !o.has(&r.IDs[i]) {
			return false
		}
	}
	return true
}

// Restore applies one journal record, a row's facts or hold or the retraction of either, to the row's state. Records
// of one partition come in order, partitions in any order: a lower source offset than the row has, or a retraction of
// a place that it no longer holds, is ignored.
func Restore(r *Row, key *journal.RowKey, h *journal.Head) {
	if h.Retraction {
		r.restoreRetraction(key, &h.Meta)
		return
	}
	if h.Offset >= r.Offset {
		r.Meta, r.Hold = h.Meta, h.Hold
	}
	r.restorePlace(key, h.Offset)
}

func (r *Row) restorePlace(key *journal.RowKey, offset int64) {
	for i := range r.IDs {
		if r.IDs[i].List != key.List {
			continue
		}
		if offset >= r.IDs[i].Offset {
			r.IDs[i].Fingerprint, r.IDs[i].Offset = key.Fingerprint, offset
		}
		return
	}
	if r.Deleted && offset < r.Offset {
		return
	}
	r.IDs = append(r.IDs, Place{List: key.List, Fingerprint: key.Fingerprint, Offset: offset})
}

func (r *Row) restoreRetraction(key *journal.RowKey, m *journal.Meta) {
	if m.Offset > r.Offset || m.Deleted && m.Offset >= r.Offset {
		r.Meta, r.Hold = *m, journal.HoldNone // an upsert or a delete: either ends a hold
		if m.Deleted {
			r.IDs = nil
		}
	}
	if key.Kind == journal.Hold {
		if m.Offset >= r.Offset {
			r.Hold = journal.HoldNone
		}
		return
	}
	for i := range r.IDs {
		if r.IDs[i].List == key.List && r.IDs[i].Fingerprint == key.Fingerprint && r.IDs[i].Offset <= m.Offset {
			r.IDs = append(r.IDs[:i], r.IDs[i+1:]...)
			return
		}
	}
}

// Append appends the row as the store keeps it.
func (r *Row) Append(b []byte) []byte {
	at := len(b)
	b = journal.AppendMeta(append(b, 0), &r.Meta)
	b[at] = byte(len(b) - at - 1) // a uvarint: it is less than 128
	b = append(b, byte(r.Hold))
	for i := range r.IDs {
		p := &r.IDs[i]
		b = append(append(b, byte(p.List)), p.Fingerprint[:]...)
		b = binary.AppendUvarint(b, uint64(p.Offset))
	}
	return b
}

// DecodeRow reads what Append wrote.
func DecodeRow(b []byte) (*Row, error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) || len(b) < k+int(n)+1 {
		return nil, fmt.Errorf("reading a row of the intake store: %w", journal.ErrFormat)
	}
	meta, err := journal.DecodeMeta(b[k : k+int(n)])
	if err != nil {
		return nil, err
	}
	b = b[k+int(n):]
	r := &Row{Meta: meta, Hold: journal.HoldReason(b[0])}
	for b = b[1:]; len(b) > 0; {
		if len(b) < 18 {
			return nil, fmt.Errorf("reading a row of the intake store: %w", journal.ErrFormat)
		}
		p := Place{List: identity.List(b[0])}
		copy(p.Fingerprint[:], b[1:17])
		o, k := binary.Uvarint(b[17:])
		if k <= 0 {
			return nil, fmt.Errorf("reading a row of the intake store: %w", journal.ErrFormat)
		}
		p.Offset = int64(o)
		r.IDs = append(r.IDs, p)
		b = b[17+k:]
	}
	return r, nil
}
