package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestSuppressStopsMails: what an operator says stops what is queued, is listed, and is lifted.
func TestSuppressStopsMails(t *testing.T) {
	d := openDesk(t, "")
	id, other := d.emit(1, d.today()), d.emit(2, d.today())
	ref := fmt.Sprintf("%032x", 1001)
	if out := d.must("suppress", "add", "--id", id); !strings.Contains(out, ref+"  operator  suppressed") {
		t.Errorf("add said %q", out)
	}
	if out := d.must("suppress", "add", "--ref", ref); !strings.Contains(out, "was so before") {
		t.Errorf("a second add said %q", out)
	}
	d.put(d.cfg.Kafka.Topics().Suppressions, event.SuppressionKey(ref, event.SuppressSwitchedOff), event.Suppression{})
	out := d.must("suppress", "list")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 1 || !strings.HasPrefix(lines[0], ref+"  operator") {
		t.Errorf("the list of what an operator can lift is %q", out)
	}
	if out := d.must("suppress", "list", "--reason", "all"); strings.Count(out, ref) != 2 {
		t.Errorf("the whole list is %q", out)
	}
	if out := d.must("suppress", "list", "--since", "2999-01-01T00:00:00Z"); out != "" {
		t.Errorf("suppressed in the future: %q", out)
	}
	d.must("suppress", "remove", "--ref", ref)
	d.put(d.cfg.Kafka.Topics().Suppressions, event.SuppressionKey(ref, event.SuppressSwitchedOff), nil)
	if out := d.must("suppress", "list", "--reason", "all"); out != "" {
		t.Errorf("after remove the list is %q", out)
	}
	d.must("suppress", "add", "--ref", ref)
	if out := d.must("mail", "--once", "--json"); !strings.Contains(out, `"Suppressed": 1`) || !strings.Contains(out, `"Accepted": 1`) {
		t.Errorf("the connector: %s", out)
	}
	var delivered event.Delivery
	if err := json.Unmarshal([]byte(d.newest(d.cfg.Kafka.Topics().Deliveries)[id]), &delivered); err != nil ||
		delivered.Status != event.DeliverySuppressed || *delivered.Reason != event.SuppressOperator {
		t.Errorf("recorded of the suppressed mail: %+v %v", delivered, err)
	}
	if !strings.Contains(d.newest(d.cfg.Kafka.Topics().Deliveries)[other], event.DeliveryAccepted) || d.box.Count() != 1 {
		t.Error("the other mail did not go")
	}
}

// TestSuppressManyFromStandardInput: what list prints, remove takes.
func TestSuppressManyFromStandardInput(t *testing.T) {
	d := openDesk(t, "")
	hash := strings.Repeat("ab", 16)
	for n := range 3 {
		d.put(d.cfg.Kafka.Topics().Suppressions, event.SuppressionKey(fmt.Sprintf("%032x", n), event.SuppressAddress),
			event.Suppression{Since: fmt.Sprintf("2026-03-0%dT06:00:00.000+01:00", n+1), AddressHash: &hash})
	}
	list := d.must("suppress", "list", "--reason", "address", "--since", "2026-03-02T00:00:00+01:00")
	out, err := d.lejarat(list, "suppress", "remove", "--reason", "address", "--ref", "-")
	if err != nil || strings.Count(out, "lifted") != 2 {
		t.Fatalf("%q %v", out, err)
	}
	if left := d.must("suppress", "list"); strings.Count(left, "\n") != 1 || !strings.HasPrefix(left, fmt.Sprintf("%032x", 0)) {
		t.Errorf("left: %q", left)
	}
}

// TestSuppressWrongUse: what would stop nobody's mails is refused.
func TestSuppressWrongUse(t *testing.T) {
	d := openDesk(t, "")
	for _, args := range [][]string{
		{"suppress"}, {"suppress", "add"}, {"suppress", "add", "--ref", "nobody"}, {"suppress", "add", "--id", "unknown"},
		{"suppress", "add", "--ref", strings.Repeat("0", 32), "--id", "1"},
		{"suppress", "remove", "--ref", strings.Repeat("0", 32), "--reason", "switched_off"}, {"suppress", "list", "--since", "yesterday"},
	} {
		if out, err := d.lejarat("", args...); err == nil || exitStatus(err) != exitUsage {
			t.Errorf("lejarat %s: %q, %v", strings.Join(args, " "), out, err)
		}
	}
	if len(d.newest(d.cfg.Kafka.Topics().Suppressions)) > 0 {
		t.Error("something was suppressed")
	}
}

// TestSuppressByRowKey: the reference of a row is the one that its notices carry.
func TestSuppressByRowKey(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	s, err := openStage(ctx, stageOptions{Seed: 5, People: 50, Start: event.NewDate(2031, 1, 10), Churn: 1, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	var key string
	for p := range s.world.People() {
		if len(p.Registrations) > 0 {
			key = strconv.FormatInt(p.Registrations[0].ID, 10)
		}
	}
	ref := s.intakeCore(1).RegistrationRef("id=" + key)
	want := fmt.Sprintf("%x", ref[:])
	for _, text := range []string{key, "id=" + key, "ugyfelkapu.public.registration:" + key, `ugyfelkapu.public.registration:{"id":` + key + `}`} {
		if refs, err := registrationRef(ctx, s.cfg, s.clock, text); err != nil || len(refs) != 1 || refs[0] != want {
			t.Errorf("%s: %v %v, want %s", text, refs, err, want)
		}
	}
	if refs, err := registrationRef(ctx, s.cfg, s.clock, "999999999"); err == nil {
		t.Errorf("a row that is not there has the reference %v", refs)
	}
}
