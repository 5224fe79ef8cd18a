package console

import (
	"net"
	"sync"
	"time"
)

// Bounds of the HTTP server. A reader of these pages is a person, a probe or a scraper: small requests, few at a time.
const (
	maxHTTPConns       = 256
	maxHTTPHeaderBytes = 16 << 10
	maxHTTPBodyBytes   = 4 << 10 // no page takes a body
	maxScrapes         = 4       // of /metrics at a time
	httpHeaderTimeout  = 5 * time.Second
	httpReadTimeout    = 10 * time.Second
	httpWriteTimeout   = 30 * time.Second
	httpIdleTimeout    = 2 * time.Minute
	scrapeTimeout      = 20 * time.Second
)

// Bounds of the mailbox.
const (
	// MaxMails is how many mails a Mailbox keeps; the oldest are dropped first.
	MaxMails = 2000
	// MaxMailboxBytes is how much of mails a Mailbox keeps, as received and as decoded together.
	MaxMailboxBytes = 64 << 20
	// MaxMailBytes is the largest mail that a Mailbox accepts.
	MaxMailBytes = 1 << 20

	maxSMTPConns      = 64
	maxSMTPRecipients = 100
	smtpReadTimeout   = 5 * time.Minute // a sender may keep its connection between two mails
	smtpWriteTimeout  = 10 * time.Second
)

// Bounds of what is read from one mail and shown of it.
const (
	maxParts       = 64
	maxPartDepth   = 8
	maxHeaderRunes = 1000 // of one header field on a page
	maxSearchRunes = 100
	mailsPerPage   = 50
	mailsOnIndex   = 10
	maxFactDepth   = 6
	maxFacts       = 500 // lines of a story or of readiness on a page
	liveSeconds    = 5
)

// limitedListener accepts at most cap(slots) connections at a time; the others wait in the kernel's queue.
type limitedListener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
}

func limitConns(l net.Listener, most int) *limitedListener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, most), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: func() { <-l.slots }}, nil
}

// Close implements net.Listener.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.release)
	return err
}
