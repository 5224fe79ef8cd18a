//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/identity"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
)

// service is the built binary with a configuration, keys and state of its own. Its commands run as processes.
type service struct {
	*stack
	binary  string
	dir     string // configuration, keys, state and logs
	config  string
	prefix  string
	refs    *identity.Key
	zone    *time.Location
	running []*process
}

// journalPartitions is fewer than the default: a pass opens a store for each.
const journalPartitions = 4

// The columns of the invented registry, as every test maps them.
const (
	holderColumns = `      holder: {name: [family_name, given_name], birth_name: [birth_family_name, birth_given_name], birth_place: birth_place, birth_date: {column: birth_date, date: days}, mother_name: [mother_family_name, mother_given_name]}
`
	documentColumns = `      type: {column: kind, values: {UTLEVEL: passport, SZIG: identity_card, JOGSI: driving_licence, FORGALMI: vehicle_inspection}}
      number: number
      status: {column: status, valid: [V]}
      expires: [{column: valid_until, date: days}]
      effective: {column: issued_on, date: days}
` + holderColumns
)

const configuration = `
kafka: {brokers: [%q], topic_prefix: %q, instance_id: it, session_timeout: 10s, journal_partitions: %d}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
http: {listen: "127.0.0.1:0"}
log: {format: json}
sources:
  - topic: okmany.public.document
    kind: documents
    columns:
` + documentColumns + `    heartbeat: {topic: okmany.public.heartbeat, max_age: 10m}
  - topic: ugyfelkapu.public.registration
    kind: registrations
    columns:
` + holderColumns + `      email: email
      active: {column: active, true: [true, I, 1]}
      service: {column: service_on, true: [true, I, 1]}
      effective: {column: service_since, date: iso}
      language: language
    heartbeat: {topic: ugyfelkapu.public.heartbeat, max_age: 10m}
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  relay: {address: %q, tls: none}
limits: {chunk_notices: %d}
`

// buildService builds the binary into dir and makes the keys; the configuration is not written yet.
func buildService(s *stack, dir, prefix string) *service {
	s.t.Helper()
	v := &service{stack: s, dir: dir, binary: filepath.Join(dir, "lejarat"), config: filepath.Join(dir, "lejarat.yaml"), prefix: prefix}
	var err error
	if v.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		s.t.Fatal(err)
	}
	s.output("go", "build", "-o", v.binary, "lejarat/cmd/lejarat")
	v.key("identity.key")
	if v.refs, err = identity.NewKey(v.key("reference.key")); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// newService builds the binary, writes its configuration and makes its topics.
func newService(s *stack, run string, chunk int) *service {
	s.t.Helper()
	dir := s.t.TempDir()
	v := buildService(s, dir, "lejarat-it-"+run+".")
	text := fmt.Sprintf(configuration, s.kafka, v.prefix, journalPartitions, v.state(), filepath.Join(dir, "identity.key"),
		filepath.Join(dir, "reference.key"), s.smtp, chunk)
	if err := os.WriteFile(v.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		v.stopAll()
		v.report()
	})
	for _, args := range [][]string{{"topics", "create"}, {"topics", "verify"}, {"check"}} {
		v.run(args...)
	}
	return v
}

// key writes a random key.
func (v *service) key(name string) []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	if err := os.WriteFile(filepath.Join(v.dir, name), []byte(hex.EncodeToString(key)), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return key
}

func (v *service) state() string { return filepath.Join(v.dir, "state") }

// loseState deletes the state directory, as an operator may whenever the service is stopped.
func (v *service) loseState() {
	v.t.Log("the state directory is deleted")
	if err := os.RemoveAll(v.state()); err != nil {
		v.t.Fatal(err)
	}
}

func (v *service) args(args []string) []string {
	return append([]string{"--config", v.config, "--json"}, args...)
}

// run runs a command to its end and returns what it prints; its log goes where the others' go.
func (v *service) run(args ...string) string {
	v.t.Helper()
	p := v.start(args...)
	err := p.wait(commandLimit)
	v.running = slices.DeleteFunc(v.running, func(q *process) bool { return p == q })
	out, readErr := os.ReadFile(p.out)
	if err := errors.Join(err, readErr); err != nil {
		v.t.Fatalf("lejarat %s: %v\n%s\n%s", strings.Join(args, " "), err, out, tailOf(p.log, 20))
	}
	return string(out)
}

