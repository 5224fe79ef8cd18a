package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lejarat/processor/event"
)

// TestReconcile: the log is looked at first, and recorded with --apply; a connector then does not send the mail again.
func TestReconcile(t *testing.T) {
	d := openDesk(t, "")
	id := d.emit(1, d.today())
	d.put(d.cfg.Kafka.Topics().Deliveries, id, event.Delivery{ID: id, Status: event.DeliveryInDoubt, Attempts: 1})
	file := filepath.Join(t.TempDir(), "mail.log")
	log := "Feb 28 06:00:05 mail postfix/cleanup[101]: 4AAAAA1: message-id=<" + id + "@example.hu>\n" +
		"Feb 28 06:00:06 mail postfix/smtp[103]: 4AAAAA1: to=<kanari1@polgar.example.hu>, relay=mx, dsn=2.0.0, status=sent (250 Ok)\n"
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	out := d.must("mail", "reconcile", "--log", file)
	if !strings.Contains(out, id+"  in_doubt -> accepted  4AAAAA1") || !strings.Contains(out, "settles 1: nothing is recorded") || strings.Contains(out, "polgar") {
		t.Error(out)
	}
	if !strings.Contains(d.newest(d.cfg.Kafka.Topics().Deliveries)[id], event.DeliveryInDoubt) {
		t.Error("recorded without --apply")
	}
	out, err := d.lejarat(log, "mail", "reconcile", "--log", "-", "--apply")
	if err != nil || !strings.Contains(out, "settles 1: recorded") {
		t.Error(out, err)
	}
	if out := d.must("mail", "--once", "--json"); !strings.Contains(out, `"Skipped": 1`) || d.box.Count() != 0 {
		t.Errorf("the connector sends it again: %s", out)
	}
	if out := d.must("report", "--undelivered", "--json"); !strings.Contains(out, `"undelivered": []`) {
		t.Error(out)
	}
	for _, args := range [][]string{{}, {"--log", file + "none"}} {
		if _, err := d.lejarat("", append([]string{"mail", "reconcile"}, args...)...); err == nil || exitStatus(err) != exitUsage {
			t.Errorf("%v: %v", args, err)
		}
	}
}
