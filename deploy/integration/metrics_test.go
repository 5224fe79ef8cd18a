//go:build integration

package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lejarat/processor"
)

// metrics returns what a running `lejarat run` shows at /metrics.
func (p *process) metrics(t *testing.T) (text string) {
	t.Helper()
	await(t, 30*time.Second, "metrics", func() (ok bool, state string) {
		text, ok = p.scrape()
		return ok, tailOf(p.log, 5)
	})
	return text
}

// scrape asks once.
func (p *process) scrape() (text string, ok bool) {
	address := p.listening()
	if address == "" {
		return "", false
	}
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err == nil && resp.StatusCode == http.StatusOK
}

// readiness is what /readyz answers.
type readiness struct {
	Ready  bool
	Detail []processor.TaskStatus
}

// readiness asks once; an instance that is frozen, or not that far yet, gives no answer.
func (p *process) readiness() (r readiness, ok bool) {
	address := p.listening()
	if address == "" {
		return r, false
	}
	resp, err := impatient.Get("http://" + address + "/readyz")
	if err != nil {
		return r, false
	}
	defer resp.Body.Close()
	return r, json.NewDecoder(resp.Body).Decode(&r) == nil
}

var impatient = &http.Client{Timeout: 500 * time.Millisecond}

// position is how far an intake task has read.
func (r readiness) position(task string) int64 {
	for _, t := range r.Detail {
		if t.Task == task {
			return t.Position
		}
	}
	return 0
}

// listening finds the address in the log, since the port is any that was free.
func (p *process) listening() string {
	if address, ok := p.address.Load().(string); ok {
		return address
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			p.address.Store(entry.Address)
			return entry.Address
		}
	}
	return ""
}

// sum adds up the samples of a metric whose labels hold all the given texts.
func sum(metrics, name string, labels ...string) (total int) {
	for line := range strings.Lines(metrics) {
		rest, ok := strings.CutPrefix(line, name+"{")
		if !ok {
			continue
		}
		set, value, _ := strings.Cut(rest, "} ")
		for _, l := range labels {
			ok = ok && strings.Contains(set, l)
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); ok && err == nil {
			total += int(v)
		}
	}
	return total
}

// taken is how many records of a topic the process has taken in, with a verdict or ("") with any.
func taken(metrics, topic, verdict string) int {
	labels := []string{`topic="` + topic + `"`}
	if verdict != "" {
		labels = append(labels, `verdict="`+verdict+`"`)
	}
	return sum(metrics, "lejarat_source_records_total", labels...)
}

// joined waits until the process has taken in everything that was sent. Its counts begin where it began: at the records
// by topic that were joined then, none for empty state.
func (r *registries) joined(p *process, began map[string]int) string {
	r.t.Helper()
	var metrics string
	for topic, want := range r.sent {
		await(r.t, time.Minute, "joining "+topic, func() (bool, string) {
			metrics = p.metrics(r.t)
			have := began[topic] + taken(metrics, topic, "")
			return have >= want, strconv.Itoa(have) + " of " + strconv.Itoa(want)
		})
	}
	return p.metrics(r.t)
}

// sample adds up the samples of a metric that hold all the labels.
func sample(metrics, name string, labels ...string) (total float64) {
	for line := range strings.Lines(metrics) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		at := strings.LastIndexByte(rest, ' ')
		for _, label := range labels {
			ok = ok && strings.Contains(rest[:at], label)
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(rest[at:]), 64); ok && err == nil {
			total += v
		}
	}
	return total
}
