package processor

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/calendar"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
	"lejarat/processor/rules"
	"lejarat/processor/simtest"
	"lejarat/processor/watch"
	"lejarat/state"
)

const (
	documentTopic     = "okmany.public.document"
	registrationTopic = "ugyfelkapu.public.registration"
	heartbeatTopic    = "okmany.public.heartbeat"
)

// harness is one instance without goroutines: it steps every task in a fixed order over a model of Kafka.
type harness struct {
	log     *simtest.Log
	clock   *manualClock
	zone    *time.Location
	cfg     Config
	shared  *state.Shared
	ledger  *Ledger
	runs    *Runs
	watch   []*watchTask
	intake  []*intakeTask
	out     bytes.Buffer
	lsn     int
	names   map[string]string // ref → name in the script
	starts  int
	printed map[string]bool // notifications, by partition/offset
}

type manualClock struct{ now, real time.Time }

func (c *manualClock) Now() time.Time  { return c.now }
func (c *manualClock) Real() time.Time { return c.real }
func (c *manualClock) set(t time.Time) { c.now, c.real = t, c.real.Add(time.Second) }

func testKey(fill byte) *identity.Key {
	k, err := identity.NewKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		panic(err)
	}
	return k
}

func newHarness(t *testing.T) *harness {
	zone, err := time.LoadLocation("Europe/Budapest")
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{zone: zone, names: map[string]string{}, printed: map[string]bool{}, shared: state.NewShared(8<<20, true)}
	h.clock = &manualClock{real: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), now: time.Date(2026, 1, 1, 12, 0, 0, 0, zone)}
	h.log = simtest.NewLog(h.clock.Real)
	h.cfg = Config{Log: h.log, Clock: h.clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Prefix: "lejarat.", Generation: 1,
		Partitions: 2, Dir: "state", Shared: h.shared, Limits: DefaultLimits(), Mapping: "m"}
	h.cfg.Limits.CommitPause, h.cfg.Limits.WatermarkBusy, h.cfg.Limits.WatermarkIdle = 0, 0, 0
	for _, name := range []string{"notifications", "mail-sink", "suppressions", "rejects"} {
		h.log.Create("lejarat."+name, 2)
	}
	h.log.Create("lejarat.runs", 1)
	h.log.Create(documentTopic, 1)
	h.log.Create(registrationTopic, 1)
	h.log.Create(heartbeatTopic, 1)
	t.Cleanup(func() { h.stop(t); h.shared.Close() })
	return h
}

// configure reads the arguments of service and restart; what is not named keeps the shipped default.
func (h *harness) configure(t *testing.T, d *datadriven.TestData) {
	h.starts++
	types := rules.Defaults()
	idKey, refKey := testKey(1), testKey(2)
	w := watch.Core{Zone: h.zone, RunHour: 6, Refs: refKey, Notifications: "lejarat.notifications", MailSink: "lejarat.mail-sink"}
	h.cfg.HasLiveFrom, h.cfg.MaxRun = false, 0
	var extensions []rules.Extension
	holderRef, invalid, heartbeatAge := intake.None, map[string]bool(nil), time.Duration(0)
	for _, a := range d.CmdArgs {
		k, v := a.Key, ""
		if len(a.Vals) > 0 {
			v = a.Vals[0]
		}
		switch {
		case k == "lost": // see command
		case k == "announcements":
			w.Announcements = true
		case k == "spread":
			w.SpreadDays, _ = strconv.Atoi(v)
		case k == "max_run":
			h.cfg.MaxRun, _ = strconv.Atoi(v)
		case k == "generation":
			h.cfg.Generation, _ = strconv.Atoi(v)
		case k == "live_from":
			h.cfg.HasLiveFrom, h.cfg.LiveFrom = true, mustDate(t, v)
		case k == "pilot":
			w.Pilot = map[journal.Ref]bool{}
			for _, row := range a.Vals {
				w.Pilot[registrationRefFor(refKey, row)] = true
			}
		case k == "holder_ref":
			holderRef = 10
		case k == "invalid":
			invalid = map[string]bool{}
			for _, s := range a.Vals {
				invalid[s] = true
			}
		case k == "identity_key":
			idKey = testKey(v[0])
		case k == "reference_key":
			refKey = testKey(v[0])
			w.Refs = refKey
		case k == "heartbeat":
			heartbeatAge, _ = time.ParseDuration(v)
		case k == "extension": // type, first expiry, last expiry, valid until, in force from
			extensions = append(extensions, rules.Extension{Types: a.Vals[:1], ExpiresFrom: mustDate(t, a.Vals[1]), ExpiresTo: mustDate(t, a.Vals[2]),
				ValidUntil: mustDate(t, a.Vals[3]), InForceFrom: mustDate(t, a.Vals[4])})
		case strings.HasPrefix(k, "notices."):
			name := strings.TrimPrefix(k, "notices.")
			types[name] = withNotices(t, types[name], a.Vals)
		case strings.HasPrefix(k, "match."):
			name := strings.TrimPrefix(k, "match.")
			typ := types[name]
			var err error
			if typ.Match, err = identity.ParseList(a.Vals); err != nil {
				t.Fatal(err)
			}
			types[name] = typ
		default:
			t.Fatalf("unknown setting %s", k)
		}
	}
	set := rules.Set{Types: types, Extensions: extensions, LiveFrom: h.cfg.LiveFrom, HasLiveFrom: h.cfg.HasLiveFrom}
	if errs := set.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	w.Rules = set
	w.IdentityKeyID, w.ReferenceKeyID = idKey.ID(), refKey.ID()
	h.cfg.Started = h.clock.real.Add(time.Duration(h.starts) * time.Millisecond)
	h.cfg.Intake = intake.Core{TypeList: map[string]identity.List{}, Lists: set.Lists(), Identity: idKey, Refs: refKey, Zone: h.zone}
	for name, typ := range types {
		h.cfg.Intake.TypeList[name] = typ.Match
	}
	h.cfg.Mapping = fmt.Sprint(set.Lists())
	h.sources(holderRef, invalid, heartbeatAge)
	w.Sources = map[uint32]bool{}
	for i := range h.cfg.Sources {
		w.Sources[h.cfg.Sources[i].ID] = true
	}
	h.cfg.Watch = w
}

