// Package processor is the engine: it runs intake on source partitions and watch on journal partitions, each behind its
// own fence, restores their stores from the topics, and fires the daily run. DESIGN.md says why it is built this way.
package processor

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// Clock tells the time. Now moves the calendar and may be virtual; Real measures ages and waits.
type Clock interface {
	Now() time.Time
	Real() time.Time
}

// Decoder turns a source record into a row change; see connectors/debezium.
type Decoder interface {
	Decode(r *event.Record) (event.Change, error)
	// Row names the row of a record key, or says why it names none; DecodeRow is Decode with what it has said.
	Row(key []byte) (row, reason string)
	DecodeRow(r *event.Record, row, reason string) (event.Change, error)
}

// Source is one source topic with all that is known of it.
type Source struct {
	intake.Source
	// NewDecoder makes a decoder for one goroutine.
	NewDecoder func() (Decoder, error)
	// Heartbeat is the topic of the source's heartbeat table, "" without one; HeartbeatAge how old its newest row may be.
	Heartbeat    string
	HeartbeatAge time.Duration
	// SnapshotEnded: an operator declares the source's snapshot ended.
	SnapshotEnded bool
	// MaxRejectShare of the last 1,000 records may be rejected before the source stops.
	MaxRejectShare float64
}

// Limits are the named sizes and intervals of the engine.
type Limits struct {
	BatchRecords   int           // records of one intake transaction
	ChunkNotices   int           // notices of one transaction of a run
	ChunkEntries   int           // timeline entries looked at in one step of a run
	CommitPause    time.Duration // between the transactions of one id: an earlier one waits inside the broker
	WatermarkBusy  time.Duration // between watermarks around a run
	WatermarkLoad  time.Duration // between watermarks while loading
	WatermarkIdle  time.Duration // between watermarks else
	WatermarkSame  time.Duration // between watermarks that say nothing new: a restart reads no more of the journal than since the last
	PollWait       time.Duration // how long an idle task waits for records
	FlushEvery     time.Duration // how much a crash may lose of a store, see state.Store.Maintain
	ClockTolerance time.Duration // how far this machine's clock and the brokers' may differ before runs are held
	BarrierAge     time.Duration // real age at which a run must take its barrier anew
	StateAge       time.Duration // real age at which a store is thrown away
	RestoredAtOnce int           // stores of intake that are written at the same time while they are restored
}

// DefaultLimits are the sizes that research and benchmarks favour.
func DefaultLimits() Limits {
	return Limits{BatchRecords: 10000, ChunkNotices: 2000, ChunkEntries: 20000, CommitPause: 30 * time.Millisecond,
		WatermarkBusy: time.Second, WatermarkLoad: time.Second, WatermarkIdle: 30 * time.Second,
		WatermarkSame: time.Minute, PollWait: 250 * time.Millisecond,
		FlushEvery: 30 * time.Second, ClockTolerance: time.Minute, BarrierAge: 15 * time.Minute, StateAge: 15 * 24 * time.Hour,
		RestoredAtOnce: runtime.GOMAXPROCS(0)}
}

// Config is everything the engine needs.
type Config struct {
	Log        event.Log
	Clock      Clock
	Logger     *slog.Logger
	Observer   Observer // may be nil
	Prefix     string   // of lejarat's topics
	Generation int
	Partitions int32 // of the journal
	Sources    []Source
	// Intake is the core that every source shares but for its mapping.
	Intake intake.Core
	Watch  watch.Core
	// LiveFrom: no run before that date; HasLiveFrom says whether there is one.
	LiveFrom    event.Date
	HasLiveFrom bool
	// MaxRun is the fuse: how many notices of a kind a run may emit; 0 is automatic.
	MaxRun  int
	Dir     string
	Shared  *state.Shared
	Virtual bool // the clock is virtual
	// Look: nothing is written; topics of either clock may be looked at.
	Look bool
	// TopicIDs are the brokers' ids of the sources and of notifications; New fills them in.
	TopicIDs map[string]string
	ids      map[string]string // as TopicIDs, with the journal and runs
	// SourcePartitions are the partition counts of the source topics; New fills them in.
	SourcePartitions map[string]int32
	// Mapping is the hash of what decides fingerprints and facts: sources, columns, identity lists.
	Mapping string
	// Instance is the name of this instance, for people.
	Instance string
	// Started is when the process started, in real time; the newest starter's rules count.
	Started time.Time
	Limits  Limits

	rebuilding bool    // a generation is made from the sources: nothing is fired
	former     *former // what the generation before knows, while one is made
}

