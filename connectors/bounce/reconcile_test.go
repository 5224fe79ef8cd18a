package bounce

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"lejarat/processor/event"
)

var idNumber = regexp.MustCompile(`\bID(\d+)\b`)

// TestReconcile: what a relay's log settles, and what is written with apply.
func TestReconcile(t *testing.T) {
	h := openHouse(t)
	h.mails(12)
	r := &Reconciler{Topics: h.broken, Prefix: "lejarat.", Now: func() time.Time { return time.Date(2026, 2, 28, 7, 0, 0, 0, time.UTC) }}
	datadriven.RunTest(t, filepath.Join("testdata", "reconcile"), func(t *testing.T, d *datadriven.TestData) string {
		if status := map[string]string{"in-doubt": "in_doubt", "accepted": "accepted", "claimed": "claimed"}[d.Cmd]; status != "" {
			for _, n := range d.CmdArgs[0].Vals {
				i, _ := strconv.Atoi(n)
				h.delivery(i, status)
			}
			h.news()
			return ""
		}
		log := idNumber.ReplaceAllStringFunc(d.Input, func(s string) string {
			i, _ := strconv.Atoi(s[2:])
			return mailIDOf(i)
		})
		settled, err := r.Reconcile(h.ctx, strings.NewReader(log+"\n"), d.HasArg("apply"))
		if err != nil {
			return err.Error() + "\n"
		}
		var out []string
		for _, s := range settled {
			if s.Status == NotInLog {
				continue
			}
			line := fmt.Sprintf("%s %s -> %s %s %s", strings.TrimLeft(s.ID, "0"), s.Before, s.Status, s.QueueID, s.EnhancedCode)
			if s.Suppressed {
				line += " suppressed"
			}
			out = append(out, strings.TrimRight(line, " "))
		}
		out = append(out, h.news()...)
		if strings.Contains(strings.Join(out, ""), "polgar") {
			t.Error("an address is printed")
		}
		return strings.Join(out, "\n") + "\n"
	})
}

// TestLongLogLines: a line that is too long is passed over as far as it is.
func TestLongLogLines(t *testing.T) {
	id, _ := event.ParseID(mailIDOf(1))
	log := "Feb 28 06:00:05 mail postfix/cleanup[1]: 4AAAAA1: message-id=<" + mailIDOf(1) + "@example.hu>\n" +
		"Feb 28 06:00:05 mail postfix/smtp[1]: 4AAAAA9: " + strings.Repeat("x", 300<<10) + "\n" +
		"Feb 28 06:00:05 mail postfix/smtp[1]: 4AAAAA1: to=<a@b>, dsn=2.0.0, status=sent (ok)"
	l, err := readPostfix(strings.NewReader(log), map[mailID]bool{id: true})
	if err != nil {
		t.Fatal(err)
	}
	if e := l.verdict(id); e.said != gone || e.queue != "4AAAAA1" {
		t.Errorf("%+v", e)
	}
}

// FuzzPostfixLog: whatever stands in a log, only wanted mails are kept.
func FuzzPostfixLog(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join("testdata", "reconcile"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add(strings.ReplaceAll(string(raw), "ID1@", mailIDOf(1)+"@"))
	id, _ := event.ParseID(mailIDOf(1))
	f.Fuzz(func(t *testing.T, log string) {
		l, err := readPostfix(strings.NewReader(log), map[mailID]bool{id: true})
		if err != nil {
			return
		}
		for mail := range l.all {
			if mail != id {
				t.Fatal("kept a mail that nobody asked for")
			}
		}
		l.verdict(id)
	})
}
