//go:build integration && load

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
	"lejarat/processor/identity"
)

// TestLoad measures what a register of a chosen size costs on this machine, on a broker that stands empty beside it: to
// read it (the floor), to join it, to start again, to restore lost state, and to fire the day of its go-live and the day
// after. It fails only where something does not come to its end: figures are printed, and written as JSON to
// LEJARAT_LOAD_JSON. LEJARAT_LOAD_PEOPLE is the size, LEJARAT_LOAD_SKIP names steps to leave out.
func TestLoad(t *testing.T) {
	l := newLoad(openKafkaStack(t))
	defer l.print()
	l.fill()
	l.floor()
	l.rebuild()
	l.floor()
	l.restore()
	l.goLive()
	l.reference()
	l.dayAfter()
	l.again("restart")
	l.killed()
	l.latency()
}

// load is one measurement.
type load struct {
	*service
	people  int
	start   event.Date
	world   registry.Options
	enc     *registry.Encoder // of changes
	topics  []string
	records int64 // in the source topics
	floors  []float64
	rows    []figure
	notices int
	recent  float64  // records/s of the rebuild
	peak    sync.Map // *process → MB
}

// figure is one line of the table.
type figure struct {
	Step    string  `json:"step"`
	Count   int64   `json:"count"`
	Of      string  `json:"of"` // what is counted
	Seconds float64 `json:"seconds"`
	PerSec  float64 `json:"per_second"`
	Micros  float64 `json:"client_cpu_us"` // for each, 0 where it was not measured
	RSS     int64   `json:"rss_mb"`
	Note    string  `json:"note,omitempty"`
}

const loadConfiguration = `
kafka: {brokers: [%q], topic_prefix: %q, instance_id: load, session_timeout: 6s}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
fuse: {max_run: 100000000}
sources:
  - topic: okmany.public.document
    kind: documents
    delay_limit: 720h
    columns:
      type: {column: kind, values: {UTLEVEL: passport, SZIG: identity_card, JOGSI: driving_licence, FORGALMI: vehicle_inspection}}
      number: number
      status: {column: status, valid: [V]}
      expires: [{column: valid_until, date: days}]
      effective: {column: issued_on, date: days}
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
  - topic: ugyfelkapu.public.registration
    kind: registrations
    delay_limit: 720h
    columns:
      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
      email: email
      active: {column: active, true: ["true"]}
      service: {column: service_on, true: ["true"]}
      effective: {column: service_since, date: iso}
      language: language
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: "127.0.0.1:25", tls: none}
`

func newLoad(s *stack) *load {
	s.t.Helper()
	dir := s.t.TempDir()
	if given := os.Getenv("LEJARAT_LOAD_DIR"); given != "" {
		dir = given
	}
	l := &load{service: &service{stack: s, dir: dir, binary: filepath.Join(dir, "lejarat"), config: filepath.Join(dir, "lejarat.yaml")}}
	var err error
	if l.people, err = strconv.Atoi(os.Getenv("LEJARAT_LOAD_PEOPLE")); err != nil {
		s.t.Fatal("LEJARAT_LOAD_PEOPLE is how many people the register has: ", err)
	}
	if l.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		s.t.Fatal(err)
	}
	l.start = event.DateOf(time.Now(), l.zone)
	l.world = registry.Options{Seed: 1, People: l.people, Start: l.start}
	l.enc = registry.NewEncoder(registry.EncoderOptions{SnapshotAt: time.Now()})
	l.topics = l.enc.Topics()[:2]
	s.output("go", "build", "-o", l.binary, "lejarat/cmd/lejarat")
	l.key("identity.key")
	if l.refs, err = identity.NewKey(l.key("reference.key")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(l.stopAll)
	l.use("load.")
	return l
}

