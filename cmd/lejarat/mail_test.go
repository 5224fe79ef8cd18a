package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/cmd/lejarat/config"
)

// canary is what a relay quotes of a mail, and what nobody but the relay may see of it.
const canary = "<kanari1@polgar.example.hu> Kanári Etelka *****028"

var canaries = []string{"kanari", "Kanári", "Etelka", "polgar.example", "*****028", "Kan=C3=A1ri"}

// failing is a relay that fails once in each way at each step, quoting whom it was about, and then takes everything.
type failing struct {
	net.Listener
	mu   sync.Mutex
	plan map[string][]string // step → what to answer, "" to close without a word
}

func startFailing(t *testing.T) *failing {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: l, plan: map[string][]string{}}
	for _, step := range []string{"GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET"} {
		for _, answer := range []string{"421 4.3.2", "450 4.2.1", "452 4.3.1", "550 5.1.1", "554 5.7.1", "999", "hello"} {
			f.plan[step] = append(f.plan[step], answer+" "+canary)
		}
		f.plan[step] = append(f.plan[step], "")
	}
	var sessions sync.WaitGroup
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { f.serve(c) })
		}
	}()
	t.Cleanup(func() { l.Close(); <-done; sessions.Wait() })
	return f
}

// answer returns what to say at a step.
func (f *failing) answer(step, ordinary string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if todo := f.plan[step]; len(todo) > 0 {
		f.plan[step] = todo[1:]
		return todo[0]
	}
	return ordinary
}

func (f *failing) left() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, todo := range f.plan {
		n += len(todo)
	}
	return n
}

func (f *failing) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	said := ""
	say := func(step, ordinary string) bool {
		if said = f.answer(step, ordinary); said != "" {
			fmt.Fprintf(c, "%s\r\n", said)
		}
		return said != "" && !strings.HasPrefix(said, "421")
	}
	ok := say("GREETING", "220 relay.example.hu")
	for ok {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "DATA":
			if ok = say("DATA", "354 go on"); said != "354 go on" {
				break
			}
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			ok = say("DOT", "250 2.0.0 queued as 4XYZabc123 for "+canary)
		case "QUIT":
			return
		default:
			ok = say(verb, "250 2.0.0 Ok "+canary)
		}
	}
}

// Whatever a relay does and says at any step, no log line, metric, error or record of the connector names the person, the
// address or the document.
func TestFailuresNameNobody(t *testing.T) {
	relay := startFailing(t)
	d := openDesk(t, "\n  retry: {min: 1ms, max: 5ms}")
	t.Setenv("LEJARAT_MAIL_RELAY_ADDRESS", relay.Addr().String())
	t.Setenv("LEJARAT_LOG_LEVEL", "debug")
	for _, wait := range []string{"CONNECT", "COMMAND", "DATA"} {
		t.Setenv("LEJARAT_MAIL_RELAY_"+wait+"_TIMEOUT", "1s")
	}
	cfg, err := config.Load(d.file, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		d.emit(n+1, d.today())
	}
	clk, err := (&clockFlags{rate: 1}).clock()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	registry := newRegistry()
	start := time.Now()
	s, err := mail(d.ctx, cfg, clk, &screen{out: &log}, registry, true, "")
	t.Logf("%+v, %v; %d failures left; %v", s, err, relay.left(), time.Since(start))
	if s.Accepted == 0 || s.Retries == 0 || relay.left() > 8 { // RSET is not asked as often
		t.Errorf("%d failures were not met: %+v", relay.left(), s)
	}
	places := map[string]string{"log": log.String(), "error": fmt.Sprint(err)}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	places["metrics"] = fmt.Sprint(families)
	for key, value := range d.newest(cfg.Kafka.Topics().Deliveries) {
		places["deliveries"] += key + value
	}
	if !strings.Contains(places["metrics"], "mails_total") || !strings.Contains(places["log"], "sending waits") || places["deliveries"] == "" {
		t.Error("nothing to look at")
	}
	for place, text := range places {
		for _, c := range canaries {
			if i := strings.Index(text, c); i >= 0 {
				t.Errorf("%s: …%s", place, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}

// The letters of a configuration can be looked at without brokers and relay; what is wrong with them ends with 1, what
// cannot be read with 2.
func TestMailPreview(t *testing.T) {
	file, out := filepath.Join(t.TempDir(), "lejarat.yaml"), t.TempDir()
	write := func(more string) {
		text := fmt.Sprintf(stageConfig, "127.0.0.1:1", "127.0.0.1:1")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "tls: none}", "tls: none}"+more)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("LEJARAT_IDENTITY_KEY", inventedKey(1, 1))
	t.Setenv("LEJARAT_REFERENCE_KEY", inventedKey(1, 2))
	preview := func(args ...string) (string, int) {
		root := newRoot()
		var b bytes.Buffer
		root.SetArgs(append(append([]string{"mail", "preview"}, args...), "--config", file))
		root.SetOut(&b)
		err := root.ExecuteContext(t.Context())
		return fmt.Sprint(b.String(), err), exitStatus(err)
	}
	write("")
	if said, code := preview("--out", out); code != 0 || !strings.Contains(said, "52 letters written, 0 findings") {
		t.Errorf("%d %s", code, said)
	}
	if _, err := os.Stat(filepath.Join(out, "hu-passport-P6M.eml")); err != nil {
		t.Error(err)
	}
	if said, code := preview(); code != 2 || !strings.Contains(said, "--out") {
		t.Errorf("%d %s", code, said)
	}
	templates := t.TempDir()
	if err := os.WriteFile(filepath.Join(templates, "layout.txt"), []byte("{{.Subject}}\n{{range .Body}}{{.Text}}{{end}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(fmt.Sprintf("\n  template_dir: %q", templates))
	for _, args := range [][]string{{"--out", out}, {"--out", out, "--json"}} {
		if said, code := preview(args...); code != 1 || !strings.Contains(said, "more than 78 characters") || !strings.Contains(said, "only the HTML has") {
			t.Errorf("%d %s", code, said)
		}
	}
	if err := os.WriteFile(filepath.Join(templates, "layout.txt"), []byte("{{if}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := preview("--out", out); code != 2 || !strings.Contains(said, "layout.txt:1") {
		t.Errorf("%d %s", code, said)
	}
}
