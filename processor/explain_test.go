package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/story"
)

// question asks for a row of a script: "document 1".
func question(kind, row string) Question {
	q := Question{Kind: intake.Documents, Topics: []string{documentTopic}, Row: row}
	if kind == "registration" {
		q.Kind, q.Topics = intake.Registrations, []string{registrationTopic}
	}
	return q
}

// explain prints a row's story as it is told from the topics.
func (h *harness) explain(t testing.TB, kind, row string) {
	cfg := h.cfg
	cfg.Look = true
	s, err := Explain(context.Background(), cfg, question(kind, row))
	h.sameFromInstance(t, question(kind, row), s)
	if err != nil {
		fmt.Fprintln(&h.out, err)
		return
	}
	if strings.Contains(strings.Join(s.Text, ""), "{") {
		t.Errorf("a word was not filled in: %s", strings.Join(s.Text, "\n"))
	}
	for _, n := range append(s.Notices, s.Former...) {
		if n.Sentence == "" {
			t.Errorf("nothing is said of %s", n.Code)
		}
	}
	names := []string{}
	for ref, name := range h.names {
		names = append(names, ref, "<"+name+">", ref[:8], "<"+name+">")
	}
	for _, line := range s.Text {
		fmt.Fprintln(&h.out, noticeID.ReplaceAllString(strings.NewReplacer(names...).Replace(line), "notice $1…"))
	}
}

// sameFromInstance: an instance that holds everything tells the same, but for what only the topics know: rows that are gone,
// or of which nothing could ever be read.
func (h *harness) sameFromInstance(t testing.TB, q Question, topics *story.Story) {
	ctx := context.Background()
	outcomes, err := openOutcomes(ctx, &h.cfg, h.ledger.store)
	if err != nil {
		t.Fatal(err)
	}
	defer outcomes.close()
	if err := outcomes.readAll(ctx); err != nil {
		t.Fatal(err)
	}
	e := &Engine{cfg: h.cfg, ledger: h.ledger, runs: h.runs, intake: map[event.TopicPartition]*handle{}, watch: map[event.TopicPartition]*handle{}}
	for _, w := range h.watch {
		e.watch[w.tp] = &handle{store: w.store}
	}
	for _, i := range h.intake {
		e.intake[i.tp] = &handle{store: i.store}
	}
	s, err := e.Explain(ctx, q)
	switch {
	case topics == nil || topics.Deleted != nil || topics.Facts == nil && topics.Hold != nil && len(topics.Identities) == 0:
		if !errors.Is(err, ErrNotHere) {
			t.Errorf("an instance tells %+v, %v of a row that is not there", s, err)
		}
	case err != nil:
		t.Error(err)
	default:
		rest := cmpopts.IgnoreFields(story.Story{}, "ToldFrom", "Former", "Versions", "Text")
		if diff := cmp.Diff(topics, s, rest); diff != "" {
			t.Errorf("the instance tells otherwise than the topics:\n%s", diff)
		}
	}
}

// noticeID is replaced by its beginning: the rest says nothing to a reader.
var noticeID = regexp.MustCompile(`notice ([0-9a-f]{4})[0-9a-f]{28}`)

// deliver records the outcome of every mail that has none: deliver status=rejected code=550 enhanced=5.1.1 reason=…
func (h *harness) deliver(t testing.TB, d *datadriven.TestData) {
	args := map[string]string{}
	for _, a := range d.CmdArgs {
		args[a.Key] = a.Vals[0]
	}
	done := map[string]bool{}
	for _, r := range h.log.Records("lejarat.deliveries") {
		done[string(r.Key)] = true
	}
	for _, r := range h.log.Records("lejarat.mail-sink") {
		var m event.Mail
		if err := json.Unmarshal(r.Value, &m); err != nil {
			t.Fatal(err)
		}
		if done[m.ID] {
			continue
		}
		v := event.Delivery{ID: m.ID, Status: args["status"], Attempts: 1, At: h.clock.Now().Format(event.TimeFormat)}
		if code, err := strconv.Atoi(args["code"]); err == nil {
			v.SMTPCode = &code
		}
		for key, field := range map[string]**string{"enhanced": &v.EnhancedCode, "reason": &v.Reason} {
			if s, ok := args[key]; ok {
				*field = &s
			}
		}
		h.log.Append(event.Message("lejarat.deliveries", m.ID, m.ID, "delivery", v.At, v))
	}
	h.settle(t)
}