// use makes topics and state of another name the service's, over the same sources.
func (l *load) use(prefix string) {
	l.prefix = prefix
	text := fmt.Sprintf(loadConfiguration, l.kafka, prefix, l.state(), filepath.Join(l.dir, "identity.key"), filepath.Join(l.dir, "reference.key"))
	if err := os.WriteFile(l.config, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.run("topics", "create")
}

// fill writes the register, and then a change to every twentieth document.
func (l *load) fill() {
	var made struct {
		Records int
		Bytes   int64
		Seconds float64
	}
	began := time.Now()
	p := l.begin("generate", "--brokers", l.kafka, "--people", strconv.Itoa(l.people), "--partitions", "4", "--start", l.start.String())
	if err := json.Unmarshal([]byte(l.ended(p)), &made); err != nil {
		l.t.Fatal(err)
	}
	l.records = int64(made.Records)
	l.add(figure{Step: "generate", Count: l.records, Of: "records", Seconds: made.Seconds,
		Note: fmt.Sprintf("%d bytes a record; %s", made.Bytes/l.records, time.Since(began).Round(time.Second))}, p)
	var batch []event.Record
	n := 0
	for person := range registry.People(l.world) {
		for i := range person.Documents {
			if n++; n%20 != 0 {
				continue
			}
			d := person.Documents[i]
			d.Number += "U"
			batch = append(batch, l.change(d)...)
			if len(batch) >= 5000 {
				l.produce(batch)
				batch = batch[:0]
			}
		}
	}
	l.produce(batch)
}

// change is the record of a document's new facts, committed now.
func (l *load) change(d registry.Document) (records []event.Record) {
	for _, m := range l.enc.ChangeAt(registry.Change{Table: registry.Documents, Op: registry.Update, Key: d.ID, Document: &d}, time.Now()) {
		records = append(records, event.Record{Topic: m.Topic, Partition: event.AnyPartition, Key: m.Key, Value: m.Value})
	}
	return records
}

func (l *load) produce(records []event.Record) {
	if err := l.k.Produce(l.t.Context(), records); err != nil {
		l.t.Fatal(err)
	}
	l.records += int64(len(records))
}

// rebuild reads the sources into an empty journal and empty state, joins them, and leaves everything on disk.
func (l *load) rebuild() {
	p := l.pass(l.start, 4)
	f := l.add(figure{Step: "rebuild from the sources", Count: l.records, Of: "records"}, p)
	l.recent = f.PerSec
	l.rows[len(l.rows)-1].Note = fmt.Sprintf("%.2f of the floor; %s", f.PerSec/l.floors[0], l.disk())
}

// restore reads the journal and the ledger into empty state, until the instance is ready for whatever comes.
func (l *load) restore() {
	l.loseState()
	began := time.Now()
	p := l.begin("run", "--clock", l.start.At(4, 0, l.zone).Format(time.RFC3339))
	l.ready(p)
	took := time.Since(began).Seconds()
	l.stop(p)
	f := l.add(figure{Step: "restore of all lost state", Count: l.records, Of: "records", Seconds: took}, p)
	l.rows[len(l.rows)-1].Note = fmt.Sprintf("%.1f times the rebuild; %s", f.PerSec/l.recent, l.disk())
}

// ready waits until an instance has restored what it lacks.
func (l *load) ready(p *process) {
	await(l.t, 3*time.Hour, "the instance", func() (bool, string) {
		r, ok := p.readiness()
		return ok && r.Ready, tailOf(p.log, 3)
	})
}

// pass is one `lejarat run --once` at an hour of a day.
func (l *load) pass(day event.Date, hour int) *process {
	p := l.begin("run", "--once", "--wait", "3h", "--clock", day.At(hour, 0, l.zone).Format(time.RFC3339))
	l.ended(p)
	return p
}

// begin starts a command whose costs count.
func (l *load) begin(args ...string) *process {
	p := l.service.start(args...)
	go func() {
		for {
			if rss := residentPeak(p.cmd.Process.Pid); rss > 0 {
				l.peak.Store(p, rss)
			}
			select {
			case <-p.ended:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return p
}

// residentPeak is the most memory that a process has had so far, in MB. The kernel's own figure for children that have
// ended counts what their parent had when it made them.
func residentPeak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0 kB")[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb >> 10
}

func (l *load) peakOf(p *process) int64 {
	mb, _ := l.peak.Load(p)
	n, _ := mb.(int64)
	return n
}

// ended waits for a command and returns what it printed.
func (l *load) ended(p *process) string {
	l.t.Helper()
	err := p.wait(3 * time.Hour)
	out, readErr := os.ReadFile(p.out)
	if err != nil || readErr != nil {
		l.t.Fatalf("%v %v\n%s\n%s", err, readErr, out, tailOf(p.log, 20))
	}
	return string(out)
}

// add notes a figure with what a process, that has ended, has used.
func (l *load) add(f figure, p *process) figure {
	if p != nil {
		f.RSS = l.peakOf(p)
		f.Micros = (p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()).Seconds() * 1e6 / float64(max(1, f.Count))
		if f.Seconds == 0 {
			f.Seconds = p.took.Seconds()
		}
	}
	f.PerSec = float64(f.Count) / f.Seconds
	l.rows = append(l.rows, f)
	l.t.Logf("%s: %d %s in %.2f s, %.0f/s, %.1f us, %d MB", f.Step, f.Count, f.Of, f.Seconds, f.PerSec, f.Micros, f.RSS)
	return f
}

// disk is what the state takes for each record.
func (l *load) disk() string {
	total := int64(0)
	err := filepath.Walk(l.state(), func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return fmt.Sprintf("%d MB of state, %d bytes a record", total>>20, total/l.records)
}

func (l *load) print() {
	var b strings.Builder
	fmt.Fprintf(&b, "%d people, %d source records\n%-34s %12s %9s %11s %8s %7s  %s\n", l.people, l.records, "step", "count", "seconds", "per second", "cpu us", "rss MB", "")
	for _, f := range l.rows {
		fmt.Fprintf(&b, "%-34s %12d %9.2f %11.0f %8.1f %7d  %s\n", f.Step, f.Count, f.Seconds, f.PerSec, f.Micros, f.RSS, f.Note)
	}
	l.t.Log("\n" + b.String())
	path := os.Getenv("LEJARAT_LOAD_JSON")
	if path == "" {
		return
	}
	body, err := json.MarshalIndent(map[string]any{"people": l.people, "records": l.records, "machine": machine(), "figures": l.rows}, "", " ")
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err != nil {
		l.t.Error(err)
	}
}
