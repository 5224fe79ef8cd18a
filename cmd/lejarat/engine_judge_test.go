package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
	"lejarat/processor/intake"
	"lejarat/processor/journal"
)

// judge compares what stands in the topics with what the oracle says is owed. Decisions are sets of day, kind, decision,
// document, threshold, expiry, due date and registration; beside them it counts mails, completed runs, and journal records.
type judge struct {
	core *intake.Core // of registrations: how rows are named in what is written

	notifications, mails, runs, journal *topicTail

	owed      map[string]registry.Expected
	told      map[string]*event.Notice
	sent      map[string]*event.Mail
	decided   map[string]int // day → decisions
	completed map[runOf][]processor.RunRecord
	parts     int32 // of the journal
	emitted   int   // by the oracle
	sources   map[uint32]string
	read      map[event.TopicPartition]int64 // source offset up to which the journal says that it is read
	said      map[string]bool                // row and source offset of every journal record
	wrong     []string
}

type runOf struct {
	date      string
	partition int32
}

func newJudge(ctx context.Context, k *kafka.Client, cfg *config.Config, core *intake.Core) (*judge, error) {
	j := &judge{core: core, owed: map[string]registry.Expected{}, told: map[string]*event.Notice{}, sent: map[string]*event.Mail{},
		decided: map[string]int{}, completed: map[runOf][]processor.RunRecord{}, parts: int32(cfg.Kafka.JournalPartitions),
		sources: map[uint32]string{}, read: map[event.TopicPartition]int64{}, said: map[string]bool{}}
	for _, s := range cfg.Sources {
		j.sources[journal.SourceID(s.Name)] = s.Topic
	}
	topics := cfg.Kafka.Topics()
	for _, t := range []struct {
		tail  **topicTail
		topic string
	}{{&j.notifications, topics.Notifications}, {&j.mails, topics.MailSink}, {&j.runs, topics.Runs}, {&j.journal, cfg.Kafka.Journal(cfg.State.Generation)}} {
		var err error
		if *t.tail, err = openTail(ctx, k, t.topic); err != nil {
			j.close()
			return nil, err
		}
	}
	return j, nil
}

func (j *judge) close() {
	for _, t := range []*topicTail{j.notifications, j.mails, j.runs, j.journal} {
		if t != nil && t.reader != nil {
			t.reader.Close()
		}
	}
}

