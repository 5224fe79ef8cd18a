package bounce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"
)

// Bounds of the listener.
const (
	maxConnections   = 50
	maxEnvelope      = 20       // recipients of a message
	maxIncomingBytes = 32 << 20 // larger ones are refused; of what is taken, the first megabyte is looked at
	readTimeout      = 5 * time.Minute
	writeTimeout     = time.Minute
	stopTimeout      = 10 * time.Second
)

// Serve takes messages in over LMTP, or with plain over SMTP, at l until ctx ends. A message is answered with 250 when
// everything that follows from it is durable, and with 451 when it must come again. An address that is not the bounce
// address is refused.
func (h *Handler) Serve(ctx context.Context, l net.Listener, plain bool) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{ctx: ctx, handler: h}, nil }))
	s.LMTP, s.Domain = !plain, "lejarat"
	s.MaxRecipients, s.MaxMessageBytes = maxEnvelope, maxIncomingBytes
	s.ReadTimeout, s.WriteTimeout = readTimeout, writeTimeout
	s.ErrorLog = log.New(io.Discard, "", 0) // its words quote what clients say
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	})
	err := s.Serve(netutil.LimitListener(l, maxConnections))
	if !stop() {
		<-stopped
	}
	if err != nil && !errors.Is(err, smtp.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("listening for bounces: %w", err)
	}
	return nil
}

// Listen opens host:port, or a socket where the address begins with "unix:". A socket that nobody listens on any more is replaced.
func Listen(address string) (net.Listener, error) {
	network := "tcp"
	if len(address) > 5 && address[:5] == "unix:" {
		network, address = "unix", address[5:]
		if info, err := os.Stat(address); err == nil && info.Mode()&fs.ModeSocket != 0 {
			if c, err := net.Dial("unix", address); err == nil {
				c.Close()
				return nil, fmt.Errorf("listening for bounces on %s: somebody does already", address)
			}
			if err := os.Remove(address); err != nil {
				return nil, fmt.Errorf("listening for bounces: %w", err)
			}
		}
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, fmt.Errorf("listening for bounces: %w", err)
	}
	return l, nil
}

// session is one connection's envelope.
type session struct {
	ctx     context.Context
	handler *Handler
	to      []string
}

// Mail implements smtp.Session. Whoever sends: the token counts.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt implements smtp.Session. A forged token is taken, and counted: refusing it would make the mail server before us send
// the refusal to a sender who is forged too.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if _, err := s.handler.o.Tokens.Read(to); err == errElsewhere {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "Not the bounce address"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	if _, err := s.handler.Accept(s.ctx, s.to, r); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Not now, try again later"}
	}
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }
