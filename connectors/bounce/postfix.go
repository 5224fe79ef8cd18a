package bounce

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lejarat/processor/event"
)

// What a log says of a mail, the strongest last.
type logged uint8

const (
	notLogged   logged = iota
	begun              // its header was seen, its end was not: the connection was cut, or the log ends
	refusedThen        // refused at the end of the message
	queued             // taken, and not gone on yet, or put off
	failedLater        // taken, and given up
	gone               // taken, and handed on or delivered
)

// logEntry is what a log says of one queue id of a mail.
type logEntry struct {
	queue    string
	mail     mailID
	said     logged
	code     int
	enhanced string
	to       string // address of the failure: for comparing, never printed
	onward   string // the queue id under which it came back from a filter
}

// postfixLog follows mails through a Postfix log: cleanup names queue id and Message-ID, qmgr takes the message up, and
// smtp, local, virtual and others say status=…. Only mails that are wanted are kept.
type postfixLog struct {
	wanted map[mailID]bool
	open   map[string]*logEntry   // by queue id
	all    map[mailID][]*logEntry // in the order in which they began
	lines  int                    // of Postfix
}

var (
	postfixLine   = regexp.MustCompile(`\bpostfix[\w./-]*/([\w-]+)\[\d+\]: ([0-9A-Za-z]{5,20}): (.*)$`)
	logMessageID  = regexp.MustCompile(`^message-id=<?([0-9a-fA-F]{32})@`)
	logStatus     = regexp.MustCompile(`\bstatus=([a-z]+)\b`)
	logDSN        = regexp.MustCompile(`\bdsn=([245]\.\d{1,3}\.\d{1,3})\b`)
	logTo         = regexp.MustCompile(`^to=<([^>]*)>`)
	logSaid       = regexp.MustCompile(`\bsaid: ([45]\d\d)[ -]`)
	logRefused    = regexp.MustCompile(`^(?:milter-)?reject: .*?: ([45]\.\d{1,3}\.\d{1,3}) `)
	logQueuedAs   = regexp.MustCompile(`\bqueued as ([0-9A-Za-z]{5,20})\b`)
	logFirstLines = 1000 // without a line of Postfix among so many, it is no log of Postfix
)

// errNotPostfix says that the file is something else.
var errNotPostfix = errors.New("this is no log of Postfix: want lines like \"… postfix/smtp[123]: 4WxYz12abc: to=<…>, … status=sent …\"")

// readPostfix reads a log for the mails that are wanted.
func readPostfix(r io.Reader, wanted map[mailID]bool) (*postfixLog, error) {
	l := &postfixLog{wanted: wanted, open: map[string]*logEntry{}, all: map[mailID][]*logEntry{}}
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		l.line(strings.TrimRight(string(line), "\r\n"))
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of a line that is too long says nothing more
			_, err = in.ReadSlice('\n')
		}
		switch {
		case errors.Is(err, io.EOF) && l.lines == 0 && n > 0, n == logFirstLines && l.lines == 0:
			return nil, errNotPostfix
		case errors.Is(err, io.EOF):
			return l, nil
		case err != nil:
			return nil, fmt.Errorf("reading the log: %w", err)
		}
	}
}

func (l *postfixLog) line(text string) {
	m := postfixLine.FindStringSubmatch(text)
	if m == nil {
		if strings.Contains(text, "postfix") {
			l.lines++
		}
		return
	}
	l.lines++
	daemon, queue, rest := m[1], m[2], m[3]
	if daemon == "cleanup" {
		if m := logMessageID.FindStringSubmatch(rest); m != nil {
			l.begin(queue, m[1])
			return
		}
	}
	e := l.open[queue]
	if e == nil {
		return
	}
	status := logStatus.FindStringSubmatch(rest)
	switch {
	case daemon == "qmgr" && status != nil: // status=expired, returned to sender
		if status[1] == "expired" || status[1] == "force-expired" {
			e.say(failedLater)
		}
	case daemon == "qmgr":
		e.say(queued)
	case status != nil:
		e.fate(status[1], rest)
	default:
		if m := logRefused.FindStringSubmatch(rest); m != nil && m[1][0] == '5' {
			e.enhanced = m[1]
			e.say(refusedThen)
		}
	}
}

// begin starts a queue id. Postfix may use a short one again: what it was before is over.
func (l *postfixLog) begin(queue, id string) {
	delete(l.open, queue)
	mail, _ := event.ParseID(strings.ToLower(id))
	if !l.wanted[mail] {
		return
	}
	e := &logEntry{queue: queue, mail: mail, said: begun}
	l.open[queue], l.all[mail] = e, append(l.all[mail], e)
}

func (e *logEntry) say(s logged) { e.said = max(e.said, s) }

// fate takes in what a delivery agent says of one recipient.
func (e *logEntry) fate(status, rest string) {
	switch status {
	case "sent":
		e.say(gone)
		if m := logQueuedAs.FindStringSubmatch(rest); m != nil {
			e.onward = m[1]
		}
	case "bounced", "expired":
		e.say(failedLater)
	case "deferred":
		e.say(queued)
	default: // deliverable, undeliverable: probes
		return
	}
	if e.said == gone {
		e.code, e.enhanced, e.to = 0, "", ""
		return
	}
	if m := logDSN.FindStringSubmatch(rest); m != nil {
		e.enhanced = m[1]
	}
	if m := logSaid.FindStringSubmatch(rest); m != nil {
		e.code, _ = strconv.Atoi(m[1])
	}
	if m := logTo.FindStringSubmatch(rest); m != nil {
		e.to = m[1]
	}
}

// verdict is what the log says of a mail in the end. It may have several queue ids: it was sent twice, or came back from a
// filter. Those that were handed on to another one of the mail do not count; of the rest the strongest does.
func (l *postfixLog) verdict(mail mailID) (best logEntry) {
	for _, e := range l.all[mail] {
		onward := slices.ContainsFunc(l.all[mail], func(next *logEntry) bool {
			return next != e && next.queue == e.onward && next.said > begun
		})
		if !onward && e.said > best.said {
			best = *e
		}
	}
	return best
}
