package processor

import (
	"fmt"
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
	"lejarat/processor/watch"
)

// configure reads the arguments of service and restart; what is not named keeps the shipped default.
func (h *harness) configure(t testing.TB, d *datadriven.TestData) {
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
		case k == "lost", k == "aborted": // see command
		case k == "announcements":
			w.Announcements = true
		case k == "spread":
			w.SpreadDays, _ = strconv.Atoi(v)
		case k == "max_run":
			h.cfg.MaxRun, _ = strconv.Atoi(v)
		case k == "document_partitions":
			n, _ := strconv.Atoi(v)
			h.log.Create(documentTopic, n)
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
		case strings.HasPrefix(k, "one_per_person."):
			name := strings.TrimPrefix(k, "one_per_person.")
			typ := types[name]
			typ.OnePerPerson = v == "true"
			types[name] = typ
		case strings.HasPrefix(k, "match."):
			name := strings.TrimPrefix(k, "match.")
			types[name] = withMatch(t, types[name], a.Vals)
		default:
			t.Fatalf("unknown setting %s", k)
		}
	}
	set := rules.Set{Types: types, Extensions: extensions, LiveFrom: h.cfg.LiveFrom, HasLiveFrom: h.cfg.HasLiveFrom}
	if errs := set.Validate(); len(errs) > 0 {
		t.Fatal(errs)
	}
	w.Rules, w.IdentityKeyID, w.ReferenceKeyID = set, idKey.ID(), refKey.ID()
	h.sources(holderRef, invalid, heartbeatAge)
	h.cores(&set, idKey, &w)
}

// settings are the arguments of service with one setting.
func settings(key, value string) *datadriven.TestData {
	return &datadriven.TestData{CmdArgs: []datadriven.CmdArg{{Key: key, Vals: []string{value}}}}
}

// otherInstance lets an instance with these settings start beside this one, without a partition of its own yet.
func (h *harness) otherInstance(t testing.TB, d *datadriven.TestData) {
	other := &harness{zone: h.zone, clock: h.clock, starts: h.starts, cfg: h.cfg}
	other.configure(t, &datadriven.TestData{CmdArgs: d.CmdArgs[1:]})
	h.starts = other.starts
	other.cfg.Instance = d.CmdArgs[0].Key
	r := rulesMessage(&other.cfg, h.clock.Real())
	h.log.Append(r)
}

// cores puts the configuration of intake and watch together.
func (h *harness) cores(set *rules.Set, idKey *identity.Key, w *watch.Core) {
	h.cfg.Instance = fmt.Sprintf("start-%d", h.starts)
	h.cfg.Started = h.clock.real.Add(time.Duration(h.starts) * time.Millisecond)
	h.cfg.Intake = intake.Core{TypeList: map[string]identity.List{}, Lists: set.Lists(), Identity: idKey, Refs: w.Refs, Zone: h.zone}
	for name, typ := range set.Types {
		h.cfg.Intake.TypeList[name] = typ.Match
	}
	h.cfg.Mapping = fmt.Sprint(set.Lists())
	w.Sources = map[uint32]bool{}
	for i := range h.cfg.Sources {
		w.Sources[h.cfg.Sources[i].ID] = true
	}
	h.cfg.Watch = *w
}

func withMatch(t testing.TB, typ rules.DocumentType, fields []string) rules.DocumentType {
	var err error
	if typ.Match, err = identity.ParseList(fields); err != nil {
		t.Fatal(err)
	}
	return typ
}

func withNotices(t testing.TB, typ rules.DocumentType, vals []string) rules.DocumentType {
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

func mustDate(t testing.TB, s string) event.Date {
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
