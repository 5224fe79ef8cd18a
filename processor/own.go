package processor

import (
	"hash/maphash"

	"lejarat/processor/event"
)

// ownNotices spares the ledger's tail what this instance has written itself and taken in already, by the hash of the very
// bytes: a notification says all that is to be known of it, so whoever wrote these bytes, and at whatever offset, nothing is
// in them that is not in the store. That holds for a record that another owner wrote beside, and for the former decision on
// a notice decided anew. What was aborted is not delivered, and not added either. Ledger.add adds after it has written
// to the store and before the tail moves its position, so a crash that takes the one away takes the other too; what the tail meets
// before that it takes in like everybody else's.
type ownNotices struct {
	seed   maphash.Seed
	hashes map[uint64]struct{} // of what the tail has not met yet
}

// ownMost bounds them: where the tail is that far behind, what is written next is not remembered but read, and what it comes
// to first is passed over, so it catches up.
const ownMost = 1 << 17

func newOwnNotices() ownNotices {
	return ownNotices{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
}

// of are the hashes of the records that go to topic.
func (o *ownNotices) of(records []event.Record, topic string) []uint64 {
	var out []uint64
	for i := range records {
		if records[i].Topic == topic {
			out = append(out, maphash.Bytes(o.seed, records[i].Value))
		}
	}
	return out
}

// add remembers what was taken in.
func (o *ownNotices) add(hashes []uint64) {
	for _, h := range hashes {
		if len(o.hashes) < ownMost {
			o.hashes[h] = struct{}{}
		}
	}
}

// others are the notifications among what the tail has met that were not taken in when they were written. Those that were
// are forgotten. At the topic's end nothing is left to be met: what still is remembered was met before it was added.
func (o *ownNotices) others(records []event.Record) []*event.Record {
	if len(records) == 0 {
		clear(o.hashes)
	}
	var out []*event.Record
	for i := range records {
		if r := &records[i]; !r.Control && r.Value != nil && !o.taken(r.Value) {
			out = append(out, r)
		}
	}
	return out
}

// taken says whether a notification was taken in when it was written; it is then forgotten.
func (o *ownNotices) taken(value []byte) bool {
	if len(o.hashes) == 0 {
		return false
	}
	h := maphash.Bytes(o.seed, value)
	_, ok := o.hashes[h]
	delete(o.hashes, h)
	return ok
}
