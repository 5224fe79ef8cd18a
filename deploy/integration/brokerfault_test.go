//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"lejarat/processor/event"
)

// ownBroker starts a broker that a test has for itself: with settings that nobody else could live with, or to be killed.
func ownBroker(t *testing.T, settings string) *stack {
	t.Helper()
	cache := t.TempDir()
	shared := strings.TrimSpace((&stack{t: t}).output("bash", "-c", `eval "$(../stack/env)" && dirname "$STACK_LOGS"`))
	if err := os.Symlink(filepath.Join(shared, "lib"), filepath.Join(cache, "lib")); err != nil {
		t.Fatal(err)
	}
	env := []string{"LEJARAT_CACHE=" + cache, "STACK_KAFKA_PORT=19392", "STACK_CONTROLLER_PORT=19393", "STACK_SASL_PORT=19394", "STACK_KAFKA_SETTINGS=" + settings}
	t.Cleanup(func() {
		stop := exec.Command("../stack/stop", "kafka")
		stop.Env = append(os.Environ(), env...)
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stopping the test's own broker: %v\n%s", err, out)
		}
	})
	s := &stack{t: t, env: env}
	s.output("../stack/start", "kafka")
	return openKafkaStackIn(t, env)
}

// single is one instance on a small registry that has not been started; its clock runs as real time does, and is at six
// when so much time has passed since it began.
func single(s *stack, people int) *chaos {
	return newChaos(s, size{seed: uint64(time.Now().Unix() % 100_000), instances: 1, people: people, chunk: 2, day: 24 * time.Hour})
}

// beginBefore starts the instance so long before the run, and asks the oracle what the run owes.
func (x *chaos) beginBefore(run time.Duration) *instance {
	x.t.Helper()
	x.c.begin(chaosStart.At(6, 0, x.c.zone).Add(-run), time.Now())
	x.c.upAll()
	expected := x.owes(chaosStart)
	x.owedNow = len(expected)
	x.j.expect(chaosStart, expected)
	return x.c.members[0]
}

// allIsWell wants the run complete, and the topics equal to what the oracle says.
func (x *chaos) allIsWell() {
	x.t.Helper()
	await(x.t, 2*time.Minute, "the run", func() (bool, string) { return x.complete(chaosStart), tailOf(x.c.members[0].log, 10) })
	x.c.stopAll()
	x.j.compareDecisions(chaosStart)
	x.compareMailSink()
	x.compareRuns(chaosStart, chaosStart)
}

// ends waits until the instance ends by itself, and returns its exit status and what it said last.
func (m *instance) ends(limit time.Duration) (status int, said string) {
	m.t.Helper()
	select {
	case <-m.p.ended:
	case <-time.After(limit):
		m.t.Fatalf("instance %s goes on after %s\n%s", m.name, limit, tailOf(m.log, 10))
	}
	status, said = m.p.cmd.ProcessState.ExitCode(), tailOf(m.log, 1)
	m.over("own end")
	m.t.Logf("exit status %d: %s", status, said)
	return status, said
}

// TestIDExpired: a broker forgets a transactional id that nobody has used for a while. The idle watch tasks take theirs
// anew when the run is due, and it fires.
func TestIDExpired(t *testing.T) {
	x := single(ownBroker(t, "transactional.id.expiration.ms=3000 transaction.remove.expired.transaction.cleanup.interval.ms=500"), 300)
	a := x.beginBefore(20 * time.Second)
	a.awaitReady()
	for p := range journalPartitions {
		id := fmt.Sprintf("%swatch.1.%d", x.c.prefix, p)
		await(t, time.Minute, id, func() (bool, string) {
			d := x.b.transaction(id)
			return d.Err != nil, d.State // not found
		})
	}
	if now := x.c.now(); !now.Before(chaosStart.At(6, 0, x.c.zone)) {
		t.Fatalf("inconclusive: the ids were forgotten only at %s", now)
	}
	x.note("the broker has forgotten the ids")
	x.allIsWell()
	t.Log(strings.Join(x.complaints(a), "\n"))
}

