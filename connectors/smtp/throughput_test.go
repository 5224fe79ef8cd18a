//go:build integration

package smtp

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// benchConnections is how many connections everybody uses.
const benchConnections = 16

// TestMailThroughput measures the connector against two references, round by round in one process tree, all into the
// same sink (Postfix's smtp-sink) over 16 connections, with mails of one size: smtp-source, which sends a mail made
// beforehand over connections that stay open, and go-mail as its documentation begins, Client.DialAndSend. Once on
// loopback, once with a network of 10 ms between, and once into the Postfix at LEJARAT_BENCH_POSTFIX (host:port). It prints
// a table of medians; a timing is no test. The whole connector takes part: queue, letter, claim, hand-over, delivery, commit;
// its topics are in memory, or answer after 2 ms. The CPU is that of the senders; with 10 ms between, of that network too,
// which is in this process.
//
// LEJARAT_BENCH_ROUNDS (5) is how often everybody has a turn.
func TestMailThroughput(t *testing.T) {
	sink := startSMTPSink(t)
	far := startDelay(t, sink, 10*time.Millisecond)
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("LEJARAT_BENCH_ROUNDS"), "5"))
	if err != nil {
		t.Fatal(err)
	}
	body := benchEnvelope(t).Body
	size := len(body)
	contenders := []contender{
		{"lejarat mail", benchConnector(0), 8000, 1500, 2000},
		{"lejarat mail, topics 2 ms away", benchConnector(2 * time.Millisecond), 4000, 1500, 2000},
		{"smtp-source", benchSMTPSource(body), 10000, 800, 2000},
		{"go-mail, DialAndSend", benchGoMail, 1500, 300, 1000},
	}
	places := []benchPlace{
		{"loopback", sink, func(c contender) int { return c.near }},
		{"10 ms", far, func(c contender) int { return c.far }},
	}
	if postfix := os.Getenv("LEJARAT_BENCH_POSTFIX"); postfix != "" {
		places = append(places, benchPlace{"Postfix, its queue on disk", postfix, func(c contender) int { return c.queue }})
	}
	for _, place := range places {
		rates, cpu := make([][]float64, len(contenders)), make([][]float64, len(contenders))
		for range rounds {
			for i, c := range contenders {
				n := place.mails(c)
				send := c.prepare(t, place.address, n)
				began, used := time.Now(), cpuTime(t)
				send()
				rates[i] = append(rates[i], float64(n)/time.Since(began).Seconds())
				cpu[i] = append(cpu[i], float64((cpuTime(t)-used).Microseconds())/float64(n))
			}
		}
		fmt.Print(benchTable(place.name, size, contenders, rates, cpu))
	}
}

// benchPlace is where mails go, and how many in one turn.
type benchPlace struct {
	name, address string
	mails         func(contender) int
}

// contender is one way to send n mails to an address; what prepare returns is measured.
type contender struct {
	name             string
	prepare          func(t *testing.T, to string, n int) (send func())
	near, far, queue int // how many mails make a turn
}

func benchTable(place string, size int, contenders []contender, rates, cpu [][]float64) string {
	median := func(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %d connections, %d bytes a mail\n%-32s %9s %9s %9s  × smtp-source  × go-mail  µs CPU a mail\n",
		place, benchConnections, size, "", "mails/s", "least", "most")
	for i, c := range contenders {
		rate := median(rates[i])
		fmt.Fprintf(&b, "%-32s %9.0f %9.0f %9.0f  %13.2f  %9.2f  %13.0f\n", c.name, rate, slices.Min(rates[i]), slices.Max(rates[i]),
			rate/median(rates[2]), rate/median(rates[3]), median(cpu[i]))
	}
	return b.String()
}

// cpuTime is what this process has used, and those that it has started and that have ended: smtp-source, not the sink.
func cpuTime(t *testing.T) (used time.Duration) {
	t.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			t.Fatal(err)
		}
		used += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return used
}