// pass is one `lejarat run --once` at an instant.
func (v *service) pass(at time.Time) processor.Outcome {
	v.t.Helper()
	var o processor.Outcome
	if err := json.Unmarshal([]byte(v.run("run", "--once", "--wait", "90s", "--clock", at.Format(time.RFC3339))), &o); err != nil {
		v.t.Fatal(err)
	}
	return o
}

// join lets the service take in what is in the sources, before the day's run and in time for what moved.
func (v *service) join(day event.Date) {
	v.t.Helper()
	if o := v.pass(day.At(4, 0, v.zone)); o.Due {
		v.t.Fatalf("the run of %s is due at 04:00", day)
	}
}

// fire lets the day's run happen.
func (v *service) fire(day event.Date) {
	v.t.Helper()
	if o := v.pass(day.At(6, 0, v.zone)); !o.Due || o.Date != day.String() {
		v.t.Fatalf("want the run of %s: %+v", day, o)
	}
}

// send hands over what is queued.
func (v *service) send(at time.Time) {
	v.t.Helper()
	v.run("mail", "--once", "--clock", at.Format(time.RFC3339))
}

// process is one process of the service.
type process struct {
	cmd      *exec.Cmd
	out, log string
	address  atomic.Value // string, once known
	ended    chan struct{}
	err      error         // valid once ended is closed
	took     time.Duration // the same
}

// start starts a command.
func (v *service) start(args ...string) *process {
	v.t.Helper()
	base := filepath.Join(v.dir, fmt.Sprintf("%s-%03d", args[0], logNumber()))
	p := &process{out: base + ".out", log: base + ".log", ended: make(chan struct{})}
	out, err := os.Create(p.out)
	if err != nil {
		v.t.Fatal(err)
	}
	defer out.Close()
	log, err := os.Create(p.log)
	if err != nil {
		v.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(v.binary, v.args(args)...)
	p.cmd.Stdout, p.cmd.Stderr = out, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the test itself is killed
	if err := p.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	began := time.Now()
	go func() {
		p.err = p.cmd.Wait()
		p.took = time.Since(began)
		close(p.ended)
	}()
	v.running = append(v.running, p)
	return p
}

var logs int

func logNumber() int { logs++; return logs }

// wait waits for the end; what does not end in time is killed.
func (p *process) wait(limit time.Duration) error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(limit):
		p.kill()
		return fmt.Errorf("did not end within %s", limit)
	}
}

// kill is kill -9.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err == nil {
		<-p.ended
	}
}

// stop asks the process to end, which takes 30 s at most and is no failure.
func (v *service) stop(p *process) {
	v.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		v.t.Errorf("%s had ended before: %v", filepath.Base(p.log), err)
	}
	if err := p.wait(30 * time.Second); err != nil {
		v.t.Errorf("%s: %v", filepath.Base(p.log), err)
	}
	v.running = slices.DeleteFunc(v.running, func(q *process) bool { return p == q })
}

func (v *service) stopAll() {
	for _, p := range v.running {
		p.kill()
	}
	v.running = nil
}

// report prints, after a failure, how the logs end.
func (v *service) report() {
	if !v.t.Failed() {
		return
	}
	logs, err := filepath.Glob(filepath.Join(v.dir, "*.log"))
	if err != nil {
		v.t.Error(err)
	}
	slices.SortFunc(logs, func(a, b string) int { return strings.Compare(a[len(a)-7:], b[len(b)-7:]) })
	for _, log := range logs[max(0, len(logs)-4):] {
		v.t.Logf("--- %s\n%s", filepath.Base(log), tailOf(log, 25))
	}
	v.t.Logf("--- connect.log\n%s", tailOf(filepath.Join(v.logs, "connect.log"), 10))
}

// documentRef and registrationRef are the pseudonyms under which the topics name rows.
func (v *service) documentRef(docType, number string) string {
	core := intake.Core{Refs: v.refs}
	return fmt.Sprintf("%x", core.DocumentRef(docType, number, ""))
}

func (v *service) registrationRef(id int64) string {
	core := intake.Core{Refs: v.refs, Source: intake.Source{ID: journal.SourceID(registrationTopic)}}
	return fmt.Sprintf("%x", core.RegistrationRef(fmt.Sprintf("id=%d", id)))
}

func (v *service) follow(t *testing.T, topic string) *tail { return newTail(t, v.k, v.prefix+topic) }
