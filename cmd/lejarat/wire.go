package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/debezium"
	"lejarat/connectors/kafka"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/watch"
	"lejarat/state"
)

// started is when this process started.
var started = time.Now()

func newLogger(c *config.Config) *slog.Logger { return loggerTo(c, os.Stderr) }

func loggerTo(c *config.Config, out io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // checked by the configuration
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// openKafka reaches the brokers. further changes what the configuration does not say.
func openKafka(ctx context.Context, c *config.Config, log *slog.Logger, reg prometheus.Registerer, further ...func(*kafka.Options)) (*kafka.Client, error) {
	o := kafka.Options{Brokers: c.Kafka.Brokers, ClientID: c.Kafka.ClientID, InstanceID: c.Kafka.InstanceID, Logger: log,
		Registerer: reg, TransactionTimeout: c.Kafka.TransactionTimeout, SessionTimeout: c.Kafka.SessionTimeout}
	if t := c.Kafka.TLS; t.Enabled {
		o.TLS = &kafka.TLSFiles{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile}
	}
	if s := c.Kafka.SASL; s.Mechanism != "" {
		password, err := s.Secret()
		if err != nil {
			return nil, usageError{err}
		}
		o.SASL = &kafka.SASL{Mechanism: s.Mechanism, User: s.User, Password: password}
	}
	for _, f := range further {
		f(&o)
	}
	return kafka.Open(ctx, o)
}

// inSmallPieces is for commands that read a long topic and keep little of it: what is fetched ahead takes several times as
// much memory, unpacked, for each reader.
func inSmallPieces(o *kafka.Options) { o.FetchBytes, o.FetchPartitionBytes = 1<<20, 256<<10 }

// openActing reaches the brokers for what acts: only on topics that were made with its kind of clock.
func openActing(ctx context.Context, c *config.Config, clk timepiece, log *slog.Logger, reg prometheus.Registerer) (*kafka.Client, error) {
	k, err := openKafka(ctx, c, log, reg, inSmallPieces)
	if err != nil {
		return nil, err
	}
	if err := processor.CheckClock(ctx, k, c.Kafka.TopicPrefix, c.State.Generation, clk.Virtual()); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// engineConfig translates the configuration for the engine.
func engineConfig(c *config.Config, k event.Log, clk timepiece, log *slog.Logger, obs processor.Observer, shared *state.Shared) (processor.Config, error) {
	idKey, refKey, err := keys(c)
	if err != nil {
		return processor.Config{}, usageError{err}
	}
	set := c.Rules()
	p := processor.Config{Log: k, Clock: clk, Logger: log, Observer: obs, Prefix: c.Kafka.TopicPrefix, Generation: c.State.Generation,
		Partitions: int32(c.Kafka.JournalPartitions), HasLiveFrom: set.HasLiveFrom, LiveFrom: set.LiveFrom, MaxRun: int(c.Fuse.MaxRun),
		Dir: c.State.Dir, Shared: shared, Virtual: clk.Virtual(), Instance: instanceText(c), Started: started, Limits: engineLimits(c)}
	zone := c.Calendar.Location()
	p.Intake = intake.Core{TypeList: map[string]identity.List{}, Lists: set.Lists(), Identity: idKey, Refs: refKey, Zone: zone}
	for name, t := range set.Types {
		p.Intake.TypeList[name] = t.Match
	}
	hour, minute := c.Calendar.RunAt.Hour, c.Calendar.RunAt.Minute
	topics := c.Kafka.Topics()
	p.Watch = watch.Core{Rules: set, Zone: zone, RunHour: hour, RunMinute: minute, Refs: refKey, Sources: map[uint32]bool{},
		Announcements: c.Announcements.Enabled, SpreadDays: c.Announcements.SpreadDays, Notifications: topics.Notifications,
		MailSink: topics.MailSink, IdentityKeyID: idKey.ID(), ReferenceKeyID: refKey.ID(), Virtual: clk.Virtual()}
	names := map[uint32]string{}
	for _, s := range c.Sources {
		src := source(s, zone, int(c.Limits.MaxRecordBytes))
		if other, ok := names[src.ID]; ok {
			return p, usage("the source names %q and %q have the same short id: rename one (sources[].name)", other, s.Name)
		}
		names[src.ID] = s.Name
		p.Watch.Sources[src.ID] = true
		p.Sources = append(p.Sources, src)
	}
	if p.Watch.Pilot, err = pilot(c, &p); err != nil {
		return p, usageError{err}
	}
	p.Mapping = mappingHash(c, set.Lists())
	return p, nil
}

// instanceText names this instance to people who look for it.
func instanceText(c *config.Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return cmp.Or(c.Kafka.InstanceID, c.Kafka.ClientID) + " on " + host
}

func keys(c *config.Config) (id, ref *identity.Key, err error) {
	idSecret, refSecret, err := c.Identity.Keys()
	if err != nil {
		return nil, nil, err
	}
	if id, err = identity.NewKey(idSecret); err != nil {
		return nil, nil, fmt.Errorf("identity key: %w", err)
	}
	if ref, err = identity.NewKey(refSecret); err != nil {
		return nil, nil, fmt.Errorf("reference key: %w", err)
	}
	return id, ref, nil
}

func engineLimits(c *config.Config) processor.Limits {
	l := processor.DefaultLimits()
	l.BatchRecords, l.ChunkNotices = c.Limits.BatchRecords, c.Limits.ChunkNotices
	l.ChunkEntries, l.CommitPause = c.Limits.ChunkEntries, c.Limits.TransactionPause
	l.WatermarkBusy, l.WatermarkLoad, l.WatermarkIdle = c.Limits.WatermarkNearRun, c.Limits.WatermarkEveryLoading, c.Limits.WatermarkEvery
	l.PollWait, l.FlushEvery = c.Limits.PollWait, c.State.FlushEvery
	return l
}

// source translates one source's mapping.
func source(s config.Source, zone *time.Location, maxRecordBytes int) processor.Source {
	m := s.Mapping()
	out := processor.Source{Heartbeat: s.Heartbeat.Topic, HeartbeatAge: s.Heartbeat.MaxAge, SnapshotEnded: s.SnapshotEnded, MaxRejectShare: s.MaxRejectShare}
	out.Source = intake.Source{Topic: s.Topic, ID: journal.SourceID(s.Name), Kind: intake.Documents, Holder: m.Holder,
		Options: identity.Options{DropTitle: s.DropTitle, Damaged: s.Damaged},
		Type:    m.Type, Types: s.Columns.Type.Values, Ignored: setOf(s.Columns.Type.Ignored), Constant: s.Columns.Type.Constant,
		Number: m.Number, Status: m.Status, Valid: setOf(s.Columns.Status.Valid), Invalid: setOf(s.Columns.Status.Invalid),
		Expires: m.Expires, HolderID: m.HolderRef, Email: m.Email, Active: yesNo(m.Active, s.Columns.Active),
		Service: yesNo(m.Service, s.Columns.Service), Language: m.Language, Languages: s.Columns.Language.Values,
		Effective: m.Effective, DelayLimit: s.DelayLimit}
	if s.Kind == config.KindRegistrations {
		out.Source.Kind = intake.Registrations
	}
	for _, column := range m.Columns {
		out.Source.Names = append(out.Source.Names, column.Name)
	}
	out.NewDecoder = func() (processor.Decoder, error) {
		return debezium.New(debezium.Options{Columns: m.Columns, Zone: zone, MaxValueBytes: maxRecordBytes})
	}
	return out
}

func setOf(values []string) map[string]bool {
	if len(values) == 0 {
		return nil
	}
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	return set
}

func yesNo(column int, c config.BoolColumn) intake.Bool {
	return intake.Bool{Column: column, True: setOf(c.True), False: setOf(c.False)}
}

// pilot resolves the row keys of the pilot list to references; a key may belong to any registrations source.
func pilot(c *config.Config, p *processor.Config) (map[journal.Ref]bool, error) {
	if !c.Pilot.Restricts() {
		return nil, nil
	}
	rows, err := c.Pilot.Keys()
	if err != nil {
		return nil, err
	}
	set := map[journal.Ref]bool{}
	for i := range p.Sources {
		if p.Sources[i].Kind != intake.Registrations {
			continue
		}
		core := p.Intake
		core.Source = p.Sources[i].Source
		for _, row := range rows {
			set[core.RegistrationRef(row)] = true
		}
	}
	return set, nil
}

// servedTypes are the document types that some source maps; a type that none maps changes nothing.
func servedTypes(c *config.Config) map[string]bool {
	types := map[string]bool{}
	for _, s := range c.Sources {
		for _, t := range s.Columns.Type.Values {
			types[t] = true
		}
		if t := s.Columns.Type.Constant; t != "" {
			types[t] = true
		}
	}
	return types
}

// mappingHash is the hash of what decides fingerprints and facts.
func mappingHash(c *config.Config, lists []identity.List) string {
	var lines []string
	for _, s := range c.Sources {
		lines = append(lines, fmt.Sprintf("%s %s %s %+v %v %v", s.Name, s.Topic, s.Kind, s.Columns, s.Damaged, s.DropTitle))
	}
	for name := range servedTypes(c) {
		lines = append(lines, name+" "+strings.Join(c.Documents[name].Match, ","))
	}
	sort.Strings(lines)
	sum := xxhash.Sum64String(strings.Join(lines, "\n") + fmt.Sprint(lists))
	return hex.EncodeToString([]byte{byte(sum >> 56), byte(sum >> 48), byte(sum >> 40), byte(sum >> 32), byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}
