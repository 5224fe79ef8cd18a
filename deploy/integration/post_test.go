//go:build integration

package integration

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// post is the mail commands between Kafka and Postfix, without a processor: the test queues the mails itself.
type post struct {
	*service
	deliveries   *tail
	suppressions *tail
	box          *mailbox
	shared       string // what a Postfix of the test's own keeps, and may read
}

// postTopics is how the names of all topics of these tests begin.
const postTopics = "lejarat-post-"

const postConfiguration = `
kafka: {brokers: [%q], topic_prefix: %q, instance_id: %s, session_timeout: %s}
state: {dir: %q}
identity: {key_file: %q, reference_key_file: %q}
log: {format: json}
sources:
  - topic: nobody.reads.documents
    kind: documents
    columns: {type: {column: kind, values: {P: passport}}, number: number, status: {column: status, valid: [V]}, expires: [valid_until], holder: &holder {name: name, birth_name: birth_name, birth_place: birth_place, birth_date: birth_date, mother_name: mother_name}}
  - topic: nobody.reads.registrations
    kind: registrations
    columns: {holder: *holder, email: email, active: active, service: service, effective: since}
mail:
  from: "Okmányértesítő <ertesites@example.hu>"
  bounce_address: bounces@example.hu
  retry: {min: 200ms, max: 1s}
  relay: {address: %q, connections: %d, %s}
`

// Of the tests' connector.
const (
	postConnections = 4
	postSession     = 6 * time.Second // the shortest that brokers allow
)

// openPost finds brokers and Postfix, empties the mailbox, and makes the topics anew.
func openPost(t *testing.T) *post {
	t.Helper()
	s := openKafkaStack(t)
	b := openBrokers(s)
	b.deleteTopics(postTopics)
	await(t, time.Minute, "consumer groups on new brokers", func() (bool, string) {
		_, err := b.adm.FetchOffsets(t.Context(), postTopics)
		return err == nil, fmt.Sprint(err)
	})
	p := &post{shared: openDir(t), service: buildService(s, t.TempDir(), fmt.Sprintf("%s%d.", postTopics, time.Now().Unix()))}
	p.findPostfix()
	p.instance("operator", "tls: none").run("topics", "create")
	p.deliveries, p.suppressions = p.follow(t, "deliveries"), p.follow(t, "suppressions")
	return p
}

// findPostfix asks the stack for its Postfix, and empties the mailbox.
func (p *post) findPostfix() {
	p.t.Helper()
	env := strings.Fields(p.output("bash", "-c", `eval "$(../stack/env)" && echo "$STACK_SMTP $STACK_MAILDIR"`))
	p.smtp, p.maildir = env[0], env[1]
	if out, err := p.command(nil, "../stack/status", "postfix"); err != nil {
		p.t.Fatalf("Postfix does not run; start it with deploy/stack/start postfix: %v\n%s", err, out)
	}
	emptyMaildir(p.t, p.maildir)
	p.box = &mailbox{t: p.t, dir: p.maildir, known: map[string]letter{}}
}

// throughOwn lets the mails go through a Postfix of the test's own, with further lines in its main.cf.
func (p *post) throughOwn(settings ...string) {
	p.t.Helper()
	env := []string{"LEJARAT_CACHE=" + p.t.TempDir(), "STACK_SHARED=" + p.shared, "STACK_SMTP_PORT=12625", "STACK_POSTFIX_SETTINGS=" + strings.Join(settings, "\n")}
	p.stack = &stack{t: p.t, kafka: p.kafka, k: p.k, env: env}
	p.t.Cleanup(func() {
		stop := exec.Command("../stack/stop", "--clean", "postfix") // must end also where the test does
		stop.Env = append(os.Environ(), env...)
		if out, err := stop.CombinedOutput(); err != nil {
			p.t.Errorf("stopping the test's own Postfix: %v\n%s", err, out)
		}
	})
	p.output("../stack/start", "postfix")
	p.findPostfix()
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Logf("--- postfix.log\n%s", tailOf(p.maillog(), 30))
		}
	})
}

