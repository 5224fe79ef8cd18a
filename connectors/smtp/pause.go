package smtp

import (
	"encoding/json"
	"errors"
	"time"

	"lejarat/processor/event"
)

// applyPause takes in that an operator has paused sending, or lets it go on. A pause that cannot be read is one.
func (s *standing) applyPause(r *event.Record) {
	if r.Value == nil {
		if s.paused != nil {
			s.log.Info("an operator lets sending go on")
		}
		s.paused = nil
		return
	}
	var p event.Suppression
	if json.Unmarshal(r.Value, &p) != nil {
		s.unreadable(r)
	}
	if s.paused == nil || *s.paused != p {
		s.log.Warn("an operator has paused sending; `lejarat mail resume` lets it go on", "since", p.Since, "reason", p.Note)
	}
	s.paused = &p
}

// pause is the operator's word that nothing goes out; nil: none.
func (s *standing) pause() *event.Suppression {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// errPaused is why nothing is sent while sending is paused; nil while it is not.
func (r *run) errPaused() error {
	p := r.standing.pause()
	if p == nil {
		return nil
	}
	text := "an operator has paused sending (`lejarat mail resume` lets it go on)"
	if p.Note != "" {
		text += ": " + p.Note
	}
	return errors.New(text)
}

// sweep ends mails that must not be sent any more while nobody asks for them: too late, or called off.
func (r *run) sweep() {
	if time.Since(r.swept) < r.options.Limits.Look {
		return
	}
	r.swept = time.Now()
	r.recall()
	r.ready.keep(func(j *job) bool { return r.standing.mark(j.id).state == claimedState || !r.ended(j) })
}

// lookDue is when deliveries and suppressions are looked at although nothing else asks for it: for a pause, its end, and
// whatever else concerns mails that only wait.
func (r *run) lookDue() time.Time { return r.looked.Add(r.options.Limits.Look) }
