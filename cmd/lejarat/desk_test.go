package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/console"
	"lejarat/connectors/kafka"
	"lejarat/processor/event"
)

// desk is where an operator sits: the topics on an embedded broker, a mailbox for a relay, a configuration file, and the
// commands as they are typed. Topics are filled by hand.
type desk struct {
	t    *testing.T
	ctx  context.Context
	cfg  *config.Config
	file string
	k    *kafka.Client
	box  *console.Mailbox
}

func openDesk(t *testing.T, mail string) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	broker, err := kafka.StartEmbedded(kafka.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	box, err := console.NewMailbox("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Close)
	d := &desk{t: t, ctx: ctx, box: box, file: filepath.Join(t.TempDir(), "lejarat.yaml")}
	text := strings.ReplaceAll(fmt.Sprintf(stageConfig, broker.Brokers()[0], box.Addr()), "tls: none}", "tls: none}"+mail)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LEJARAT_IDENTITY_KEY", inventedKey(1, 1))
	t.Setenv("LEJARAT_REFERENCE_KEY", inventedKey(1, 2))
	t.Setenv("LEJARAT_LOG_LEVEL", "error")
	if d.cfg, err = config.Load(d.file, os.Environ()); err != nil {
		t.Fatal(err)
	}
	if d.k, err = openKafka(ctx, d.cfg, discard, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.k.Close)
	if _, err := d.k.CreateTopics(ctx, kafka.EmbeddedSpecs(topicSpecs(d.cfg))); err != nil {
		t.Fatal(err)
	}
	return d
}

// lejarat runs a command as it is typed.
func (d *desk) lejarat(in string, args ...string) (string, error) {
	root := newRoot()
	var out bytes.Buffer
	root.SetArgs(append(args, "--config", d.file))
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	err := root.ExecuteContext(d.ctx)
	return out.String(), err
}

// must runs a command that must succeed.
func (d *desk) must(args ...string) string {
	d.t.Helper()
	out, err := d.lejarat("", args...)
	if err != nil {
		d.t.Fatalf("lejarat %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// put writes a record; nil is a tombstone.
func (d *desk) put(topic, key string, v any, headers ...event.Header) {
	d.t.Helper()
	r := event.Record{Topic: topic, Partition: event.AnyPartition, Key: []byte(key), Headers: headers}
	if v != nil {
		var err error
		if r.Value, err = json.Marshal(v); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := d.k.Produce(d.ctx, []event.Record{r}); err != nil {
		d.t.Fatal(err)
	}
}

// newest returns the newest value of every key of a topic.
func (d *desk) newest(topic string) map[string]string {
	d.t.Helper()
	spans, err := d.k.Spans(d.ctx, topic)
	if err != nil {
		d.t.Fatal(err)
	}
	out := map[string]string{}
	if err := event.Scan(d.ctx, d.k, spans, func(r *event.Record) error {
		if delete(out, string(r.Key)); r.Value != nil {
			out[string(r.Key)] = string(r.Value)
		}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// emit writes the n-th notice of a day with its mail, as a run does.
func (d *desk) emit(n int, date event.Date) (id string) {
	d.t.Helper()
	id, ref, hash := mailOf(n), fmt.Sprintf("%032x", 1000+n), fmt.Sprintf("%032x", 2000+n)
	kind, threshold, expires, due := "passport", "P1M", (date + 30).String(), date.String()
	at := date.At(6, 0, time.UTC).Format(event.TimeFormat)
	left := 30
	d.put(d.cfg.Kafka.Topics().Notifications, id, event.Notice{ID: id, Kind: event.KindExpiry, Decision: event.Emitted, DocumentType: &kind,
		Threshold: &threshold, Expires: &expires, Due: &due, RunDate: due, RegistrationRef: ref, AddressRef: hash, At: at})
	d.put(d.cfg.Kafka.Topics().MailSink, ref, event.Mail{ID: id, Kind: event.KindExpiry, RegistrationRef: ref, Language: "hu",
		To: event.MailTo{Email: fmt.Sprintf("kanari%d@polgar.example.hu", n), Name: "Kanári Etelka"}, AddressHash: hash,
		Document: &event.MailDocument{Type: kind, NumberMasked: "*****028", Expires: expires}, Threshold: &threshold, Due: &due,
		RunDate: due, DaysLeft: &left, NotAfter: (date + 30).At(0, 0, time.UTC).Format(time.RFC3339), EmittedAt: at})
	return id
}

// mailOf is the id of the n-th notice.
func mailOf(n int) string { return fmt.Sprintf("%032x", n) }

// today is the date by the machine's clock.
func (d *desk) today() event.Date { return event.DateOf(time.Now(), d.cfg.Calendar.Location()) }
