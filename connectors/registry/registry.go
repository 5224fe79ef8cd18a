// Package registry invents a register of documents and a store of Ügyfélkapu registrations whose truth is known:
// who is who, however the rows spell it, and so which notices are owed. It yields the rows as a snapshot, lives on day by
// day, writes both as Debezium records or SQL, and holds an oracle that says what the engine must do.
//
// Everything follows from the seed alone: two worlds with equal options are equal byte for byte, and a world of N+1
// people begins with the people of a world of N (collisions and couples stay within pairs of neighbours).
//
// Nothing here is shared with the engine: neither identity normalisation nor date arithmetic nor rules.
package registry

import (
	"time"

	"lejarat/processor/event"
)

// Options says what kind of world to invent. Rates left at zero take their default; a negative rate is none at all.
type Options struct {
	Seed   uint64
	People int
	// Start is the civil day on which the snapshot is taken (at SnapshotHour), and the first day that Advance lives.
	Start event.Date
	// Zone is the registries' legal time zone; nil is Europe/Budapest, which needs a time zone database.
	Zone *time.Location
	// Registered is the share of people with an Ügyfélkapu registration: 0.45.
	Registered float64
	// Churn is the number of life events (other than renewals) per person and year: 0.35.
	Churn float64
	// TitlesDropped says that the mapping under test drops leading academic titles, so that a registration may leave
	// out a "dr." without losing its match.
	TitlesDropped bool
	Rates         Rates
	Due           Due
}

// Rates are the shares of the embarrassments of real registers.
type Rates struct {
	SecondRegistration float64 // registered people with a second registration: 0.06
	SharedAddress      float64 // second registrations with the first one's address: 0.5
	FamilyAddress      float64 // registered couples with one address: 0.4
	Respelled          float64 // registrations spelled otherwise, but losslessly equal: 0.25
	Misspelled         float64 // registrations with a typing error that costs the match: 0.015
	Incomplete         float64 // registrations without the mother's name, which never match: 0.003
	Collision          float64 // pairs of neighbours that are two people of one identity: 0.002
	Predecessor        float64 // documents whose predecessor is still in the register: 0.25
	OldValid           float64 // predecessors whose status is still valid: 0.08
	LostOrStolen       float64 // documents whose status is not valid: 0.02
	ServiceOff         float64 // registrations with the service switched off: 0.08
	Inactive           float64 // registrations that are not active: 0.03
}

// SnapshotHour is the local hour at which the snapshot is taken: before the daily run.
const SnapshotHour = 4

// Table names one table.
type Table string

// The tables.
const (
	Documents     Table = "document"
	Registrations Table = "registration"
	Heartbeats    Table = "heartbeat"
)

// Kinds of documents, as the column kind spells them.
const (
	KindPassport = "UTLEVEL"
	KindCard     = "SZIG"
	KindLicence  = "JOGSI"
	KindVehicle  = "FORGALMI"
)

// Statuses of documents. Only StatusValid is a valid one.
const (
	StatusValid     = "V"
	StatusReplaced  = "C"
	StatusLost      = "E"
	StatusStolen    = "L"
	StatusWithdrawn = "B"
)

// Name is a name in its two columns.
type Name struct{ Family, Given string }

// Holder is the natural identity data, as one row spells them.
type Holder struct {
	Name, Birth Name
	BirthPlace  string
	BirthDate   event.Date
	Mother      Name
}

// Document is one row of the table document.
type Document struct {
	ID         int64
	Kind       string
	Number     string
	Status     string
	ValidUntil event.Date // NoExpiry is the column's null
	IssuedOn   event.Date
	Holder
	HolderRef string

	// Columns that nobody maps.
	Sex, Authority, CaseNumber, PhotoRef, Remarks string
	CreatedAt, UpdatedAt                          time.Time

	Truth
}

// Registration is one row of the table registration.
type Registration struct {
	ID int64
	Holder
	Email        string
	Active       bool
	ServiceOn    bool
	ServiceSince time.Time
	Language     string // hu, en

	// Columns that nobody maps.
	UserName, Phone, PostalCode, City, Level string
	LastLogin, CreatedAt, UpdatedAt          time.Time

	Truth
}

// Truth is what no table holds.
type Truth struct {
	// Person is the index of the person whose row this is.
	Person int
	// Identity is equal for two rows exactly when their identity data are losslessly equal (SPEC 1.4), however they are
	// spelled; 0 is an identity with an empty field, which equals nothing.
	Identity uint64
}

// Person is one person with all rows.
type Person struct {
	Index         int
	Documents     []Document
	Registrations []Registration

	holder    Holder // as the registers should spell it
	identity  uint64
	holderRef string
	female    bool
	married   bool
	dead      bool
	born      event.Date
	slots     int64    // rows made so far, for their ids
	numbers   [4]int64 // documents made so far, by kind, for their numbers
}

// Op is what a change does.
type Op uint8

// The changes.
const (
	Insert Op = iota
	Update
	Delete
)

// Change is one change of one row, committed at At. Exactly one of Document and Registration is set, to the row as it
// is afterwards; after a deletion neither is.
type Change struct {
	At           time.Time
	Table        Table
	Op           Op
	Key          int64
	Document     *Document
	Registration *Registration
}

func rate(given, normal float64) float64 {
	switch {
	case given < 0:
		return 0
	case given == 0:
		return normal
	}
	return given
}

// withDefaults fills in what was left open.
func (o Options) withDefaults() Options {
	if o.Zone == nil {
		zone, err := time.LoadLocation("Europe/Budapest")
		if err != nil {
			panic("registry: no time zone database: give Options.Zone or import time/tzdata: " + err.Error())
		}
		o.Zone = zone
	}
	o.Registered = rate(o.Registered, 0.45)
	o.Churn = rate(o.Churn, 0.35)
	r := &o.Rates
	r.SecondRegistration = rate(r.SecondRegistration, 0.06)
	r.SharedAddress = rate(r.SharedAddress, 0.5)
	r.FamilyAddress = rate(r.FamilyAddress, 0.4)
	r.Respelled = rate(r.Respelled, 0.25)
	r.Misspelled = rate(r.Misspelled, 0.015)
	r.Incomplete = rate(r.Incomplete, 0.003)
	r.Collision = rate(r.Collision, 0.002)
	r.Predecessor = rate(r.Predecessor, 0.25)
	r.OldValid = rate(r.OldValid, 0.08)
	r.LostOrStolen = rate(r.LostOrStolen, 0.02)
	r.ServiceOff = rate(r.ServiceOff, 0.08)
	r.Inactive = rate(r.Inactive, 0.03)
	return o
}
