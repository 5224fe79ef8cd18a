package tally

import (
	"cmp"
	"encoding/hex"
	"slices"

	"lejarat/processor/event"
)

// final says whether nothing more will become of a mail.
func final(status string) bool {
	switch status {
	case "", InHand, event.DeliveryInDoubt, Waiting, Lost, Missing:
		return false
	}
	return true
}

// outcome is what became of an emitted notice.
func (t *tally) outcome(n notice, committed map[event.TopicPartition]int64) fate {
	if f := t.fates.Value(n.fate); f.status != "" {
		return f
	}
	at, known := committed[event.TopicPartition{Topic: t.q.Topics.MailSink, Partition: n.partition}]
	switch {
	case n.offset < 0:
		return fate{status: Lost}
	case known && n.offset < at:
		return fate{status: Missing}
	}
	return fate{status: Waiting}
}

func (t *tally) report(committed map[event.TopicPartition]int64) *Report {
	out := &Report{From: t.q.From.String(), To: t.q.To.String(), Rows: []Row{}, Open: []Open{}}
	type key struct {
		date  event.Date
		class uint32
		fate  fate
	}
	counts := map[key]int{}
	for id, n := range t.notices {
		s := t.classes.Value(n.class)
		var f fate
		if s.decision == event.Emitted {
			f = t.outcome(n, committed)
			if !final(f.status) {
				out.Open = append(out.Open, Open{ID: hex.EncodeToString(id[:]), RunDate: n.date.String(), Kind: s.kind, DocumentType: s.documentType,
					Threshold: s.threshold, RegistrationRef: hex.EncodeToString(n.ref[:]), Outcome: f.status, Reason: f.reason})
			}
		}
		counts[key{n.date, n.class, f}]++
	}
	for k, n := range counts {
		s := t.classes.Value(k.class)
		out.Rows = append(out.Rows, Row{RunDate: k.date.String(), Kind: s.kind, DocumentType: s.documentType, Threshold: s.threshold,
			Decision: s.decision, Outcome: k.fate.status, Reason: cmp.Or(k.fate.reason, s.reason), Count: n})
	}
	slices.SortFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.RunDate, b.RunDate), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.DocumentType, b.DocumentType),
			cmp.Compare(a.Threshold, b.Threshold), cmp.Compare(a.Decision, b.Decision), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(out.Open, func(a, b Open) int { return cmp.Or(cmp.Compare(a.RunDate, b.RunDate), cmp.Compare(a.ID, b.ID)) })
	return out
}
