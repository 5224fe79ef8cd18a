package smtp

import (
	"encoding/json"
	"strings"

	"lejarat/processor/event"
)

// suppression names the address that it is about.
type suppression struct {
	address string // hash; "" when the record names none
	all     bool   // it could not be read, or its reason is not known: everything stops
}

// applySuppression takes in one record: a suppression, or a tombstone that lifts it.
func (s *standing) applySuppression(r *event.Record) {
	i := strings.LastIndexByte(string(r.Key), '/')
	if i < 0 {
		s.unreadable(r)
		return
	}
	registration, reason := string(r.Key[:i]), string(r.Key[i+1:])
	if r.Value == nil {
		delete(s.suppressed[registration], reason)
		if len(s.suppressed[registration]) == 0 {
			delete(s.suppressed, registration)
		}
		return
	}
	var sup suppression
	var value event.Suppression
	err := json.Unmarshal(r.Value, &value)
	switch reason {
	case event.SuppressMoved, event.SuppressAddress:
		sup.all = err != nil || value.AddressHash == nil || *value.AddressHash == ""
		if !sup.all {
			sup.address = *value.AddressHash
		}
	default: // switched_off, deleted, operator, and whatever a newer version may know
		sup.all = true
	}
	if err != nil {
		s.unreadable(r)
	}
	if s.suppressed[registration] == nil {
		s.suppressed[registration] = map[string]suppression{}
	}
	s.suppressed[registration][reason] = sup
}

// reasonsInOrder is the order in which a suppressed mail's reason is named.
var reasonsInOrder = []string{event.SuppressDeleted, event.SuppressSwitchedOff, event.SuppressOperator, event.SuppressMoved, event.SuppressAddress}

// suppresses returns the reason for which the mail must not go, or "".
func (s *standing) suppresses(m *event.Mail) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	reasons := s.suppressed[m.RegistrationRef]
	if len(reasons) == 0 {
		return ""
	}
	stops := func(reason string, sup suppression) bool {
		switch {
		case sup.all:
			return true
		case reason == event.SuppressMoved:
			return m.AddressHash != sup.address
		}
		return m.AddressHash == sup.address
	}
	for _, reason := range reasonsInOrder {
		if sup, ok := reasons[reason]; ok && stops(reason, sup) {
			return reason
		}
	}
	for reason, sup := range reasons {
		if stops(reason, sup) {
			return reason
		}
	}
	return ""
}
