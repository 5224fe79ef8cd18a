package smtp

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// step is a moment at which a scripted relay answers.
type step struct {
	conn int    // which connection, from 1
	verb string // GREETING, EHLO, MAIL, RCPT, DATA, BODY (before the dot was read), DOT, RSET, QUIT
	n    int    // how often this verb has come, over all connections, from 1
	line string
}

// What a script may answer beside an SMTP reply.
const (
	drop   = "drop"   // close the connection without a word
	silent = "silent" // keep the connection open without a word
)

// scripted is a relay that answers as its script says; "" is the ordinary answer.
type scripted struct {
	net.Listener

	mu       sync.Mutex
	script   func(step) string
	counts   map[string]int
	conns    int
	messages []message // whose dot was read, whatever was answered
}

type message struct {
	conn int
	from string
	to   string
	data string
}

var ordinary = map[string]string{
	"GREETING": "220 relay.example.hu ESMTP", "EHLO": "250-relay.example.hu\r\n250-8BITMIME\r\n250 SMTPUTF8",
	"MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 End data with <CR><LF>.<CR><LF>",
	"DOT": "250 2.0.0 Ok: queued as 4XYZabc123", "RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
}

func startScripted(t testing.TB, script func(step) string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l, script: script, counts: map[string]int{}}
	done := make(chan struct{})
	var sessions sync.WaitGroup
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
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
	t.Cleanup(func() { l.Close(); <-done; sessions.Wait() })
	return s
}

func (s *scripted) address() string { return s.Addr().String() }

// say answers; false ends the session.
func (s *scripted) say(c net.Conn, conn int, verb, line string) (code string, goOn bool) {
	s.mu.Lock()
	s.counts[verb]++
	n, script := s.counts[verb], s.script
	s.mu.Unlock()
	answer := script(step{conn: conn, verb: verb, n: n, line: line})
	if answer == "" {
		answer = ordinary[verb]
	}
	switch {
	case answer == drop:
		return "", false
	case answer == silent || answer == "": // BODY has no ordinary answer
		return answer, true
	}
	if answer[0] > '3' { // relays quote addresses in refusals; none of it may reach a log (D7)
		answer += " <kanari1@polgar.example.hu> Kanári Etelka"
	}
	fmt.Fprintf(c, "%s\r\n", answer)
	return answer[:1], !strings.HasPrefix(answer, "421") && verb != "QUIT"
}

func (s *scripted) serve(c net.Conn, conn int) {
	defer c.Close()
	in := bufio.NewReader(c)
	if _, ok := s.say(c, conn, "GREETING", ""); !ok {
		return
	}
	var m message
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb := strings.ToUpper(strings.SplitN(line, " ", 2)[0])
		if verb == "MAIL" && m.from != "" { // as Postfix does
			fmt.Fprintf(c, "503 5.5.1 Error: nested MAIL command\r\n")
			continue
		}
		code, ok := s.say(c, conn, verb, line)
		if !ok {
			return
		}
		switch {
		case verb == "MAIL" && code == "2":
			m = message{conn: conn, from: line}
		case verb == "RCPT" && code == "2":
			m.to = strings.TrimSuffix(strings.TrimPrefix(line, "RCPT TO:<"), ">")
		case verb == "RSET":
			m = message{}
		case verb == "DATA" && code == "3":
			if m.data, ok = s.body(c, in, conn); !ok {
				return
			}
			s.mu.Lock()
			s.messages = append(s.messages, m)
			s.mu.Unlock()
			m = message{}
			if _, ok := s.say(c, conn, "DOT", ""); !ok {
				return
			}
		}
	}
}

func (s *scripted) body(c net.Conn, in *bufio.Reader, conn int) (string, bool) {
	if _, ok := s.say(c, conn, "BODY", ""); !ok {
		return "", false
	}
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return "", false
		case line == ".\r\n":
			return b.String(), true
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
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

// lateAnswer holds an answer back for longer than the connector waits.
func lateAnswer(verb string, n int, d time.Duration) func(step) string {
	return func(s step) string {
		if s.verb == verb && s.n == n {
			time.Sleep(d)
		}
		return ""
	}
}

func allFine(step) string { return "" }
