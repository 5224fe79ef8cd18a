package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
)

// Hash returns a digest of everything that decides on the day today what is due: document types with their thresholds,
// since dates, closings, match lists and one-per-person, the legal extensions in force on that day, and LiveFrom. Where
// it differs from the stored one, every document is judged anew (SPEC 1.1). The order in which thresholds, extensions and
// their types are configured has no part in it.
func (s *Set) Hash(today event.Date) [16]byte {
	b := []byte("lejarat rules 1")
	if s.HasLiveFrom {
		b = appendDate(append(b, 1), s.LiveFrom)
	} else {
		b = append(b, 0)
	}
	b = appendCount(b, len(s.Types))
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		b = appendType(appendText(b, name), s.Types[name])
	}
	b = appendSorted(b, s.extensionsInForce(today))
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

func appendType(b []byte, t DocumentType) []byte {
	b = append(b, byte(t.Match), 0)
	if t.OnePerPerson {
		b[len(b)-1] = 1
	}
	thresholds := make([]string, len(t.Notices))
	for i, n := range t.Notices {
		thresholds[i] = string(appendThreshold(nil, n))
	}
	return appendSorted(b, thresholds)
}

func appendThreshold(b []byte, n Threshold) []byte {
	b = appendPeriod(b, n.Period)
	if n.HasSince {
		b = appendDate(append(b, 1), n.Since)
	} else {
		b = append(b, 0)
	}
	if n.Closes != nil {
		return appendPeriod(append(b, 1), *n.Closes)
	}
	return append(b, 0)
}

// extensionsInForce encodes each extension that counts today; the day it came into force says nothing any more.
func (s *Set) extensionsInForce(today event.Date) []string {
	var encoded []string
	for _, e := range s.Extensions {
		if e.InForceFrom > today {
			continue
		}
		b := appendDate(appendDate(appendDate(nil, e.ExpiresFrom), e.ExpiresTo), e.ValidUntil)
		encoded = append(encoded, string(appendSorted(b, slices.Clone(e.Types))))
	}
	return encoded
}

// appendSorted appends the distinct texts in order; it sorts them in place.
func appendSorted(b []byte, texts []string) []byte {
	slices.Sort(texts)
	texts = slices.Compact(texts)
	b = appendCount(b, len(texts))
	for _, t := range texts {
		b = appendText(b, t)
	}
	return b
}

func appendText(b []byte, s string) []byte { return append(appendCount(b, len(s)), s...) }

func appendCount(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }

func appendDate(b []byte, d event.Date) []byte { return binary.BigEndian.AppendUint32(b, uint32(d)) }

func appendPeriod(b []byte, p calendar.Period) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, uint64(p.Months)), uint64(p.Days))
}
