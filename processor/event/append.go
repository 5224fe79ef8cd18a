package event

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The messages that are written by the hundred thousand make their JSON themselves, byte for byte what encoding/json
// makes of them: reflection takes five times as long.

// AppendJSON appends n as JSON.
func (n *Notice) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), n.ID)
	b = appendText(append(b, `,"kind":`...), n.Kind)
	b = appendText(append(b, `,"decision":`...), n.Decision)
	b = appendOptional(append(b, `,"reason":`...), n.Reason)
	b = appendOptional(append(b, `,"document_type":`...), n.DocumentType)
	b = appendOptional(append(b, `,"threshold":`...), n.Threshold)
	b = appendOptional(append(b, `,"expires":`...), n.Expires)
	b = appendOptional(append(b, `,"due":`...), n.Due)
	b = appendText(append(b, `,"run_date":`...), n.RunDate)
	b = appendOptional(append(b, `,"document_ref":`...), n.DocumentRef)
	b = appendText(append(b, `,"registration_ref":`...), n.RegistrationRef)
	b = appendText(append(b, `,"address_ref":`...), n.AddressRef)
	b = appendText(append(b, `,"person_ref":`...), n.PersonRef)
	b = appendText(append(b, `,"identity_key_id":`...), n.IdentityKeyID)
	b = appendText(append(b, `,"reference_key_id":`...), n.ReferenceKeyID)
	b = strconv.AppendBool(append(b, `,"virtual":`...), n.Virtual)
	b = appendText(append(b, `,"at":`...), n.At)
	return append(b, '}')
}

// AppendJSON appends m as JSON.
func (m *Mail) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), m.ID)
	b = appendText(append(b, `,"kind":`...), m.Kind)
	b = appendText(append(b, `,"registration_ref":`...), m.RegistrationRef)
	b = appendText(append(b, `,"language":`...), m.Language)
	b = appendText(append(b, `,"to":{"email":`...), m.To.Email)
	b = appendText(append(b, `,"name":`...), m.To.Name)
	if d := m.Document; d == nil {
		b = append(b, `},"document":null`...)
	} else {
		b = appendText(append(b, `},"document":{"type":`...), d.Type)
		b = appendText(append(b, `,"number_masked":`...), d.NumberMasked)
		b = append(appendText(append(b, `,"expires":`...), d.Expires), '}')
	}
	b = appendOptional(append(b, `,"threshold":`...), m.Threshold)
	b = appendOptional(append(b, `,"due":`...), m.Due)
	b = appendText(append(b, `,"run_date":`...), m.RunDate)
	b = appendNumber(append(b, `,"days_left":`...), m.DaysLeft)
	b = appendText(append(b, `,"not_after":`...), m.NotAfter)
	b = appendText(append(b, `,"emitted_at":`...), m.EmittedAt)
	b = appendText(append(b, `,"address_hash":`...), m.AddressHash)
	return append(b, '}')
}

// AppendJSON appends d as JSON.
func (d *Delivery) AppendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), d.ID)
	b = appendText(append(b, `,"status":`...), d.Status)
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(d.Attempts), 10)
	b = appendNumber(append(b, `,"smtp_code":`...), d.SMTPCode)
	b = appendOptional(append(b, `,"enhanced_code":`...), d.EnhancedCode)
	b = appendOptional(append(b, `,"queue_id":`...), d.QueueID)
	b = appendOptional(append(b, `,"relay":`...), d.Relay)
	b = appendOptional(append(b, `,"reason":`...), d.Reason)
	b = appendText(append(b, `,"at":`...), d.At)
	return append(b, '}')
}

func appendNumber(b []byte, n *int) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, int64(*n), 10)
}

func appendOptional(b []byte, s *string) []byte {
	if s == nil {
		return append(b, "null"...)
	}
	return appendText(b, *s)
}

// appendText leaves what needs an escape to encoding/json.
func appendText(b []byte, s string) []byte {
	if !plain(s) {
		text, _ := json.Marshal(s) // a string cannot fail
		return append(b, text...)
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain says whether encoding/json writes s as it is.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}
