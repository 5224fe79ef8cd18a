package console

import (
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Message is one mail in a Mailbox. It is never changed once it is there.
type Message struct {
	ID       int       // from 1, in the order of arrival
	Received time.Time // real time
	// From, To and Subject are decoded and free of control characters. Without such a header From and To are the
	// envelope's. They stay what the sender wrote: escape them.
	From, To, Subject string
	Date              time.Time // the mail's own; zero when it has none that can be read
	Text, HTML        string    // the first part of each type, decoded to UTF-8; "" when there is none
	Raw               []byte
}

func (m *Message) size() int { return len(m.Raw) + len(m.Text) + len(m.HTML) }

// Mailbox is an SMTP server for this machine alone: it accepts every mail, whoever it is for, delivers none, and keeps
// the newest in memory (MaxMails, MaxMailboxBytes). It is safe for concurrent use.
type Mailbox struct {
	listener net.Listener
	server   *smtp.Server
	served   chan struct{}

	// arrival is held from a mail's number to the end of its hook: hooks see mails one at a time, in order.
	arrival sync.Mutex

	mu       sync.Mutex
	mails    []*Message // the oldest first, ids without gaps
	received int        // also the newest id
	bytes    int
	closed   bool
	hook     func(Message)
	maxMails int
	maxBytes int
}

// NewMailbox listens on a loopback address such as 127.0.0.1:2525 (port 0: any free one) and receives mails until Close.
func NewMailbox(listen string) (*Mailbox, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("opening the local mailbox on %s: %w", listen, err)
	}
	if at, ok := l.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		l.Close()
		return nil, fmt.Errorf("opening the local mailbox on %s: it takes every mail and is for this machine only: want 127.0.0.1:port", listen)
	}
	m := &Mailbox{listener: limitConns(l, maxSMTPConns), served: make(chan struct{}), maxMails: MaxMails, maxBytes: MaxMailboxBytes}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{mailbox: m}, nil }))
	m.server.Domain = "localhost"
	m.server.MaxMessageBytes = MaxMailBytes
	m.server.MaxRecipients = maxSMTPRecipients
	m.server.ReadTimeout, m.server.WriteTimeout = smtpReadTimeout, smtpWriteTimeout
	m.server.EnableSMTPUTF8 = true
	m.server.ErrorLog = log.New(io.Discard, "", 0) // its words quote what clients say
	go func() {
		defer close(m.served)
		m.server.Serve(m.listener)
	}()
	return m, nil
}

// Addr is the address that the mailbox listens on.
func (m *Mailbox) Addr() string { return m.listener.Addr().String() }

// Close ends all connections. When it returns no hook runs any more; the mails can still be read.
// It must not be called from the hook.
func (m *Mailbox) Close() {
	m.arrival.Lock() // waits for the hook that runs; deliver calls none once closed is set
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.arrival.Unlock()
	m.server.Close()
	<-m.served
}

// OnMail sets what is called for each mail from now on: one at a time, in the order of arrival, after the mail can be
// read and before its sender has the answer. Nil: nothing.
func (m *Mailbox) OnMail(hook func(Message)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

// Count is how many mails have been received, those dropped since included.
func (m *Mailbox) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received
}

// Dropped is how many of them are no longer kept.
func (m *Mailbox) Dropped() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received - len(m.mails)
}

// Last returns the newest mail.
func (m *Mailbox) Last() (Message, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.mails) == 0 {
		return Message{}, false
	}
	return *m.mails[len(m.mails)-1], true
}

// get returns the mail with the id while it is kept.
func (m *Mailbox) get(id int) (*Message, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := len(m.mails) - 1 - (m.received - id)
	if i < 0 || i >= len(m.mails) {
		return nil, false
	}
	return m.mails[i], true
}

// find returns the mails that hold all words of query in sender, receiver, subject or text, newest first.
func (m *Mailbox) find(query string) []*Message {
	m.mu.Lock()
	kept := append([]*Message(nil), m.mails...)
	m.mu.Unlock()
	words := strings.Fields(strings.ToLower(query))
	found := make([]*Message, 0, len(kept))
	for i := len(kept) - 1; i >= 0; i-- {
		if kept[i].holds(words) {
			found = append(found, kept[i])
		}
	}
	return found
}

func (m *Message) holds(words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(strings.Join([]string{m.From, m.To, m.Subject, m.Text}, "\n"))
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// deliver takes a mail in; false once the mailbox is closed.
func (m *Mailbox) deliver(mail *Message) bool {
	m.arrival.Lock()
	defer m.arrival.Unlock()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.received++
	mail.ID = m.received
	m.mails = append(m.mails, mail)
	m.bytes += mail.size()
	for len(m.mails) > 1 && (len(m.mails) > m.maxMails || m.bytes > m.maxBytes) {
		m.bytes -= m.mails[0].size()
		m.mails[0] = nil
		m.mails = m.mails[1:]
	}
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		hook(*mail)
	}
	return true
}
