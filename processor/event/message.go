package event

import (
	"encoding/hex"
	"encoding/json"
)

// ParseID reads the id of a notice, or a reference: 32 hex digits.
func ParseID(text string) (id [16]byte, ok bool) {
	if len(text) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil
}

// The values of the topics that lejarat writes, as SPEC.md 2.2 fixes them. Dates are 2026-08-31, times RFC 3339 with
// milliseconds and offset. Each has a JSON Schema in schema/; a field is only ever added.

// Kinds of a notice.
const (
	KindExpiry       = "expiry"
	KindAnnouncement = "announcement"
)

// Decisions on a notice.
const (
	Emitted = "emitted"
	Skipped = "skipped"
)

// Reasons of a skipped notice.
const (
	ReasonLate             = "late"               // its window closed before it could be sent
	ReasonStaleSource      = "stale_source"       // its window closed while a source was behind
	ReasonHeld             = "held"               // the newest record of the document or registration could not be used
	ReasonDuplicateAddress = "duplicate_address"  // another registration of this person has this address
	ReasonCollision        = "identity_collision" // two holders share this identity
	ReasonOperator         = "operator"           // lejarat skip
)

// Notice is the value of lejarat.notifications. It holds no personal data.
type Notice struct {
	ID              string  `json:"id"` // 32 hex digits
	Kind            string  `json:"kind"`
	Decision        string  `json:"decision"`
	Reason          *string `json:"reason"`
	DocumentType    *string `json:"document_type"`
	Threshold       *string `json:"threshold"`
	Expires         *string `json:"expires"`
	Due             *string `json:"due"`
	RunDate         string  `json:"run_date"`
	DocumentRef     *string `json:"document_ref"`
	RegistrationRef string  `json:"registration_ref"`
	AddressRef      string  `json:"address_ref"`
	PersonRef       string  `json:"person_ref"`
	IdentityKeyID   string  `json:"identity_key_id"`
	ReferenceKeyID  string  `json:"reference_key_id"`
	Virtual         bool    `json:"virtual"` // decided by a virtual clock, on topics of its own
	At              string  `json:"at"`
}

// Mail is the value of lejarat.mail-sink, keyed by the registration reference.
type Mail struct {
	ID              string        `json:"id"`
	Kind            string        `json:"kind"`
	RegistrationRef string        `json:"registration_ref"`
	Language        string        `json:"language"` // hu, en
	To              MailTo        `json:"to"`
	Document        *MailDocument `json:"document"`  // null for an announcement
	Threshold       *string       `json:"threshold"` // null for an announcement
	Due             *string       `json:"due"`       // null for an announcement
	RunDate         string        `json:"run_date"`
	DaysLeft        *int          `json:"days_left"` // null for an announcement
	NotAfter        string        `json:"not_after"` // not to be handed over at or after this instant
	EmittedAt       string        `json:"emitted_at"`
	// AddressHash is the keyed hash of the address alone; a "moved" suppression names the one that now counts.
	AddressHash string `json:"address_hash"`
}

// MailTo is the receiver.
type MailTo struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

// MailDocument is the document that a mail is about.
type MailDocument struct {
	Type         string `json:"type"`
	NumberMasked string `json:"number_masked"`
	Expires      string `json:"expires"`
}

// Statuses of a delivery.
const (
	DeliveryAccepted   = "accepted"   // the relay took it
	DeliveryRejected   = "rejected"   // refused for good
	DeliveryExpired    = "expired"    // not_after passed first
	DeliverySuppressed = "suppressed" // switched off, deleted, moved, address or operator
	DeliveryInDoubt    = "in_doubt"   // the relay's answer was never seen
	DeliveryBounced    = "bounced"
)

// Delivery is the value of lejarat.deliveries, keyed by notification id. It holds no personal data.
type Delivery struct {
	ID           string  `json:"id"`
	Status       string  `json:"status"`
	Attempts     int     `json:"attempts"`
	SMTPCode     *int    `json:"smtp_code"`
	EnhancedCode *string `json:"enhanced_code"`
	QueueID      *string `json:"queue_id"`
	Relay        *string `json:"relay"`
	Reason       *string `json:"reason"` // of suppressed: the suppression's reason
	At           string  `json:"at"`
}

