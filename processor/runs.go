package processor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/watch"
)

// States of a run.
const (
	RunRunning  = "running"
	RunComplete = "complete"
	RunHeld     = "held"
	RunMissed   = "missed"
)

// Why a run is held or was missed.
const (
	HeldSource  = "source_behind" // a source is behind, in snapshot, stopped or held
	HeldBarrier = "waiting"       // changes that were there when the run began are not joined yet
	HeldFuse    = "fuse"          // more would go out than max_run
	HeldRules   = "rules"         // a newer instance runs with other rules
	HeldClock   = "clock"         // this machine's clock and the brokers' differ, or it was set back
	HeldTopic   = "topic"         // a topic is missing or may not be used
	HeldPoison  = "journal"       // a journal record cannot be read
	NotRunning  = "not_running"   // nothing ran on that date
)

// RunRecord is the value of lejarat.runs, keyed by date/generation/partition.
type RunRecord struct {
	RunDate    string     `json:"run_date"`
	Generation int        `json:"generation"`
	Partition  int32      `json:"partition"`
	State      string     `json:"state"`
	Reason     string     `json:"reason,omitempty"`
	Detail     string     `json:"detail,omitempty"`
	DayKind    string     `json:"day_kind"` // ordinary, month_end
	Due        *RunDue    `json:"due"`      // counted before the first notice; null until then
	Counts     []RunCount `json:"counts"`
	Started    string     `json:"started"`
	Ended      *string    `json:"ended"`
	At         string     `json:"at"`
}

// RunDue is what a run would emit on the partition, what it has emitted included.
type RunDue struct {
	Expiry       int `json:"expiry"`
	Announcement int `json:"announcement"`
}

// RunCount is one figure of a run.
type RunCount struct {
	watch.Count
	Number int `json:"number"`
}

// RunCommand is the value of an operator's word on a date, keyed by date/command: the last word counts.
type RunCommand struct {
	RunDate string `json:"run_date"`
	Command string `json:"command"` // release, skip
	At      string `json:"at"`
}

// Operator's words.
const (
	CommandRelease = "release"
	CommandSkip    = "skip"
)

// The fuse by default: three times the median of the last 30 runs of the day's kind, at least 10,000 (SPEC 1.7).
const (
	fuseLeast  = 10000
	fuseFactor = 3
	fuseRuns   = 30
)

type runKey struct {
	date       event.Date
	generation int
	partition  int32
}

// runEntry is a record with its offset: a task's own word is known before the topic's tail brings it, and the tail must
// not put an older one in its place.
type runEntry struct {
	RunRecord
	offset int64
}

// Runs is the instance's view of lejarat.runs. One goroutine tails the topic (step), tasks read.
type Runs struct {
	cfg    *Config
	reader event.Reader

	mu        sync.Mutex
	ends      map[event.TopicPartition]event.Span // of the topic, when it was opened
	progress  *Progress                           // up to there
	positions map[event.TopicPartition]int64
	records   map[runKey]runEntry
	commands  map[event.Date]string
	// rules are those of the newest starter of each generation; notifications is the id that the topic must have.
	rules         map[int]RunRules
	notifications string
	generations   map[int]LiveRecord
	markers       map[event.TopicPartition]clockMarker
	last          map[int32]event.Date // partition → newest complete date of this generation
	fired         map[int]bool         // generations that wrote a run
	first         event.Date           // the earliest date of which there is a record, NoExpiry for none
	most          int32                // the highest partition number of one
	began         event.Date           // the date of the service's first run as far as it was looked for, 0: it is to be
}

func openRuns(ctx context.Context, cfg *Config) (*Runs, error) {
	r := &Runs{cfg: cfg, progress: newProgress(cfg.Clock.Real()), positions: map[event.TopicPartition]int64{},
		records: map[runKey]runEntry{}, commands: map[event.Date]string{}, rules: map[int]RunRules{},
		generations: map[int]LiveRecord{}, markers: map[event.TopicPartition]clockMarker{}, last: map[int32]event.Date{}, fired: map[int]bool{}, first: event.NoExpiry}
	spans, err := cfg.Log.Spans(ctx, cfg.runs())
	if err != nil {
		return nil, err
	}
	for tp, span := range spans {
		r.positions[tp] = span.Start
		r.progress.expect(span.End - span.Start)
	}
	r.ends = spans
	r.reader, err = cfg.Log.Read(ctx, r.positions)
	return r, err
}

