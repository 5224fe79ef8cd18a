//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor"
	"lejarat/processor/event"
)

// generations is the registry of TestTrouble, whose stream is lost, cut off and made anew.
type generations struct {
	*trouble
	run       string
	connector int // number of the documents' connector
}

// TestGenerations shows on the real stack: rows that are deleted while the connector is down are swept, a gap holds the run
// until a new complete snapshot, a new generation under another identity key is made at the second attempt, a topic that was
// made anew and one that grew are refused; and in all of it nobody is told anything twice.
func TestGenerations(t *testing.T) {
	stack := openStack(t)
	run := fmt.Sprint(time.Now().Unix())
	s := &generations{trouble: &trouble{t: t, r: newRegistries(t, stack)}, run: run, connector: 1}
	var err error
	if s.zone, err = time.LoadLocation("Europe/Budapest"); err != nil {
		t.Fatal(err)
	}
	s.day = event.DateOf(time.Now(), s.zone)
	s.r.create(slices.Values(s.people()))
	s.r.stream(run)
	s.v = newService(stack, run, 5000)
	s.j = newJudge(t, s.v)
	s.fires(0)
	s.swept()
	s.gap()
	s.rotated()
	s.madeAnew()
	s.grown()
	s.r.drop()
}

// fires lets the run of the n-th day happen, and returns the documents of which people were told, or would have been.
func (s *generations) fires(n int) (told []string) {
	s.t.Helper()
	day := s.day + event.Date(n)
	s.v.join(day)
	s.v.fire(day)
	return s.told(day)
}

// told looks at all notifications: nobody is told anything twice.
func (s *generations) told(day event.Date) (documents []string) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, n := range values[event.Notice](s.t, s.j.notifications.read()) {
		if n.Decision != event.Emitted {
			continue
		}
		if seen[n.ID] {
			s.t.Errorf("%s: told twice: %s", day, toldKey(&n))
		}
		seen[n.ID] = true
		if n.RunDate == day.String() && n.DocumentRef != nil {
			documents = append(documents, *n.DocumentRef)
		}
	}
	s.t.Logf("%s: %d of documents, %d in all", day, len(documents), len(seen))
	return documents
}

func (s *generations) isTold(told []string, id int, docType string, want bool) {
	s.t.Helper()
	ref := s.v.documentRef(docType, fmt.Sprint(canary, "Number", id))
	if slices.Contains(told, ref) != want {
		s.t.Errorf("told of document %d: %v, want %v", id, !want, want)
	}
}

// away ends the connector of the documents; back streams them again through a new connector and slot, which takes a new snapshot.
func (s *generations) away() {
	s.r.rest("DELETE", "/connectors/okmany-"+s.name(s.connector))
	s.r.dropSlot(okmany)
}

func (s *generations) name(connector int) string {
	if connector == 1 {
		return s.run
	}
	return fmt.Sprintf("%s-%d", s.run, connector)
}

func (s *generations) back() {
	s.t.Helper()
	s.connector++
	s.r.output("../stack/connect-register", "okmany-"+s.name(s.connector), filepath.Join("..", "debezium", "okmany.json"),
		fmt.Sprintf("slot.name=lejarat_okmany_%d", s.connector))
	var rows int
	fmt.Sscan(s.r.sql(okmany, "SELECT count(*) FROM public.document"), &rows)
	s.r.sent[documentTopic] += rows
	s.r.arrived()
}

// fails runs a command that must end with the status and say the text.
func (s *generations) fails(status int, text string, args ...string) {
	s.t.Helper()
	p := s.v.start(args...)
	err := p.wait(commandLimit)
	s.v.running = slices.DeleteFunc(s.v.running, func(q *process) bool { return p == q })
	var exit *exec.ExitError
	if said := tailOf(p.log, 3); !errors.As(err, &exit) || exit.ExitCode() != status || !strings.Contains(said, text) {
		s.t.Errorf("lejarat %s: want status %d and %q: %v\n%s", strings.Join(args, " "), status, text, err, said)
	}
}

func (s *generations) at(n, hour int) string {
	return (s.day + event.Date(n)).At(hour, 0, s.zone).Format(time.RFC3339)
}

