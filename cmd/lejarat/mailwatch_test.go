package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lejarat/connectors/smtp"
	"lejarat/processor/event"
)

// TestMailGauges: everything that an operator watches, once each, with relays as the only labels.
func TestMailGauges(t *testing.T) {
	s := smtp.Status{Paused: &smtp.Pause{Since: "2026-02-28T06:00:03.120+01:00", Reason: "not a label"}, Queued: 12, InHand: 5, Retrying: 2, OldestSeconds: 61.5,
		InDoubt: 3, Cap: &smtp.Cap{Limit: 100, Used: 40}, Relays: []smtp.RelayStatus{{Relay: "a:25", Connections: 8, Allowed: 4, Busy: 3}, {Relay: "b:25", Connections: 2, Allowed: 1, Away: "connect: timeout"}}}
	registry := prometheus.NewRegistry()
	registry.MustRegister(mailGauges{func() smtp.Status { return s }})
	observe := newMailMetrics(registry)
	observe(smtp.Outcome{Status: event.DeliveryAccepted, Phase: smtp.PhaseDot, Relay: "a:25"})
	observe(smtp.Outcome{Status: event.DeliveryExpired})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got.WriteString(strings.TrimPrefix(f.GetName(), "lejarat_"))
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&got, " %s=%q", l.GetName(), l.GetValue())
			}
			fmt.Fprintf(&got, " %v\n", m.GetGauge().GetValue()+m.GetCounter().GetValue())
		}
	}
	want := `mail_daily_cap 100
mail_daily_cap_used 40
mail_in_doubt 3
mail_in_hand 5
mail_oldest_seconds 61.5
mail_paused 1
mail_queued 12
mail_retrying 2
mails_total phase="dot" reason="" relay="a:25" status="accepted" 1
mails_total phase="none" reason="" relay="" status="expired" 1
relay_away relay="a:25" 0
relay_away relay="b:25" 1
relay_connections relay="a:25" state="allowed" 4
relay_connections relay="a:25" state="busy" 3
relay_connections relay="a:25" state="configured" 8
relay_connections relay="b:25" state="allowed" 1
relay_connections relay="b:25" state="busy" 0
relay_connections relay="b:25" state="configured" 2
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func TestMailProgress(t *testing.T) {
	s := smtp.Status{Queued: 0}
	m := &mailProgress{status: func() smtp.Status { return s }}
	if m.bars() != nil {
		t.Error("a bar for an empty queue")
	}
	s = smtp.Status{Queued: 100, Settled: 20}
	first := m.bars()
	m.past[0].at = m.past[0].at.Add(-4 * time.Second)
	s = smtp.Status{Queued: 60, Settled: 60}
	second := m.bars()
	if len(first) != 1 || first[0].total != 120 || first[0].text() != " 20 of 120" {
		t.Errorf("first %+v", first)
	}
	if len(second) != 1 || second[0].total != 120 || second[0].text() != " 60 of 120, 10/s, 6s left" {
		t.Errorf("then %+v, %q", second, second[0].text())
	}
	s.Paused = &smtp.Pause{}
	if m.bars()[0].name != "paused" {
		t.Error("a pause is not seen")
	}
}

// TestMailPauseAndResume: as an operator types it. A pause outlives the process that made it, and every instance.
func TestMailPauseAndResume(t *testing.T) {
	d := openDesk(t, "")
	d.emit(1, d.today())
	for _, wrong := range [][]string{{"mail", "pause"}, {"mail", "pause", " "}, {"mail", "pause", "two\nlines"}, {"mail", "pause", strings.Repeat("x", 201)}, {"mail", "resume", "x"}} {
		if _, err := d.lejarat("", wrong...); exitStatus(err) != exitUsage {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if out := d.must("mail", "pause", "the relay moves"); !strings.Contains(out, "paused") {
		t.Error(out)
	}
	if out := d.must("mail", "status"); !strings.HasPrefix(out, "paused since 2") || !strings.Contains(out, "the relay moves\nat most 1 mails are queued") {
		t.Error(out)
	}
	if v := d.newest(d.cfg.Kafka.Topics().Suppressions)[event.PauseKey]; !strings.Contains(v, `"note":"the relay moves"`) || !strings.Contains(v, `"address_hash":null`) {
		t.Errorf("the topic holds %s", v)
	}
	if _, err := d.lejarat("", "mail", "--once"); err == nil || !strings.Contains(err.Error(), "the relay moves") || d.box.Count() != 0 {
		t.Errorf("%v, %d mails", err, d.box.Count())
	}
	d.must("mail", "resume")
	if out := d.must("mail", "--once"); !strings.HasPrefix(out, "1 accepted") || d.box.Count() != 1 {
		t.Errorf("%s, %d mails", out, d.box.Count())
	}
	if out := d.must("mail", "status", "--json"); !strings.Contains(out, `"paused": null`) || !strings.Contains(out, `"queued_at_most": 0`) {
		t.Error(out)
	}
}

// TestHeldLastDayMailIsWaiting: the group that takes everything else is past it, and still it is not missing.
func TestHeldLastDayMailIsWaiting(t *testing.T) {
	d := openDesk(t, "")
	id, at := mailOf(1), time.Now().Format(event.TimeFormat)
	d.put(d.cfg.Kafka.Topics().Notifications, id, event.Notice{ID: id, Kind: event.KindExpiry, Decision: event.Emitted, RunDate: d.today().String(), RegistrationRef: mailOf(1001)})
	d.put(d.cfg.Kafka.Topics().MailSink, mailOf(1001), event.Mail{ID: id, Kind: event.KindExpiry, RegistrationRef: mailOf(1001), RunDate: d.today().String(),
		To: event.MailTo{Email: "kanari@polgar.example.hu"}, EmittedAt: at, NotAfter: time.Now().Add(20 * time.Hour).Format(time.RFC3339)})
	d.must("mail", "pause", "for this test")
	if _, err := d.lejarat("", "mail", "--once"); err == nil {
		t.Error("sent while paused")
	}
	committed, err := d.k.Committed(d.ctx, mailGroups(d.cfg)[0], d.cfg.Kafka.Topics().MailSink)
	if err != nil || len(committed) != 1 {
		t.Fatalf("the other group has committed %v, %v", committed, err)
	}
	if out := d.must("report"); !strings.Contains(out, "1 waiting") || strings.Contains(out, "missing") {
		t.Error(out)
	}
}
