package processor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
)

// TestScripts runs the scenarios in testdata: records in, clock moves, notices out. A scenario is a text that somebody who
// runs a registry can read aloud; testdata/README says which commands there are.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		h := newHarness(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h.out.Reset()
			h.command(t, d)
			if h.out.Len() == 0 {
				return "nothing\n"
			}
			return h.out.String()
		})
	})
}

func (h *harness) command(t testing.TB, d *datadriven.TestData) {
	switch d.Cmd {
	case "service":
		h.configure(t, d)
		h.start(t)
	case "rebuild":
		h.stop(t)
		if d.HasArg("lost") {
			h.lose(t, "all")
		}
		h.configure(t, d)
		h.rebuild(t, d.HasArg("aborted"))
	case "stop":
		h.stop(t)
	case "sweep":
		h.stop(t)
		h.sweep(t, SweepOptions{DryRun: d.HasArg("dry"), Force: d.HasArg("force")})
	case "purge":
		h.purge(t, d.CmdArgs[0].Key)
	case "compact":
		h.log.Compact(d.CmdArgs[0].Key)
	case "restart":
		h.stop(t)
		if d.HasArg("lost") {
			h.lose(t, "all")
		}
		h.configure(t, d)
		h.start(t)
	case "lose":
		h.stop(t)
		h.lose(t, d.CmdArgs[0].Key)
		h.start(t)
	case "records":
		for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			if strings.TrimSpace(line) != "" {
				h.recordLine(t, strings.TrimSpace(line))
			}
		}
		h.settle(t)
		h.printNew()
	case "clock":
		h.moveClock(t, d.CmdArgs[0].Key)
		h.settle(t)
		h.printNew()
	case "real":
		rest, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		h.clock.real = h.clock.real.Add(rest)
		h.settle(t)
		h.printNew()
	case "release", "skip":
		date, err := event.ParseDate(d.CmdArgs[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		h.log.Append(CommandMessage(h.cfg.Prefix, date, d.Cmd, h.clock.Now()))
		h.settle(t)
		h.printNew()
	case "instance": // instance NAME [settings]: another one with these settings starts, and says so
		h.otherInstance(t, d)
		h.settle(t)
		h.printNew()
	case "runs":
		h.printRuns(d.CmdArgs[0].Key)
	case "counts":
		h.printCounts(d.CmdArgs[0].Key)
	case "explain":
		h.explain(t, d.CmdArgs[0].Key, d.CmdArgs[1].Key)
	case "deliver":
		h.deliver(t, d)
	case "rejects":
		h.printTopic("rejects")
	case "suppressions":
		h.printTopic("suppressions")
	case "mails":
		h.printTopic("mail-sink")
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
}

// sweep is `lejarat sweep` of the documents.
func (h *harness) sweep(t testing.TB, o SweepOptions) {
	out, err := Sweep(context.Background(), h.cfg, documentTopic, o, func(string, *Progress) {})
	if err != nil {
		fmt.Fprintf(&h.out, "refused: %v\n", err)
		return
	}
	fmt.Fprintf(&h.out, "%d rows, %d missing, %d retired\n", out.Rows, out.Missing, out.Retired)
}

// purge deletes all records of a partition, TOPIC/NUMBER.
func (h *harness) purge(t testing.TB, where string) {
	at := strings.LastIndex(where, "/")
	partition, err := strconv.Atoi(where[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	tp := event.TopicPartition{Topic: where[:at], Partition: int32(partition)}
	spans, err := h.log.Spans(context.Background(), tp.Topic)
	if err != nil {
		t.Fatal(err)
	}
	h.log.Purge(tp, spans[tp].End)
}

// moveClock takes 2026-02-28T06:00 and lets every six o'clock on the way pass, unless it is asked to jump (a leading !).
func (h *harness) moveClock(t testing.TB, to string) {
	jump := strings.HasPrefix(to, "!")
	at, err := time.ParseInLocation("2006-01-02T15:04", strings.TrimPrefix(to, "!"), h.zone)
	if err != nil {
		t.Fatal(err)
	}
	if !jump {
		for d := event.DateOf(h.clock.now, h.zone); ; d++ {
			six := d.At(6, 0, h.zone)
			if !six.Before(at) {
				break
			}
			if six.After(h.clock.now) {
				h.clock.set(six)
				h.settle(t)
			}
		}
	}
	h.clock.set(at)
}

// recordLine appends the record of a line, with times=N that many, their rows numbered.
func (h *harness) recordLine(t testing.TB, line string) {
	head, n, ok := strings.Cut(line, " times=")
	if !ok {
		h.record(t, line)
		return
	}
	times, err := strconv.Atoi(n)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(head)
	row := 1 // garbage document KEY: the key is the third word
	if words[0] == "garbage" || words[0] == "delete" {
		row = 2
	}
	key := words[row]
	for i := range times {
		words[row] = fmt.Sprintf("%s%02d", key, i+1)
		h.record(t, strings.Join(words, " "))
	}
}

// record appends one line's record to its source topic.
func (h *harness) record(t testing.TB, line string) {
	words := strings.Fields(line)
	kind, row, args := words[0], "", map[string]string{}
	for _, w := range words[1:] {
		if k, v, ok := strings.Cut(w, "="); ok {
			args[k] = strings.ReplaceAll(v, "_", " ")
		} else {
			row = w
		}
	}
	op := "upsert"
	switch kind {
	case "delete", "tombstone", "truncate", "garbage":
		op, kind = kind, words[1]
		if len(words) > 2 && !strings.Contains(words[2], "=") {
			row = words[2]
		}
	}
	topic := map[string]string{"document": documentTopic, "registration": registrationTopic, "heartbeat": heartbeatTopic}[kind]
	if topic == "" {
		t.Fatalf("%q: no such source", line)
	}
	h.lsn++
	ts := h.time(t, args["ts"])
	lsn := strconv.Itoa(h.lsn)
	if v, ok := args["lsn"]; ok {
		lsn = v
	}
	delay, err := time.ParseDuration(args["delay"] + "0s")
	if err != nil {
		t.Fatal(err)
	}
	value := []string{op, lsn, strconv.FormatInt(ts.UnixMilli(), 10), args["snapshot"]}
	for _, c := range testColumns(kind) {
		value = append(value, testValue(c.Name, args))
	}
	partition, _ := strconv.Atoi(args["partition"]) // none is 0
	r := event.Record{Topic: topic, Partition: int32(partition), Key: []byte(row), Value: []byte(strings.Join(value, "\x1f")), Time: ts.Add(delay)}
	if old, ok := args["oldkey"]; ok {
		r.Headers = []event.Header{{Key: "__debezium.oldkey", Value: []byte(old)}}
	}
	h.log.Append(r)
	h.name(kind, row, args)
}

// time reads a commit time: 2026-02-28T06:00, real or real-20m; without one the clock counts.
func (h *harness) time(t testing.TB, s string) time.Time {
	if ago, ok := strings.CutPrefix(s, "real"); ok {
		d, err := time.ParseDuration(ago + "0s")
		if err != nil {
			t.Fatal(err)
		}
		return h.clock.real.Add(d)
	}
	if s == "" {
		return h.clock.now
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", s, h.zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// testValue is a column's text in a test record: holder=anna:married means that Anna has another current name.
func testValue(column string, args map[string]string) string {
	if v, ok := args[column]; ok {
		return v
	}
	person, _, _ := strings.Cut(args["holder"], ":")
	if person == "" {
		person = "nobody"
	}
	switch column {
	case "name":
		return args["holder"]
	case "birth_name":
		return person
	case "mother_name":
		return person + "'s mother"
	case "birth_place":
		return "Szeged"
	case "birth_date":
		return "1970-01-31"
	case "status":
		return "V"
	case "active", "on":
		return "true"
	}
	return "null"
}