// step takes in what the topic holds by now, waiting for it up to wait.
func (r *Runs) step(ctx context.Context, wait time.Duration) error {
	records, err := r.reader.Poll(ctx, r.cfg.Limits.BatchRecords, wait)
	if err != nil {
		return fmt.Errorf("reading %s: %w", r.cfg.runs(), err)
	}
	if err := r.take(records); err != nil {
		return err
	}
	return r.superseded()
}

func (r *Runs) take(records []event.Record) error {
	real := r.cfg.Clock.Real()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range records {
		if records[i].Control {
			r.mark(&records[i], real)
		}
		if rec := &records[i]; !rec.Control && rec.Value != nil {
			if err := r.read(rec); err != nil {
				// Going on would leave it out, and what came with it: a finished day could look like one that was not.
				return refuse("%s/%d offset %d cannot be read (%v): make the topic anew (lejarat topics create); the day is judged again, nobody is mailed again",
					rec.Topic, rec.Partition, rec.Offset, err)
			}
		}
	}
	for tp := range r.positions {
		p := r.reader.Position(tp)
		r.progress.add(max(0, p-r.positions[tp]))
		r.positions[tp] = max(r.positions[tp], p)
	}
	return nil
}

func (r *Runs) read(rec *event.Record) error {
	if strings.HasPrefix(string(rec.Key), livePrefix) {
		return r.readLive(rec.Value)
	}
	parts := strings.Split(string(rec.Key), "/")
	date, err := event.ParseDate(parts[0])
	if err != nil {
		return r.readOther(parts[0], rec)
	}
	if len(parts) == 2 {
		var c RunCommand
		if err := json.Unmarshal(rec.Value, &c); err != nil {
			return fmt.Errorf("not a command: %w", err)
		}
		r.commands[date] = c.Command
		return nil
	}
	var v RunRecord
	if err := json.Unmarshal(rec.Value, &v); err != nil {
		return fmt.Errorf("not a run: %w", err)
	}
	r.keep(date, v, rec.Offset)
	return nil
}

func (r *Runs) keep(date event.Date, v RunRecord, offset int64) {
	k := runKey{date, v.Generation, v.Partition}
	r.fired[v.Generation] = true
	r.first, r.most = min(r.first, date), max(r.most, v.Partition)
	if date <= r.began {
		r.began = 0
	}
	if before, ok := r.records[k]; !ok || offset > before.offset {
		r.records[k] = runEntry{v, offset}
	}
	if v.State == RunComplete && v.Generation == r.cfg.Generation {
		r.last[v.Partition] = max(r.last[v.Partition], date)
	}
}

func (r *Runs) reached(ends map[event.TopicPartition]event.Span) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return reached(r.positions, ends)
}

// restored says whether everything is read that the topic held when it was opened.
func (r *Runs) restored() bool { return r.reached(r.ends) }

// await returns when everything is read that the topic holds now. A new owner of a partition calls it after its fence:
// what the former owner finished is then known, and that no newer generation had gone live.
func (r *Runs) await(ctx context.Context) error {
	ends, err := r.cfg.Log.Spans(ctx, r.cfg.runs())
	if err != nil {
		return err
	}
	for !r.reached(ends) {
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return r.superseded()
}

// put takes in a record that a task has just committed at offset.
func (r *Runs) put(v RunRecord, offset int64) {
	date, err := event.ParseDate(v.RunDate)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(date, v, offset)
}

func (r *Runs) get(date event.Date, partition int32) (RunRecord, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.records[runKey{date, r.cfg.Generation, partition}]
	return v.RunRecord, ok
}

// Complete says whether the partition has finished the date.
func (r *Runs) Complete(date event.Date, partition int32) bool {
	v, ok := r.get(date, partition)
	return ok && v.State == RunComplete
}

// lastComplete is the newest date that the partition finished, 0 for none.
func (r *Runs) lastComplete(partition int32) event.Date {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[partition]
}

// firstOf is the first date of which the partition said anything, event.NoExpiry for none.
func (r *Runs) firstOf(partition int32) event.Date {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := event.NoExpiry
	for k := range r.records {
		if k.generation == r.cfg.Generation && k.partition == partition {
			first = min(first, k.date)
		}
	}
	return first
}

// missedStale says whether the partition's run of the date never took place because of a source.
func (r *Runs) missedStale(partition int32) func(event.Date) bool {
	return func(date event.Date) bool {
		v, ok := r.get(date, partition)
		return ok && v.State != RunComplete && (v.Reason == HeldSource || v.Reason == HeldBarrier)
	}
}

// firstRun is the date of the service's first run, or date where there was none yet.
func (r *Runs) firstRun(date event.Date) event.Date {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began == 0 {
		r.began = event.NoExpiry
		for k, v := range r.records {
			if v.State == RunRunning || v.State == RunComplete {
				r.began = min(r.began, k.date)
			}
		}
	}
	return min(date, r.began)
}

// command is the operator's word on a date, "" for none.
func (r *Runs) command(date event.Date) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.commands[date]
}

