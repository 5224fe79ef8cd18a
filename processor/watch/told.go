package watch

import "lejarat/processor/journal"

// Told are ids of an identity's notices that are known to be emitted, one behind the other. An emission is final, so nobody
// need be asked again. It may name any number of them: what it does not name is asked of the ledger.
type Told []byte

// mostTold is how many ids are passed on: a wrong mapping makes an identity of a hundred thousand rows.
const mostTold = 16

// Has says whether id is among them. A piece of an id at the end is none.
func (t Told) Has(id journal.Ref) bool {
	for ; len(t) >= journal.RefBytes; t = t[journal.RefBytes:] {
		if journal.Ref(t[:journal.RefBytes]) == id {
			return true
		}
	}
	return false
}

func (t Told) with(id journal.Ref) Told {
	if len(t) >= mostTold*journal.RefBytes {
		return t
	}
	return append(t, id[:]...)
}
