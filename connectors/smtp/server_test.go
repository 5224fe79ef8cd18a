package smtp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// step is a moment at which a scripted relay answers.
type step struct {
	conn int    // which connection, from 1
	verb string // GREETING, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY (before the message is read), DOT, RSET, QUIT
	n    int    // how often this verb has come, over all connections, from 1
	more bool   // something has come behind it already
	line string
}

// What a script may answer beside an SMTP reply. An answer may be several of them and replies, with " then " between.
const (
	drop      = "drop"       // close the connection without a word
	silent    = "silent"     // keep the connection open without a word
	halfClose = "half-close" // send the end of the stream, go on reading
	accept    = "accept"     // of a DOT: the relay has the mail, whatever it says
	// "wait 300ms": before what comes next.
	// "drip 50ms REPLY": byte after byte with that pause.
	// "hold REPLY": it is sent behind the next reply.
	// "junk \"…\"": a quoted text, sent as it is.
)

// scripted is a relay that answers as its script says; "" is the ordinary answer.
type scripted struct {
	net.Listener
	open       atomic.Int64 // connections
	extensions []string     // of the answer to EHLO
	tls        *tls.Config  // nil: no STARTTLS

	mu       sync.Mutex
	script   func(step) string
	counts   map[string]int
	conns    int
	messages []message // whose dot was read, whatever was answered
}

type message struct {
	conn     int
	from     string // the line
	rcpt     string // the line
	to       string
	data     string
	accepted bool
}

var ordinary = map[string]string{
	"GREETING": "220 relay.example.hu ESMTP", "HELO": "250 relay.example.hu", "STARTTLS": "220 2.0.0 Ready", "AUTH": "235 2.7.0 Ok",
	"MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 End data with <CR><LF>.<CR><LF>",
	"DOT": "250 2.0.0 Ok: queued as 4XYZabc123", "RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
}

func startScripted(t testing.TB, script func(step) string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveScripted(t, &scripted{Listener: l, script: script, extensions: []string{"PIPELINING", "8BITMIME", "SMTPUTF8"}})
}

func serveScripted(t testing.TB, s *scripted) *scripted {
	s.counts = map[string]int{}
	done := make(chan struct{})
	var sessions sync.WaitGroup
	go func() {
		defer close(done)
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			sessions.Go(func() { s.serve(c, n) })
		}
	}()
	t.Cleanup(func() { s.Close(); <-done; sessions.Wait() })
	return s
}

func (s *scripted) address() string { return s.Addr().String() }

// dialogue is one connection to a scripted relay.
type dialogue struct {
	*scripted
	net.Conn
	raw  net.Conn // the socket
	in   *bufio.Reader
	n    int
	held string // a reply that waits for the next
	m    message
	last int // the index of its last message
}

// say answers; false ends the session. code is the first digit of what was replied.
func (d *dialogue) say(verb, line string) (code string, goOn bool) {
	d.mu.Lock()
	d.counts[verb]++
	n, script := d.counts[verb], d.script
	d.mu.Unlock()
	answer := script(step{conn: d.n, verb: verb, n: n, more: d.in.Buffered() > 0, line: line})
	if answer == "" {
		answer = d.ordinarily(verb)
	}
	goOn = verb != "QUIT"
	for part := range strings.SplitSeq(answer, " then ") {
		said, ok := d.act(part)
		if said != "" {
			code = said
		}
		if !ok {
			return code, false
		}
	}
	return code, goOn
}

func (d *dialogue) ordinarily(verb string) string {
	switch {
	case verb == "RCPT" && d.m.from == "":
		return "503 5.5.1 Error: need MAIL command"
	case verb == "DATA" && d.m.from == "":
		return "503 5.5.1 Error: need RCPT command"
	case verb == "DATA" && d.m.to == "":
		return "554 5.5.1 Error: no valid recipients"
	case verb != "EHLO":
		return ordinary[verb]
	}
	lines := append([]string{"relay.example.hu"}, d.extensions...)
	if _, encrypted := d.Conn.(*tls.Conn); d.tls != nil && !encrypted {
		lines = append(lines, "STARTTLS")
	}
	return "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1]
}

