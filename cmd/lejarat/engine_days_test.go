package main

import (
	"fmt"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// snapshot writes the registries' rows while the instances start; sometimes it is not over when the first run is due.
func (s *engineSim) snapshot() error {
	rows := s.h.snapshot()
	begun := 1 + s.rng.IntN(len(rows)-1)
	if err := s.h.produce(rows[:begun]); err != nil {
		return err
	}
	for _, m := range s.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	rest := rows[begun:]
	if s.rng.IntN(4) == 0 {
		s.held = rest
		return nil
	}
	if err := s.while(1, func() bool { return s.rng.IntN(4) == 0 }); err != nil {
		return err
	}
	return s.h.produce(rest)
}

// run lets the day's run come. What is held back reaches the sources just before six o'clock, or, of a snapshot, after it.
func (s *engineSim) run(day event.Date) error {
	expected := s.h.oracle.Run(day)
	six := day.At(6, 0, s.h.zone)
	if s.h.clock.Now().Before(six.Add(-time.Second)) {
		s.h.clock.set(six.Add(-time.Second))
	}
	held := s.held
	s.held = nil
	if inSnapshot := day == s.h.o.Start && len(held) > 0; inSnapshot {
		s.h.tracef("the snapshot is not over")
		s.h.clock.set(six)
		if err := s.while(1, func() bool { return s.rng.IntN(8) == 0 }); err != nil {
			return err
		}
	}
	if err := s.h.produce(held); err != nil {
		return err
	}
	s.h.clock.set(six)
	s.h.tracef("six o'clock, %d messages have just come", len(held))
	done := false
	err := s.while(s.rng.IntN(4), func() bool {
		if s.rng.IntN(6) == 0 {
			s.jump(day)
		}
		done, _ = s.h.complete(day)
		return done
	})
	if err != nil {
		return err
	}
	// Those whose clocks are behind have had their time, too.
	s.h.clock.set(day.At(7, 0, s.h.zone))
	s.h.tracef("complete: %v", done)
	return s.heal(func() error { return s.h.finish(day, expected) })
}

// jump moves the clock forward, within the day.
func (s *engineSim) jump(day event.Date) {
	now, last := s.h.clock.Now(), day.At(23, 30, s.h.zone)
	if now.Before(last) {
		s.h.clock.set(now.Add(time.Duration(s.rng.Int64N(int64(last.Sub(now)) / 8))))
	}
}

// liveDay lets the day's life reach the sources in pieces, and keeps some of it for the next morning.
func (s *engineSim) liveDay(day event.Date) error {
	units := s.mix(s.changes())
	keep := len(units)
	for keep > 0 && s.rng.IntN(5) > 0 && !units[keep-1].moves {
		keep--
	}
	s.h.clock.set(day.At(8, 0, s.h.zone)) // also back: the clock may have jumped
	for i := 0; i < keep; {
		n := min(1+s.rng.IntN(10), keep-i)
		var messages []registry.Message
		for _, u := range units[i : i+n] {
			messages = append(messages, u.messages...)
		}
		i += n
		if err := s.h.produce(messages); err != nil {
			return err
		}
		s.jump(day)
		if err := s.while(s.rng.IntN(5)/4, func() bool { return s.rng.IntN(2) == 0 }); err != nil {
			return err
		}
	}
	for _, u := range units[keep:] {
		s.held = append(s.held, u.messages...)
	}
	s.h.clock.set(day.At(23, 50, s.h.zone))
	return nil
}

// unit is what one change writes.
type unit struct {
	messages []registry.Message
	// moves: the row's identity changes, so intake must have read it ten minutes before the run that counts on it.
	moves bool
}

// changes lets the day's life happen.
func (s *engineSim) changes() (units []unit) {
	for _, c := range s.h.world.Advance() {
		s.h.oracle.Apply(c)
		u := unit{messages: s.h.enc.Change(c)}
		var now uint64
		switch {
		case c.Document != nil:
			now = c.Document.Identity
		case c.Registration != nil:
			now = c.Registration.Identity
		}
		row := fmt.Sprint(c.Table, c.Key)
		was, known := s.identities[row]
		u.moves = known && c.Op != registry.Delete && was != now
		s.identities[row] = now
		units = append(units, u)
	}
	return units
}

// mix keeps the order within each topic, which is all that Kafka keeps.
func (s *engineSim) mix(units []unit) (mixed []unit) {
	byTopic := map[string][]unit{}
	for _, u := range units {
		byTopic[u.messages[0].Topic] = append(byTopic[u.messages[0].Topic], u)
	}
	for len(mixed) < len(units) {
		names := sortedKeys(byTopic)
		topic := names[s.rng.IntN(len(names))]
		mixed = append(mixed, byTopic[topic][0])
		if byTopic[topic] = byTopic[topic][1:]; len(byTopic[topic]) == 0 {
			delete(byTopic, topic)
		}
	}
	return mixed
}

// sleep lets one or two days pass on which nothing runs.
func (s *engineSim) sleep(day *event.Date) error {
	s.h.tracef("all sleep")
	for _, m := range s.members {
		if err := m.down(s.rng.IntN(2) == 0, time.Hour); err != nil {
			return err
		}
	}
	if err := s.h.produce(s.held); err != nil {
		return err
	}
	s.held = nil
	for range 1 + s.rng.IntN(2) {
		for _, u := range s.mix(s.changes()) {
			if err := s.h.produce(u.messages); err != nil {
				return err
			}
		}
		*day++
	}
	s.h.clock.set(day.At(5, 0, s.h.zone)) // the last of the days has no run: all wake before the next one's
	for _, m := range s.members {
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}
