//go:build integration

package integration

import (
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// letter is one mail in the mailbox.
type letter struct {
	id   string // of the notification, from Message-ID
	to   string // the envelope's recipient, domain in lower case
	file string
}

// mailFiles are the files of a Maildir; one that no mail has reached yet has none.
func mailFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var mails []string
	for _, f := range files {
		if folder := filepath.Base(filepath.Dir(f)); folder == "new" || folder == "cur" {
			mails = append(mails, f)
		}
	}
	return mails
}

// mailbox reads mails; each file once, since they never change.
type mailbox struct {
	t     *testing.T
	dir   string
	known map[string]letter
}

func (m *mailbox) read() []letter {
	m.t.Helper()
	var all []letter
	for _, file := range mailFiles(m.t, m.dir) {
		if _, ok := m.known[file]; !ok {
			m.known[file] = m.open(file)
		}
		all = append(all, m.known[file])
	}
	return all
}

func (m *mailbox) open(file string) letter {
	f, err := os.Open(file)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	msg, err := mail.ReadMessage(f)
	if err != nil {
		m.t.Fatalf("%s: %v", file, err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(msg.Header.Get("Message-ID"), "<"), "@")
	return letter{id: id, to: lowerDomain(msg.Header.Get("X-Original-To")), file: file}
}

func lowerDomain(address string) string {
	at := strings.LastIndexByte(address, '@')
	return address[:at+1] + strings.ToLower(address[at+1:])
}