// TestBrokerGone: the only broker is killed in the middle of a run, and comes back after LEJARAT_CHAOS_GONE seconds. The
// run goes on by itself.
func TestBrokerGone(t *testing.T) {
	x := single(ownBroker(t, ""), 800)
	a := x.beginBefore(3 * time.Second)
	a.awaitReady()
	x.midway(chaosStart, 0.3)
	gone := time.Duration(chaosSize("GONE", 5)) * time.Second
	x.b.must("kill", 1)
	x.note("the broker is killed")
	time.Sleep(gone)
	x.b.must("start", 1)
	x.note("the broker is back after %s", gone)
	if x.hits == 0 {
		t.Error("the broker was not killed in the middle of the run")
	}
	x.allIsWell()
	if len(x.complaints(a)) == 0 {
		t.Error("a broker that is gone is worth a word in the log")
	}
}

// The rights that the service needs.
func topicRight() *kadm.ACLBuilder { return kadm.NewACLs().Topics("*") }
func groupRight() *kadm.ACLBuilder { return kadm.NewACLs().Groups("*") }
func idRight() *kadm.ACLBuilder    { return kadm.NewACLs().TransactionalIDs("*") }

const serviceUser = "User:lejarat"

// give gives the user of the listener with passwords a right.
func (b *brokers) give(right *kadm.ACLBuilder) {
	b.t.Helper()
	answers, err := b.adm.CreateACLs(b.t.Context(), right.ResourcePatternType(kadm.ACLPatternLiteral).Allow(serviceUser).AllowHosts("*").Operations(kadm.OpAll))
	for _, a := range answers {
		err = errors.Join(err, a.Err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// deny forbids it to write to a topic, whatever else it may.
func (b *brokers) deny(topic string) {
	b.t.Helper()
	answers, err := b.adm.CreateACLs(b.t.Context(), kadm.NewACLs().Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).
		Deny(serviceUser).DenyHosts("*").Operations(kadm.OpWrite))
	for _, a := range answers {
		err = errors.Join(err, a.Err)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// take takes whatever was said about these resources.
func (b *brokers) take(what *kadm.ACLBuilder) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // also where the test has ended
	defer cancel()
	if _, err := b.adm.DeleteACLs(ctx, what.ResourcePatternType(kadm.ACLPatternLiteral).Allow().AllowHosts().Deny().DenyHosts().Operations()); err != nil {
		b.t.Error(err)
	}
}

// TestRightsTaken: a right is taken from the service's user while a run is under way. Nothing is decided twice or lost,
// whatever the broker makes of it: without its transactional ids the service ends and says what to look at; when a topic is
// closed to it, it may not exist for all that the service can tell, so it waits.
func TestRightsTaken(t *testing.T) {
	x := single(openKafkaStack(t), 800)
	x.overSASL()
	for _, right := range []func() *kadm.ACLBuilder{topicRight, groupRight, idRight} {
		x.b.give(right())
		t.Cleanup(func() { x.b.take(right()) })
	}
	a := x.beginBefore(3 * time.Second)
	a.awaitReady()
	x.midway(chaosStart, 0.2)
	x.b.take(idRight())
	status, said := a.ends(time.Minute)
	if status != 1 || !strings.Contains(said, "check kafka.sasl and the ACLs of this user") {
		t.Errorf("exit status %d, said %q", status, said)
	}
	x.b.give(idRight())
	a.up()
	x.midway(chaosStart, 0.2)
	notifications := x.c.prefix + "notifications"
	x.b.deny(notifications)
	await(t, time.Minute, "a word about the topic", func() (bool, string) {
		return strings.Contains(strings.Join(x.complaints(a), "\n"), "topic does not exist or may not be used"), tailOf(a.log, 5)
	})
	x.b.take(kadm.NewACLs().Topics(notifications))
	x.allIsWell()
}

// overSASL lets the instances come by the listener that asks for a password.
func (x *chaos) overSASL() {
	x.t.Helper()
	sasl := strings.TrimSpace(x.c.output("bash", "-c", `eval "$(../stack/env)" && echo "$STACK_KAFKA_SASL"`))
	password := filepath.Join(x.c.dir, "password")
	if err := os.WriteFile(password, []byte("stack"), 0o600); err != nil {
		x.t.Fatal(err)
	}
	for _, m := range x.c.members {
		text, err := os.ReadFile(m.config)
		if err != nil {
			x.t.Fatal(err)
		}
		with := strings.Replace(string(text), fmt.Sprintf("brokers: [%q]", x.c.kafka),
			fmt.Sprintf("brokers: [%q], sasl: {mechanism: PLAIN, user: lejarat, password_file: %q}", sasl, password), 1)
		if err := os.WriteFile(m.config, []byte(with), 0o600); err != nil {
			x.t.Fatal(err)
		}
	}
}

// TestTopicGone: a topic is deleted under a service whose first run is complete, before its second. It waits for it, and says
// so: the broker's answer may also mean that it may not look. Made anew, the topic is another one, and positions in it mean
// nothing; without what was in notifications everybody would be mailed again. So the service ends.
func TestTopicGone(t *testing.T) {
	for _, topic := range []string{"notifications", "journal.1", "a source"} {
		t.Run(topic, func(t *testing.T) {
			x := single(openKafkaStack(t), 100)
			a := x.beginBefore(2 * time.Second)
			await(t, time.Minute, "the run", func() (bool, string) { return x.complete(chaosStart), "not complete" })
			a.down()
			name := x.c.prefix + topic
			if topic == "a source" {
				name = x.book.enc.Topics()[0]
			}
			x.c.begin((chaosStart+1).At(6, 0, x.c.zone).Add(-8*time.Second), time.Now())
			a.up()
			a.awaitReady()
			x.b.deleteTopics(name)
			x.note("%s is deleted", name)
			x.sleepUntil((chaosStart + 1).At(6, 0, x.c.zone).Add(2 * time.Second))
			await(t, time.Minute, "a word about the topic", func() (bool, string) {
				said := strings.Join(x.complaints(a), "\n")
				return strings.Contains(said, name) && strings.Contains(said, "topic does not exist or may not be used"), tailOf(a.log, 5)
			})
			select {
			case <-a.p.ended:
				t.Fatalf("a topic that may only be hidden ended the service\n%s", tailOf(a.log, 5))
			default:
			}
			if topic == "a source" {
				if _, err := x.b.adm.CreateTopic(t.Context(), 1, -1, nil, name); err != nil {
					t.Fatal(err)
				}
			} else {
				x.c.members[0].run("topics", "create")
			}
			x.note("%s is made anew", name)
			status, said := a.ends(time.Minute)
			if status != 2 || !strings.Contains(said, name) {
				t.Errorf("exit status %d, said %q: want 2, and the topic named", status, said)
			}
			x.noMailTwice()
		})
	}
}

// TestNoticesPurged: records are deleted from notifications, without which people would be mailed again.
func TestNoticesPurged(t *testing.T) {
	x := single(openKafkaStack(t), 100)
	a := x.beginBefore(3 * time.Second)
	await(t, time.Minute, "the run", func() (bool, string) { return x.complete(chaosStart), "not complete" })
	x.b.purge(x.c.prefix + "notifications")
	a.down()
	a.up()
	status, said := a.ends(time.Minute)
	if status != 2 || !strings.Contains(said, x.c.prefix+"notifications") {
		t.Errorf("exit status %d, said %q: want 2, and the topic named", status, said)
	}
	x.noMailTwice()
}

// noMailTwice wants each mail once, whatever has become of the other topics.
func (x *chaos) noMailTwice() {
	x.t.Helper()
	seen := map[string]bool{}
	for _, m := range values[event.Mail](x.t, x.mails.read()) {
		if seen[m.ID] {
			x.t.Errorf("mail twice: %s", m.ID)
		}
		seen[m.ID] = true
	}
	if len(seen) == 0 {
		x.t.Error("no mail at all: this shows nothing")
	}
}
