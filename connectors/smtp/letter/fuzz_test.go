package letter

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// Whatever a record holds in whichever field, its mail has the header fields of every mail, one recipient, two parts, lines
// that a relay takes for nothing else, and no markup of the record's; and it is the same mail a second time.
func FuzzCompose(f *testing.F) {
	const evil = "Anna\r\nBcc: x@example.com\r\n\r\n.\r\nMAIL FROM:<x>\r\n<i id=evil>{{.From}}\u202e\x00"
	f.Add("kanari@polgar.example.hu", "Kanári Etelka", "*****028", "passport", "2026-08-31", "P6M", "2026-02-28", "2026-02-28", "hu", "expiry", "reg-1", 184)
	f.Add("kanari@polgar.example.hu", "Kanári Etelka", "", "", "", "", "", "2026-02-28", "en", "announcement", "reg-1", 0)
	f.Add("kanári@árvíztűrő.hu", "=?utf-8?q?x?=", "# 1", "fishing_licence", "2026-02-28", "P0D", "2026-02-28", "2026-02-28", "de", "expiry", "r r", 0)
	for i := range 11 {
		fields := []string{"kanari@polgar.example.hu", "Kanári Etelka", "*****028", "passport", "2026-08-31", "P6M", "2026-02-28", "2026-02-28", "hu", "expiry", "reg-1"}
		fields[i] = evil
		f.Add(fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7], fields[8], fields[9], fields[10], 184)
	}
	o := sampleOptions()
	o.ReplyTo = "ugyfelszolgalat@example.hu"
	o.Unsubscribe = map[string]Unsubscribe{
		event.KindExpiry:       {URL: "https://example.hu/ki?r={registration}", Mail: "ki@example.hu", OneClick: true},
		event.KindAnnouncement: {Mail: "ki@example.hu"},
	}
	c := mustComposer(f, o)
	f.Fuzz(func(t *testing.T, email, name, number, docType, expires, threshold, due, run, lang, kind, ref string, days int) {
		m := event.Mail{ID: "00000000000000000000000000000001", Kind: kind, RegistrationRef: ref, Language: lang, To: event.MailTo{Email: email, Name: name},
			RunDate: run, Threshold: &threshold, Due: &due, DaysLeft: &days}
		if kind == event.KindExpiry {
			m.Document = &event.MailDocument{Type: docType, NumberMasked: number, Expires: expires}
		}
		e, err := c.Compose(nil, m, testNow)
		if err != nil {
			return // recorded as rejected
		}
		again, err := c.Compose(nil, m, testNow)
		if err != nil || !bytes.Equal(e.Body, again.Body) {
			t.Fatalf("%v, or another mail", err)
		}
		checkMail(t, e)
	})
}

var fieldsOfEveryMail = []string{"Date", "From", "Reply-To", "Auto-Submitted", "List-Id", "To", "Subject", "Message-ID", "List-Unsubscribe", "Content-Language", "MIME-Version", "Content-Type"}

func checkMail(t *testing.T, e Envelope) {
	t.Helper()
	if !wellFormed(e.Body) || strings.ContainsAny(e.To, "<> \r\n\x00") {
		t.Fatalf("%q to %q is not safe", e.Body, e.To)
	}
	names := slices.DeleteFunc(fieldNames(e.Body), func(name string) bool { return name == "List-Unsubscribe-Post" })
	if !slices.Equal(names, fieldsOfEveryMail) {
		t.Fatalf("header %v", names)
	}
	head, _, _ := bytes.Cut(e.Body, []byte("\r\n\r\n"))
	if !e.UTF8 && !isASCII(string(head)) {
		t.Fatalf("header is not ASCII: %q", head)
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(e.Body))
	if err != nil {
		t.Fatal(err)
	}
	if to, err := msg.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != e.To {
		t.Fatalf("To %q: %v %v", msg.Header.Get("To"), to, err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for i, want := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8"} {
		p, err := parts.NextRawPart()
		if err != nil || p.Header.Get("Content-Type") != want {
			t.Fatalf("part %d: %v", i, err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil || hasMark(string(text)) {
			t.Fatalf("part %d: %v, or holes left", i, err)
		}
		if i == 1 {
			checkTags(t, string(text))
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Fatalf("a third part: %v", err)
	}
}

var shippedTags = regexp.MustCompile(`^</?!?(DOCTYPE|html|head|meta|title|style|body|table|tr|td|p|h1|h2|ul|li)\b[^<]*>`)

// checkTags looks for anything in a page that begins a tag and is not one of the layout's.
func checkTags(t *testing.T, page string) {
	t.Helper()
	for i, c := range page {
		if c == '<' && !shippedTags.MatchString(page[i:]) {
			t.Fatalf("a tag that is not the layout's: %.40q", page[i:])
		}
	}
}
