package smtp

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestReplies(t *testing.T) {
	for text, want := range map[string]reply{
		"250 2.0.0 Ok: queued as 4XYZ12ab":                        {250, "2.0.0", "4XYZ12ab"},
		"250 OK id=1abcDE-0001Ab-Cd":                              {250, "", "1abcDE-0001Ab-Cd"},
		"250 Ok 0102018f-4c7e-000000":                             {250, "", "0102018f-4c7e-000000"},
		"250-2.0.0 thank you\r\n250 2.0.0 Ok: queued as 4XYZ12ab": {250, "2.0.0", "4XYZ12ab"},
		"250 2.0.0 Ok":                {250, "2.0.0", ""},
		"250 queued for a@b.hu":       {250, "", ""},
		"250":                         {250, "", ""},
		"550 5.1.1 <a@b.hu>: unknown": {550, "5.1.1", ""},
		"550 1.2.3.4 is listed":       {550, "", ""},
		"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 queued as 1234": {550, "5.7.1", ""},
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(text + "\r\n"))); err != nil || got != want {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for text, want := range map[string]error{
		"":                                  io.EOF,
		"250 2.0.0 Ok: que":                 io.ErrUnexpectedEOF, // half an answer accepts nothing
		"250":                               io.ErrUnexpectedEOF,
		"250-one\r\n":                       io.EOF,
		"25\r\n":                            errNotReply,
		"2500 Ok\r\n":                       errNotReply,
		"999 what\r\n":                      errNotReply,
		"150 what\r\n":                      errNotReply,
		"+50 what\r\n":                      errNotReply,
		"\r\n":                              errNotReply,
		"250-one\r\n354 two\r\n":            errNotReply,
		strings.Repeat("250-x\r\n", 1000):   errNotReply,
		"250 " + strings.Repeat("x", 8<<10): errNotReply,
	} {
		if got, err := readReply(bufio.NewReader(strings.NewReader(text))); !errors.Is(err, want) || got != (reply{}) {
			t.Errorf("%.40q: %+v %v, want %v", text, got, err, want)
		}
	}
}

// Whatever a relay sends, what is kept of it is codes and a queue id, and nothing of what follows the answer is taken.
func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 2.0.0 Ok: queued as 4XYZ12ab\r\n", "550-5.7.1 one\r\n550 5.7.1 two\r\n", "250", "25\r\n", "354 go\n421 bye\n"} {
		f.Add(s)
	}
	kept := regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})?\|[A-Za-z0-9._-]{0,64}$`)
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReader(strings.NewReader(text))
		a, err := readReply(r)
		if err != nil {
			if a != (reply{}) {
				t.Fatalf("%+v with %v", a, err)
			}
			return
		}
		if a.code < 200 || a.code > 599 || !kept.MatchString(a.enhanced+"|"+a.queueID) {
			t.Fatalf("%+v", a)
		}
		rest, _ := io.ReadAll(r)
		read := text[:len(text)-len(rest)]
		if !strings.HasSuffix(read, "\n") {
			t.Fatalf("took %q for an answer", read)
		}
	})
}

// What enhancedCode finds is what the pattern of RFC 3463 would.
func TestEnhancedCode(t *testing.T) {
	pattern := regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)
	pieces := []string{"", "2", "3", "5", ".", "1", "12", "345", "1234", " ", "x", "_", "-", "é", "<", "\x00"}
	for n := range 16 * 16 * 16 * 16 { // every text of four pieces
		var text string
		for rest, i := n, 0; i < 4; rest, i = rest/len(pieces), i+1 {
			text += pieces[rest%len(pieces)]
		}
		for _, s := range []string{text, "5.7." + text} {
			if got, want := enhancedCode(s), pattern.FindString(s); got != want {
				t.Fatalf("%q: %q, want %q", s, got, want)
			}
		}
	}
}
