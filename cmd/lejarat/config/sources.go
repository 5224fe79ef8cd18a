package config

import "time"

// Kinds of a source.
const (
	KindDocuments     = "documents"
	KindRegistrations = "registrations"
)

// Source is one Debezium topic and what its columns mean.
type Source struct {
	// Topic is the Kafka topic. Required, and of one source only.
	Topic string `yaml:"topic"`
	// Name stands in the keys of this source's rows, so it must not change when the topic does. Default: Topic.
	Name string `yaml:"name"`
	// Kind is documents or registrations. Required.
	Kind string `yaml:"kind"`
	// Format is the encoding of the messages: auto or json. Default auto.
	Format string `yaml:"format"`
	// Columns say which column means what. Required.
	Columns Columns `yaml:"columns"`
	// Damaged: texts of this source passed through a code page that turned ő and ű into õ and û. Default false.
	Damaged bool `yaml:"damaged"`
	// DropTitle: a leading academic title is dropped from this source's names. Default: identity.drop_title.
	DropTitle bool `yaml:"drop_title"`
	// Heartbeat is the topic of the connector's heartbeat table. Default: none.
	Heartbeat Heartbeat `yaml:"heartbeat,omitempty"`
	// DelayLimit: a source is behind when a record younger than this arrived with a delay above it. Default: the heartbeat's max_age.
	DelayLimit time.Duration `yaml:"delay_limit"`
	// MaxRejectShare is the share of the last 1,000 records above which rejects stop the source. Default 0.05.
	MaxRejectShare float64 `yaml:"max_reject_share"`
	// SnapshotEnded is the operator's word that the snapshot, whose end no record shows, has ended. Default false.
	SnapshotEnded bool `yaml:"snapshot_ended"`
}

// Heartbeat is where a connector says that it is alive.
type Heartbeat struct {
	// Topic of the heartbeat table's changes; "" is none.
	Topic string `yaml:"topic,omitempty"`
	// MaxAge: a source is behind when its newest heartbeat is older. Default 10m.
	MaxAge time.Duration `yaml:"max_age,omitempty"`
}

// Columns are the logical fields of a source. Type, Number, Status, Expires and HolderRef are of documents, Email,
// Active, Service and Language of registrations, Holder and Effective of both.
type Columns struct {
	// Type is the document type. Required.
	Type TypeColumn `yaml:"type,omitempty"`
	// Number is the document's number. Default: none; the row's key then stands for it.
	Number Column `yaml:"number,omitempty"`
	// Status says whether the document is valid. Required.
	Status StatusColumn `yaml:"status,omitempty"`
	// Expires are the expiry dates, of which the earliest non-null one counts. Required.
	Expires []Column `yaml:"expires,omitempty"`
	// Effective is when the row's facts took effect. Default: none; the source commit time then counts.
	Effective Column `yaml:"effective,omitempty"`
	// Holder is the person's identity. The fields that the match lists name are required.
	Holder Holder `yaml:"holder,omitempty"`
	// HolderRef tells holders with equal identities apart. Default: none.
	HolderRef Column `yaml:"holder_ref,omitempty"`
	// Email is the address. Required.
	Email Column `yaml:"email,omitempty"`
	// Active says whether the registration is in use. Required.
	Active BoolColumn `yaml:"active,omitempty"`
	// Service says whether notices are switched on. Required.
	Service BoolColumn `yaml:"service,omitempty"`
	// Language is hu or en. Default: none; mails are then Hungarian.
	Language LanguageColumn `yaml:"language,omitempty"`
}

// Column is one column: its name, or a mapping with column and date.
type Column struct {
	// Column is the name.
	Column string `yaml:"column"`
	// Date says how dates and times stand in messages without a schema, one of debezium.Encodings. Default: none.
	Date string `yaml:"date,omitempty"`
}

// TypeColumn maps a column's values to document types; the plain name of a column means that its values are the types' names.
type TypeColumn struct {
	Column string `yaml:"column,omitempty"`
	// Values: value in the column → document type. Default: the types' own names.
	Values map[string]string `yaml:"values,omitempty"`
	// Ignored are the values of types that are not served. A value in neither list is rejected.
	Ignored []string `yaml:"ignored,omitempty"`
	// Constant is the type of every row, for a table of one type; then there is no Column.
	Constant string `yaml:"constant,omitempty"`
}

// StatusColumn says which values mean a valid document.
type StatusColumn struct {
	Column string `yaml:"column,omitempty"`
	// Valid are the values of a valid document. Required.
	Valid []string `yaml:"valid,omitempty"`
	// Invalid are the others. Where any is listed, a value in neither list is rejected; where none is, it is not valid.
	Invalid []string `yaml:"invalid,omitempty"`
}

// BoolColumn is a column that says yes or no, in any encoding; the plain name of a column has the default values.
type BoolColumn struct {
	Column string `yaml:"column,omitempty"`
	// True are the values that mean yes. Default: true and 1.
	True []string `yaml:"true,omitempty"`
	// False are the values that mean no. Where any is listed, a value in neither list is rejected; where none is, it means no.
	False []string `yaml:"false,omitempty"`
}

// LanguageColumn is the language of a registration; the plain name of a column means that it holds the codes themselves.
type LanguageColumn struct {
	Column string `yaml:"column,omitempty"`
	// Values: value in the column → language code. Default: the codes themselves.
	Values map[string]string `yaml:"values,omitempty"`
}

// Holder is the person's identity: a column each, or several that are joined with one blank.
type Holder struct {
	Name       []string `yaml:"name,omitempty"`
	BirthName  []string `yaml:"birth_name,omitempty"`
	BirthPlace []string `yaml:"birth_place,omitempty"`
	BirthDate  Column   `yaml:"birth_date,omitempty"`
	MotherName []string `yaml:"mother_name,omitempty"`
}
