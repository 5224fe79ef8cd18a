package processor

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"lejarat/processor/event"
	"lejarat/processor/journal"
)

// What all instances must agree on before one of them fires: the rules, and which topic notifications is. Both stand in
// lejarat.runs, which every instance reads.

// RunRules is the value of lejarat.runs, keyed by rules/generation: by what rules an instance works. Of all that were
// ever written the newest Started counts, wherever it stands: two may start at once.
type RunRules struct {
	Generation int    `json:"generation"`
	Rules      string `json:"rules"` // hash
	Instance   string `json:"instance"`
	Started    string `json:"started"` // when the process started: UTC, nine decimals, so that it orders as text
	At         string `json:"at"`
}

// RunTopic is the value of lejarat.runs, keyed by notifications: which topic of that name holds what was sent. The first
// instance writes it; another topic counts only where an operator says that it holds the same.
type RunTopic struct {
	TopicID string `json:"topic_id"`
	At      string `json:"at"`
}

// First parts of the keys of runs that are no date.
const (
	keyRules         = "rules"
	keyNotifications = "notifications"
)

// startedFormat orders as text.
const startedFormat = "2006-01-02T15:04:05.000000000Z"

func (r *RunRules) newer(than *RunRules) bool {
	return r.Started > than.Started || r.Started == than.Started && r.Rules > than.Rules
}

// rulesHash is the hash of everything that decides what is due on a day, beyond the rows themselves.
func (c *Config) rulesHash(day event.Date) string {
	w := &c.Watch
	sum := w.Rules.Hash(day)
	d := xxhash.New()
	d.Write(sum[:])
	var pilot uint64
	for ref := range w.Pilot {
		pilot += xxhash.Sum64(ref[:]) // a set: the order does not matter
	}
	fmt.Fprintf(d, "%v %v %v %v %v %v %v", w.Pilot == nil, pilot, w.Announcements, w.SpreadDays, c.HasLiveFrom, c.LiveFrom, w.Zone)
	return hex.EncodeToString(d.Sum(nil))
}

// agreement is the hash of what instances that work together must have in common, beyond what the control record names:
// the rules with every extension, and what decides when a run begins and whether it goes out.
func (c *Config) agreement() string {
	d := xxhash.New()
	fmt.Fprintf(d, "%s %d:%d %d", c.rulesHash(event.NoExpiry-1), c.Watch.RunHour, c.Watch.RunMinute, c.MaxRun)
	return hex.EncodeToString(d.Sum(nil))
}

func (c *Config) ownRules() RunRules {
	return RunRules{Generation: c.Generation, Rules: c.agreement(), Instance: c.Instance, Started: c.Started.UTC().Format(startedFormat)}
}

// otherRules says, in words, that an instance which started later works by other rules; "" when none does. It looks at
// what of runs has been read here.
func (t *watchTask) otherRules() string {
	newest, ok := t.runs.rulesOf(t.cfg.Generation)
	if !ok || newest.Rules == t.own.Rules || t.own.newer(&newest) {
		return ""
	}
	return fmt.Sprintf("%s runs with other rules (documents, extensions, pilot, announcements, calendar, fuse): "+
		"restart this one with its configuration, or that one with this one's", whose(newest.Instance, newest.Started))
}

// whose names an instance to a person; started is in startedFormat.
func whose(instance, started string) string {
	if at, err := time.Parse(startedFormat, started); err == nil {
		started = at.Format(time.RFC3339)
	}
	return "instance " + instance + " (started " + started + ")"
}

