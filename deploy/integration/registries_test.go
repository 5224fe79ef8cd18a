//go:build integration

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lejarat/connectors/registry"
	"lejarat/processor/event"
)

// registries are the two databases with their connectors, made anew.
type registries struct {
	*stack
	sent map[string]int // topic → records that Debezium owes to it
	seen map[string]*tail
}

// newRegistries leaves nothing of former runs: connectors, slots, tables, source topics, mails.
func newRegistries(t *testing.T, s *stack) *registries {
	t.Helper()
	r := &registries{stack: s, sent: map[string]int{}, seen: map[string]*tail{}}
	r.drop()
	for _, db := range databases {
		r.sql(db, "DROP TABLE IF EXISTS public.document, public.registration, public.heartbeat")
	}
	r.dropTopics()
	emptyMaildir(t, s.maildir)
	return r
}

// drop ends the streams. After a failure they stay as they are, to be looked at, until the next test.
func (r *registries) drop() {
	r.dropConnectors()
	for _, db := range databases {
		r.dropSlot(db)
	}
}

// dropConnectors deletes whatever streams from the two databases.
func (r *registries) dropConnectors() {
	var all map[string]struct {
		Info struct {
			Config map[string]string `json:"config"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(r.rest(http.MethodGet, "/connectors?expand=info")), &all); err != nil {
		r.t.Fatal(err)
	}
	for name, c := range all {
		if db := c.Info.Config["database.dbname"]; db == okmany || db == ugyfelkapu {
			r.rest(http.MethodDelete, "/connectors/"+name)
		}
	}
}

// rest asks Connect, which answers 409 while it rebalances.
func (r *registries) rest(method, path string) (body string) {
	await(r.t, 30*time.Second, "Connect, "+method+" "+path, func() (bool, string) {
		req, err := http.NewRequestWithContext(r.t.Context(), method, r.connect+path, nil)
		if err != nil {
			return false, err.Error()
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return false, err.Error()
		}
		body = string(text)
		return resp.StatusCode < 300 || method == http.MethodDelete && resp.StatusCode == http.StatusNotFound, resp.Status + " " + body
	})
	return body
}

// dropSlot waits until nobody streams from the database's slots, since a slot in use cannot be dropped. A worker that was
// killed leaves a server process behind, which is ended.
func (r *registries) dropSlot(db string) {
	const own = "FROM pg_replication_slots WHERE database = current_database()"
	began := time.Now()
	await(r.t, 30*time.Second, "dropping the slot of "+db, func() (bool, string) {
		if time.Since(began) > 5*time.Second {
			r.sql(db, "SELECT pg_terminate_backend(active_pid) "+own+" AND active")
		}
		r.sql(db, "SELECT pg_drop_replication_slot(slot_name) "+own+" AND NOT active")
		left := r.sql(db, "SELECT slot_name, active_pid "+own)
		return left == "", left
	})
}

// dropTopics deletes the source topics, and lejarat's own of former runs of this test.
func (r *registries) dropTopics() {
	r.output("../stack/kafka", "topics", "--delete", "--if-exists", "--topic", `(okmany|ugyfelkapu)\..*|lejarat-it-.*`)
	await(r.t, 30*time.Second, "deleting the source topics", func() (bool, string) {
		for _, topic := range []string{documentTopic, registrationTopic, heartbeatTopic(okmany), heartbeatTopic(ugyfelkapu)} {
			if _, err := r.k.TopicIDs(r.t.Context(), topic); !errors.Is(err, event.ErrTopic) {
				return false, fmt.Sprint(topic, ": ", err)
			}
		}
		return true, ""
	})
}

func heartbeatTopic(db string) string { return db + ".public.heartbeat" }

// create makes the tables, with the rows of some people, and what the connectors need.
func (r *registries) create(people iter.Seq[*registry.Person]) {
	r.t.Helper()
	for db, table := range map[string]registry.Table{okmany: registry.Documents, ugyfelkapu: registry.Registrations} {
		var rows strings.Builder
		rows.WriteString(registry.SchemaSQL(table))
		if err := registry.SnapshotSQL(&rows, people, table); err != nil {
			r.t.Fatal(err)
		}
		r.sql(db, rows.String())
		r.output("../stack/sql", db, "-f", filepath.Join("..", "postgres", db+".sql"))
	}
	for p := range people {
		r.sent[documentTopic] += len(p.Documents)
		r.sent[registrationTopic] += len(p.Registrations)
	}
}

// stream registers the recommended connectors, under names of their own: Connect remembers positions by name.
func (r *registries) stream(run string) {
	r.t.Helper()
	for _, db := range databases {
		r.output("../stack/connect-register", db+"-"+run, filepath.Join("..", "debezium", db+".json"))
	}
	r.arrived()
	for _, db := range databases {
		await(r.t, 60*time.Second, "heartbeat of "+db, func() (bool, string) {
			spans, err := r.k.Spans(r.t.Context(), heartbeatTopic(db))
			return err == nil && spans[event.TopicPartition{Topic: heartbeatTopic(db)}].End > 0, fmt.Sprint(err)
		})
	}
}

// change writes changes to the databases and waits until they are in the topics.
func (r *registries) change(changes []registry.Change) {
	r.t.Helper()
	statements := map[string]*strings.Builder{okmany: {}, ugyfelkapu: {}}
	for _, c := range changes {
		db, topic := okmany, documentTopic
		if c.Table == registry.Registrations {
			db, topic = ugyfelkapu, registrationTopic
		}
		statements[db].WriteString(registry.ChangeSQL(c) + "\n")
		r.sent[topic]++
		if c.Op == registry.Delete {
			r.sent[topic]++ // its tombstone
		}
	}
	for db, b := range statements {
		if b.Len() > 0 {
			r.sql(db, b.String())
		}
	}
	r.arrived()
}

// do runs a statement that sends so many records to the database's topic, and waits for them.
func (r *registries) do(db string, records int, statement string) {
	r.t.Helper()
	r.sql(db, statement)
	r.sent[map[string]string{okmany: documentTopic, ugyfelkapu: registrationTopic}[db]] += records
	r.arrived()
}

// arrived waits until Debezium has delivered all that was committed. It counts records instead of offsets, of which
// transactions take some.
func (r *registries) arrived() {
	r.t.Helper()
	for topic, want := range r.sent {
		await(r.t, 60*time.Second, "Debezium delivering to "+topic, func() (bool, string) {
			if r.seen[topic] == nil {
				if _, err := r.k.Spans(r.t.Context(), topic); want > 0 && err != nil {
					return want == 0, err.Error()
				}
				r.seen[topic] = newTail(r.t, r.k, topic)
			}
			have := len(r.seen[topic].read())
			return have >= want, fmt.Sprintf("%d of %d records\n%s", have, want, tailOf(filepath.Join(r.logs, "connect.log"), 5))
		})
	}
}

// emptyMaildir removes the mails of former runs.
func emptyMaildir(t *testing.T, dir string) {
	t.Helper()
	for _, file := range mailFiles(t, dir) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}
