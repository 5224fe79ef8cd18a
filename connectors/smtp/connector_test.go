package smtp

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

func TestDeliveredMail(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	b.queue(sampleMail(1))
	if s := b.mustRun(t); s != (Summary{Accepted: 1}) {
		t.Errorf("%+v", s)
	}
	got := b.deliveries(t)
	at := testNow.Format(event.TimeFormat)
	want := event.Delivery{ID: sampleMail(1).ID, Status: event.DeliveryAccepted, Attempts: 1, SMTPCode: ptr(250),
		EnhancedCode: ptr("2.0.0"), QueueID: ptr("4XYZabc123"), Relay: ptr(relay.address()), At: at}
	a, _ := json.Marshal(got)
	w, _ := json.Marshal([]event.Delivery{want})
	if string(a) != string(w) {
		t.Errorf("recorded %s\nwant     %s", a, w)
	}
	log := b.logs[event.TopicPartition{Topic: "lejarat.deliveries"}]
	if len(log) != 2 || log[0].Value != nil || log[0].HeaderValue(claimHeader) == nil {
		t.Fatalf("want a claim and an outcome, have %d records", len(log))
	}
	rec := log[1]
	if string(rec.HeaderValue("ce_type")) != "hu.lejarat.delivery" {
		t.Errorf("headers %v", rec.Headers)
	}
	m := relay.received()[0]
	if m.from != "MAIL FROM:<ertesites@example.hu>" || m.to != "kanari1@polgar.example.hu" {
		t.Errorf("envelope %q %q", m.from, m.to)
	}
	if len(b.commits) == 0 || b.commits[0] != 2 {
		t.Errorf("committed before the outcome was recorded: %v", b.commits)
	}
	if len(b.outcomes) != 1 || b.outcomes[0].Phase != PhaseDot || b.outcomes[0].DocumentType != "passport" {
		t.Errorf("observed %+v", b.outcomes)
	}
	checkNoPersonalData(t, b, nil)
}

// Whatever comes again from the queue, a settled mail is not sent again.
func TestSettledMailIsNeverSentAgain(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	for i, status := range []string{event.DeliveryAccepted, event.DeliveryRejected, event.DeliveryExpired, event.DeliverySuppressed, event.DeliveryBounced} {
		b.put("deliveries", sampleMail(i).ID, event.Delivery{ID: sampleMail(i).ID, Status: status})
		b.queue(sampleMail(i))
	}
	b.queue(sampleMail(9), sampleMail(9))
	if s := b.mustRun(t); s.Skipped != 6 || s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
	clear(b.committed)
	if s := b.mustRun(t); s.Skipped != 7 || len(relay.received()) != 1 {
		t.Errorf("after a restart: %+v, %d messages", s, len(relay.received()))
	}
}

// A mail settled by another instance while this one holds it for a retry is let go.
func TestMailSettledElsewhereMeanwhile(t *testing.T) {
	var b *bench
	relay := startScripted(t, func(s step) string {
		if s.verb == "RCPT" && s.n == 1 {
			b.put("deliveries", sampleMail(1).ID, event.Delivery{ID: sampleMail(1).ID, Status: event.DeliveryAccepted})
			return "450 4.2.0 later"
		}
		return ""
	})
	b = newBench(t, relay.address())
	b.queue(sampleMail(1))
	if s := b.mustRun(t); s.Skipped != 1 || len(relay.received()) != 0 {
		t.Errorf("%+v, %d messages", s, len(relay.received()))
	}
}