func (j *judge) wrongf(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// differences bounds what an error lists.
const differences = 20

// compare reads all topics to their ends. expected is what the day's run owed.
func (j *judge) compare(ctx context.Context, day event.Date, expected []registry.Expected) error {
	for _, e := range expected {
		j.owed[j.owedKey(day, e)] = e
		if e.Decision == event.Emitted {
			j.emitted++
		}
	}
	for _, t := range []*topicTail{j.runs, j.notifications, j.mails, j.journal} {
		if err := t.toEnd(ctx); err != nil {
			return err
		}
	}
	j.takeNotifications()
	j.takeMails()
	j.takeRuns()
	j.takeJournal()
	j.compareDecisions()
	j.compareRun(day.String())
	if len(j.wrong) == 0 {
		return nil
	}
	sort.Strings(j.wrong)
	return fmt.Errorf("%s: %d differences\n%s", day, len(j.wrong), strings.Join(j.wrong[:min(len(j.wrong), differences)], "\n"))
}

func decode[V any](j *judge, r *event.Record) *V {
	v := new(V)
	if err := json.Unmarshal(r.Value, v); err != nil {
		j.wrongf("%s/%d offset %d: %v", r.Topic, r.Partition, r.Offset, err)
	}
	return v
}

func (j *judge) takeNotifications() {
	for _, r := range j.notifications.take() {
		n := decode[event.Notice](j, &r)
		k := j.toldKey(n)
		if j.told[k] != nil {
			j.wrongf("decided twice: %s", k)
		}
		j.told[k] = n
		j.decided[n.RunDate]++
	}
}

func (j *judge) takeMails() {
	for _, r := range j.mails.take() {
		m := decode[event.Mail](j, &r)
		if j.sent[m.ID] != nil {
			j.wrongf("mailed twice: %s", m.ID)
		}
		j.sent[m.ID] = m
	}
}

// compareDecisions wants every decision that is owed, no other, and a mail to the right address for each emitted one.
func (j *judge) compareDecisions() {
	mailed := map[string]bool{}
	for k, e := range j.owed {
		n := j.told[k]
		if n == nil {
			j.wrongf("owed, not decided: %s", k)
			continue
		}
		if n.Decision != event.Emitted {
			continue
		}
		mailed[n.ID] = true
		if m := j.sent[n.ID]; m == nil {
			j.wrongf("no mail: %s", k)
		} else if addressOf(m.To.Email) != e.Address {
			j.wrongf("mail to another address: %s", k)
		}
	}
	for k := range j.told {
		if _, ok := j.owed[k]; !ok {
			j.wrongf("decided, not owed: %s", k)
		}
	}
	for id := range j.sent {
		if !mailed[id] {
			j.wrongf("a mail that no notification tells of: %s", id)
		}
	}
}

func (j *judge) takeRuns() {
	for _, r := range j.runs.take() {
		if strings.Count(string(r.Key), "/") != 2 {
			continue // an operator's word
		}
		if v := decode[processor.RunRecord](j, &r); v.State == processor.RunComplete {
			at := runOf{v.RunDate, v.Partition}
			j.completed[at] = append(j.completed[at], *v)
		}
	}
}

// complete says whether every partition has finished the date, as far as the topic was read.
func (j *judge) complete(day event.Date) bool {
	j.takeRuns()
	for p := range j.parts {
		if len(j.completed[runOf{day.String(), p}]) == 0 {
			return false
		}
	}
	return true
}

// compareRun wants the day complete once on every partition, with figures that add up to the decisions.
func (j *judge) compareRun(day string) {
	sum := 0
	for p := range j.parts {
		runs := j.completed[runOf{day, p}]
		if len(runs) != 1 {
			j.wrongf("partition %d has completed %s %d times", p, day, len(runs))
			continue
		}
		for _, c := range runs[0].Counts {
			if c.Decision == event.Emitted || c.Decision == event.Skipped {
				sum += c.Number
			}
		}
	}
	if sum != j.decided[day] {
		j.wrongf("runs count %d decisions on %s, notifications hold %d", sum, day, j.decided[day])
	}
}

func (j *judge) owedKey(day event.Date, e registry.Expected) string {
	reg := j.core.RegistrationRef("id=" + strconv.FormatInt(e.RegistrationKey, 10))
	k := fmt.Sprintf("%s %s %s %s to %x", day, e.Kind, e.Decision, e.Reason, reg)
	if e.Kind == event.KindAnnouncement {
		return k
	}
	doc := j.core.DocumentRef(e.DocumentType, e.DocumentNumber, "")
	return k + fmt.Sprintf(" %x %s %s due %s expires %s", doc, e.DocumentType, e.Threshold, e.Due, e.Expires)
}

func (j *judge) toldKey(n *event.Notice) string {
	reason := ""
	if n.Reason != nil {
		reason = *n.Reason
	}
	k := fmt.Sprintf("%s %s %s %s to %s", n.RunDate, n.Kind, n.Decision, reason, n.RegistrationRef)
	if n.Kind == event.KindAnnouncement {
		return k
	}
	return k + fmt.Sprintf(" %s %s %s due %s expires %s", *n.DocumentRef, *n.DocumentType, *n.Threshold, *n.Due, *n.Expires)
}

// addressOf is an address as the oracle writes it.
func addressOf(email string) string {
	name, domain, _ := strings.Cut(strings.TrimSpace(email), "@")
	return name + "@" + strings.ToLower(domain)
}