// total adds up what the partitions of a date count. counted is false until every partition has.
func (r *Runs) total(date event.Date) (due RunDue, counted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	counted = true
	for p := int32(0); p < r.cfg.Partitions; p++ {
		v, ok := r.records[runKey{date, r.cfg.Generation, p}]
		if ok && v.State == RunHeld && v.Reason == HeldPoison {
			continue // it fires nothing in this generation: the others need not wait for it
		}
		if !ok || v.Due == nil {
			counted = false
			continue
		}
		due.Expiry += v.Due.Expiry
		due.Announcement += v.Due.Announcement
	}
	return due, counted
}

// fuse is the most that a run of the date may emit, for each kind of notice.
func (r *Runs) fuse(date event.Date) (expiry, announcement int) {
	if r.cfg.MaxRun > 0 {
		return r.cfg.MaxRun, r.cfg.MaxRun
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var runs []RunDue
	for d := date - 1; d >= r.first && len(runs) < fuseRuns; d-- {
		if dayKind(d) != dayKind(date) {
			continue
		}
		if due, ran := r.dueOf(d); ran {
			runs = append(runs, due)
		}
	}
	return fuseOf(runs, func(d *RunDue) int { return d.Expiry }), fuseOf(runs, func(d *RunDue) int { return d.Announcement })
}

// dueOf adds up what the partitions that completed a date had counted, of whatever generation.
func (r *Runs) dueOf(date event.Date) (due RunDue, ran bool) {
	for generation := range r.fired {
		for p := int32(0); p <= r.most; p++ {
			if v, ok := r.records[runKey{date, generation, p}]; ok && v.State == RunComplete && v.Due != nil {
				due.Expiry, due.Announcement, ran = due.Expiry+v.Due.Expiry, due.Announcement+v.Due.Announcement, true
			}
		}
	}
	return due, ran
}

func fuseOf(runs []RunDue, of func(*RunDue) int) int {
	numbers := make([]int, len(runs))
	for i := range runs {
		numbers[i] = of(&runs[i])
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return fuseLeast
	}
	return max(fuseLeast, fuseFactor*numbers[len(numbers)/2])
}

// dayKind tells days apart on which different numbers fall due: the last day of a month takes the dates that a shorter
// month lacks.
func dayKind(d event.Date) string {
	if calendar.MonthEnd(d) {
		return "month_end"
	}
	return "ordinary"
}

// runRecordKey is the key of a partition's record for a date.
func runRecordKey(date event.Date, generation int, partition int32) string {
	return date.String() + "/" + strconv.Itoa(generation) + "/" + strconv.Itoa(int(partition))
}

// runMessage is the record of lejarat.runs for v.
func runMessage(cfg *Config, date event.Date, v *RunRecord) event.Record {
	key := runRecordKey(date, v.Generation, v.Partition)
	return event.Message(cfg.runs(), key, key+"@"+v.At, "run", v.At, v)
}

// CommandMessage is the record that tells a running service to release or skip a date.
func CommandMessage(prefix string, date event.Date, command string, at time.Time) event.Record {
	v := RunCommand{RunDate: date.String(), Command: command, At: at.Format(event.TimeFormat)}
	key := date.String() + "/command"
	return event.Message(prefix+"runs", key, key+"@"+v.At, "run-command", v.At, v)
}