func benchEnvelope(t *testing.T) letter.Envelope {
	t.Helper()
	m := sampleMail(1)
	e, err := mustComposer(t, newBench(t, "").options).Compose(nil, m, mustTime(m))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// benchConnector runs the connector over topics that answer after a while.
func benchConnector(away time.Duration) func(*testing.T, string, int) func() {
	return func(t *testing.T, to string, n int) func() {
		bed := newBench(t, to)
		bed.options.Relays[0].Connections = benchConnections
		bed.options.Relays[0].CommandTimeout, bed.options.Relays[0].DataTimeout, bed.options.Retry.Budget = time.Minute, time.Minute, time.Minute
		bed.options.Limits.Freshness, bed.options.Limits.Claim = 0, 0
		bed.options.Observer, bed.options.Logger = func(Outcome) {}, slog.New(slog.DiscardHandler)
		for i := range n {
			m := sampleMail(i)
			m.To.Name = fmt.Sprintf("Kanári %d Etelka", i)
			bed.queue(m)
		}
		c := mustConnector(t, bed.options, bed.join(), slowTopics{bed.broker, away})
		return func() {
			if s, err := c.Run(t.Context(), true); err != nil || s.Accepted != int64(n) {
				t.Fatalf("%+v %v", s, err)
			}
		}
	}
}

// slowTopics are topics on brokers that are not on this machine.
type slowTopics struct {
	*broker
	away time.Duration
}

func (s slowTopics) Produce(ctx context.Context, records []event.Record) error {
	time.Sleep(s.away)
	return s.broker.Produce(ctx, records)
}

func (s slowTopics) Spans(ctx context.Context, topics ...string) (map[event.TopicPartition]event.Span, error) {
	time.Sleep(s.away / 2)
	return s.broker.Spans(ctx, topics...)
}

// benchGoMail is what a program does that sends with go-mail and no more thought: each mail by a client of its own.
func benchGoMail(t *testing.T, to string, n int) func() {
	host, port, _ := net.SplitHostPort(to)
	number, _ := strconv.Atoi(port)
	text, page := benchParts(t)
	send := func(i int64) error {
		m := gomail.NewMsg()
		_ = m.FromFormat("Okmányértesítő", "ertesites@example.hu")
		_ = m.AddToFormat("Kanári Etelka", fmt.Sprintf("kanari%d@polgar.example.hu", i))
		m.Subject("6 hónap múlva, 2026. augusztus 31-én lejár az útlevele")
		m.SetBodyString(gomail.TypeTextPlain, text)
		m.AddAlternativeString(gomail.TypeTextHTML, page)
		client, err := gomail.NewClient(host, gomail.WithPort(number), gomail.WithTLSPolicy(gomail.NoTLS))
		if err != nil {
			return err
		}
		return client.DialAndSendWithContext(t.Context(), m)
	}
	return func() {
		var next atomic.Int64
		var senders sync.WaitGroup
		for range benchConnections {
			senders.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					if err := send(i); err != nil {
						t.Errorf("go-mail: %v", err)
						return
					}
				}
			})
		}
		senders.Wait()
	}
}

// benchParts are the text and the page of one of our mails.
func benchParts(t *testing.T) (text, page string) {
	t.Helper()
	m, err := gomail.EMLToMsgFromReader(bytes.NewReader(benchEnvelope(t).Body))
	if err != nil || len(m.GetParts()) != 2 {
		t.Fatalf("%v, or not two parts", err)
	}
	for i, part := range []*string{&text, &page} {
		content, err := m.GetParts()[i].GetContent()
		if err != nil {
			t.Fatal(err)
		}
		*part = string(content)
	}
	return text, page
}

// benchSMTPSource keeps its connections open (-d) and sends one of our mails (-F), each to another address (-N).
func benchSMTPSource(body []byte) func(*testing.T, string, int) func() {
	return func(t *testing.T, to string, n int) func() {
		file := filepath.Join(t.TempDir(), "mail")
		if err := os.WriteFile(file, bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		source := exec.CommandContext(t.Context(), postfixTool(t, "smtp-source"), "-d", "-N", "-F", file, "-s", strconv.Itoa(benchConnections), "-m", strconv.Itoa(n),
			"-f", "ertesites@example.hu", "-t", "kanari@polgar.example.hu", to)
		return func() {
			if out, err := source.CombinedOutput(); err != nil {
				t.Fatalf("smtp-source: %v: %s", err, out)
			}
		}
	}
}

func postfixTool(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/" + name, name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("%s is missing: it comes with Postfix; deploy/stack/start postfix installs it", name)
	return ""
}

// startSMTPSink starts Postfix's sink on a free port.
func startSMTPSink(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	args := []string{address, "256"}
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	sink := exec.Command(postfixTool(t, "smtp-sink"), args...)
	var said strings.Builder
	sink.Stderr = &said
	if err := sink.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Process.Kill(); _ = sink.Wait() })
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatalf("smtp-sink does not answer: %v %s", err, said.String())
		}
	}
}

// startDelay puts a network of that round trip before an address.
func startDelay(t *testing.T, to string, roundTrip time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				time.Sleep(roundTrip) // for the connection to be made
				far, err := net.Dial("tcp", to)
				if err != nil {
					near.Close()
					return
				}
				go carryLate(far, near, roundTrip/2)
				carryLate(near, far, roundTrip/2)
			}()
		}
	}()
	return l.Addr().String()
}

// carryLate copies what comes, late.
func carryLate(to, from net.Conn, late time.Duration) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				pieces <- piece{buf[:n], time.Now().Add(late)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	time.Sleep(late)
	to.Close()
	for range pieces { // so that its reader can end
	}
	_, _ = io.Copy(io.Discard, from)
}
