package letter

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// The header of a mail, written field by field. Values come from the configuration, or from records through plain,
// encodeWords and parseMailbox: none holds a line break of its own.

// maxLine is how long a line of a header should be at most (RFC 5322 2.1.1), with a little room.
const maxLine = 76

func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// appendMailbox writes a field that is one mailbox; the display name may be empty.
func appendMailbox(b []byte, name, display, address string) []byte {
	if display == "" {
		return appendField(b, name, "<"+address+">")
	}
	var words string
	if len(display) > 60 || !printable(display) || strings.Contains(display, "=?") {
		words = encodeWords(display, len(name)+2)
	} else {
		words = `"` + quoter.Replace(display) + `"`
	}
	line := name + ": " + words
	fold := " "
	if len(line)-strings.LastIndexByte(line, '\n')+len(address)+2 > maxLine {
		fold = "\r\n "
	}
	return append(b, line+fold+"<"+address+">\r\n"...)
}

// listID is the sender's address as RFC 2919 wants a list's name: labels with dots between.
func listID(address string) string {
	return strings.Replace(address, "@", ".", 1)
}

// encodeSubject writes a subject as RFC 2047 wants it, folded.
func encodeSubject(s string) string {
	const before = len("Subject: ")
	if len(s) <= maxLine-before && printable(s) && !strings.Contains(s, "=?") {
		return s
	}
	return encodeWords(s, before)
}

// encodeWords writes text as encoded words (RFC 2047), folded, the first of them behind as many characters as before says.
// They may stand in a phrase too.
func encodeWords(s string, before int) string {
	const open, end = "=?UTF-8?Q?", "?="
	var b strings.Builder
	b.WriteString(open)
	room := maxLine - before - len(open) - len(end)
	for _, r := range s {
		var word []byte
		for _, c := range []byte(string(r)) {
			switch {
			case c == ' ':
				word = append(word, '_')
			case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z':
				word = append(word, c)
			default:
				word = fmt.Appendf(word, "=%02X", c)
			}
		}
		if len(word) > room {
			b.WriteString(end + "\r\n " + open)
			room = maxLine - 1 - len(open) - len(end)
		}
		b.Write(word)
		room -= len(word)
	}
	return b.String() + end
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// appendPart begins one alternative of the letter, whose lines are encoded.
func appendPart(b []byte, mediaType string) []byte {
	b = appendField(b, "Content-Type", mediaType+"; charset=UTF-8")
	b = appendField(b, "Content-Transfer-Encoding", "quoted-printable")
	return append(b, "\r\n"...)
}

// encoder appends lines in quoted-printable. What ends in a line break is out, so that lines encoded before may follow.
type encoder struct {
	b  []byte
	qp *quotedprintable.Writer
}

func newEncoder(b []byte) *encoder {
	e := &encoder{b: b}
	e.qp = quotedprintable.NewWriter(e)
	return e
}

// Write takes what is encoded.
func (e *encoder) Write(encoded []byte) (int, error) {
	e.b = append(e.b, encoded...)
	return len(encoded), nil
}

func (e *encoder) encode(text string) {
	_, _ = io.WriteString(e.qp, text) // it cannot fail: Write does not
}

// end returns all that there is.
func (e *encoder) end() []byte {
	_ = e.qp.Close()
	return e.b
}
