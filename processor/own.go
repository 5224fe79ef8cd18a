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

// ownMost bounds them: where the tail is that far behind, or met them first, they are forgotten, and what comes is read.
const ownMost = 1 << 17

func newOwnNotices() ownNotices {
	return ownNotices{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
}

// add takes in the records of a transaction that go to topic.
func (o *ownNotices) add(records []event.Record, topic string) {
	if len(o.hashes)+len(records) > ownMost {
		clear(o.hashes)
	}
	for i := range records {
		if records[i].Topic == topic {
			o.hashes[maphash.Bytes(o.seed, records[i].Value)] = struct{}{}
		}
	}
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
