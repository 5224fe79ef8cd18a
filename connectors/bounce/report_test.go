package bounce

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRead: whatever comes is read within bounds, and says nothing without a token of ours.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "mails", "*.eml"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")))
	}
	tokens, _ := NewTokens("bounces@example.hu", testMAC("ours"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rep := read(bytes.NewReader(raw))
		if len(rep.recipients) > maxRecipients*maxParts || len(rep.senders) > maxSenders || len(rep.proofs) > 3*maxParts*maxParts*maxParts {
			t.Fatalf("%d recipients, %d senders, %d proofs", len(rep.recipients), len(rep.senders), len(rep.proofs))
		}
		for _, r := range rep.recipients {
			if r.enhanced != "" && !enhancedPattern.MatchString(r.enhanced) || r.code != 0 && (r.code < 200 || r.code > 599) {
				t.Fatalf("codes %q %d", r.enhanced, r.code)
			}
		}
		if v, _ := rep.says("anna@example.hu"); v == "" {
			t.Fatal("no verdict")
		}
		if _, v := tokens.token(nil, &rep); v == "" {
			t.Fatal("a token was found that nobody made")
		}
	})
}

// TestLargeMessages: what lies beyond the bounds is not looked at, and costs nothing.
func TestLargeMessages(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "mails", "unknown_user.eml"))
	if err != nil {
		t.Fatal(err)
	}
	long := string(raw) + strings.Repeat("x", 2*maxMessageBytes)
	if rep := read(strings.NewReader(long)); len(rep.recipients) != 1 || rep.recipients[0].enhanced != "5.1.1" {
		t.Errorf("a report before a long tail: %d recipients", len(rep.recipients))
	}
	for name, text := range map[string]string{
		"endless header": "Subject: x\r\n" + strings.Repeat("X-Y: z\r\n", maxMessageBytes/4),
		"endless line":   strings.Repeat("x", 2*maxMessageBytes),
		"deep":           nested(200),
		"recipients":     strings.Replace(string(raw), "Final-Recipient", strings.Repeat("Final-Recipient: rfc822; a@b\r\nAction: failed\r\n\r\n", 5000)+"Final-Recipient", 1),
	} {
		if rep := read(strings.NewReader(text)); len(rep.recipients) > maxRecipients {
			t.Errorf("%s: %d recipients", name, len(rep.recipients))
		}
	}
}

func nested(depth int) string {
	text := "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\nAction: failed\r\n"
	for i := range depth {
		b := "b" + strings.Repeat("x", i%40)
		text = "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n" + text + "\r\n--" + b + "--\r\n"
	}
	return text
}

// TestAddressesAreCompared as they went out: a domain in ASCII, letters as RFC 6533 writes them, any case.
func TestAddressesAreCompared(t *testing.T) {
	for _, c := range []struct {
		final, registered string
		same              bool
	}{
		{"kanari1@polgar.example.hu", "Kanari1@POLGAR.example.hu", true},
		{"kanari1@polgar.example.hu", " kanari1@polgar.example.hu ", true},
		{"kanari1@xn--pldahu-bva.example", "kanari1@példahu.example", true},
		{"kan\\x{E1}ri@xn--pldahu-bva.example", "kanári@példahu.example", true},
		{"kanári@példahu.example", "kanári@xn--pldahu-bva.example", true},
		{"kanari@regi.example.hu", "kanari@polgar.example.hu", false},
		{"kan\\x{FFFFFFF}ri@a.hu", "kanari@a.hu", false},
		{"", "", false}, {"a@b", "", false}, {"", "a@b", false}, {"no address", "a@b", false},
	} {
		if got := (recipient{final: c.final}).about(c.registered); got != c.same {
			t.Errorf("%q and %q: %v", c.final, c.registered, got)
		}
	}
}
