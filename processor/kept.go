package processor

import (
	"unsafe"

	"lejarat/processor/journal"
	"lejarat/processor/watch"
)

// kept are the judgements that the count of a run has come to, for the fire behind it: to read and judge an identity is most
// of what a notice costs. Judge is a function of the identity's rows, of the day, and of what the ledger answers. So a
// judgement stands where no row of the identity was applied since the count began, the day is what it was, and the ledger would
// answer as it did: what was emitted stays emitted, and of what it did not know it still knows nothing, the chunk under way
// included. Anything else is judged anew.
// The timeline is closed from count on (I12): the entries are those that the count walked.
type kept struct {
	day     watch.Day
	entries []keptEntry // the first of the day, ascending
	asked   []journal.Ref
	packed  packed
	page    []byte // of the judgements that are written next
	size    int    // bytes that all of this takes
	next    []byte // where the timeline goes on behind the entries; nil: nowhere
	full    bool
	at      int // the entry that the fire comes to next

	moved map[identityKey]struct{} // identities with rows applied since; nil: too many to remember
}

// identityKey is fingerprint and list.
type identityKey = [identityBytes]byte

// keptEntry is the judgement of one timeline entry. Where the ledger knew of a skip, or where it is a very long one, there is
// none.
type keptEntry struct {
	key       timelineEntry
	again     bool
	from, to  int32  // what it asked for and nothing was known of, in kept.asked
	judgement []byte // packed
}

type timelineEntry = [timelineBytes]byte

// What an instance with all partitions may keep is shared out among them. What is beyond is judged twice.
const (
	keptBytes   = 80 << 20 // 210,000 to 290,000 notices
	keptNotices = 1000     // of one identity
	keptMoved   = 100_000
	keptPage    = 64 << 10
	entryBytes  = int(unsafe.Sizeof(keptEntry{}))
)

func newKept(day watch.Day) *kept {
	return &kept{day: day, moved: map[identityKey]struct{}{}}
}

// judge judges the next entry of the timeline against the ledger, and keeps what it comes to.
func (k *kept) judge(c *watch.Core, due *dueEntry, ledger *Ledger, partitions int) watch.Judgement {
	if k.full {
		return c.Judge(due.rows, due.told, k.day, ledger)
	}
	from := len(k.asked)
	a := noting{Ledger: ledger, k: k}
	j := c.Judge(due.rows, due.told, k.day, &a)
	e := keptEntry{key: timelineEntry(due.key), again: a.skipped || len(j.Notices) > keptNotices}
	if e.again {
		k.asked = k.asked[:from]
	} else {
		e.judgement = k.pack(&j)
	}
	e.from, e.to = int32(from), int32(len(k.asked))
	if k.size += entryBytes + len(e.judgement) + journal.RefBytes*int(e.to-e.from); k.size > keptBytes/partitions {
		k.full, k.next = true, append([]byte(nil), due.key...)
		return j
	}
	k.entries = append(k.entries, e)
	return j
}

// pack writes a judgement, many together.
func (k *kept) pack(j *watch.Judgement) []byte {
	from := len(k.page)
	k.page = k.packed.append(k.page, j)
	out := k.page[from:len(k.page):len(k.page)]
	if len(k.page) > keptPage-keptPage/8 {
		k.page = make([]byte, 0, keptPage)
	}
	return out
}

// touch says that a row of an identity was applied. bare is the row's key.
func (k *kept) touch(bare []byte) {
	if k == nil || k.moved == nil {
		return
	}
	if k.moved[identityKey(bare[:identityBytes])] = struct{}{}; len(k.moved) > keptMoved {
		k.moved = nil
	}
}

// stands says whether the judgement of an entry is the one that Judge would come to for chunk.
func (k *kept) stands(e *keptEntry, c *chunk) bool {
	if e.again || k.moved == nil || c.day.First != k.day.First || c.day.Skip != k.day.Skip {
		return false
	}
	if _, moved := k.moved[identityKey(identityOf(e.key[:]))]; moved {
		return false
	}
	for _, ref := range k.asked[e.from:e.to] {
		if c.maybe(ref) {
			return false
		}
	}
	return true
}

// noting is a ledger that notes in kept what a judgement asks for and could be answered otherwise later. What was emitted
// stays emitted.
type noting struct {
	*Ledger
	k       *kept
	skipped bool // something of it was, and may be decided anew
}

// Decided implements watch.Ledger.
func (a *noting) Decided(id journal.Ref) watch.Decision {
	d := a.Ledger.Decided(id)
	if !d.Emitted {
		a.k.asked = append(a.k.asked, id)
		a.skipped = a.skipped || d.Reason != ""
	}
	return d
}

// EmittedTo implements watch.Ledger.
func (a *noting) EmittedTo(mark journal.Ref) bool {
	done := a.Ledger.EmittedTo(mark)
	if !done {
		a.k.asked = append(a.k.asked, mark)
	}
	return done
}