// act does one part of an answer.
func (d *dialogue) act(part string) (code string, goOn bool) {
	word, rest, _ := strings.Cut(part, " ")
	switch word {
	case "", silent: // BODY has no ordinary answer
		return "", true
	case drop:
		return "", false
	case halfClose:
		_ = d.raw.(*net.TCPConn).CloseWrite()
		return "", true
	case accept:
		d.take()
		return "", true
	case "wait":
		pause, _ := time.ParseDuration(rest)
		time.Sleep(pause)
		return "", true
	case "junk":
		text, err := strconv.Unquote(rest)
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(d, text)
		return "", true
	case "hold":
		d.held = rest + "\r\n"
		return rest[:1], true
	case "drip":
		pause, reply, _ := strings.Cut(rest, " ")
		between, _ := time.ParseDuration(pause)
		for _, b := range []byte(reply + "\r\n") {
			if _, err := d.Write([]byte{b}); err != nil {
				return "", false
			}
			time.Sleep(between)
		}
		return reply[:1], true
	}
	if part[0] > '3' { // relays quote addresses in refusals; none of it may reach a log (D7)
		part += " <kanari1@polgar.example.hu> Kanári Etelka"
	}
	fmt.Fprintf(d, "%s\r\n%s", part, d.held)
	d.held = ""
	return part[:1], !strings.HasPrefix(part, "421")
}

func (s *scripted) serve(c net.Conn, n int) {
	s.open.Add(1)
	defer s.open.Add(-1)
	defer c.Close()
	d := &dialogue{scripted: s, Conn: c, raw: c, in: bufio.NewReader(c), n: n}
	if _, ok := d.say("GREETING", ""); !ok {
		return
	}
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if verb == "MAIL" && d.m.from != "" { // as Postfix does (D2)
			fmt.Fprintf(d, "503 5.5.1 Error: nested MAIL command\r\n")
			continue
		}
		if !d.command(verb, line) {
			return
		}
	}
}

func (d *dialogue) command(verb, line string) (goOn bool) {
	code, goOn := d.say(verb, line)
	switch {
	case !goOn:
	case verb == "STARTTLS" && code == "2" && d.tls != nil:
		d.Conn = tls.Server(d.raw, d.tls)
		d.in = bufio.NewReader(d.Conn)
	case verb == "MAIL" && code == "2":
		d.m = message{conn: d.n, from: line}
	case verb == "RCPT" && code == "2":
		d.m.rcpt = line
		d.m.to, _, _ = strings.Cut(strings.TrimPrefix(line, "RCPT TO:<"), ">")
	case verb == "RSET":
		d.m = message{}
	case verb == "DATA" && code == "3":
		return d.body()
	}
	return goOn
}

// body reads a message. Without a recipient it refuses whatever comes (RFC 2920 3.1).
func (d *dialogue) body() (goOn bool) {
	if _, ok := d.say("BODY", ""); !ok {
		return false
	}
	var b strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		switch {
		case err != nil:
			return false
		case line == ".\r\n" && d.m.to == "":
			d.m = message{}
			fmt.Fprintf(d, "554 5.5.1 Error: no valid recipients\r\n")
			return true
		case line == ".\r\n":
			d.m.data = b.String()
			return d.dot()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (d *dialogue) dot() (goOn bool) {
	d.mu.Lock()
	d.last = len(d.messages)
	d.messages = append(d.messages, d.m)
	d.mu.Unlock()
	d.m = message{}
	code, goOn := d.say("DOT", "")
	if code == "2" {
		d.take()
	}
	return goOn
}

// take notes that the relay has the last message.
func (d *dialogue) take() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages[d.last].accepted = true
}

// received returns the messages whose dot was read.
func (s *scripted) received() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]message(nil), s.messages...)
}

// follow changes the script.
func (s *scripted) follow(script func(step) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// count says how often a verb has come.
func (s *scripted) count(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[verb]
}

func (s *scripted) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// onNth answers the n-th of a verb.
func onNth(verb string, n int, answer string) func(step) string {
	return func(s step) string {
		if s.verb == verb && s.n == n {
			return answer
		}
		return ""
	}
}

func allFine(step) string { return "" }
