package processor

import (
	"lejarat/processor/journal"
	"lejarat/processor/watch"
)

// kept are the judgements that the count of a run has come to, for the fire behind it: to read and judge an identity is most
// of what a notice costs. Judge is a function of the identity's rows, of the day, and of what the ledger answers. So a
// judgement stands where no row of the identity was applied since the count began, the day is what it was, and the ledger, which knew of
// nothing that the judgement asked for, still knows of none, the chunk under way included. Anything else is judged anew.
// The timeline is closed from count on (I12): the entries are those that the count walked.
type kept struct {
	day     watch.Day
	entries []keptEntry // the first of the day, ascending
	asked   []journal.Ref
	next    []byte // where the timeline goes on behind them; nil: nowhere
	full    bool
	notices int
	at      int // the entry that the fire comes to next

	moved map[identityKey]struct{} // identities with rows applied since; nil: too many to remember
}

// identityKey is fingerprint and list.
type identityKey = [identityBytes]byte

// keptEntry is the judgement of one timeline entry. Where the ledger knew anything of it there is none.
type keptEntry struct {
	key      timelineEntry
	again    bool
	from, to int32 // what it asked for, in kept.asked
	watch.Judgement
}

type timelineEntry = [timelineBytes]byte

// What an instance with all partitions may keep is shared out among them: some 100 MB. What is beyond is judged twice.
const (
	keptNotices = 160_000
	keptEntries = 400_000
	keptMoved   = 100_000
)

func newKept(day watch.Day) *kept {
	return &kept{day: day, moved: map[identityKey]struct{}{}}
}

// judge judges the next entry of the timeline against the ledger, and keeps what it comes to.
func (k *kept) judge(c *watch.Core, key []byte, rows []watch.Row, ledger *Ledger, partitions int) watch.Judgement {
	if k.full {
		return c.Judge(rows, k.day, ledger)
	}
	from := len(k.asked)
	a := noting{Ledger: ledger, k: k}
	j := c.Judge(rows, k.day, &a)
	if k.notices += len(j.Notices); k.notices > keptNotices/partitions || len(k.entries) >= keptEntries/partitions {
		k.full, k.next = true, append([]byte(nil), key...)
		return j
	}
	e := keptEntry{key: timelineEntry(key), again: a.known, from: int32(from), to: int32(len(k.asked))}
	if !e.again {
		e.Judgement = j
	}
	k.entries = append(k.entries, e)
	return j
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
	if _, moved := k.moved[identityKey(e.key[timelineBytes-identityBytes:])]; moved {
		return false
	}
	for _, ref := range k.asked[e.from:e.to] {
		if c.maybe(ref) {
			return false
		}
	}
	return true
}

// noting is a ledger that notes in kept what a judgement asks for.
type noting struct {
	*Ledger
	k     *kept
	known bool // something was known of it
}

// Decided implements watch.Ledger.
func (a *noting) Decided(id journal.Ref) watch.Decision {
	a.k.asked = append(a.k.asked, id)
	d := a.Ledger.Decided(id)
	a.known = a.known || d != watch.Decision{}
	return d
}

// EmittedTo implements watch.Ledger.
func (a *noting) EmittedTo(mark journal.Ref) bool {
	a.k.asked = append(a.k.asked, mark)
	done := a.Ledger.EmittedTo(mark)
	a.known = a.known || done
	return done
}
