//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/kafka"
)

// The two registries: database, table, and the topics of its connector.
const (
	okmany            = "okmany"
	ugyfelkapu        = "ugyfelkapu"
	documentTopic     = "okmany.public.document"
	registrationTopic = "ugyfelkapu.public.registration"
)

// databases in the order in which they are set up.
var databases = []string{okmany, ugyfelkapu}

// stack is the started stack, as deploy/stack/env describes it. The test has it for itself.
type stack struct {
	t       *testing.T
	kafka   string   // brokers
	env     []string // settings of a stack that is not the default one
	connect string   // URL of Connect's REST interface
	smtp    string
	maildir string
	logs    string
	k       *kafka.Client
}

// openStack finds the stack and fails where a part of it does not run.
func openStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t}
	env := strings.Fields(s.output("bash", "-c",
		`eval "$(../stack/env)" && echo "$STACK_KAFKA $STACK_CONNECT $STACK_SMTP $STACK_MAILDIR $STACK_LOGS"`))
	if len(env) != 5 {
		t.Fatalf("deploy/stack/env says %q", env)
	}
	s.kafka, s.connect, s.smtp, s.maildir, s.logs = env[0], env[1], env[2], env[3], env[4]
	if out, err := exec.CommandContext(t.Context(), "../stack/status").CombinedOutput(); err != nil {
		t.Fatalf("the stack does not run; start it with deploy/stack/start\n%s", out)
	}
	var err error
	if s.k, err = kafka.Open(t.Context(), kafka.Options{Brokers: strings.Split(s.kafka, ","), ClientID: "integration"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.k.Close)
	return s
}

// commandLimit bounds every command that a test runs to its end.
const commandLimit = 2 * time.Minute

// output runs a command and returns what it prints.
func (s *stack) output(name string, args ...string) string {
	s.t.Helper()
	out, err := s.command(nil, name, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *stack) command(env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), s.env...), env...)
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), complaint.String())
	}
	return out.String(), nil
}

// sql runs statements, each in a transaction of its own, and returns the rows.
func (s *stack) sql(database, statements string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "statements.sql")
	if err := os.WriteFile(file, []byte(statements), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(s.output("../stack/sql", database, "-At", "-f", file))
}

// pollEvery is the pause between two looks at a condition.
const pollEvery = 50 * time.Millisecond

// dropTopics deletes the topics whose names the filter takes, and waits until they are gone.
func (s *stack) dropTopics(filter func(name string) bool) {
	s.t.Helper()
	sizes, err := s.k.TopicSizes(s.t.Context(), filter)
	if err != nil {
		s.t.Fatal(err)
	}
	for name := range sizes {
		if err := s.k.DeleteTopics(s.t.Context(), name); err != nil {
			s.t.Fatal(err)
		}
	}
	await(s.t, time.Minute, "deleting topics", func() (bool, string) {
		sizes, err := s.k.TopicSizes(s.t.Context(), filter)
		return err == nil && len(sizes) == 0, fmt.Sprint(sizes, err)
	})
}

// await waits until done, and fails with what it last said after the limit.
func await(t *testing.T, limit time.Duration, what string, done func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(pollEvery) {
		ok, state := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, limit, state)
		}
	}
}

// tailOf returns the end of a log file.
func tailOf(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
