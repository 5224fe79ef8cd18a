//go:build integration

package integration

import (
	"fmt"
	"slices"
	"sort"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// judge compares what the service decided, and what the mail server got, with what the oracle says is owed.
type judge struct {
	t             *testing.T
	v             *service
	notifications *tail
	deliveries    *tail
	box           *mailbox
	owed          map[string]owed
	emitted       int
}

// owed is one decision that a run must make.
type owed struct {
	registry.Expected
	// stopped: the mail must not go out, since the person switched off or moved before it was handed over.
	stopped bool
}

func newJudge(t *testing.T, v *service) *judge {
	return &judge{t: t, v: v, notifications: v.follow(t, "notifications"), deliveries: v.follow(t, "deliveries"),
		box: &mailbox{t: t, dir: v.maildir, known: map[string]letter{}}, owed: map[string]owed{}}
}

// expect takes in what the run of a day owes.
func (j *judge) expect(day event.Date, expected []registry.Expected) {
	for _, e := range expected {
		j.owed[j.owedKey(day, e)] = owed{Expected: e}
		if e.Decision == event.Emitted {
			j.emitted++
		}
	}
}

// stop says that what was emitted to a registration and not handed over yet must not be handed over any more.
func (j *judge) stop(registration int64, day event.Date) (mails int) {
	for key, o := range j.owed {
		if o.RegistrationKey == registration && o.Decision == event.Emitted && key[:10] == day.String() {
			o.stopped = true
			j.owed[key] = o
			mails++
		}
	}
	return mails
}

// told returns the decisions in the topic by their key; each may be there once.
func (j *judge) told() map[string]event.Notice {
	j.t.Helper()
	told := map[string]event.Notice{}
	for _, n := range values[event.Notice](j.t, j.notifications.read()) {
		key := toldKey(&n)
		if _, twice := told[key]; twice {
			j.t.Errorf("decided twice: %s", key)
		}
		told[key] = n
	}
	return told
}

// compareDecisions compares the notifications topic with the oracle.
func (j *judge) compareDecisions(day event.Date) {
	j.t.Helper()
	told := j.told()
	var wrong []string
	for key := range j.owed {
		if _, ok := told[key]; !ok {
			wrong = append(wrong, "owed, not decided: "+key)
		}
	}
	for key := range told {
		if _, ok := j.owed[key]; !ok {
			wrong = append(wrong, "decided, not owed: "+key)
		}
	}
	j.fail(day, "decisions", wrong)
}

// mailLimit is how long Postfix may take to put what it has accepted into the mailbox.
const mailLimit = 30 * time.Second

// compareMails compares the mailbox with the oracle, once everything is settled and delivered.
func (j *judge) compareMails(day event.Date) {
	j.t.Helper()
	want, stopped := map[string]string{}, map[string]bool{} // by notification id
	for key, n := range j.told() {
		switch o := j.owed[key]; {
		case n.Decision != event.Emitted:
		case o.stopped:
			stopped[n.ID] = true
		default:
			want[n.ID] = o.Address
		}
	}
	var wrong []string
	await(j.t, mailLimit, "settling and delivering the mails of "+day.String(), func() (bool, string) {
		accepted, suppressed := j.settled()
		have := len(j.box.read())
		return accepted+suppressed >= len(want)+len(stopped) && have >= accepted,
			fmt.Sprintf("%d in the mailbox, %d accepted, %d suppressed, want %d and %d", have, accepted, suppressed, len(want), len(stopped))
	})
	got := map[string]bool{}
	for _, l := range j.box.read() {
		switch address, ok := want[l.id]; {
		case got[l.id]:
			wrong = append(wrong, "mailed twice: "+l.id)
		case stopped[l.id]:
			wrong = append(wrong, "mailed although it was stopped: "+l.id)
		case !ok:
			wrong = append(wrong, "mailed, not owed: "+l.id)
		case address != l.to:
			wrong = append(wrong, "mailed to another address: "+l.id+" to "+l.to+", want "+address)
		}
		got[l.id] = true
	}
	for id := range want {
		if !got[id] {
			wrong = append(wrong, "owed, not mailed: "+id)
		}
	}
	j.fail(day, "mails", wrong)
}

// settled counts the mails that the relay accepted and those that were suppressed.
func (j *judge) settled() (accepted, suppressed int) {
	last := map[string]string{}
	for _, d := range values[event.Delivery](j.t, j.deliveries.read()) {
		last[d.ID] = d.Status
	}
	for id, status := range last {
		switch status {
		case event.DeliveryAccepted:
			accepted++
		case event.DeliverySuppressed:
			suppressed++
		default:
			j.t.Fatalf("mail %s is %s", id, status)
		}
	}
	return accepted, suppressed
}

func (j *judge) fail(day event.Date, what string, wrong []string) {
	j.t.Helper()
	if len(wrong) == 0 {
		return
	}
	sort.Strings(wrong)
	for _, w := range wrong[:min(len(wrong), 30)] {
		j.t.Error(w)
	}
	j.t.Fatalf("%s: %d differences in the %s", day, len(wrong), what)
}

// owedKey and toldKey name a decision alike: day, kind, decision, receiver and what about.
func (j *judge) owedKey(day event.Date, e registry.Expected) string {
	key := fmt.Sprintf("%s %s %s %s to %s", day, e.Kind, e.Decision, e.Reason, j.v.registrationRef(e.RegistrationKey))
	if e.Kind == event.KindAnnouncement {
		return key
	}
	return key + fmt.Sprintf(" %s %s %s due %s expires %s", j.v.documentRef(e.DocumentType, e.DocumentNumber), e.DocumentType,
		e.Threshold, e.Due, e.Expires)
}

func toldKey(n *event.Notice) string {
	reason := ""
	if n.Reason != nil {
		reason = *n.Reason
	}
	key := fmt.Sprintf("%s %s %s %s to %s", n.RunDate, n.Kind, n.Decision, reason, n.RegistrationRef)
	if n.Kind == event.KindAnnouncement {
		return key
	}
	return key + fmt.Sprintf(" %s %s %s due %s expires %s", *n.DocumentRef, *n.DocumentType, *n.Threshold, *n.Due, *n.Expires)
}

// receivers are the registrations to which the run of a day has emitted a notice of a kind, in order.
func (j *judge) receivers(day event.Date, kind string) (ids []int64) {
	for key, o := range j.owed {
		if o.Kind == kind && o.Decision == event.Emitted && key[:10] == day.String() {
			ids = append(ids, o.RegistrationKey)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