func withNotices(t *testing.T, typ rules.DocumentType, vals []string) rules.DocumentType {
	typ.Notices = nil
	for _, v := range vals { // P3M or P3M@2026-01-01
		label, since, _ := strings.Cut(v, "@")
		p, err := calendar.ParsePeriod(label)
		if err != nil {
			t.Fatal(err)
		}
		n := rules.Threshold{Period: p}
		if since != "" {
			n.Since, n.HasSince = mustDate(t, since), true
		}
		typ.Notices = append(typ.Notices, n)
	}
	return typ
}

func mustDate(t *testing.T, s string) event.Date {
	d, err := event.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sources maps the columns of testColumns.
func (h *harness) sources(holderRef int, invalid map[string]bool, heartbeatAge time.Duration) {
	holder := func(from int) (c [identity.Fields][]int) {
		for i := range c {
			c[i] = []int{from + i}
		}
		return c
	}
	decoder := func(kind string) func() (Decoder, error) {
		return func() (Decoder, error) { return &testDecoder{columns: testColumns(kind), zone: h.zone}, nil }
	}
	docs := intake.Source{Topic: documentTopic, ID: journal.SourceID(documentTopic), Kind: intake.Documents, Holder: holder(0),
		Names: columnNames("document"), Type: 5, Number: 6, Status: 7, Expires: []int{8, 11}, Effective: 9, HolderID: holderRef,
		Types: map[string]string{"passport": "passport", "card": "identity_card", "licence": "driving_licence", "car": "vehicle_inspection"},
		Valid: map[string]bool{"V": true}, Invalid: invalid, DelayLimit: 10 * time.Minute}
	yes := map[string]bool{"true": true}
	regs := intake.Source{Topic: registrationTopic, ID: journal.SourceID(registrationTopic), Kind: intake.Registrations, Holder: holder(0),
		Names: columnNames("registration"), Email: 5, Active: intake.Bool{Column: 6, True: yes}, Service: intake.Bool{Column: 7, True: yes},
		Effective: 8, Language: 9, HolderID: intake.None, DelayLimit: 10 * time.Minute}
	h.cfg.Sources = []Source{
		{Source: docs, NewDecoder: decoder("document"), MaxRejectShare: 0.05},
		{Source: regs, NewDecoder: decoder("registration"), MaxRejectShare: 0.05},
	}
	if heartbeatAge > 0 {
		h.cfg.Sources[0].Heartbeat, h.cfg.Sources[0].HeartbeatAge = heartbeatTopic, heartbeatAge
	}
}

func (h *harness) start(t *testing.T) {
	ctx := context.Background()
	if _, err := h.log.TopicIDs(ctx, h.cfg.journal()); err != nil {
		h.log.Create(h.cfg.journal(), int(h.cfg.Partitions))
	}
	e := &Engine{cfg: h.cfg, inputs: map[string]int32{}}
	if err := e.preflight(ctx); err != nil {
		h.refused(err)
		return
	}
	var err error
	if h.ledger, err = openLedger(ctx, &h.cfg, e.ids[h.cfg.notifications()]); err != nil {
		h.refused(err)
		return
	}
	if h.runs, err = openRuns(ctx, &h.cfg); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.runs.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
	for p := int32(0); p < h.cfg.Partitions; p++ {
		w := newWatchTask(&h.cfg, p, h.ledger, h.runs)
		h.watch = append(h.watch, w)
		if err := w.start(ctx, e.ids, newProgress(h.clock.Real())); err != nil {
			h.refused(err)
			return
		}
	}
	for _, topic := range h.cfg.inputs() {
		task, err := newIntakeTask(&h.cfg, event.TopicPartition{Topic: topic}, 1, func() bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		h.intake = append(h.intake, task)
		if err := task.start(ctx, e.ids[h.cfg.journal()]); err != nil {
			h.refused(err)
			return
		}
	}
	if err := restoreIntake(ctx, &h.cfg, h.intake, newProgress(h.clock.Real())); err != nil {
		h.refused(err)
		return
	}
	for _, task := range h.intake {
		if err := task.follow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	h.settle(t)
	h.printNew()
}

func (h *harness) refused(err error) {
	fmt.Fprintf(&h.out, "refused: %v\n", err)
	h.halt()
}

func (h *harness) stop(t *testing.T) { h.halt() }

func (h *harness) halt() {
	for _, w := range h.watch {
		w.close()
	}
	for _, i := range h.intake {
		i.close()
	}
	if h.ledger != nil {
		h.ledger.close()
	}
	h.watch, h.intake, h.ledger, h.runs = nil, nil, nil, nil
}

// lose deletes stores: watch, intake, ledger, or all.
func (h *harness) lose(t *testing.T, what string) {
	for p := range h.cfg.Partitions {
		if what == "watch" || what == "all" {
			h.remove(t, h.cfg.storeDir("watch", h.cfg.Generation, p))
		}
	}
	for _, topic := range h.cfg.inputs() {
		if what == "intake" || what == "all" {
			h.remove(t, h.cfg.storeDir("intake", h.cfg.Generation, fmt.Sprintf("%08x", journal.SourceID(topic)), 0))
		}
	}
	if what == "ledger" || what == "all" {
		h.remove(t, h.cfg.storeDir("ledger"))
	}
}

func (h *harness) remove(t *testing.T, dir string) {
	if err := state.Remove(dir, h.shared); err != nil {
		t.Fatal(err)
	}
}

// settle steps everything until nothing moves any more.
func (h *harness) settle(t *testing.T) {
	ctx := context.Background()
	for range 40 {
		h.clock.real = h.clock.real.Add(150 * time.Millisecond)
		for _, i := range h.intake {
			if err := i.step(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, w := range h.watch {
			if err := w.step(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
		if h.ledger == nil {
			return
		}
		if err := h.ledger.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if err := h.runs.step(ctx, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func registrationRefFor(refs *identity.Key, row string) journal.Ref {
	id := journal.SourceID(registrationTopic)
	return refs.Sum("registration", []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, []byte(row))
}

// name remembers what a reference stands for, so that a script can print names.
func (h *harness) name(kind, row string, args map[string]string) {
	if kind == "registration" {
		ref := registrationRefFor(h.cfg.Intake.Refs, row)
		h.names[hex.EncodeToString(ref[:])] = row
		return
	}
	types := map[string]string{"passport": "passport", "card": "identity_card", "licence": "driving_licence", "car": "vehicle_inspection"}
	id := journal.SourceID(documentTopic)
	ref := h.cfg.Intake.Refs.Sum("document row", []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, []byte(row))
	if n := args["number"]; n != "" && n != "null" {
		ref = h.cfg.Intake.Refs.Sum("document", []byte(types[args["type"]]), []byte(n))
	}
	h.names[hex.EncodeToString(ref[:])] = row
}

// printNew prints the notifications that came since the last time, sorted.
func (h *harness) printNew() {
	var lines []string
	for _, r := range h.log.Records("lejarat.notifications") {
		at := fmt.Sprintf("%d/%d", r.Partition, r.Offset)
		if !h.printed[at] {
			lines = append(lines, h.notice(r.Value))
		}
		h.printed[at] = true
	}
	sort.Strings(lines)
	for _, l := range lines {
		fmt.Fprintln(&h.out, l)
	}
}

func (h *harness) notice(value []byte) string {
	var n event.Notice
	if err := json.Unmarshal(value, &n); err != nil {
		return err.Error()
	}
	s := n.RunDate + " " + n.Decision
	if n.Reason != nil {
		s += " " + *n.Reason
	}
	s += " " + h.names[n.RegistrationRef]
	if n.Kind == event.KindAnnouncement {
		return s + " announcement"
	}
	return s + " " + *n.DocumentType + " " + h.names[*n.DocumentRef] + " " + *n.Threshold + " due " + *n.Due + " expires " + *n.Expires
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