// swept: Anna's vehicle is deleted while the connector is down, and no record says so.
func (s *generations) swept() {
	sweep := func(args ...string) (out processor.Swept) {
		text := s.v.run(append([]string{"sweep", "--source", documentTopic, "--clock", s.at(1, 4)}, args...)...)
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	s.away()
	s.r.sql(okmany, "DELETE FROM public.document WHERE id = 12")
	s.back()
	s.oneTime()
	s.isTold(s.fires(1), 12, "vehicle_inspection", false)
	if out := sweep("--dry-run"); out.Rows != 10 || out.Missing != 1 || out.Retired != 0 {
		s.t.Errorf("sweep --dry-run: %+v", out)
	}
	s.fails(2, "--force", "sweep", "--source", documentTopic, "--clock", s.at(1, 4))
	if out := sweep("--force"); out.Missing != 1 || out.Retired != 1 {
		s.t.Errorf("sweep: %+v", out)
	}
	s.isTold(s.fires(2), 12, "vehicle_inspection", false)
	s.isTold(s.fires(3), 23, "vehicle_inspection", true) // a row that is still there
}

// oneTime: all rows of a table's snapshot carry one source time, and its first row comes with the newest.
func (s *generations) oneTime() {
	s.t.Helper()
	times := map[int64]int{}
	for _, r := range s.r.seen[documentTopic].read() {
		var v struct {
			Payload, Source json.RawMessage
		}
		var source struct {
			TS       int64  `json:"ts_ms"`
			Snapshot string `json:"snapshot"`
		}
		if r.Value == nil || json.Unmarshal(r.Value, &v) != nil {
			continue
		}
		if v.Payload != nil && json.Unmarshal(v.Payload, &v) != nil {
			continue
		}
		if json.Unmarshal(v.Source, &source) == nil && source.Snapshot != "false" {
			times[source.TS]++
		}
	}
	if len(times) != 2 {
		s.t.Errorf("two snapshots, and their rows carry these times: %v", times)
	}
}

// gap: retention takes a record that nobody has read.
func (s *generations) gap() {
	s.r.do(okmany, 1, "UPDATE public.document SET remarks = 'lost' WHERE id = 41")
	s.purge()
	held := []string{"run", "--once", "--wait", "15s", "--clock", s.at(4, 6)}
	s.fails(1, "records are missing from the topic", held...)
	s.fails(2, "records are missing from the topic", "sweep", "--source", documentTopic, "--clock", s.at(4, 6))
	s.away()
	s.back()
	s.fires(4)
}

// purge deletes all records of the document topic.
func (s *generations) purge() {
	file := filepath.Join(s.t.TempDir(), "offsets.json")
	text := fmt.Sprintf(`{"version":1,"partitions":[{"topic":%q,"partition":0,"offset":-1}]}`, documentTopic)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.r.output("../stack/kafka", "delete-records", "--offset-json-file", file)
}

// rotated: another identity key. The topic does not begin at 0, so that a generation made from it wants a snapshot that
// began later; then one attempt is killed.
func (s *generations) rotated() {
	s.v.key("identity-2.key")
	s.t.Setenv("LEJARAT_STATE_GENERATION", "2")
	s.t.Setenv("LEJARAT_IDENTITY_KEY_FILE", filepath.Join(s.v.dir, "identity-2.key"))
	s.v.run("topics", "create")
	s.fails(2, "lejarat rebuild --from-sources", "run", "--once", "--clock", s.at(5, 4))
	rebuild := []string{"rebuild", "--from-sources", "--clock", s.at(5, 4)}
	s.fails(2, "is not made live", rebuild...)
	s.away()
	s.back()
	p := s.v.start(rebuild...)
	time.Sleep(100 * time.Millisecond) // a few records are rebuilt in half a second
	p.kill()
	s.v.running = nil
	s.rebuilt(2, 1, s.v.run(rebuild...))
	s.fires(5)
	s.t.Setenv("LEJARAT_STATE_GENERATION", "1")
	s.t.Setenv("LEJARAT_IDENTITY_KEY_FILE", filepath.Join(s.v.dir, "identity.key"))
	s.fails(2, "a newer generation has taken over", "run", "--once", "--clock", s.at(5, 6))
	s.t.Setenv("LEJARAT_STATE_GENERATION", "2")
	s.t.Setenv("LEJARAT_IDENTITY_KEY_FILE", filepath.Join(s.v.dir, "identity-2.key"))
	s.v.run("rebuild", "--clock", s.at(5, 7))
	s.v.run("topics", "drop-former")
}

func (s *generations) rebuilt(generation, former int, text string) {
	s.t.Helper()
	var out processor.Rebuilt
	if err := json.Unmarshal([]byte(text), &out); err != nil || !out.Live || out.Generation != generation || out.Former != former || out.Records == 0 {
		s.t.Errorf("rebuild: %v: %s", err, text)
	}
	s.t.Logf("generation %d: %s", generation, strings.Join(strings.Fields(text), " "))
}

// madeAnew: the topic is deleted and made anew by the connector; its offsets mean something else.
func (s *generations) madeAnew() {
	s.away()
	s.r.output("../stack/kafka", "topics", "--delete", "--topic", documentTopic)
	await(s.t, 30*time.Second, "deleting the document topic", func() (bool, string) {
		_, err := s.r.k.TopicIDs(s.t.Context(), documentTopic)
		return errors.Is(err, event.ErrTopic), fmt.Sprint(err)
	})
	s.r.sent[documentTopic], s.r.seen[documentTopic] = 0, nil
	s.back()
	s.fails(2, "were made anew", "run", "--once", "--clock", s.at(6, 4))
	s.t.Setenv("LEJARAT_STATE_GENERATION", "3")
	s.rebuilt(3, 2, s.v.run("rebuild", "--from-sources", "--clock", s.at(6, 4)))
	s.fires(6)
	back := s.document(cili, 3, registry.KindVehicle, s.day+7, s.day-1)
	s.r.change([]registry.Change{{Table: registry.Documents, Op: registry.Insert, Key: back.ID, Document: &back}})
	s.isTold(s.fires(7), cili+3, "vehicle_inspection", true)
}

// grown: a second partition. What the first holds of a row, and what the second will, has no order.
func (s *generations) grown() {
	s.r.output("../stack/kafka", "topics", "--alter", "--topic", documentTopic, "--partitions", "2")
	s.fails(2, "another number of partitions", "run", "--once", "--clock", s.at(8, 4))
	s.t.Setenv("LEJARAT_STATE_GENERATION", "4")
	s.fails(2, "make the topics anew", "rebuild", "--from-sources", "--clock", s.at(8, 4))
}