func TestSuppressions(t *testing.T) {
	since := event.Suppression{Since: "2026-02-28T05:00:00.000+01:00"}
	hash := func(h string) event.Suppression { return event.Suppression{Since: since.Since, AddressHash: &h} }
	for _, c := range []struct {
		name string
		put  []any // pairs of reason and value; a nil value lifts
		want string
	}{
		{"none", nil, ""},
		{"switched off", []any{"switched_off", since}, "switched_off"},
		{"switched off and on again", []any{"switched_off", since, "switched_off", nil}, ""},
		{"on again, but stopped by the operator", []any{"switched_off", since, "operator", since, "switched_off", nil}, "operator"},
		{"deleted", []any{"deleted", since, "switched_off", since}, "deleted"},
		{"moved to this address", []any{"moved", hash("hash-1")}, ""},
		{"moved to another address", []any{"moved", hash("hash-2")}, "moved"},
		{"moved away and back", []any{"moved", hash("hash-2"), "moved", hash("hash-1")}, ""},
		{"moved, nobody knows where", []any{"moved", since}, "moved"},
		{"this address bounces", []any{"address", hash("hash-1")}, "address"},
		{"a former address bounces", []any{"address", hash("hash-2")}, ""},
		{"a reason of a newer version", []any{"deceased", since}, "deceased"},
		{"a value that cannot be read", []any{"address", "?"}, "address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			relay := startScripted(t, allFine)
			b := newBench(t, relay.address())
			b.queue(sampleMail(1), sampleMail(2))
			for i := 0; i < len(c.put); i += 2 {
				b.put("suppressions", "reg-1/"+c.put[i].(string), c.put[i+1])
			}
			b.mustRun(t)
			last := lastDelivery(b, t, sampleMail(1).ID)
			want := event.DeliveryAccepted
			if c.want != "" {
				want = event.DeliverySuppressed
			}
			if last.Status != want || deref(last.Reason) != c.want {
				t.Errorf("%s %q, want %s %q", last.Status, deref(last.Reason), want, c.want)
			}
			if last := lastDelivery(b, t, sampleMail(2).ID); last.Status != event.DeliveryAccepted {
				t.Errorf("the other registration's mail: %s", last.Status)
			}
		})
	}
}

// A switch-off that comes while mails wait stops them up to the final dot. (I25)
func TestSuppressionWhileSending(t *testing.T) {
	for _, verb := range []string{"RCPT", "DATA"} {
		var b *bench
		relay := startScripted(t, func(s step) string {
			if s.verb == verb && s.n == 1 {
				b.put("suppressions", "reg-1/switched_off", event.Suppression{})
				b.put("suppressions", "reg-2/switched_off", event.Suppression{})
			}
			return ""
		})
		b = newBench(t, relay.address())
		b.queue(sampleMail(1), sampleMail(2), sampleMail(3))
		if s := b.mustRun(t); s.Suppressed != 2 || s.Accepted != 1 || len(relay.received()) != 1 {
			t.Errorf("%s: %+v, %d messages", verb, s, len(relay.received()))
		}
	}
}

func TestNotAfter(t *testing.T) {
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location())
	for _, c := range []struct {
		at   time.Time
		want string
	}{{midnight.Add(-time.Nanosecond), event.DeliveryAccepted}, {midnight, event.DeliveryExpired}, {midnight.Add(time.Hour), event.DeliveryExpired}} {
		relay := startScripted(t, allFine)
		b := newBench(t, relay.address())
		b.options.Now = func() time.Time { return c.at.UTC() }
		b.queue(lastDayMail(1))
		b.mustRun(t)
		if got := statuses(b, t, lastDayMail(1).ID); len(got) != 1 || got[0] != c.want {
			t.Errorf("at %v: %v", c.at, got)
		}
		if c.want == event.DeliveryExpired && relay.connections() != 0 {
			t.Error("a connection was made for nothing")
		}
	}
}

// Midnight passes while the relay puts the mail off, or while it is slow before the dot: it is not handed over.
func TestMidnightPassesDuringAnAttempt(t *testing.T) {
	for _, at := range []struct{ verb, answer string }{{"RCPT", "450 4.2.0 later"}, {"RCPT", ""}, {"DATA", ""}, {"MAIL", "421 4.3.2 bye"}, {"GREETING", ""}} {
		now := newClock()
		relay := startScripted(t, func(s step) string {
			if s.verb == at.verb && s.n == 1 {
				now.set(time.Date(2026, 3, 1, 0, 0, 0, 0, testNow.Location()))
				return at.answer
			}
			return ""
		})
		b := newBench(t, relay.address())
		b.options.Now = now.get
		b.queue(lastDayMail(1), sampleMail(2))
		b.mustRun(t)
		if got := statuses(b, t, lastDayMail(1).ID); len(got) != 1 || got[0] != event.DeliveryExpired {
			t.Errorf("%v: %v", at, got)
		}
		if got := relay.received(); len(got) != 1 || got[0].to != sampleMail(2).To.Email {
			t.Errorf("%v: %d messages", at, len(got))
		}
	}
}

