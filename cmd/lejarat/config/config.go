// Package config is the one YAML file of lejarat: defaults, then the file, then the environment, then a
// check that reports every fault at once, each with its line.
//
// Rules: a key that is not known is a fault; null is the same as not writing the key (but a document type
// set to null is removed); an empty list is no list; a relative path is relative to the working directory.
// What Load returns has been checked and holds every default, so nobody else has to know them.
package config

import (
	"time"

	"lejarat/processor/event"
)

// Config is the effective configuration.
type Config struct {
	// Kafka says where the brokers are and how topics are made.
	Kafka Kafka `yaml:"kafka"`
	// State is the local state.
	State State `yaml:"state"`
	// Identity holds the keys and how names are normalised.
	Identity Identity `yaml:"identity"`
	// Calendar says when the daily run starts.
	Calendar Calendar `yaml:"calendar"`
	// HTTP is the console's port.
	HTTP HTTP `yaml:"http"`
	// Log says what is logged and how.
	Log Log `yaml:"log"`
	// Documents are the document types by name. Default: the four of DefaultDocuments; a type that the file
	// mentions keeps the default of every field that it does not give.
	Documents Documents `yaml:"documents"`
	// Extensions are the legal extensions of validity. Default: none.
	Extensions []Extension `yaml:"extensions,omitempty"`
	// Sources are the source topics and their mappings. Required.
	Sources []Source `yaml:"sources"`
	// Announcements say how the service introduces itself.
	Announcements Announcements `yaml:"announcements"`
	// Fuse holds back a run that is too large to be right.
	Fuse Fuse `yaml:"fuse"`
	// Pilot restricts the service to named registrations.
	Pilot Pilot `yaml:"pilot,omitempty"`
	// Mail is the SMTP connector.
	Mail Mail `yaml:"mail"`
	// Limits are the named maxima of everything that could grow.
	Limits Limits `yaml:"limits"`
}

// State is the local state: a cache of what the topics say.
type State struct {
	// Dir is the directory of the stores. Default ./state.
	Dir string `yaml:"dir"`
	// Generation numbers the journal in use, from 1. Default 1.
	Generation int `yaml:"generation"`
	// Cache is the block cache that all stores of the process share; stores that are being filled take some of it for what is
	// not on disk yet. Default 256MiB.
	Cache Bytes `yaml:"cache"`
	// FlushEvery is the longest time for which applied input stands in memory only, of less than 8 MiB in all stores twenty
	// times as long; what a crash loses is read again from the topics. Default 30s.
	FlushEvery time.Duration `yaml:"flush_every"`
}

// Calendar says which civil date it is and when its run starts.
type Calendar struct {
	// Timezone is the IANA zone whose date is "today". Default Europe/Budapest.
	Timezone string `yaml:"timezone"`
	// RunAt is the local time at which the daily run starts, outside the clock change (02:00 to 03:00). Default 06:00.
	RunAt TimeOfDay `yaml:"run_at"`
	// LiveFrom is the first date on which a run happens; what was due before is not owed. Zero: no such limit.
	LiveFrom event.Date `yaml:"live_from,omitempty"`
}

// Location returns the time zone. It panics on a Calendar that was never checked and names no zone.
func (c Calendar) Location() *time.Location {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		panic("config: unchecked calendar: " + err.Error())
	}
	return zone
}

// HTTP is the one port of console, metrics and health.
type HTTP struct {
	// Listen is host:port. Default 127.0.0.1:8080; "" opens no port.
	Listen string `yaml:"listen"`
}

// Log says what is logged and how.
type Log struct {
	// Format is text or json. Default text.
	Format string `yaml:"format"`
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
}

// Announcements say how the service introduces itself to a registration.
type Announcements struct {
	// Enabled: announcements are sent at all. Default true.
	Enabled bool `yaml:"enabled"`
	// SpreadDays spreads the announcements of the go-live over this many days; 0 sends them all with the first run. Default 0.
	SpreadDays int `yaml:"spread_days"`
}

// Fuse holds back a run that is too large to be right.
type Fuse struct {
	// MaxRun is the most notices that a run may emit; announcements are counted apart against the same number. Default auto.
	MaxRun MaxRun `yaml:"max_run"`
}

// Limits are the named maxima and rhythms of the engine.
type Limits struct {
	// BatchRecords is the most source records of one intake transaction. Default 10000: a fetch of 1 MB holds
	// 5,400 records of 1 KB, and what is left over would be a transaction of its own.
	BatchRecords int `yaml:"batch_records"`
	// ChunkNotices is the most notices of one transaction of a run: what a partition holds in memory of it. Default 2000.
	ChunkNotices int `yaml:"chunk_notices"`
	// ChunkEntries is the most timeline entries that a run looks at in one step. Default 20000.
	ChunkEntries int `yaml:"chunk_entries"`
	// TransactionPause is the least time between two transactions of one id. Default 30ms.
	TransactionPause time.Duration `yaml:"transaction_pause"`
	// WatermarkEveryLoading is how often watermarks are written while a store loads. Default 1s.
	WatermarkEveryLoading time.Duration `yaml:"watermark_every_loading"`
	// WatermarkEvery is how often watermarks are written otherwise, where they changed. Default 30s.
	WatermarkEvery time.Duration `yaml:"watermark_every"`
	// WatermarkNearRun is how often watermarks are written around a run. Default 1s.
	WatermarkNearRun time.Duration `yaml:"watermark_near_run"`
	// PollWait is how long an idle task waits for records. Default 250ms.
	PollWait time.Duration `yaml:"poll_wait"`
	// MaxRecordBytes is the largest source record that is read; a larger one is rejected. Default 1MiB, which is also the most.
	MaxRecordBytes Bytes `yaml:"max_record_bytes"`
}

// Default returns the configuration of an empty file. It lacks what has no default: brokers and sources.
func Default() *Config {
	return &Config{
		Kafka:    defaultKafka(),
		State:    State{Dir: "./state", Generation: 1, Cache: 256 * MiB, FlushEvery: 30 * time.Second},
		Identity: Identity{KeyFile: "./identity.key", ReferenceKeyFile: "./reference.key"},
		Calendar: Calendar{Timezone: "Europe/Budapest", RunAt: TimeOfDay{Hour: 6}},
		HTTP:     HTTP{Listen: "127.0.0.1:8080"},
		Log:      Log{Format: "text", Level: "info"},

		Documents:     DefaultDocuments(),
		Announcements: Announcements{Enabled: true},
		Mail:          defaultMail(),
		Limits: Limits{
			BatchRecords: 10000, ChunkNotices: 2000, ChunkEntries: 20000, TransactionPause: 30 * time.Millisecond,
			WatermarkEveryLoading: time.Second, WatermarkEvery: 30 * time.Second, WatermarkNearRun: time.Second,
			PollWait: 250 * time.Millisecond, MaxRecordBytes: MiB,
		},
	}
}
