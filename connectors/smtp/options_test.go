package smtp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lejarat/connectors/smtp/letter"
)

func TestOptionsReportAllFaults(t *testing.T) {
	_, err := New(Options{Letters: letter.Options{From: "árpád@példa.hu", ReplyTo: "x"}, Relays: []Relay{{Address: "relay", TLS: "ssl", CAFile: "/nowhere"}},
		InDoubt: "ignore", Retry: Retry{Min: 2, Max: 1}, Hello: "a b"}, nil, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{"mail.from", "mail.reply_to", "mail.relay.address", "mail.relay.tls", "mail.relay.ca_file", "mail.in_doubt", "mail.retry", "mail.hello"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not reported: %v", key, err)
		}
	}
	_, err = New(Options{Letters: letter.Options{From: "a@example.hu"}, Relays: []Relay{{Address: "mail.example.hu:25", TLS: NoTLS, User: "u"}}}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "mail.relay.user") {
		t.Errorf("a password over an unencrypted connection: %v", err)
	}
}

// A connector does not begin with letters that have something wrong.
func TestStartReportsFindings(t *testing.T) {
	o := newBench(t, "127.0.0.1:25").options
	o.Letters.TemplateDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(o.Letters.TemplateDir, "layout.html"), []byte("<html>{{.Subject}}<img></html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(o, nil, nil); err == nil || !strings.Contains(err.Error(), "remote: layout.html") {
		t.Errorf("%v", err)
	}
}
