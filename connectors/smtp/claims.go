package smtp

import (
	"strings"
	"time"

	"lejarat/processor/event"
)

// A claim stands in deliveries before a mail's final dot is written, and is gone when its outcome is there. So after a
// crash the mails in question are those that are claimed: at most one for each connection, and all others are either
// settled or were never sent.
//
// A claim is a header naming its owner. For a mail about which nothing is recorded yet its record has no value, for one
// in doubt it repeats the doubt: readers of deliveries see no outcome that is none. Of two claims on a mail the first
// counts, by the order of the topic's one partition for it; an owner learns that by reading up to its own claim before
// it writes the dot. It does not write the dot later than Limits.Claim after it has begun to claim, and nobody takes a
// claim over in less than twice that after seeing it. So of two instances that both think the mail theirs (one was
// frozen, or held it while its partition moved) one sends it, without asking the consumer group.
//
// Its limit: an instance frozen for all that time between its last look at the clock and the write.
const (
	claimHeader   = event.ClaimHeader   // the owner, and behind a blank the owner whose claim it takes over
	unclaimHeader = event.UnclaimHeader // the owner who takes its own back: the mail was provably not delivered
)

// Reasons of deliveries that have to do with it.
const (
	reasonResending = "resending" // a claim: it is being sent once more
	reasonResent    = "resent"    // that attempt is in doubt too; it is not sent any more. Of accepted: it was sent twice
	reasonParked    = "parked"    // Options.InDoubt is Park
	reasonElsewhere = "elsewhere" // settled by another instance, which knew more than is repeated here
)

// claim is somebody's claim on a mail.
type claim struct {
	owner string
	doubt bool // the mail was in doubt before
	seen  time.Time
}

// permit is leave to write a mail's final dot, given before its carrier asks: until the claim is too old, and as long as the
// look at the topics that it was given by is good (Limits.Freshness). nil: ask.
type permit struct{ until, looked time.Time }

// claim queues a claim on a job for the next round.
func (r *run) claim(j *job) {
	j.claims++
	j.claimedAt, j.durable = time.Now(), false
	j.permit.Store(nil)
	who := r.owner
	if j.over != "" {
		who += " " + j.over
		j.over = ""
	}
	r.next.claims = append(r.next.claims, claimed{j, j.claims})
	r.next.entries = append(r.next.entries, entry{record: r.mark(j, reasonResending, event.Header{Key: claimHeader, Value: []byte(who)})})
}

// unclaim takes a job's claim back where it is still this owner's: nothing was delivered.
func (r *run) unclaim(j *job) {
	r.setOut(j, false)
	j.durable = false
	j.claims++
	c, held := r.standing.claimOn(j.id)
	if held && c.owner != r.owner || r.standing.mark(j.id).state == settled {
		return
	}
	r.next.entries = append(r.next.entries, entry{record: r.mark(j, "", event.Header{Key: unclaimHeader, Value: []byte(r.owner)})})
}

// mark is a record that says who has a mail: without a value, or with the doubt that there is about it.
func (r *run) mark(j *job, reason string, h event.Header) event.Record {
	rec := event.Record{Topic: r.options.Prefix + "deliveries", Partition: event.AnyPartition, Key: []byte(j.mail.ID)}
	if j.doubt {
		d := j.delivery(event.DeliveryInDoubt, reason, result{}, r.options.Now())
		rec = r.record(&d)
	}
	rec.Headers = append(rec.Headers, h)
	return rec
}

// permit says what the last look means for the final dot of the mail that a carrier has. A carrier that asks has its answer, or
// waits for the next round.
func (r *run) permit(by *carrier, j *job) {
	if !j.durable {
		return
	}
	c, held := r.standing.claimOn(j.id)
	status, _ := r.verdict(j)
	may := held && c.owner == r.owner && status == "" && r.errPaused() == nil
	until := j.claimedAt.Add(r.options.Limits.Claim)
	if may {
		r.putAhead(by, j) // first, for the dot may be written as soon as there is leave
		j.permit.Store(&permit{until, r.looked})
	} else {
		j.permit.Store(nil)
	}
	if j.ask == nil {
		return
	}
	switch {
	case !may:
		r.restore(j)
		j.answer(time.Time{})
	case !time.Now().Before(until):
		r.claim(j)
	case r.looked.Before(j.askedAt.Add(-r.options.Limits.Freshness)):
		r.next.look = true
	default:
		j.answer(until)
	}
}

// restore repeats what a claim came too late for: the topic keeps the last record of a key.
func (r *run) restore(j *job) {
	m, over := r.standing.overwrote(j.id)
	if !over {
		return
	}
	reason := reasonElsewhere
	if m.state == doubtfulEnd {
		reason = reasonResent
	}
	again := &job{mail: j.mail, tries: int(m.attempts)}
	d := again.delivery(deliveryStatuses[m.status], reason, result{}, r.options.Now())
	r.next.entries = append(r.next.entries, entry{record: r.record(&d)})
}

// applyClaim takes in a claim, or one that is taken back. ok is false where the record is neither.
func (s *standing) applyClaim(r *event.Record) (ok bool) {
	id := makeMarkID(string(r.Key))
	if back := r.HeaderValue(unclaimHeader); back != nil {
		if c, held := s.claims[id]; held && c.owner == string(back) {
			s.setMark(id, r.Time, mark{state: unclaimedState(c), attempts: s.marks[id].attempts})
			delete(s.claims, id)
		}
		return true
	}
	by := r.HeaderValue(claimHeader)
	if by == nil {
		return false
	}
	owner, over, _ := strings.Cut(string(by), " ")
	former, held := s.claims[id]
	switch state := s.marks[id].state; {
	case state == settled, state == doubtfulEnd:
		if owner == s.owner {
			s.overwritten[id] = true
		}
		return true
	case held && former.owner != owner && former.owner != over:
		return true // the first counts
	}
	s.claims[id] = claim{owner: owner, doubt: r.Value != nil, seen: time.Now()}
	s.setMark(id, r.Time, mark{state: claimedState, attempts: max(1, s.marks[id].attempts)})
	return true
}

func unclaimedState(c claim) markState {
	if c.doubt {
		return doubtful
	}
	return unsettled
}

// claimOn returns the claim that counts on a mail.
func (s *standing) claimOn(id markID) (claim, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.claims[id]
	return c, ok
}