// maillog is Postfix's log.
func (p *post) maillog() string {
	return filepath.Join(filepath.Dir(filepath.Dir(p.maildir)), "postfix", "data", "postfix.log")
}

// openDir is a directory that Postfix's user may read, too.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lejarat-relay")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// instance is one configuration of the mail commands under a name of its own in the consumer groups. The same name again
// is the same instance, configured anew.
func (p *post) instance(name, relay string) *service {
	p.t.Helper()
	own := *p.service
	own.running = nil
	own.dir = filepath.Join(p.dir, name)
	own.config = filepath.Join(own.dir, "lejarat.yaml")
	if err := os.MkdirAll(own.dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	text := fmt.Sprintf(postConfiguration, p.kafka, p.prefix, name, postSession, own.state(), filepath.Join(p.dir, "identity.key"),
		filepath.Join(p.dir, "reference.key"), p.smtp, postConnections, relay)
	if err := os.WriteFile(own.config, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		own.stopAll()
		own.report()
	})
	return &own
}

// queue writes one mail to each address to mail-sink, as a run of today does.
func (p *post) queue(addresses ...string) (mails []event.Mail) {
	p.t.Helper()
	for _, address := range addresses {
		mails = append(mails, invented(address))
	}
	p.queueMails(mails)
	return mails
}

func (p *post) queueMails(mails []event.Mail) {
	p.t.Helper()
	var records []event.Record
	for _, m := range mails {
		records = append(records, event.Message(p.prefix+"mail-sink", m.RegistrationRef, m.ID, "mail", m.EmittedAt, m))
	}
	if err := p.k.Produce(p.t.Context(), records); err != nil {
		p.t.Fatal(err)
	}
}

// invented is a notice about a passport.
func invented(address string) event.Mail {
	now := time.Now()
	day := func(months int) string { return now.AddDate(0, months, 0).Format(time.DateOnly) }
	threshold, due, left := "P6M", day(0), 183
	return event.Mail{ID: randomHex(), Kind: event.KindExpiry, RegistrationRef: randomHex(), Language: "hu",
		To:        event.MailTo{Email: address, Name: "Kanári Etelka"},
		Document:  &event.MailDocument{Type: "passport", NumberMasked: "*****028", Expires: day(6)},
		Threshold: &threshold, Due: &due, RunDate: day(0), DaysLeft: &left, AddressHash: randomHex(),
		NotAfter: now.AddDate(0, 5, 0).Format(time.RFC3339), EmittedAt: now.Format(event.TimeFormat)}
}

func randomHex() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// outcomes are the last outcome of each mail.
func (p *post) outcomes() map[string]event.Delivery {
	p.t.Helper()
	var outcomes []event.Record
	for _, r := range p.deliveries.read() {
		if r.HeaderValue(event.ClaimHeader) == nil && r.HeaderValue(event.UnclaimHeader) == nil {
			outcomes = append(outcomes, r)
		}
	}
	last := map[string]event.Delivery{}
	for _, d := range values[event.Delivery](p.t, outcomes) {
		last[d.ID] = d
	}
	return last
}

// becomes waits until a mail has a status, and returns its delivery.
func (p *post) becomes(m event.Mail, status string) event.Delivery {
	p.t.Helper()
	var d event.Delivery
	await(p.t, time.Minute, "mail to "+m.To.Email, func() (bool, string) {
		d = p.outcomes()[m.ID]
		return d.Status == status, fmt.Sprintf("%q, want %q", d.Status, status)
	})
	return d
}

// copies counts the mails in the mailbox by their ids, once as many are there as deliveries know of, and no more come.
func (p *post) copies(want int) map[string]int {
	p.t.Helper()
	have, since := 0, time.Now()
	await(p.t, mailLimit, "the mailbox", func() (bool, string) {
		if now := len(mailFiles(p.t, p.maildir)); now != have {
			have, since = now, time.Now()
		}
		return have >= want && time.Since(since) > 2*time.Second, fmt.Sprintf("%d mails, want %d", have, want)
	})
	n := map[string]int{}
	for _, l := range p.box.read() {
		n[l.id]++
	}
	return n
}
