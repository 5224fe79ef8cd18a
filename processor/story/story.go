// Package story is what lejarat explain tells of one document or registration: a structure for programs, and sentences
// that can be read to whoever asks on the telephone (words.go). It holds no name, no e-mail address and no row key.
package story

// Kinds of a Story.
const (
	Document     = "document"
	Registration = "registration"
)

// Where a Story was told from.
const (
	FromInstance = "instance" // the stores of a running instance: the newest facts only
	FromTopics   = "topics"   // the topics themselves: also former facts, and notices of former facts
)

// Story is all that is known of one row. Dates are 2026-08-31, instants RFC 3339 with milliseconds and offset, references
// 32 hex digits as in lejarat.notifications.
type Story struct {
	Kind     string `json:"kind"`   // document, registration
	Source   string `json:"source"` // the row's source topic
	Ref      string `json:"ref"`    // document_ref or registration_ref
	ToldFrom string `json:"told_from"`
	// Journal and ReferenceKey name the service that it was told of: its journal topic and the id of its reference key.
	Journal      string `json:"journal"`
	ReferenceKey string `json:"reference_key_id"`
	At           string `json:"at"` // when it was told, by the clock in use
	// Facts is null where none could ever be read, or the row is deleted.
	Facts *Facts `json:"facts"`
	Hold  *Hold  `json:"hold"` // null: not held
	// Deleted is where the row's deletion was read, null for one that is there.
	Deleted *Position `json:"deleted"`
	// Incomplete are the lists of identity fields of which the row lacks one: under these it is joined to nobody.
	Incomplete [][]string `json:"incomplete_identity"`
	Identities []Identity `json:"identities"`
	// Notices are the thresholds of documents and the announcement, each for each registration that it concerns.
	Notices []Notice `json:"notices"`
	// Former are recorded decisions about facts that do not hold any more: another expiry, another registration.
	Former []Notice `json:"former_notices"`
	// Versions are former states of the row as far as the journal still holds them, oldest first.
	Versions []Version `json:"versions"`
	// Text is all of this in sentences: see Tell.
	Text []string `json:"text"`
}

// Facts is the row as it was read last.
type Facts struct {
	Position Position `json:"position"`
	// Effective is the date since which the facts count, null: since before the service first looked.
	Effective *string `json:"effective"`
	// TakesPart is the first run in which a row that came to its identity lately takes part, null where it does.
	TakesPart *string `json:"takes_part"`
	// Of a document.
	Type         string  `json:"document_type,omitempty"`
	NumberMasked string  `json:"number_masked,omitempty"`
	Valid        bool    `json:"valid,omitempty"`
	Superseded   *bool   `json:"superseded,omitempty"`     // absent for a type of which a person may have several
	Expires      *string `json:"expires,omitempty"`        // as registered; absent: never
	ExpiresByLaw *string `json:"expires_by_law,omitempty"` // where a legal extension puts another date in its place: "never" while it has no end
	// Of a registration.
	On         bool `json:"on,omitempty"` // active, switched on, and with an address
	HasAddress bool `json:"has_address,omitempty"`
}

// Position is where a record stands in its source topic.
type Position struct {
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Committed *string `json:"committed"` // when the source committed it, null: unknown
}

// Hold is why nobody is told from the row's facts.
type Hold struct {
	Position Position `json:"position"`
	Reason   string   `json:"reason"` // rejected, redelivered, redelivered_delete
}

// Identity is one identity of the row: a document has one, a registration one for each list of fields in use.
type Identity struct {
	Fields    []string `json:"fields"`    // by which it is joined
	Partition int32    `json:"partition"` // of the journal
	// Documents and Registrations are the references of all rows that share it, this one included.
	Documents     []string `json:"documents"`
	Registrations []string `json:"registrations"`
	// Collision: two holders share the identity.
	Collision bool `json:"collision"`
	Run       Run  `json:"next_run"`
}

// Run is the next run that judges an identity, and how it stands.
type Run struct {
	Date   string `json:"date"`
	At     string `json:"at"`    // 06:00, its nominal start
	State  string `json:"state"` // "" (not begun), running, held
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// LastComplete is the date of the newest complete run, "" for none.
	LastComplete string `json:"last_complete,omitempty"`
}

// Notice is one notice, or why there is none.
type Notice struct {
	Kind         string `json:"kind"` // expiry, announcement
	Document     string `json:"document_ref,omitempty"`
	Type         string `json:"document_type,omitempty"`
	Registration string `json:"registration_ref,omitempty"` // absent where the same holds whoever is registered
	ID           string `json:"id,omitempty"`
	Threshold    string `json:"threshold,omitempty"`
	Expires      string `json:"expires,omitempty"`
	Due          string `json:"due,omitempty"`
	LastDay      string `json:"last_day,omitempty"` // the last day on which it may go out
	// Code is emitted, a reason of a skip as in lejarat.notifications, a reason of "none" as in lejarat.runs, or one of
	// owed, not_due, waits, no_address, announcements_off, not_counted, closed.
	Code string `json:"code"`
	// Would, of what is not due yet, is the reason for which it would be skipped as things stand.
	Would string `json:"would,omitempty"`
	// Who is the row at the bottom of held and not_entitled: document, document_type (another document of the type), registration.
	Who  string `json:"who,omitempty"`
	From string `json:"from,omitempty"` // the day from which it counts, of waits, not_entitled and an announcement's not_due
	// Recorded: the decision stands in lejarat.notifications, made in the run of RunDate at At.
	Recorded bool      `json:"recorded"`
	RunDate  string    `json:"run_date,omitempty"`
	At       string    `json:"at,omitempty"`
	Delivery *Delivery `json:"delivery,omitempty"` // of an emitted one; absent: no outcome yet
	Next     string    `json:"next_run,omitempty"` // the run that decides what is not recorded
	Sentence string    `json:"sentence"`
}

// Delivery is what became of the mail, as in lejarat.deliveries.
type Delivery struct {
	Status       string `json:"status"`
	Reason       string `json:"reason,omitempty"`
	Attempts     int    `json:"attempts"`
	SMTPCode     int    `json:"smtp_code,omitempty"`
	EnhancedCode string `json:"enhanced_code,omitempty"`
	At           string `json:"at"`
}

// Version is one former state of the row.
type Version struct {
	Position  Position `json:"position"`
	Effective *string  `json:"effective"`
	What      string   `json:"what"` // facts, moved (facts under another identity), held, released, deleted
	Type      string   `json:"document_type,omitempty"`
	Valid     bool     `json:"valid,omitempty"`
	Expires   *string  `json:"expires,omitempty"`
	On        bool     `json:"on,omitempty"`
	Hold      string   `json:"hold,omitempty"`
}
