package console

import (
	"fmt"
	"strings"
	"testing"
)

func TestMailsOfEveryEncodingAreRead(t *testing.T) {
	for _, c := range []struct{ name, raw, subject, text, html string }{
		{"plain", "Subject: s\n\nhello\n", "s", "hello\n", ""},
		{"quoted-printable", "Subject: s\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nlej=C3=A1r=\n t\n", "s", "lejár t\n", ""},
		{"base64", "Subject: s\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: BASE64\n\nPHA+bGVq\nw6FyPC9wPg==\n", "s", "", "<p>lejár</p>"},
		{"broken base64 keeps its beginning", "Subject: s\nContent-Transfer-Encoding: base64\n\naGVsbG8h!!!\n", "s", "hello!", ""},
		{"Central European charset", "Subject: =?iso-8859-2?q?=F5r?=\nContent-Type: text/plain; charset=iso-8859-2\n\n\xf5r\n", "őr", "őr\n", ""},
		{"unknown charset", "Subject: s\nContent-Type: text/plain; charset=klingon\n\nh\xffi\n", "s", "h\uFFFDi\n", ""},
		{"folded subject", "Subject: =?utf-8?q?a?=\n =?utf-8?q?b?=\n\n", "ab", "", ""},
		{"attachment is not the text", "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nfile\n--b\n\ntext\n--b--\n", "s", "text", ""},
		{"alternative inside mixed", "Subject: s\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nt\n--i\nContent-Type: text/html\n\nh\n--i--\n--o--\n", "s", "t", "h"},
		{"multipart without boundary", "Subject: s\nContent-Type: multipart/mixed\n\nx\n", "s", "", ""},
		{"not a mail", "no header at all", "", "no header at all", ""},
		{"nothing", "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parseMessage([]byte(c.raw))
			if m.Subject != c.subject || m.Text != c.text || m.HTML != c.html {
				t.Errorf("subject %q, text %q, HTML %q", m.Subject, m.Text, m.HTML)
			}
		})
	}
}

func TestNestingAndPartsAreBounded(t *testing.T) {
	var deep strings.Builder
	deep.WriteString("Subject: s\n")
	for i := range 50 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	deep.WriteString("\ntoo deep\n")
	if m := parseMessage([]byte(deep.String())); m.Text != "" {
		t.Error("a part was read from deeper than the limit")
	}
	many := "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nContent-Type: image/png\n\nx\n", 200) + "--b\n\ntoo late\n--b--\n"
	if m := parseMessage([]byte(many)); m.Text != "" {
		t.Error("more parts were read than the limit")
	}
}

func TestHeadersAreOneLineOfPrintableText(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nBcc: x":                         "aBcc: x",
		"\u202Egnp.exe\u202C":                 "gnp.exe",
		"a\x00b\x1b[31m":                      "ab[31m",
		strings.Repeat("x", 2*maxHeaderRunes): strings.Repeat("x", maxHeaderRunes) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(letter("a@example.hu", "s", "t", "h")))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := parseMessage(raw)
		if strings.ContainsAny(m.Subject+m.From+m.To, "\r\n") {
			t.Errorf("a header of several lines: %q", m.Subject)
		}
		headerBlock(raw)
	})
}
