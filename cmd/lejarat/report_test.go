package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lejarat/processor/event"
	"lejarat/processor/tally"
)

// reportDesk is a desk with one notice of each fate today, and some that do not belong to today.
func reportDesk(t *testing.T) *desk {
	d := openDesk(t, "")
	topics, today := d.cfg.Kafka.Topics(), d.today()
	d.emit(1, today)
	d.emit(11, today-1)
	d.must("mail", "--once") // both accepted; the connector is past them
	notice := func(n int, decision, reason string, date event.Date) {
		v := event.Notice{ID: mailOf(n), Kind: event.KindAnnouncement, Decision: decision, RunDate: date.String(), RegistrationRef: mailOf(1000 + n)}
		if reason != "" {
			v.Reason = &reason
		}
		d.put(topics.Notifications, v.ID, v)
	}
	notice(2, event.Skipped, event.ReasonLate, today)
	notice(3, event.Skipped, event.ReasonHeld, today-1) // decided again today:
	notice(3, event.Emitted, "", today)                 // its mail is gone
	d.emit(4, today)                                    // waits
	d.emit(5, today)
	d.put(topics.Deliveries, mailOf(5), nil, event.Header{Key: event.ClaimHeader, Value: []byte("somebody")})
	d.emit(6, today)
	resent := "resent"
	d.put(topics.Deliveries, mailOf(6), event.Delivery{ID: mailOf(6), Status: event.DeliveryInDoubt, Attempts: 2, Reason: &resent})
	d.emit(7, today)
	d.put(topics.Deliveries, mailOf(7), event.Delivery{ID: mailOf(7), Status: event.DeliveryBounced, Attempts: 1})
	d.emit(8, today)
	d.put(topics.Deliveries, mailOf(8), event.Delivery{ID: mailOf(8), Status: event.DeliveryAccepted, Attempts: 1})
	d.put(topics.Deliveries, mailOf(8), nil, event.Header{Key: event.ClaimHeader, Value: []byte("late")})
	d.emit(9, today)
	d.put(topics.Deliveries, mailOf(9), nil, event.Header{Key: event.ClaimHeader, Value: []byte("somebody")})
	d.put(topics.Deliveries, mailOf(9), nil, event.Header{Key: event.UnclaimHeader, Value: []byte("somebody")})
	d.put(topics.Deliveries, mailOf(1), nil) // somebody has lost what was recorded
	return d
}

// TestReport: every notice of the day is in one row.
func TestReport(t *testing.T) {
	d := reportDesk(t)
	out := d.must("report")
	counts := map[string]string{}
	for _, line := range strings.Split(out, "\n")[1:] {
		if f := strings.Fields(line); len(f) > 3 && f[0] == d.today().String() && f[1] != "to" {
			counts[strings.Join(f[1:len(f)-1], " ")] = f[len(f)-1]
		}
	}
	want := map[string]string{"expiry passport P1M emitted accepted": "1", "expiry passport P1M emitted waiting": "2", "expiry passport P1M emitted in_hand": "1",
		"expiry passport P1M emitted in_doubt resent": "1", "expiry passport P1M emitted bounced": "1", "expiry passport P1M emitted missing": "1",
		"announcement skipped late": "1", "announcement emitted lost": "1"}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
	if !strings.Contains(out, "8 emitted: 1 accepted, 1 bounced, 1 in_doubt, 1 in_hand, 1 lost, 1 missing, 2 waiting; 1 skipped") {
		t.Errorf("summary: %s", out)
	}
	var asJSON struct {
		Rows        []tally.Row
		Undelivered int
	}
	if err := json.Unmarshal([]byte(d.must("report", "--json", "--from", (d.today()-1).String(), "--to", d.today().String())), &asJSON); err != nil ||
		len(asJSON.Rows) != 9 || asJSON.Undelivered != 6 {
		t.Errorf("%+v %v", asJSON, err)
	}
	if csv := d.must("report", "--csv"); strings.Count(csv, "\n") != 9 || !strings.HasPrefix(csv, "run_date,kind,") {
		t.Errorf("CSV: %s", csv)
	}
}

// TestReportUndelivered: nothing that was emitted and is not settled is left out, and none that is settled is in.
func TestReportUndelivered(t *testing.T) {
	d := reportDesk(t)
	got := map[string]string{}
	var asJSON struct{ Undelivered []tally.Open }
	if err := json.Unmarshal([]byte(d.must("report", "--undelivered", "--json")), &asJSON); err != nil {
		t.Fatal(err)
	}
	for _, n := range asJSON.Undelivered {
		got[n.ID] = n.Outcome
		if len(n.RegistrationRef) != 32 || n.RunDate != d.today().String() {
			t.Errorf("%+v", n)
		}
	}
	want := map[string]string{mailOf(1): tally.Missing, mailOf(3): tally.Lost, mailOf(4): tally.Waiting, mailOf(5): tally.InHand,
		mailOf(6): event.DeliveryInDoubt, mailOf(9): tally.Waiting}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := d.must("report", "--undelivered")
	if strings.Count(text, d.today().String()+"  ") != 6 || strings.Contains(text, "polgar") {
		t.Error(text)
	}
	for _, args := range [][]string{{"--from", "tomorrow"}, {"--from", "2026-02-02", "--to", "2026-02-01"}} {
		if _, err := d.lejarat("", append([]string{"report"}, args...)...); err == nil || exitStatus(err) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestReportOfAVirtualClock: its dates say nothing of when its notices were written.
func TestReportOfAVirtualClock(t *testing.T) {
	d := openDesk(t, "")
	v := event.Notice{ID: mailOf(1), Kind: event.KindAnnouncement, Decision: event.Emitted, RunDate: "2051-01-01", Virtual: true}
	d.put(d.cfg.Kafka.Topics().Notifications, v.ID, v)
	if out := d.must("report", "--from", "2051-01-01"); !strings.Contains(out, "1 emitted: 1 lost") {
		t.Error(out)
	}
}
