// Package journal is the compact form of what intake tells watch: keys, values and partitioning of the topic
// lejarat.journal.<generation>. Every record also rebuilds intake's own store.
//
// Four kinds of key, told apart by their first byte:
//
//	00                                      control: what the partition was made with (JSON)
//	01 source[4] partition[4]               watermark of one source partition
//	02 fingerprint[16] list[1] 00 source[4] row   facts of a row under one identity list
//	02 fingerprint[16] list[1] 01 source[4] row   hold: the row's newest record could not be used
//
// A tombstone of a 02 key retracts it; what intake must remember of a retraction stands in the header "m".
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"lejarat/processor/identity"
)

// Fingerprint is the keyed hash of an identity under one list of fields.
type Fingerprint = [16]byte

// Ref is a keyed pseudonym, or the id of a notice.
type Ref = [RefBytes]byte

// RefBytes is the length of a Ref.
const RefBytes = 16

// The first byte of a key.
const (
	tagControl   = 0x00
	tagWatermark = 0x01
	tagRow       = 0x02
)

// Kind says what a row key holds.
type Kind uint8

const (
	// Facts is the row itself.
	Facts Kind = 0
	// Hold is the mark that no notice may go out from the row's facts.
	Hold Kind = 1
)

// RowKey is the key of a row, or of its hold, under one identity list.
type RowKey struct {
	Fingerprint Fingerprint
	List        identity.List
	Kind        Kind
	Source      uint32
	Row         string
}

// RowKeyHead is the length of a row key before the row's own text, without the tag.
const RowKeyHead = 16 + 1 + 1 + 4

// ErrFormat is a record that this version does not understand.
var ErrFormat = errors.New("journal record of an unknown form")

// SourceID is the short name of a source in keys: a hash of its name, by default its topic. Configuration refuses two sources with one id.
func SourceID(topic string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(topic))
	return h.Sum32()
}

// Partition is the journal partition of an identity.
func Partition(fp *Fingerprint, partitions int32) int32 {
	return int32(binary.BigEndian.Uint32(fp[:4]) % uint32(partitions))
}

// ControlKey is the key of the control record.
func ControlKey() []byte { return []byte{tagControl} }

// WatermarkKey is the key of the watermark of one source partition.
func WatermarkKey(source uint32, partition int32) []byte {
	b := make([]byte, 0, 9)
	b = append(b, tagWatermark)
	b = binary.BigEndian.AppendUint32(b, source)
	return binary.BigEndian.AppendUint32(b, uint32(partition))
}

// AppendBare appends the key without its tag: the form in which the watch store keeps it.
func (k *RowKey) AppendBare(b []byte) []byte {
	b = append(b, k.Fingerprint[:]...)
	b = append(b, byte(k.List), byte(k.Kind))
	b = binary.BigEndian.AppendUint32(b, k.Source)
	return append(b, k.Row...)
}

// Append appends the record key.
func (k *RowKey) Append(b []byte) []byte { return k.AppendBare(append(b, tagRow)) }

// Encode returns the record key.
func (k *RowKey) Encode() []byte { return k.Append(make([]byte, 0, 1+RowKeyHead+len(k.Row))) }

// ParseBare reads what AppendBare wrote.
func ParseBare(b []byte) (RowKey, error) {
	var k RowKey
	if len(b) < RowKeyHead {
		return k, fmt.Errorf("reading a row key of %d bytes: %w", len(b), ErrFormat)
	}
	copy(k.Fingerprint[:], b)
	k.List, k.Kind = identity.List(b[16]), Kind(b[17])
	k.Source = binary.BigEndian.Uint32(b[18:])
	k.Row = string(b[RowKeyHead:])
	return k, nil
}

// RowOf returns the source and the row's own text of a row's record key, of facts or hold, without copying. ok is false
// for any other key.
func RowOf(key []byte) (source uint32, row []byte, ok bool) {
	if len(key) < 1+RowKeyHead || key[0] != tagRow {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(key[1+16+1+1:]), key[1+RowKeyHead:], true
}

// IdentityPrefix is how the record keys of all rows of one identity begin.
func IdentityPrefix(fp *Fingerprint, list identity.List) []byte {
	return append(append([]byte{tagRow}, fp[:]...), byte(list))
}

// Key is a parsed record key.
type Key struct {
	Control   bool
	Watermark bool
	Source    uint32 // of a watermark
	Partition int32  // of a watermark
	Row       RowKey // of neither
}

// ParseKey reads a record key.
func ParseKey(b []byte) (Key, error) {
	switch {
	case len(b) == 1 && b[0] == tagControl:
		return Key{Control: true}, nil
	case len(b) == 9 && b[0] == tagWatermark:
		return Key{Watermark: true, Source: binary.BigEndian.Uint32(b[1:]), Partition: int32(binary.BigEndian.Uint32(b[5:]))}, nil
	case len(b) > 0 && b[0] == tagRow:
		row, err := ParseBare(b[1:])
		return Key{Row: row}, err
	}
	return Key{}, fmt.Errorf("reading a key of %d bytes: %w", len(b), ErrFormat)
}