// A record of lejarat.deliveries with one of these headers is no outcome, but says that a connector has the mail in hand
// (connectors/smtp/claims.go). It has no value, or repeats what was known before.
const (
	ClaimHeader   = "lejarat_claim"
	UnclaimHeader = "lejarat_unclaim" // given back: the mail was provably not delivered
)

// Reasons of a suppression: the second part of its key, <registration reference>/<reason>.
const (
	SuppressSwitchedOff = "switched_off"
	SuppressDeleted     = "deleted"
	SuppressMoved       = "moved"   // only AddressHash is let through
	SuppressAddress     = "address" // hard bounce of AddressHash
	SuppressOperator    = "operator"
)

// PauseKey is the key in lejarat.suppressions of a suppression of everything: while it stands no mail is handed over, and
// none is settled by it. No registration's reference looks like that.
const PauseKey = "mail/paused"

// Suppression is the value of lejarat.suppressions; a tombstone lifts it.
type Suppression struct {
	Since       string  `json:"since"`
	AddressHash *string `json:"address_hash"`
	Note        string  `json:"note,omitempty"` // of PauseKey: what the operator said
}

// SuppressionKey is the key of a suppression.
func SuppressionKey(registrationRef, reason string) string { return registrationRef + "/" + reason }

// Rejected is the value of lejarat.rejects: where a record stands that could not be used, and why.
type Rejected struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	KeyHash   string  `json:"key_hash"`
	Column    *string `json:"column"`
	Reason    string  `json:"reason"`
	At        string  `json:"at"`
}

// TimeFormat is how instants stand in these values.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// What every event says alike. Nobody writes to it.
var (
	specVersion = []byte("1.0")
	eventSource = []byte("/lejarat")
	contentType = []byte("application/json")
)

// CloudEvent returns the CloudEvents 1.0 headers of the Kafka binding in binary mode.
// at is in TimeFormat; kind is the event's type, for example "notification".
func CloudEvent(id, kind, at string) []Header {
	return cloudEvent([]byte(id), eventType(kind), []byte(at))
}

func eventType(kind string) []byte { return append([]byte("hu.lejarat."), kind...) }

func cloudEvent(id, kind, at []byte) []Header {
	return []Header{
		{Key: "ce_specversion", Value: specVersion},
		{Key: "ce_id", Value: id},
		{Key: "ce_source", Value: eventSource},
		{Key: "ce_type", Value: kind},
		{Key: "ce_time", Value: at},
		{Key: "content-type", Value: contentType},
	}
}

// Messages makes records of one kind, of one topic and moment: what they have in common they share.
type Messages struct {
	topic    string
	kind, at []byte
}

// MessagesOf returns what makes the records of a topic; at and kind as in CloudEvent.
func MessagesOf(topic, kind, at string) Messages {
	return Messages{topic: topic, kind: eventType(kind), at: []byte(at)}
}

// Message is a record: v as JSON under key, with the headers of the event id. Nobody writes to either afterwards.
func (m *Messages) Message(key, id []byte, v any) Record {
	return Record{Topic: m.topic, Partition: AnyPartition, Key: key, Value: encode(v), Headers: cloudEvent(id, m.kind, m.at)}
}

// appender makes its JSON itself.
type appender interface{ AppendJSON(b []byte) []byte }

// Message is a record of one of these topics: v as JSON under key, with the headers of the event id.
func Message(topic, key, id, kind, at string, v any) Record {
	m := MessagesOf(topic, kind, at)
	return m.Message([]byte(key), []byte(id), v)
}

// messageBytes is what a notification or a mail takes, rounded up.
const messageBytes = 640

func encode(v any) []byte {
	if a, ok := v.(appender); ok {
		return a.AppendJSON(make([]byte, 0, messageBytes))
	}
	body, err := json.Marshal(v)
	if err != nil {
		panic("encoding a message of our own: " + err.Error()) // plain structs of strings and numbers cannot fail
	}
	return body
}
