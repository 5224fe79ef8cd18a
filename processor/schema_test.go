package processor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"lejarat/processor/event"
	"lejarat/processor/event/schema"
)

// schemaTopics are the topics that others read, with the kind of what stands in them.
var schemaTopics = map[string]string{"notifications": "notification", "mail-sink": "mail", "suppressions": "suppression",
	"rejects": "reject", "deliveries": "delivery", "runs": "run"}

// schemaStructs are the values as the code writes them.
var schemaStructs = map[string]any{"notification": event.Notice{}, "mail": event.Mail{}, "delivery": event.Delivery{},
	"suppression": event.Suppression{}, "reject": event.Rejected{}, "run": RunRecord{}, "run-command": RunCommand{},
	"run-rules": RunRules{}, "run-topic": RunTopic{}, "generation": LiveRecord{}}

// TestRecordsMatchTheirSchemas runs all scenarios once more and checks every record that others may read.
func TestRecordsMatchTheirSchemas(t *testing.T) {
	schemas := strictSchemas(t)
	seen := map[string]int{}
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		h := newHarness(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h.out.Reset()
			h.command(t, d)
			return d.Expected // TestScripts compares what comes out
		})
		for topic := range schemaTopics {
			for _, r := range h.log.Records(h.cfg.Prefix + topic) {
				kind := schemaKind(topic, &r)
				if r.Value == nil { // a tombstone, which lifts a suppression
					continue
				}
				seen[kind]++
				checkRecord(t, schemas[kind], kind, &r)
			}
		}
	})
	for kind := range schemaStructs {
		if seen[kind] == 0 && kind != "delivery" { // deliveries are written by the mail connector
			t.Errorf("no scenario wrote a %s", kind)
		}
	}
}

// schemaKind tells the kinds of record in runs apart: date/command, date/generation/partition, rules/generation,
// notifications, generation/number.
func schemaKind(topic string, r *event.Record) string {
	switch key := string(r.Key); {
	case topic != "runs":
	case key == keyNotifications:
		return "run-topic"
	case strings.HasPrefix(key, keyRules+"/"):
		return "run-rules"
	case strings.HasPrefix(key, livePrefix):
		return "generation"
	case strings.Count(key, "/") == 1:
		return "run-command"
	}
	return schemaTopics[topic]
}

// checkRecord checks value and headers: CloudEvents 1.0, Kafka binding, binary mode.
func checkRecord(t *testing.T, s *jsonschema.Schema, kind string, r *event.Record) {
	t.Helper()
	where := fmt.Sprintf("%s/%d offset %d", r.Topic, r.Partition, r.Offset)
	checkValue(t, s, where, r.Value)
	for header, want := range map[string]string{"ce_specversion": "1.0", "ce_source": "/lejarat", "ce_type": "hu.lejarat." + kind,
		"content-type": "application/json"} {
		if got := string(r.HeaderValue(header)); got != want {
			t.Errorf("%s: header %s is %q, want %q", where, header, got, want)
		}
	}
	if len(r.HeaderValue("ce_id")) == 0 {
		t.Errorf("%s: header ce_id is missing", where)
	}
	if _, err := time.Parse(time.RFC3339Nano, string(r.HeaderValue("ce_time"))); err != nil {
		t.Errorf("%s: header ce_time: %v", where, err)
	}
}

func checkValue(t *testing.T, s *jsonschema.Schema, where string, value []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", where, err, value)
	}
}

// TestDeliveriesMatchTheirSchema stands in for the mail connector, which writes them.
func TestDeliveriesMatchTheirSchema(t *testing.T) {
	s := strictSchemas(t)["delivery"]
	code, enhanced, queue, relay, reason := 250, "2.1.5", "4WxYz1", "127.0.0.1:25", event.SuppressSwitchedOff
	for _, status := range []string{event.DeliveryAccepted, event.DeliveryRejected, event.DeliveryExpired, event.DeliverySuppressed,
		event.DeliveryInDoubt, event.DeliveryBounced} {
		checkDelivery(t, s, event.Delivery{Status: status})
		checkDelivery(t, s, event.Delivery{Status: status, Attempts: 1, SMTPCode: &code, EnhancedCode: &enhanced, QueueID: &queue, Relay: &relay, Reason: &reason})
	}
}

