package smtp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// How the connection to the relay is encrypted.
const (
	StartTLS = "starttls" // required, not merely tried
	TLS      = "tls"      // from the first byte
	NoTLS    = "none"
)

// Relay is the mail server that takes the mails.
type Relay struct {
	Address        string // host:port
	TLS            string // StartTLS (default), TLS or NoTLS
	CAFile         string // PEM certificates to trust; "": the system's
	User, Password string // "": no login
	ConnectTimeout time.Duration
	CommandTimeout time.Duration // the longest wait for the answer to a command
	DataTimeout    time.Duration // the longest wait for the answer to the dot; the mail is in doubt after it
	Connections    int           // at most as many at a time; after a crash as many mails may be in doubt
	Rate           float64       // at most as many mails a second; 0: no limit
}

// relayKey is the setting that the i-th relay stands in.
func relayKey(i int) string {
	if i == 0 {
		return "mail.relay"
	}
	return fmt.Sprintf("mail.further_relays[%d]", i-1)
}

// validate returns all faults at once.
func (r Relay) validate(key string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(key+"."+format, args...)) }
	host, port, err := net.SplitHostPort(r.Address)
	if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
		fault("address: want host:port, for example 127.0.0.1:25")
	}
	switch r.TLS {
	case StartTLS, TLS, NoTLS:
	default:
		fault("tls: want starttls, tls or none")
	}
	if r.User != "" && r.TLS == NoTLS && !isLocal(host) {
		fault("user: a password is not sent over an unencrypted connection; set tls to starttls or tls")
	}
	if r.Connections < 1 || r.Connections > 100 {
		fault("connections: want 1 to 100")
	}
	if r.Rate < 0 {
		fault("rate: want mails a second, or none")
	}
	return errors.Join(faults...)
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tlsConfig returns the settings for the relay's certificate.
func (r Relay) tlsConfig(key string) (*tls.Config, error) {
	host, _, _ := net.SplitHostPort(r.Address) // checked by validate
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if r.CAFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.ca_file: %w", key, err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.ca_file: %s holds no PEM certificate", key, r.CAFile)
	}
	return cfg, nil
}
