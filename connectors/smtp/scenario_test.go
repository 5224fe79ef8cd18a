package smtp

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"lejarat/connectors/smtp/letter"
	"lejarat/processor/event"
)

// A scenario is a text file: what the relay does, then what is sent. It prints what the connector has recorded of each mail
// since the last time, what the relay read and accepted, and how many connections that took.
//
//	relay [ext=(A, B)] [tls=starttls|tls] [certificate=good|stranger|expired] [show=(VERB, VERB)]
//	VERB N: ANSWER       the N-th time this verb comes, over all connections; "N-M" or "*" for more of them
//
//	send [mails=N] [budget=D] [refusal=D] [in-doubt=park]
//
// Answers are described at scripted. mails says how many are queued in all by then. All must come out the same where each dot
// needs a look of its own as where it goes with its message.
func TestScenarios(t *testing.T) {
	for name, freshness := range map[string]time.Duration{"asking": time.Nanosecond, "together": time.Hour} {
		t.Run(name, func(t *testing.T) {
			datadriven.Walk(t, filepath.Join("testdata", "scenarios"), func(t *testing.T, path string) {
				t.Parallel()
				s := &scenario{freshness: freshness, said: map[int]string{}}
				datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
					switch d.Cmd {
					case "relay":
						return s.start(t, d)
					case "send":
						return s.send(t, d)
					}
					d.Fatalf(t, "no command %s", d.Cmd)
					return ""
				})
			})
		})
	}
}

// scenario is what the commands of one file share.
type scenario struct {
	*bench
	freshness time.Duration

	relay   *scripted
	ca      string
	mails   int
	said    map[int]string // what was printed of a mail last
	printed int            // messages of the relay
	lines   []string       // commands to show
}

// rule is one line of a relay's script.
type rule struct {
	verb     string
	from, to int
	answer   string
}

func (s *scenario) start(t *testing.T, d *datadriven.TestData) string {
	relay := &scripted{extensions: []string{"PIPELINING", "8BITMIME"}}
	how := NoTLS
	certificateIs := "good"
	var show []string
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "ext":
			relay.extensions = a.Vals
		case "show":
			show = a.Vals
		case "tls":
			how = a.Vals[0]
		case "certificate":
			certificateIs = a.Vals[0]
		default:
			d.Fatalf(t, "no argument %s", a.Key)
		}
	}
	rules := parseRules(t, d)
	relay.script = func(at step) string {
		if slices.Contains(show, at.verb) {
			s.mu.Lock()
			s.lines = append(s.lines, at.line)
			s.mu.Unlock()
		}
		for _, r := range rules {
			if r.verb == at.verb && at.n >= r.from && at.n <= r.to {
				return r.answer
			}
		}
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay.Listener = l
	s.ca = ""
	if how != NoTLS {
		cfg, ca := certificate(t, certificateIs == "expired")
		s.ca = ca
		if certificateIs == "stranger" {
			_, s.ca = certificate(t, false)
		}
		if relay.tls = cfg; how == TLS {
			relay.Listener, relay.tls = tls.NewListener(l, cfg), nil
		}
	}
	s.relay, s.printed = serveScripted(t, relay), 0
	if s.bench == nil {
		s.bench = newBench(t, "")
		s.options.Limits.Freshness = s.freshness
	}
	s.options.Relays[0].Address, s.options.Relays[0].TLS, s.options.Relays[0].CAFile = relay.address(), how, s.ca
	return ""
}

func parseRules(t *testing.T, d *datadriven.TestData) (rules []rule) {
	for line := range strings.Lines(d.Input) {
		head, answer, found := strings.Cut(strings.TrimSpace(line), ": ")
		verb, times, counted := strings.Cut(head, " ")
		if !found || !counted {
			d.Fatalf(t, "%q: want VERB N: ANSWER", line)
		}
		r := rule{verb: verb, from: 1, to: 1 << 30, answer: answer}
		if times != "*" {
			first, last, _ := strings.Cut(times, "-")
			var err error
			if r.from, err = strconv.Atoi(first); err != nil {
				d.Fatalf(t, "%q: %v", line, err)
			}
			r.to = r.from
			if last != "" {
				r.to, _ = strconv.Atoi(last)
			}
		}
		rules = append(rules, r)
	}
	return rules
}

