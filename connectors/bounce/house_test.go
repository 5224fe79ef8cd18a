package bounce

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"lejarat/connectors/kafka"
	"lejarat/processor/event"
	"lejarat/processor/event/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testMAC(key string) func([]byte) [16]byte {
	return func(body []byte) (out [16]byte) {
		h := hmac.New(sha256.New, []byte(key))
		h.Write(body)
		copy(out[:], h.Sum(nil))
		return out
	}
}

// house is the topics on an embedded broker, with mails that were handed over, and a handler.
type house struct {
	t       testing.TB
	ctx     context.Context
	k       *kafka.Client
	broken  *broken
	tokens  *Tokens
	forger  *Tokens
	handler *Handler
	seen    map[string]int64 // topic → records read by news
	events  map[string]bool  // ids

	mu       sync.Mutex
	verdicts map[Verdict]int
}

// broken is the topics, which fail when they are told to.
type broken struct {
	*kafka.Client
	mu     sync.Mutex
	fail   func(step string, records []event.Record) error
	silent bool // nothing is written, and nothing answered
}

func (b *broken) step(name string, records []event.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		return nil
	}
	return b.fail(name, records)
}

func (b *broken) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	if err := b.step("spans", nil); err != nil {
		return nil, err
	}
	return b.Client.Spans(ctx, topics...)
}

func (b *broken) Produce(ctx context.Context, records []event.Record) error {
	if err := b.step("produce", records); err != nil {
		return err
	}
	if b.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.Client.Produce(ctx, records)
}

func openHouse(t testing.TB) *house {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	broker, err := kafka.StartEmbedded(kafka.EmbeddedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	h := &house{t: t, ctx: ctx, seen: map[string]int64{}, events: map[string]bool{}, verdicts: map[Verdict]int{}}
	if h.k, err = kafka.Open(ctx, kafka.Options{Brokers: broker.Brokers()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.k.Close)
	var specs []kafka.TopicSpec
	for _, name := range []string{"deliveries", "suppressions", "mail-sink"} {
		specs = append(specs, kafka.TopicSpec{Name: "lejarat." + name, Partitions: 1, Replication: 1})
	}
	if _, err := h.k.CreateTopics(ctx, kafka.EmbeddedSpecs(specs)); err != nil {
		t.Fatal(err)
	}
	h.broken = &broken{Client: h.k}
	h.tokens, _ = NewTokens("bounces@example.hu", testMAC("ours"))
	h.forger, _ = NewTokens("bounces@example.hu", testMAC("theirs"))
	h.open()
	t.Cleanup(func() { h.handler.Close() })
	return h
}

// open makes the handler anew, as a process started again would.
func (h *house) open() {
	if h.handler != nil {
		h.handler.Close()
	}
	h.handler = NewHandler(Options{Tokens: h.tokens, Topics: h.broken, Prefix: "lejarat.", Remember: 30 * 24 * time.Hour,
		Now: func() time.Time { return time.Date(2026, 2, 28, 7, 0, 0, 0, time.UTC) }, Observer: func(v Verdict) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.verdicts[v]++
		}})
}

func (h *house) counted(v Verdict) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.verdicts[v]
}

func mailIDOf(n int) string { return fmt.Sprintf("%032x", n) }
func refOf(n int) string    { return fmt.Sprintf("%032x", 0x1000+n) }
func hashOf(n int) string   { return fmt.Sprintf("%032x", 0x2000+n) }
func emailOf(n int) string  { return fmt.Sprintf("kanari%d@polgar.example.hu", n) }

func (h *house) write(topic, key string, v any, headers ...event.Header) {
	h.t.Helper()
	r := event.Record{Topic: "lejarat." + topic, Partition: event.AnyPartition, Key: []byte(key), Headers: headers}
	if v != nil {
		r.Value, _ = json.Marshal(v)
	}
	if err := h.k.Produce(h.ctx, []event.Record{r}); err != nil {
		h.t.Fatal(err)
	}
}

// mail queues mails 0 to n, so that mail n stands at offset n.
func (h *house) mails(n int) {
	for i := range n + 1 {
		h.write("mail-sink", refOf(i), event.Mail{ID: mailIDOf(i), RegistrationRef: refOf(i), AddressHash: hashOf(i),
			To: event.MailTo{Email: emailOf(i), Name: "Kanári Etelka"}})
	}
}

// delivery records what became of mail n.
func (h *house) delivery(n int, status string) {
	queue, relay := "4WxYz12abc", "127.0.0.1:25"
	d := event.Delivery{ID: mailIDOf(n), Status: status, Attempts: 2, QueueID: &queue, Relay: &relay, At: "2026-02-28T06:00:05.000+01:00"}
	switch status {
	case "none":
	case "claimed":
		h.write("deliveries", d.ID, nil, event.Header{Key: event.ClaimHeader, Value: []byte("somebody")})
	case "unclaimed":
		h.write("deliveries", d.ID, nil, event.Header{Key: event.UnclaimHeader, Value: []byte("somebody")})
	default:
		h.write("deliveries", d.ID, d)
	}
}

// message is a mail of testdata about mail n.
func (h *house) message(name string, n int, tokens *Tokens) string {
	h.t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "mails", name+".eml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.NewReplacer("SENDER", tokens.Sender(Token{ID: mailIDOf(n), Offset: int64(n)}), "EMAIL", emailOf(n), "<ID@", "<"+mailIDOf(n)+"@",
		"Id: ID", "Id: "+mailIDOf(n)).Replace(string(raw))
}

// checkSchema holds a record of ours against its schema; those that a test has written have no headers.
func (h *house) checkSchema(r *event.Record) {
	h.t.Helper()
	kind, ours := strings.CutPrefix(string(r.HeaderValue("ce_type")), "hu.lejarat.")
	if !ours {
		return
	}
	if id := string(r.HeaderValue("ce_id")); id == "" || h.events[id] {
		h.t.Errorf("event id %q is missing, or another event's", id)
	} else {
		h.events[id] = true
	}
	doc, err := schema.Strict(kind)
	if err != nil {
		h.t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(kind, doc); err != nil {
		h.t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.Value))
	if err == nil {
		err = c.MustCompile(kind).Validate(v)
	}
	if err != nil {
		h.t.Errorf("%s: %v\n%s", r.Topic, err, r.Value)
	}
}

// news returns what was written to deliveries and suppressions since the last time.
func (h *house) news() (lines []string) {
	h.t.Helper()
	for _, topic := range []string{"lejarat.suppressions", "lejarat.deliveries"} {
		spans, err := h.k.Spans(h.ctx, topic)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := event.Scan(h.ctx, h.k, spans, func(r *event.Record) error {
			if r.Offset < h.seen[topic] {
				return nil
			}
			h.seen[topic] = r.Offset + 1
			h.checkSchema(r)
			lines = append(lines, strings.TrimLeft(string(r.Key), "0")+" "+string(r.Value))
			return nil
		}); err != nil {
			h.t.Fatal(err)
		}
	}
	return lines
}
