package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"
	gosmtp "github.com/wneessen/go-mail/smtp"
)

// relay makes connections. go-mail does the dialling, TLS and AUTH; the transactions are ours (conn.go).
type relay struct {
	options Relay
	hello   string
	tls     *tls.Config

	follows  atomic.Bool // it has taken an envelope behind a message
	oneByOne atomic.Bool // it has not offered PIPELINING, or not taken the first such envelope
}

// dial connects, encrypts and logs in. Its error is a result in PhaseConnect: every such failure is worth a retry.
func (r *relay) dial(ctx context.Context) (*conn, error) {
	var raw net.Conn // the socket: go-mail leaves it open when the greeting fails
	var release func() bool
	connect := func(ctx2 context.Context, network, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx2, network, r.options.Address)
		if err != nil {
			return nil, err
		}
		raw = c
		release = context.AfterFunc(ctx, func() { _ = c.Close() })
		if r.options.TLS != TLS {
			return c, nil
		}
		t := tls.Client(c, r.tls)
		return t, t.HandshakeContext(ctx2)
	}
	client, err := gomail.NewClient(r.tls.ServerName, r.settings(connect)...)
	if err != nil {
		return nil, result{class: relayAway, phase: PhaseConnect, cause: "the client's settings are not usable"}
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if release != nil && !release() && err == nil {
		err = context.Canceled
	}
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, connectFailure(err)
	}
	offers := offered(session)
	if !offers.pipelining {
		r.oneByOne.Store(true)
	}
	return &conn{session: session, text: session.Text, raw: raw, options: r.options, offers: offers, began: time.Now()}, nil
}

// learn takes in what became of an envelope that went out behind a message. deaf says that no more are to, from now on.
func (r *relay) learn(res result) (deaf bool) {
	if res.phase > PhaseMail {
		r.follows.Store(true)
	}
	return res.outOfTurn() && !r.follows.Load() && !r.oneByOne.Swap(true)
}

func (r *relay) settings(connect gomail.DialContextFunc) []gomail.Option {
	_, port, _ := net.SplitHostPort(r.options.Address)
	n, _ := strconv.Atoi(port)
	s := []gomail.Option{
		gomail.WithPort(n), gomail.WithTimeout(r.options.ConnectTimeout), gomail.WithDialContextFunc(connect),
		gomail.WithTLSConfig(r.tls), gomail.WithoutSMTPUTF8(),
	}
	switch r.options.TLS {
	case StartTLS:
		s = append(s, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		s = append(s, gomail.WithSSL())
	case NoTLS:
		s = append(s, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if r.hello != "" {
		s = append(s, gomail.WithHELO(r.hello))
	}
	if r.options.User != "" {
		// A fixed preference instead of discovery: go-mail does not see that a dialler of ours has encrypted.
		// PLAIN and LOGIN themselves refuse an unencrypted connection that is not local.
		s = append(s, gomail.WithUsername(r.options.User), gomail.WithPassword(r.options.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return s
}

// connectFailure keeps of an error what is fit for a log: codes and kinds, no words of the relay.
func connectFailure(err error) result {
	res := result{class: relayAway, phase: PhaseConnect, cause: ioCause(err)}
	if answer := (*textproto.Error)(nil); errors.As(err, &answer) {
		res.reply = reply{code: answer.Code, enhanced: enhancedCode(answer.Msg)}
	}
	return res
}

// ioCause names the kind of an I/O error.
func ioCause(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return "stopped"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.As(err, &cert):
		return "the relay's certificate is not trusted (mail.relay.ca_file)"
	case errors.As(err, &record):
		return "the relay does not speak TLS here (mail.relay.tls)"
	case errors.As(err, &dns):
		return "the relay's host name does not resolve"
	case errors.As(err, &op) && op.Op == "dial":
		return "connection refused or unreachable"
	}
	var protocol textproto.ProtocolError
	if errors.As(err, &protocol) || errors.Is(err, errNotReply) {
		return "not an SMTP answer"
	}
	if errors.As(err, &op) || isEOF(err) {
		return "connection lost"
	}
	return "no usable session (STARTTLS or AUTH not offered, or refused)"
}

// offers is what the relay said in its answer to EHLO, as far as it is used. Letters are quoted-printable: 8BITMIME
// matters only where a header is not ASCII.
type offers struct{ pipelining, size, dsn, utf8 bool }

func offered(session *gosmtp.Client) (o offers) {
	o.pipelining, _ = session.Extension("PIPELINING")
	o.size, _ = session.Extension("SIZE")
	o.dsn, _ = session.Extension("DSN")
	eightBit, _ := session.Extension("8BITMIME")
	o.utf8, _ = session.Extension("SMTPUTF8")
	o.utf8 = o.utf8 && eightBit
	return o
}

// conn is one connection to the relay, for one goroutine.
type conn struct {
	session *gosmtp.Client
	text    *textproto.Conn
	raw     net.Conn
	options Relay
	offers  offers

	mails      int // transactions begun
	rejections int // refusals in a row
	began      time.Time
	// opened: the envelope of the mail that comes next is out, and nothing but its message may follow. ahead is what the relay said
	// to it.
	opened bool
	ahead  struct {
		result
		failed bool
	}
	// broken: an I/O error, a goodbye or an unfinished message. Nothing may be written any more, QUIT included:
	// it could end a message that must not be sent.
	broken atomic.Bool
}

// close says goodbye where that is safe.
func (c *conn) close() {
	if !c.broken.Swap(true) && !c.opened {
		_ = c.session.UpdateDeadline(time.Second)
		_ = c.session.Quit()
	}
	_ = c.raw.Close()
}
