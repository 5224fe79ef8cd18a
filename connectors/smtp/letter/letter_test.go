package letter

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lejarat/processor/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sampleOptions() Options {
	return Options{From: "Okmányértesítő <ertesites@example.hu>", Website: "okmanyertesito.example.hu"}
}

// mustComposer makes a composer without a look at every letter, which takes longer than most tests.
func mustComposer(t testing.TB, o Options) *Composer {
	t.Helper()
	c, err := NewComposer(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustTemplates(t testing.TB, o Options) *templates {
	t.Helper()
	return mustComposer(t, o).letters.templates
}

// testNow is the time at which orders are emitted where a test does not ask theirs.
var testNow = time.Date(2026, 2, 28, 6, 0, 5, 0, time.FixedZone("CET", 3600))

func ptr[T any](v T) *T { return &v }

// sampleMail is the n-th notice: a passport's, half a year ahead.
func sampleMail(n int) event.Mail {
	return event.Mail{
		ID: fmt.Sprintf("%032x", n), Kind: event.KindExpiry, RegistrationRef: fmt.Sprintf("reg-%d", n), Language: "hu",
		To:        event.MailTo{Email: fmt.Sprintf("kanari%d@polgar.example.hu", n), Name: "Kanári Etelka"},
		Document:  &event.MailDocument{Type: "passport", NumberMasked: "*****028", Expires: "2026-08-31"},
		Threshold: ptr("P6M"), Due: ptr("2026-02-28"), RunDate: "2026-02-28", DaysLeft: ptr(184), EmittedAt: "2026-02-28T06:00:03.120+01:00",
	}
}

// lastDayMail is the n-th notice on the day of expiry itself.
func lastDayMail(n int) event.Mail {
	m := sampleMail(n)
	m.Document.Expires, m.Threshold, m.DaysLeft = "2026-02-28", ptr("P0D"), ptr(0)
	return m
}

func announcementMail(lang string) event.Mail {
	m := sampleMail(7)
	m.Kind, m.Language, m.Document, m.Threshold, m.Due, m.DaysLeft = event.KindAnnouncement, lang, nil, nil, nil, nil
	return m
}

// TestGoldenMails compares whole mails with testdata/*.txt.
func TestGoldenMails(t *testing.T) {
	c := mustComposer(t, sampleOptions())
	in := func(lang string, m event.Mail) event.Mail { m.Language = lang; return m }
	month := sampleMail(2)
	month.Document = &event.MailDocument{Type: "identity_card", NumberMasked: "****56AA", Expires: "2026-03-28"}
	month.Threshold, month.DaysLeft = ptr("P1M"), ptr(28)
	late := sampleMail(3)
	late.Document = &event.MailDocument{Type: "driving_licence", NumberMasked: "*****456", Expires: "2026-03-12"}
	late.Threshold, late.Due, late.DaysLeft = ptr("P1M"), ptr("2026-02-12"), ptr(12)
	inspection := lastDayMail(4)
	inspection.Document.Type, inspection.Document.NumberMasked = "vehicle_inspection", "***-421"
	other := lastDayMail(5)
	other.Document.Type = "fishing_licence"
	for name, m := range map[string]event.Mail{
		"hu-passport-6-months": sampleMail(1), "hu-identity-card-1-month": month, "hu-driving-licence-12-days": late,
		"hu-passport-today": lastDayMail(1), "hu-vehicle-today": inspection, "hu-other-today": other,
		"en-passport-6-months": in("en", sampleMail(1)), "en-vehicle-today": in("en", inspection),
		"hu-announcement": announcementMail("hu"), "en-announcement": announcementMail("en"),
	} {
		emitted, _ := time.Parse(time.RFC3339Nano, m.EmittedAt)
		e, err := c.Compose(nil, m, emitted)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := readable(t, e.Body)
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs (go test -update writes it anew):\n%s", name, got)
		}
	}
}

// readable is a mail with its headers as sent and its parts decoded.
func readable(t *testing.T, body []byte) string {
	t.Helper()
	head, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(string(head), "\r\n", "\n") + "\n")
	m, err := netmail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/alternative" {
		t.Fatalf("%s %v", mediaType, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n===== %s, %s\n%s", p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
}

// The same record gives the same bytes at every attempt and after every restart: receivers may tell a copy by it.
func TestMailIsTheSameAtEveryAttempt(t *testing.T) {
	emitted, _ := time.Parse(time.RFC3339Nano, sampleMail(1).EmittedAt)
	a, err := mustComposer(t, sampleOptions()).Compose(nil, sampleMail(1), emitted)
	if err != nil {
		t.Fatal(err)
	}
	b, err := mustComposer(t, sampleOptions()).Compose(nil, sampleMail(1), emitted)
	if err != nil || !bytes.Equal(a.Body, b.Body) {
		t.Fatalf("%v, or two different mails:\n%s\n%s", err, a.Body, b.Body)
	}
}

// What a record brings can neither add a header nor a recipient, nor end the message, nor put markup into the HTML.
func TestInjection(t *testing.T) {
	c := mustComposer(t, sampleOptions())
	emitted := testNow
	for _, hostile := range []string{
		"Anna\r\nBcc: evil@example.com", "Anna\nSubject: x", "Anna\r\n.\r\nMAIL FROM:<x@y>", "\u2028Bcc: x", "\u202eannA",
		`"Anna" <evil@example.com>`, "<script>alert(1)</script>", "=?utf-8?q?x=0d=0aBcc:_evil@example.com?=", "# Anna", "{{.From}}",
		strings.Repeat("Á", 5000), "\x00\x07\xff",
	} {
		m := sampleMail(1)
		m.To.Name, m.Document.NumberMasked, m.Document.Type = hostile, hostile, hostile
		e, err := c.Compose(nil, m, emitted)
		if err != nil {
			if err != ErrNotRenderable { // a type as long as that makes no subject
				t.Errorf("%.20q: %v", hostile, err)
			}
			continue
		}
		msg, err := netmail.ReadMessage(bytes.NewReader(e.Body))
		if err != nil {
			t.Fatalf("%.20q: %v", hostile, err)
		}
		if len(msg.Header) != 10 || msg.Header.Get("Bcc") != "" || len(msg.Header["Subject"]) != 1 {
			t.Errorf("%.20q: headers %v", hostile, msg.Header)
		}
		to, err := msg.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Address != m.To.Email || strings.ContainsAny(to[0].Name, "\r\n\u202e") {
			t.Errorf("%.20q: To %v %v", hostile, to, err)
		}
		_, html, _ := strings.Cut(readable(t, e.Body), "===== text/html")
		if bytes.Contains(e.Body, []byte("\r\n.\r\n")) || strings.Contains(html, "<script>") {
			t.Errorf("%.20q: broke out of the message", hostile)
		}
	}
}

func TestSubjects(t *testing.T) {
	for _, s := range []string{"Plain", "Ma lejár az útlevele", strings.Repeat("árvíztűrő ", 20), strings.Repeat("word ", 30), "=?utf-8?q?x?=", "100 % _?="} {
		encoded := encodeSubject(s)
		decoded, err := new(mime.WordDecoder).DecodeHeader(strings.ReplaceAll(encoded, "\r\n", ""))
		if err != nil || decoded != s {
			t.Errorf("%q: %q %v", s, decoded, err)
		}
		for line := range strings.SplitSeq("Subject: "+encoded, "\r\n") {
			if len(line) > 76 {
				t.Errorf("%q: long line %q", s, line)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	good := []string{"anna.kovacs@example.hu", " anna@example.hu ", "o'brien+x@a-b.example", "a@localhost", "Anna@EXAMPLE.hu"}
	for _, a := range good {
		if got, err := parseMailbox(a); err != nil || got != (mailbox{address: strings.TrimSpace(a)}) {
			t.Errorf("%q: %+v %v", a, got, err)
		}
	}
	for a, want := range map[string]mailbox{
		"anna@árvíztűrő.hu": {address: "anna@xn--rvztr-wqa0gx3bwi.hu"}, "anna@ÁRVÍZTŰRŐ.hu": {address: "anna@xn--rvztr-wqa0gx3bwi.hu"},
		"árpád@example.hu": {"árpád@example.hu", true}, "用户@例子.广告": {"用户@xn--fsqu00a.xn--4rr70v", true},
	} {
		if got, err := parseMailbox(a); err != nil || got != want {
			t.Errorf("%q: %+v %v, want %+v", a, got, err, want)
		}
	}
	bad := map[string]error{
		"": ErrAddressMalformed, "anna": ErrAddressMalformed, "@example.hu": ErrAddressMalformed, "anna@": ErrAddressMalformed,
		"a@b@c.hu": ErrAddressMalformed, "anna@example..hu": ErrAddressMalformed, ".a@example.hu": ErrAddressMalformed,
		"a@-x.hu": ErrAddressMalformed, `"a b"@example.hu`: ErrAddressMalformed, "a@[127.0.0.1]": ErrAddressMalformed,
		"a@example.hu\r\nRCPT TO:<b@example.hu>": ErrAddressMalformed, "a@example.hu> SIZE=1": ErrAddressMalformed,
		"a,b@example.hu": ErrAddressMalformed, "Anna <a@example.hu>": ErrAddressMalformed, "a@example.hu\x00": ErrAddressMalformed,
		strings.Repeat("a", 65) + "@example.hu": ErrAddressMalformed, "a@" + strings.Repeat("x", 64) + ".hu": ErrAddressMalformed,
		"anna@ár víz.hu": ErrAddressMalformed, "anna@ár\u0000.hu": ErrAddressMalformed, "anna@-á.hu": ErrAddressMalformed, "á\u202eb@example.hu": ErrAddressMalformed,
		"á\u00a0b@example.hu": ErrAddressMalformed, "á\xff@example.hu": ErrAddressMalformed, strings.Repeat("á", 33) + "@example.hu": ErrAddressMalformed,
		"a@" + strings.Repeat("á", 60) + ".hu": ErrAddressMalformed,
	}
	for a, want := range bad {
		if _, err := parseMailbox(a); err != want {
			t.Errorf("%q: %v, want %v", a, err, want)
		}
	}
}

func TestWords(t *testing.T) {
	d, _ := event.ParseDate("2026-08-31")
	for got, want := range map[string]string{
		longDate("hu", d): "2026. augusztus 31., hétfő", onDay("hu", d): "2026. augusztus 31-én, hétfőn",
		longDate("en", d): "Monday, 31 August 2026", onDate("en", d): "on 31 August 2026",
		noticeTimes("hu", []string{"P6M", "P1M", "P0D"}): "6 hónappal és 1 hónappal a lejárat előtt, valamint a lejárat napján",
		noticeTimes("hu", []string{"P1Y", "P2W", "P3D"}): "1 évvel, 2 héttel és 3 nappal a lejárat előtt",
		noticeTimes("en", []string{"P2M", "P0D"}):        "2 months before it expires, and on the day it expires",
		noticeTimes("hu", nil):                           "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// As the ordinals are spoken: elsején, másodikán, … harmincegyedikén.
	want := "jén án án én én án én án én én én én án én én án én án én án én én án én én án én án én án én"
	var got []string
	for day := 1; day <= 31; day++ {
		got = append(got, onDaySuffix(day))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestWhen(t *testing.T) {
	for _, c := range []struct {
		lang, threshold, due string
		days                 int
		want                 string
	}{
		{"hu", "P6M", "2026-02-28", 184, "6 hónap múlva"}, {"hu", "P1M", "2026-02-28", 31, "1 hónap múlva"},
		{"hu", "P6M", "2026-02-20", 176, "176 nap múlva"}, {"hu", "P30D", "2026-02-28", 30, "30 nap múlva"},
		{"hu", "P1M", "2026-02-01", 1, "holnap"}, {"hu", "P1D", "2026-02-28", 1, "holnap"}, {"hu", "P0D", "2026-02-28", 0, "ma"},
		{"hu", "P1M15D", "2026-02-28", 45, "45 nap múlva"}, {"en", "P1M", "2026-02-28", 31, "in 1 month"},
		{"en", "P6M", "2026-02-01", 12, "in 12 days"}, {"en", "P1M", "2026-02-01", 1, "tomorrow"}, {"en", "P0D", "2026-02-28", 0, "today"},
	} {
		m := sampleMail(1)
		m.Threshold, m.Due = &c.threshold, &c.due
		if got := when(c.lang, m, c.days); got != c.want {
			t.Errorf("%v: got %q", c, got)
		}
	}
}

func TestRecordsWithNothingToWriteAbout(t *testing.T) {
	templates := mustTemplates(t, sampleOptions())
	for _, spoil := range []func(*event.Mail){
		func(m *event.Mail) { m.Document = nil },
		func(m *event.Mail) { m.Document = &event.MailDocument{Type: "passport", Expires: "31/08/2026"} },
		func(m *event.Mail) { m.DaysLeft = ptr(-1) },
		func(m *event.Mail) { m.Kind = "invoice" },
		func(m *event.Mail) { m.RunDate = "" },
	} {
		m := sampleMail(1)
		spoil(&m)
		if _, _, _, err := templates.render(m); err == nil {
			t.Errorf("%+v was rendered", m)
		}
	}
	m := sampleMail(1)
	m.Language, m.DaysLeft = "de", nil
	if subject, _, _, err := templates.render(m); err != nil || !strings.HasPrefix(subject, "6 hónap múlva") {
		t.Errorf("%q %v", subject, err)
	}
}