func TestRecordsThatCannotBeSent(t *testing.T) {
	relay := startScripted(t, allFine)
	b := newBench(t, relay.address())
	wrong := map[string]func(*event.Mail){
		"address_malformed": func(m *event.Mail) { m.To.Email = "kanari@example.hu\r\nRCPT TO:<x@example.hu>" },
		"not_renderable":    func(m *event.Mail) { m.Document = nil },
		"undecodable":       func(m *event.Mail) { m.NotAfter = "tomorrow" },
	}
	want := map[string]string{}
	n := 1
	for reason, spoil := range wrong {
		m := sampleMail(n)
		spoil(&m)
		b.queue(m)
		want[m.ID] = reason
		n++
	}
	odd := `{"id":"` + sampleMail(50).ID + `","kind":"expiry","to":"kanari@polgar.example.hu"}`
	want[sampleMail(50).ID] = "undecodable"
	for _, value := range []string{odd, "not json kanari@polgar.example.hu", `{"id":"a\r\nb"}`, "[]", ""} {
		b.append(event.Record{Topic: "lejarat.mail-sink", Value: []byte(value)})
	}
	b.append(event.Record{Topic: "lejarat.mail-sink"})
	b.append(event.Record{Topic: "lejarat.mail-sink", Control: true})
	b.queue(sampleMail(99))
	s := b.mustRun(t)
	if s.Accepted != 1 || s.Rejected != 4 || s.Undecodable != 6 {
		t.Errorf("%+v", s)
	}
	for id, reason := range want {
		if d := lastDelivery(b, t, id); d.Status != event.DeliveryRejected || deref(d.Reason) != reason {
			t.Errorf("%s: %s %q, want %q", id, d.Status, deref(d.Reason), reason)
		}
	}
	if !strings.Contains(b.log.String(), "offset=") {
		t.Error("the log does not say where")
	}
	checkNoPersonalData(t, b, nil)
}

// A domain in other letters goes to every relay; a local part in other letters only to one that says it can take it, and
// elsewhere the mail is refused for good, without asking.
func TestInternationalAddresses(t *testing.T) {
	const name, domain = "kanári@polgar.example.hu", "kanari@árvíztűrő.hu"
	for _, c := range []struct {
		extensions []string
		to, want   string
		from       string // of the envelope
	}{
		{nil, domain, "kanari@xn--rvztr-wqa0gx3bwi.hu", "MAIL FROM:<ertesites@example.hu>"},
		{[]string{"8BITMIME", "SMTPUTF8"}, domain, "kanari@xn--rvztr-wqa0gx3bwi.hu", "MAIL FROM:<ertesites@example.hu>"},
		{[]string{"8BITMIME", "SMTPUTF8"}, name, name, "MAIL FROM:<ertesites@example.hu> BODY=8BITMIME SMTPUTF8"},
		{[]string{"PIPELINING", "8BITMIME"}, name, "", ""},
		{[]string{"SMTPUTF8"}, name, "", ""}, // which RFC 6531 does not allow: such a header has no encoding
	} {
		relay := startScripted(t, allFine)
		relay.extensions = append(c.extensions, "XNOTHING")
		b := newBench(t, relay.address())
		m := sampleMail(1)
		m.To.Email = c.to
		b.queue(m, sampleMail(2))
		b.mustRun(t)
		d, got := lastDelivery(b, t, m.ID), relay.received()
		if c.want == "" {
			if d.Status != event.DeliveryRejected || deref(d.Reason) != "address_needs_smtputf8" || deref(d.EnhancedCode) != "5.6.7" || len(got) != 1 {
				t.Errorf("%v %s: %s %s %s, %d messages", c.extensions, c.to, d.Status, deref(d.Reason), deref(d.EnhancedCode), len(got))
			}
		} else if len(got) != 2 || got[0].to != c.want || got[0].from != c.from || !strings.Contains(got[0].data, "<"+c.want+">") || d.Status != event.DeliveryAccepted {
			t.Errorf("%v %s: %s, %d messages", c.extensions, c.to, d.Status, len(got))
		}
		checkNoPersonalData(t, b, nil)
	}
}

func TestUsableIDs(t *testing.T) {
	for id, want := range map[string]bool{
		sampleMail(1).ID: true, "a": true, "7": true, "Id-1_2.x": true, strings.Repeat("x", 60): true,
		"": false, strings.Repeat("x", 61): false, "-a": false, ".a": false, "_a": false, "a b": false, "a\n": false, "á": false, "a/b": false, "a>": false,
	} {
		if usableID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}