func checkDelivery(t *testing.T, s *jsonschema.Schema, d event.Delivery) {
	d.ID, d.At = strings.Repeat("5f", 16), time.Unix(0, 0).UTC().Format(event.TimeFormat)
	body, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	checkValue(t, s, d.Status, body)
}

// strictSchemas compiles the schemas so that a field which they do not describe is an error.
func strictSchemas(t *testing.T) map[string]*jsonschema.Schema {
	out := map[string]*jsonschema.Schema{}
	for _, kind := range schema.Kinds() {
		doc, err := schema.Strict(kind)
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource(kind, doc); err != nil {
			t.Fatal(err)
		}
		if out[kind], err = c.Compile(kind); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestSchemasDescribeEveryField compares the schemas with the structs, both ways.
func TestSchemasDescribeEveryField(t *testing.T) {
	for _, kind := range schema.Kinds() {
		v, ok := schemaStructs[kind]
		if !ok {
			t.Errorf("schema %s describes nothing that is written", kind)
			continue
		}
		doc, err := schema.Strict(kind)
		if err != nil {
			t.Fatal(err)
		}
		compareStruct(t, kind, reflect.TypeOf(v), doc)
	}
	for kind := range schemaStructs {
		if _, err := schema.For(kind); err != nil {
			t.Error(err)
		}
	}
	if _, err := schema.For("nonsense"); err == nil {
		t.Error("a kind that does not exist has a schema")
	}
}

// compareStruct wants each JSON field of typ among the node's properties and the other way round, described, required
// unless it may be left out, and nullable exactly where the field is a pointer.
func compareStruct(t *testing.T, where string, typ reflect.Type, node map[string]any) {
	t.Helper()
	properties, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	fields := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" {
			continue
		}
		fields[name] = true
		at := where + "." + name
		p, ok := properties[name].(map[string]any)
		if !ok {
			t.Errorf("%s is written and not in the schema", at)
			continue
		}
		if d, _ := p["description"].(string); d == "" {
			t.Errorf("%s has no description", at)
		}
		if slices.Contains(required, any(name)) == strings.Contains(options, "omit") {
			t.Errorf("%s: the schema's required differs from what is written", at)
		}
		types, _ := p["type"].([]any)
		if nullable := slices.Contains(types, any("null")); nullable != (f.Type.Kind() == reflect.Pointer) {
			t.Errorf("%s: the schema says nullable %v, the struct is %s", at, nullable, f.Type)
		}
		inner, items := f.Type, p
		if inner.Kind() == reflect.Slice {
			items, _ = p["items"].(map[string]any)
		}
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			compareStruct(t, at, inner, items)
		}
	}
	for name := range properties {
		if !fields[name] {
			t.Errorf("%s.%s is in the schema and not written", where, name)
		}
	}
}

// canaries are values that cannot come about by chance, one for each personal column. Case is of no importance.
var canaries = map[string]string{
	"name": "kanarinev", "birth_name": "kanariszulnev", "birth_place": "kanarifalva", "birth_date": "1907-03-19",
	"mother_name": "kanarianyja", "email": "kanaricim", "number": "qx7731990", "row": "kanarisor", "holder_ref": "kanarihiv",
	"unreadable": "kanariolvashatatlan", "garbage": "kanariszemet"}