// agree writes, under the fence and before anything is decided, what is missing: the control record of the partition, by
// what rules this instance works, and which topic notifications is. An instance that has no partition says nothing, and
// decides nothing.
func (t *watchTask) agree(ctx context.Context) error {
	if err := t.runs.checkNotifications(); err != nil {
		return err
	}
	var records []event.Record
	c := t.newControl()
	if c != nil {
		body, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encoding the control record: %w", err)
		}
		records = append(records, event.Record{Topic: t.tp.Topic, Partition: t.tp.Partition, Key: journal.ControlKey(), Value: body})
	}
	newest, ok := t.runs.rulesOf(t.cfg.Generation)
	said := !ok || t.own.newer(&newest) // for the first time in this process: of its partitions, the first to start
	if said {
		records = append(records, rulesMessage(t.cfg, t.cfg.Clock.Real()))
	}
	if t.runs.notificationsID() == "" {
		records = append(records, NotificationsMessage(t.cfg.Prefix, t.cfg.TopicIDs[t.cfg.notifications()], t.cfg.Clock.Real()))
	}
	if len(records) == 0 {
		return nil
	}
	ends, err := t.cfg.Log.Spans(ctx, t.cfg.runs())
	if err != nil {
		return err
	}
	asked := t.cfg.Clock.Real()
	if _, err := t.writer.Commit(ctx, records, nil); err != nil {
		return clockRefused(fmt.Errorf("writing what partition %d is worked on with: %w", t.tp.Partition, err))
	}
	if said {
		t.starting = &clockQuestion{asked: asked, ends: ends}
	}
	if c != nil {
		t.control = c
	}
	return nil
}

// newControl is the control record that the partition needs, nil where the one that is there says all. Topics that it
// does not know yet, a heartbeat that was named later, are added.
func (t *watchTask) newControl() *journal.Control {
	ids, partitions := maps.Clone(t.cfg.TopicIDs), maps.Clone(t.cfg.SourcePartitions)
	if t.control != nil {
		maps.Copy(ids, t.control.TopicIDs)
		maps.Copy(partitions, t.control.Partitions)
		if len(ids) == len(t.control.TopicIDs) && len(partitions) == len(t.control.Partitions) {
			return nil
		}
	}
	return &journal.Control{Format: journal.Format, IdentityKeyID: t.cfg.Watch.IdentityKeyID, ReferenceKeyID: t.cfg.Watch.ReferenceKeyID,
		Virtual: t.cfg.Virtual, Mapping: t.cfg.Mapping, TopicIDs: ids, Partitions: partitions, Instance: t.cfg.Instance, Started: t.own.Started}
}

// rulesMessage is the record that says by what rules this instance works.
func rulesMessage(cfg *Config, real time.Time) event.Record {
	v := cfg.ownRules()
	v.At = real.UTC().Format(event.TimeFormat)
	key := keyRules + "/" + strconv.Itoa(v.Generation)
	return event.Message(cfg.runs(), key, key+"@"+v.Started, "run-rules", v.At, v)
}

// NotificationsMessage is the record that says which topic notifications is.
func NotificationsMessage(prefix, id string, real time.Time) event.Record {
	v := RunTopic{TopicID: id, At: real.UTC().Format(event.TimeFormat)}
	return event.Message(prefix+"runs", keyNotifications, keyNotifications+"/"+id, "run-topic", v.At, v)
}

// readOther takes in a record of runs whose key is no date. Keys that this version does not know are passed over.
func (r *Runs) readOther(kind string, rec *event.Record) error {
	switch kind {
	case keyRules:
		var v RunRules
		if err := json.Unmarshal(rec.Value, &v); err != nil {
			return fmt.Errorf("not the rules of an instance: %w", err)
		}
		if before, ok := r.rules[v.Generation]; !ok || v.newer(&before) {
			r.rules[v.Generation] = v
		}
	case keyNotifications:
		var v RunTopic
		if err := json.Unmarshal(rec.Value, &v); err != nil {
			return fmt.Errorf("not the id of a topic: %w", err)
		}
		r.notifications = v.TopicID
	}
	return nil
}

// rulesOf are the rules of the instance of a generation that started last.
func (r *Runs) rulesOf(generation int) (RunRules, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.rules[generation]
	return v, ok
}

func (r *Runs) notificationsID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notifications
}

// checkNotifications refuses notifications that are not the ones that were used before, in whatever generation: without
// what those held, people would be mailed again.
func (r *Runs) checkNotifications() error {
	if known := r.notificationsID(); known != "" && known != r.cfg.TopicIDs[r.cfg.notifications()] {
		return refuseNotifications(r.cfg.notifications())
	}
	return nil
}