func (s *scenario) send(t *testing.T, d *datadriven.TestData) string {
	s.options.InDoubt = Resend
	s.options.Relays[0].CommandTimeout, s.options.Relays[0].DataTimeout = 700*time.Millisecond, 700*time.Millisecond
	s.options.Retry.Budget, s.options.Limits.Refusal = 5*time.Second, 200*time.Millisecond
	mails := s.mails
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "mails":
			mails, _ = strconv.Atoi(a.Vals[0])
		case "budget":
			s.options.Retry.Budget, _ = time.ParseDuration(a.Vals[0])
		case "refusal":
			s.options.Limits.Refusal, _ = time.ParseDuration(a.Vals[0])
		case "in-doubt":
			s.options.InDoubt = a.Vals[0]
		default:
			d.Fatalf(t, "no argument %s", a.Key)
		}
	}
	for ; s.mails < mails; s.mails++ {
		s.queue(sampleMail(s.mails + 1))
	}
	sum, err := s.run(t)
	var out strings.Builder
	for n := 1; n <= s.mails; n++ {
		text := s.recorded(t, n)
		if text != s.said[n] {
			fmt.Fprintf(&out, "mail %d: %s\n", n, text)
		}
		s.said[n] = text
	}
	for _, line := range s.lines {
		fmt.Fprintf(&out, "relay: was asked %s\n", line)
	}
	s.lines = nil
	s.printRelay(t, &out)
	if err == nil {
		fmt.Fprintf(&out, "relay: connections %d\n", s.relay.connections())
	} else {
		fmt.Fprintf(&out, "error: %s\n", strings.ReplaceAll(err.Error(), s.relay.address(), "RELAY"))
	}
	if sum.Left != 0 {
		fmt.Fprintf(&out, "left: %d\n", sum.Left)
	}
	checkNoPersonalData(t, s.bench, err)
	return out.String()
}

// recorded is what deliveries says about a mail, from first to last.
func (s *scenario) recorded(t *testing.T, n int) string {
	var all []string
	for _, d := range s.deliveries(t) {
		if d.ID != sampleMail(n).ID {
			continue
		}
		text := d.Status
		if d.Reason != nil {
			text += " (" + *d.Reason + ")"
		}
		if d.SMTPCode != nil {
			text += fmt.Sprintf(" %d", *d.SMTPCode)
		}
		for _, word := range []*string{d.EnhancedCode, d.QueueID} {
			if word != nil {
				text += " " + *word
			}
		}
		if d.Attempts != 1 {
			text += fmt.Sprintf(", attempt %d", d.Attempts)
		}
		all = append(all, text)
	}
	if all == nil {
		return "nothing recorded"
	}
	return strings.Join(all, "; ")
}

// printRelay says which messages came since the last send, mail by mail and connection by connection (when one that was put
// off comes among the others, and whether the relay reads what a given-up connection still holds before or behind what came
// on the next, is a matter of chance), whether they are what was composed, and what became of them.
func (s *scenario) printRelay(t *testing.T, out *strings.Builder) {
	eventually(t, "the relay has read all connections to their ends", func() bool { return s.relay.open.Load() == 0 })
	c := mustComposer(t, s.options)
	all := s.relay.received()
	s.printed, all = len(all), all[s.printed:]
	slices.SortStableFunc(all, func(a, b message) int { return cmp.Or(strings.Compare(a.to, b.to), cmp.Compare(a.conn, b.conn)) })
	for _, m := range all {
		what := "read"
		if m.accepted {
			what = "accepted"
		}
		number := 0
		for n := 1; n <= s.mails; n++ {
			if sampleMail(n).To.Email == m.to {
				number = n
			}
		}
		state := ""
		if !m.is(t, c, sampleMail(number)) {
			state = ", not as it was composed"
		}
		fmt.Fprintf(out, "relay: %s mail %d on connection %d%s\n", what, number, m.conn, state)
	}
}

// is says whether a message is that mail, as it was composed.
func (m message) is(t *testing.T, c *letter.Composer, mail event.Mail) bool {
	t.Helper()
	want, err := c.Compose(nil, mail, mustTime(mail))
	if err != nil {
		t.Fatal(err)
	}
	return m.to == mail.To.Email && m.data == string(want.Body)
}

func mustTime(m event.Mail) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, m.EmittedAt)
	return at
}
