package main

import (
	"fmt"

	"lejarat/connectors/console"
	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// silences are the reasons for which nobody was told, in words.
var silences = map[string]string{
	watch.NoMatch:                "nobody with this identity is registered",
	watch.SwitchedOff:            "registered, but the service is off",
	watch.NotEntitled:            "registered or issued after the day it was due",
	watch.DocumentInvalid:        "the document is not valid (lost, stolen, withdrawn, replaced)",
	watch.DocumentSucceeded:      "a newer document has taken its place",
	watch.OutsidePilot:           "outside the pilot",
	event.ReasonLate:             "too late to be of use when it became known",
	event.ReasonDuplicateAddress: "told at this address already, through another registration",
	event.ReasonCollision:        "two people share this identity",
	event.ReasonHeld:             "the newest record cannot be used",
	event.ReasonStaleSource:      "a source was behind",
	event.ReasonOperator:         "skipped by an operator",
}

// page is what the mailbox's front page shows of the story.
func (s *story) page() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return struct {
		Day       string `json:"day"`
		Told      int    `json:"told"`
		Announced int    `json:"announced"`
	}{s.today, s.told, s.announced}
}

// summary adds the days up. It is an error if the figures do not balance: what came due is what was told and what was
// left unsaid for a reason; what was told is what the oracle says is owed, and what arrived.
func (s *story) summary(st *stage, box *console.Mailbox) error {
	if s.bar != nil {
		s.bar.SetTotal(-1, true)
		s.all.Wait()
		s.out = s.plain
	}
	c := st.world.Census()
	due, silent := 0, 0
	s.say("\nWhat happened to documents and accounts: %s.", list(s.life, 20))
	s.say("\nThe balance")
	row := func(n int, what string) { s.say("%8d  %s", n, what) }
	row(c.Documents, "documents in the register now")
	row(c.Matched, "people who can be reached")
	reasons := map[string]int{}
	for k, n := range s.counts {
		if k.Kind == event.KindExpiry {
			due += n
			if k.Decision != event.Emitted {
				silent += n
				reasons[k.Reason] += n
			}
		}
	}
	row(due, "times a threshold of a document came due, for each registration")
	row(s.told, "told")
	row(silent, "not told, each for a reason:")
	for _, reason := range sortedKeys(reasons) {
		row(reasons[reason], "   "+silences[reason])
	}
	row(s.announced, "announcements of the service")
	for _, status := range sortedKeys(s.outcomes) {
		row(s.outcomes[status], "mails "+status)
	}
	row(box.Count(), "mails in the mailbox")
	return s.balance(due, silent, box.Count())
}

func (s *story) balance(due, silent, inBox int) error {
	accepted := s.outcomes[event.DeliveryAccepted]
	switch {
	case due != s.told+silent:
		return fmt.Errorf("the summary does not balance: %d due, %d told and %d not told", due, s.told, silent)
	case s.owed != s.told+s.announced:
		return fmt.Errorf("the summary does not balance: the oracle says that %d mails are owed, %d were emitted", s.owed, s.told+s.announced)
	case inBox != accepted:
		return fmt.Errorf("the summary does not balance: %d mails accepted, %d in the mailbox", accepted, inBox)
	}
	s.say("It balances: due = told + not told; the oracle, which shares no code with the engine, owes the same %d mails; %d of them arrived.", s.owed, inBox)
	return nil
}
