package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
	"lejarat/state"
)

// TestDropFormer: what stands of generations before the live one is listed, deleted, and then no longer there; the live
// generation's journal and stores, and the ledger, stay.
func TestDropFormer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	o := stageOptions{Seed: 1, People: 20, Start: event.NewDate(2031, 1, 10), Log: discard, Dir: filepath.Join(t.TempDir(), "state"),
		Shared: state.NewShared(stageCache, false)}
	s, err := openStage(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	s.halt()
	s.nextGeneration(t, ctx, o)
	s.cfg.State.Dir = o.Dir
	if _, err := s.tryRebuild(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "lejarat.yaml")
	yaml := fmt.Sprintf(stageConfig, s.broker.Brokers()[0], "127.0.0.1:25")
	yaml = strings.Replace(yaml, "kafka: {", "kafka: {session_timeout: 6s, ", 1) + fmt.Sprintf("state: {dir: %q, generation: 2}\n", o.Dir)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEJARAT_IDENTITY_KEY", inventedKey(o.Seed, 102))
	t.Setenv("LEJARAT_REFERENCE_KEY", inventedKey(o.Seed, 2))
	drop := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		root := newRoot()
		root.SetOut(&out)
		root.SetArgs(append([]string{"topics", "drop-former", "--config", file}, args...))
		if err := root.ExecuteContext(ctx); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(out.String(), o.Dir, "DIR")
	}
	stand := func() string {
		t.Helper()
		k, err := openKafka(ctx, s.cfg, discard, nil) // a client that has been there for a while may still know what is gone
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		topics, err := k.TopicSizes(ctx, func(name string) bool { return strings.Contains(name, "journal") })
		if err != nil {
			t.Fatal(err)
		}
		dirs, err := filepath.Glob(filepath.Join(o.Dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range dirs {
			dirs[i] = filepath.Base(dirs[i])
		}
		return strings.Join(append(sortedKeys(topics), dirs...), " ")
	}
	before := stand()
	sizes, err := s.k.TopicSizes(ctx, func(name string) bool { return name == "lejarat.journal.1" })
	if err != nil {
		t.Fatal(err)
	}
	listed := fmt.Sprintf("would go  generation 1  topic lejarat.journal.1 (%d offsets)\n", sizes["lejarat.journal.1"])
	for _, dir := range strings.Fields(before) {
		if strings.HasPrefix(dir, "intake-1-") || strings.HasPrefix(dir, "watch-1-") {
			listed += "would go  generation 1  DIR/" + dir + "\n"
		}
	}
	deleted := strings.ReplaceAll(listed, "would go", "deleted")
	for _, step := range []struct{ what, want string }{{"--dry-run", listed}, {"", deleted}, {"", "Nothing is left of generations before 2\n"}} {
		args := strings.Fields(step.what)
		if diff := cmp.Diff(step.want, drop(args...)); diff != "" {
			t.Errorf("drop-former %s:\n%s", step.what, diff)
		}
		if step.what == "--dry-run" && stand() != before {
			t.Errorf("a dry run has changed what there is: %s", stand())
		}
	}
	if got := drop("--json"); got != "{\n  \"deleted\": true,\n  \"former\": [],\n  \"live_generation\": 2\n}\n" {
		t.Errorf("as JSON: %s", got)
	}
	if diff := cmp.Diff(strings.Join(left(before), " "), stand()); diff != "" {
		t.Error("what is left:\n", diff)
	}
}

// left is what has nothing to do with generation 1.
func left(names string) (out []string) {
	for _, name := range strings.Fields(names) {
		if name != "lejarat.journal.1" && !strings.HasPrefix(name, "intake-1-") && !strings.HasPrefix(name, "watch-1-") {
			out = append(out, name)
		}
	}
	return out
}