// canaryScript is what a register may send, good and bad, with the canaries in every personal column.
func canaryScript() string {
	holder := "name=KanariNev_Anna birth_name=KanariSzulnev_Anna birth_place=Kanarifalva birth_date=1907-03-19 mother_name=KanariAnyja_Rozi"
	document := "type=passport number=QX7731990 expires=2026-08-31 issued=2016-08-31 holder_ref=KanariHiv " + holder
	registration := "email=KanariCim@example.hu since=2020-01-01 " + holder
	var b strings.Builder
	b.WriteString("service announcements holder_ref invalid=(X)\n----\n\nrecords\n")
	fmt.Fprintf(&b, "document KanariSor1 %s\nregistration KanariSor1 %s\nregistration KanariSor2 %s email=KanariCim2@example.hu\n", document, registration, registration)
	fmt.Fprintf(&b, "registration KanariSor3 %s\n----\n\nclock 2026-03-01T12:00\n----\n\nrecords\n", registration)
	for i, column := range []string{"name", "birth_name", "birth_place", "birth_date", "mother_name", "number", "type", "status", "expires", "issued"} {
		for j, bad := range []string{"missing", "toast"} {
			fmt.Fprintf(&b, "document KanariSor%d%d %s %s=%s\n", i, j, document, column, bad)
		}
	}
	for _, bad := range []string{"birth_date", "expires", "issued", "type", "status"} {
		fmt.Fprintf(&b, "document KanariSorB%s %s %s=KanariOlvashatatlan\n", bad, document, bad)
	}
	for _, bad := range []string{"email=missing", "since=KanariOlvashatatlan", "birth_date=KanariOlvashatatlan", "name=toast", "birth_date=infinity"} {
		fmt.Fprintf(&b, "registration KanariSor2 %s %s\n", registration, bad)
	}
	fmt.Fprintf(&b, "garbage document KanariSor1 number=KanariSzemet %s\ngarbage registration KanariSor3 email=KanariSzemet\n", holder)
	fmt.Fprintf(&b, "registration KanariSor1 %s on=false\ndelete registration KanariSor3\n----\n\nclock 2026-08-31T12:00\n----\n\n", registration)
	b.WriteString("records\n") // and enough of them that the source stops
	for i := range 60 {
		fmt.Fprintf(&b, "document KanariSorC%d %s expires=KanariOlvashatatlan\n", i, document)
	}
	b.WriteString("----\n\nclock 2026-09-02T12:00\n----\n\nrestart announcements holder_ref invalid=(X) identity_key=C\n----\n\n")
	return b.String()
}

// observed keeps what an observer is told: metrics and the console show it. The harness has no goroutines.
type observed struct{ bytes.Buffer }

// Observe implements Observer.
func (o *observed) Observe(e Event) { fmt.Fprintf(o, "%T %+v\n", e, e) }

// TestPersonalDataStaysInside plants canaries and searches all that people other than the mail connector may read.
func TestPersonalDataStaysInside(t *testing.T) {
	h := newHarness(t)
	var logged bytes.Buffer
	var told observed
	h.cfg.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.cfg.Observer = &told
	datadriven.RunTestFromString(t, canaryScript(), func(t *testing.T, d *datadriven.TestData) string {
		h.out.Reset()
		h.command(t, d)
		if d.Cmd == "restart" { // refused, and the refusal is printed for the operator
			noCanary(t, "what a refused start says", h.out.String())
		}
		return d.Expected
	})
	for _, topic := range []string{"notifications", "runs", "rejects", "suppressions"} {
		records := h.log.Records(h.cfg.Prefix + topic)
		if len(records) == 0 {
			t.Errorf("the scenario wrote nothing to %s", topic)
		}
		for _, r := range records {
			noCanary(t, topic, fmt.Sprintf("%s %s %s", r.Key, r.Value, r.Headers))
		}
	}
	if logged.Len() == 0 || told.Len() == 0 {
		t.Errorf("the scenario logged %d bytes and told the observer %d", logged.Len(), told.Len())
	}
	noCanary(t, "the log", logged.String())
	noCanary(t, "the observer", told.String())

	mails := h.log.Records(h.cfg.Prefix + "mail-sink")
	if len(mails) == 0 {
		t.Error("the scenario wrote no mail")
	}
	for _, r := range mails { // address and name are what a mail is for
		noCanary(t, "mail-sink", fmt.Sprintf("%s %s %s", r.Key, r.Value, r.Headers), "name", "email")
		if !strings.Contains(string(r.Value), "KanariCim") {
			t.Errorf("a mail without the address: the canaries did not arrive where they belong: %s", r.Value)
		}
	}
}

func noCanary(t *testing.T, where, text string, but ...string) {
	t.Helper()
	text = strings.ToLower(text)
	for column, value := range canaries {
		if i := strings.Index(text, value); i >= 0 && !slices.Contains(but, column) {
			t.Errorf("%s holds the %s: …%s…", where, column, text[max(0, i-120):min(len(text), i+80)])
		}
	}
}
