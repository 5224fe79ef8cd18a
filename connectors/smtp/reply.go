package smtp

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strings"
)

// reply is an answer of the relay without its words, which quote addresses.
type reply struct {
	code     int    // 200 to 599; 0: none
	enhanced string // RFC 3463, "5.1.1"; "" when there is none
	queueID  string // of the answer to the dot, where it can be told
}

var queueIDs = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bqueued as "?([A-Za-z0-9._-]{4,64})\b`), // Postfix and most others
	regexp.MustCompile(`\bid=([A-Za-z0-9._-]{4,64})\b`),              // Exim
	regexp.MustCompile(`(?i)^ok:? ([A-Za-z0-9._-]{8,64})$`),          // Amazon SES
}

// enhancedCode is the code that a text begins with, as RFC 3463 writes it; "" where it begins with none.
func enhancedCode(text string) string {
	n := 0
	number := func() bool {
		first := n
		for n < len(text) && n < first+3 && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		return n > first
	}
	dot := func() bool { n++; return n <= len(text) && text[n-1] == '.' }
	if text == "" || strings.IndexByte("245", text[0]) < 0 {
		return ""
	}
	n = 1
	if !dot() || !number() || !dot() || !number() || n < len(text) && (isAlphanumeric(rune(text[n])) || text[n] == '_') {
		return ""
	}
	return text[:n]
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// errNotReply: what came is no answer in the sense of RFC 5321 4.2.
var errNotReply = errors.New("not an SMTP answer")

// maxReplyLines bounds an answer; the reader's buffer bounds its lines.
const maxReplyLines = 100

// readReply reads one answer, of however many lines. Only whole lines count: the standard library takes what has come
// of a line before a timeout for a line, and so half a "250" for an acceptance.
func readReply(r *bufio.Reader) (reply, error) {
	var a reply
	var text strings.Builder
	for range maxReplyLines {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return reply{}, errNotReply
		case errors.Is(err, io.EOF) && len(line) > 0:
			return reply{}, io.ErrUnexpectedEOF
		case err != nil:
			return reply{}, err
		}
		code, words, last := replyLine(strings.TrimRight(string(line), "\r\n"))
		if code == 0 || a.code != 0 && code != a.code {
			return reply{}, errNotReply
		}
		a.code = code
		text.WriteString(words + "\n")
		if last {
			a.interpret(strings.TrimSpace(text.String()))
			return a, nil
		}
	}
	return reply{}, errNotReply
}

// replyLine takes a line apart: "250-words", "250 words" or "250". A code of 0 says that it is none.
func replyLine(line string) (code int, words string, last bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, "", false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, "", false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, "", true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, "", false
	}
	return code, line[4:], line[3] == ' '
}

// interpret finds in the words what may be recorded of them.
func (a *reply) interpret(text string) {
	a.enhanced = enhancedCode(text)
	rest := strings.TrimSpace(strings.TrimPrefix(text, a.enhanced))
	if a.code/100 != 2 || len(rest) < len("id=1234") { // such as the "Ok" to each line of an envelope
		return
	}
	for _, pattern := range queueIDs {
		if m := pattern.FindStringSubmatch(rest); m != nil {
			a.queueID = m[1]
			return
		}
	}
}