func (c *Config) topic(name string) string { return c.Prefix + name }

// Topic names under the prefix.
func (c *Config) journal() string       { return JournalTopic(c.Prefix, c.Generation) }
func (c *Config) notifications() string { return c.topic("notifications") }
func (c *Config) runs() string          { return c.topic("runs") }

// JournalTopic is the journal of a generation.
func JournalTopic(prefix string, generation int) string {
	return fmt.Sprintf("%sjournal.%d", prefix, generation)
}

func (c *Config) intakeGroup() string { return fmt.Sprintf("%sintake.%d", c.Prefix, c.Generation) }
func (c *Config) watchGroup() string  { return fmt.Sprintf("%swatch.%d", c.Prefix, c.Generation) }

func (c *Config) intakeID(tp event.TopicPartition) string {
	return fmt.Sprintf("%sintake.%d.%s.%d", c.Prefix, c.Generation, tp.Topic, tp.Partition)
}

func (c *Config) watchID(partition int32) string {
	return fmt.Sprintf("%swatch.%d.%d", c.Prefix, c.Generation, partition)
}

func (c *Config) storeDir(kind string, parts ...any) string {
	name := kind
	for _, p := range parts {
		name += fmt.Sprintf("-%v", p)
	}
	return filepath.Join(c.Dir, name)
}

// inputs are all topics that intake reads: the sources and their heartbeats.
func (c *Config) inputs() []string {
	var topics []string
	seen := map[string]bool{}
	for i := range c.Sources {
		for _, t := range []string{c.Sources[i].Topic, c.Sources[i].Heartbeat} {
			if t != "" && !seen[t] {
				seen[t] = true
				topics = append(topics, t)
			}
		}
	}
	return topics
}

// source returns the configuration of a topic; a heartbeat topic is a source of its own kind.
func (c *Config) source(topic string) (*Source, bool) {
	for i := range c.Sources {
		if c.Sources[i].Topic == topic {
			return &c.Sources[i], true
		}
	}
	for i := range c.Sources {
		if c.Sources[i].Heartbeat == topic {
			return &Source{Source: intake.Source{Topic: topic, ID: journal.SourceID(topic), Kind: intake.Heartbeats,
				DelayLimit: c.Sources[i].DelayLimit}, NewDecoder: c.Sources[i].NewDecoder, MaxRejectShare: 1}, true
		}
	}
	return nil, false
}

// today is the civil date by the clock in use, and whether the day's run is due.
func (c *Config) today() (day event.Date, due bool) {
	now := c.Clock.Now()
	day = event.DateOf(now, c.Watch.Zone)
	return day, !now.Before(day.At(c.Watch.RunHour, c.Watch.RunMinute, c.Watch.Zone))
}

// stamp is what the stores of intake and watch are made for.
func (c *Config) stamp(journalID string) state.Stamp {
	return state.Stamp{stampIdentity: c.Watch.IdentityKeyID, stampReference: c.Watch.ReferenceKeyID, stampMapping: c.Mapping,
		stampJournal: journalID}
}

// ledgerStamp is what the ledger is made for: it outlives generations, hence identity keys and mappings.
func (c *Config) ledgerStamp() state.Stamp {
	return state.Stamp{stampReference: c.Watch.ReferenceKeyID, stampNotifications: c.TopicIDs[c.notifications()]}
}

// Fields of stamps.
const (
	stampIdentity      = "identity key"
	stampReference     = "reference key"
	stampMapping       = "mapping"
	stampJournal       = "journal topic"
	stampNotifications = "notifications topic"
)
