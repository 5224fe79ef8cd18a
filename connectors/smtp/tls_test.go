package smtp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
)

// sink is a go-smtp server that takes everything, behind a password where one is set.
type sink struct {
	password string
	taken    atomic.Int64
}

func (s *sink) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &session{sink: s, in: s.password == ""}, nil
}

type session struct {
	sink *sink
	in   bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "lejarat" || password != s.sink.password {
			return errors.New("no")
		}
		s.in = true
		return nil
	}), nil
}
func (s *session) Mail(string, *gosmtp.MailOptions) error {
	if !s.in {
		return gosmtp.ErrAuthRequired
	}
	return nil
}
func (s *session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s *session) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	s.sink.taken.Add(1)
	return err
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func startSink(t testing.TB, backend *sink, cfg *tls.Config, implicit bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, cfg)
	}
	server := gosmtp.NewServer(backend)
	server.Domain, server.TLSConfig, server.ErrorLog = "relay.example.hu", cfg, log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return address
}

// certificate makes one for 127.0.0.1 and writes it where a CAFile can name it.
func certificate(t testing.TB, expired bool) (cfg *tls.Config, caFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"relay.example.hu"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if expired {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, caFile
}

func TestEncryptionAndLogin(t *testing.T) {
	cfg, ca := certificate(t, false)
	old := cfg.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	outdated, outdatedCA := certificate(t, true)
	for _, c := range []struct {
		name     string
		server   *tls.Config
		implicit bool
		relay    Relay
		want     string // "" is success
	}{
		{"starttls with login", cfg, false, Relay{TLS: StartTLS, CAFile: ca, User: "lejarat", Password: "titok"}, ""},
		{"tls with login", cfg, true, Relay{TLS: TLS, CAFile: ca, User: "lejarat", Password: "titok"}, ""},
		{"wrong password", cfg, false, Relay{TLS: StartTLS, CAFile: ca, User: "lejarat", Password: "xxx"}, "connect: answered 454"},
		{"no login", cfg, false, Relay{TLS: StartTLS, CAFile: ca}, "MAIL: answered 502"},
		{"certificate unknown", cfg, false, Relay{TLS: StartTLS}, "certificate is not trusted"},
		{"certificate unknown, tls", cfg, true, Relay{TLS: TLS}, "certificate is not trusted"},
		{"certificate expired", outdated, false, Relay{TLS: StartTLS, CAFile: outdatedCA}, "certificate is not trusted"},
		{"tls 1.1", old, false, Relay{TLS: StartTLS, CAFile: ca}, "connect: "},
		{"tls 1.1 from the first byte", old, true, Relay{TLS: TLS, CAFile: ca}, "connect: "},
		{"the default is starttls", nil, false, Relay{CAFile: ca}, "no usable session"},
		{"starttls not offered", nil, false, Relay{TLS: StartTLS, CAFile: ca}, "no usable session"},
		{"tls not spoken", nil, false, Relay{TLS: TLS, CAFile: ca}, "does not speak TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			backend := &sink{password: "titok"}
			address := startSink(t, backend, c.server, c.implicit)
			b := newBench(t, address)
			b.options.Relays[0].TLS, b.options.Relays[0].CAFile = c.relay.TLS, c.relay.CAFile
			b.options.Relays[0].User, b.options.Relays[0].Password = c.relay.User, c.relay.Password
			b.options.Retry.Budget = 200 * time.Millisecond
			b.queue(sampleMail(1))
			s, err := b.run(t)
			switch {
			case c.want == "" && (err != nil || backend.taken.Load() != 1):
				t.Errorf("%v %+v", err, s)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v %+v, want %q; log %s", err, s, c.want, b.log.String())
			}
			if strings.Contains(b.log.String(), "titok") {
				t.Error("the password is in the log")
			}
			checkNoPersonalData(t, b, err)
		})
	}
}
