package processor

import (
	"encoding/binary"
	"fmt"

	"lejarat/processor/event"
	"lejarat/processor/journal"
	"lejarat/processor/numbered"
	"lejarat/processor/rules"
	"lejarat/processor/watch"
)

// packed writes judgements as bytes and reads them back: hundreds of thousands wait in memory, and as they are each would be
// a handful of objects of twice the size. What is said of many stands in tables.
type packed struct {
	words  numbered.Values[string] // kinds and reasons
	dues   numbered.Values[rules.Due]
	counts numbered.Values[watch.Count]
	value  []byte // the one that is being written
}

// append appends a judgement.
func (p *packed) append(b []byte, j *watch.Judgement) []byte {
	b = binary.AppendVarint(b, int64(j.Next))
	b = append(binary.AppendUvarint(b, uint64(len(j.Told))), j.Told...)
	b = binary.AppendUvarint(b, uint64(len(j.Counts)))
	for i := range j.Counts {
		b = binary.AppendUvarint(b, uint64(p.counts.Number(j.Counts[i])))
	}
	b = binary.AppendUvarint(b, uint64(len(j.Notices)))
	for i := range j.Notices {
		b = p.appendNotice(b, &j.Notices[i])
	}
	return b
}

func (p *packed) appendNotice(b []byte, n *watch.Notice) []byte {
	b = append(append(b, n.ID[:]...), n.Mark[:]...)
	b = binary.AppendUvarint(b, uint64(p.words.Number(n.Kind)))
	b = binary.AppendUvarint(b, uint64(p.words.Number(n.Reason)))
	b = binary.AppendUvarint(b, uint64(p.dues.Number(n.Due)))
	b = binary.AppendVarint(b, int64(n.Expires))
	p.value = p.value[:0]
	if n.Document != nil {
		p.value = n.Document.Append(p.value)
	}
	b = append(binary.AppendUvarint(b, uint64(len(p.value))), p.value...)
	p.value = n.To.Append(p.value[:0])
	return append(binary.AppendUvarint(b, uint64(len(p.value))), p.value...)
}

// read reads what append wrote.
func (p *packed) read(b []byte) (j watch.Judgement, err error) {
	r := packedReader{b: b}
	j.Next = event.Date(r.varint())
	if n := r.uvarint(); n > 0 {
		j.Told = r.take(int(n))
	}
	if n := r.uvarint(); n > 0 {
		j.Counts = make([]watch.Count, n)
	}
	for i := range j.Counts {
		j.Counts[i] = p.counts.Value(uint32(r.uvarint()))
	}
	if n := r.uvarint(); n > 0 {
		j.Notices = make([]watch.Notice, n)
	}
	for i := range j.Notices {
		n := &j.Notices[i]
		n.ID, n.Mark = journal.Ref(r.take(len(n.ID))), journal.Ref(r.take(len(n.Mark)))
		n.Kind, n.Reason = p.words.Value(uint32(r.uvarint())), p.words.Value(uint32(r.uvarint()))
		n.Due = p.dues.Value(uint32(r.uvarint()))
		n.Expires = event.Date(r.varint())
		var document, to journal.Value
		if value := r.take(int(r.uvarint())); len(value) > 0 {
			if document, err = journal.DecodeValue(value); err != nil {
				return j, fmt.Errorf("reading a kept document: %w", err)
			}
		}
		if to, err = journal.DecodeValue(r.take(int(r.uvarint()))); err != nil {
			return j, fmt.Errorf("reading a kept registration: %w", err)
		}
		n.Document, n.To = document.Document, to.Registration
	}
	return j, nil
}

// packedReader reads what this process has written itself: what does not fit is a programming error.
type packedReader struct{ b []byte }

func (r *packedReader) take(n int) []byte {
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *packedReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *packedReader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.b = r.b[n:]
	return v
}
