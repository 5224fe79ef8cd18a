package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kslog"
)

// TLSFiles are PEM files; empty ones take the system's authorities and no client certificate.
type TLSFiles struct{ CAFile, CertFile, KeyFile string }

// SASL is the login. Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type SASL struct{ Mechanism, User, Password string }

// Options say where the brokers are and how to talk to them. What is 0 or empty has the default.
type Options struct {
	Brokers  []string // host:port; at least one
	ClientID string   // what brokers log; default lejarat
	// InstanceID makes group memberships static: a restart within SessionTimeout moves no partition. Two processes of one
	// InstanceID in one group fence each other. Default: none.
	InstanceID string
	// Leave ends a static membership at Close: whoever closes is not about to come back. Default: the brokers keep its partitions.
	Leave      bool
	TLS        *TLSFiles             // nil: no encryption
	SASL       *SASL                 // nil: no login
	Logger     *slog.Logger          // gets the library's warnings; nil: nobody
	Registerer prometheus.Registerer // of lejarat_kafka_…, for one Client at a time; nil: no metrics
	// Dial makes the connections, without TLS; nil: TCP. Tests have a network of their own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TransactionTimeout is how long a transaction may take, and after how long brokers abort what a dead owner left
	// open: readers of its partitions wait that long. Default 10 s.
	TransactionTimeout time.Duration
	// SessionTimeout is after how long without a heartbeat a member's partitions go to others. Default 45 s.
	SessionTimeout time.Duration

	FetchBytes          int32         // the most that one answer to a reader holds; default 8 MB
	FetchPartitionBytes int32         // the same for each partition in it; default 1 MB
	BatchBytes          int32         // the most that one written batch holds, and so one record; default 1,000,000
	BufferedRecords     int           // the most that wait to be written, for each writer; default 100,000
	Linger              time.Duration // how long a batch waits for more; the end of a transaction ends the wait. Default 5 ms
}

// Limits that nobody has to tune.
const (
	fetchWait    = 500 * time.Millisecond // how long brokers hold an answer that would be empty
	dialTimeout  = 10 * time.Second
	openTimeout  = 15 * time.Second
	closeTimeout = 10 * time.Second

	coordinatorRetry = 200 * time.Millisecond // between two questions to a cluster that has just started
)

func (o *Options) setDefaults() {
	o.ClientID = cmp.Or(o.ClientID, "lejarat")
	o.TransactionTimeout = cmp.Or(o.TransactionTimeout, 10*time.Second)
	o.SessionTimeout = cmp.Or(o.SessionTimeout, 45*time.Second)
	o.FetchBytes = cmp.Or(o.FetchBytes, 8<<20)
	o.FetchPartitionBytes = cmp.Or(o.FetchPartitionBytes, 1<<20)
	o.BatchBytes = cmp.Or(o.BatchBytes, 1_000_000) // a little under what brokers take by default
	o.BufferedRecords = cmp.Or(o.BufferedRecords, 100_000)
	o.Linger = cmp.Or(o.Linger, 5*time.Millisecond)
}

// common are the options of every kgo client but its metrics.
func (o *Options) common() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...), kgo.ClientID(o.ClientID), kgo.DialTimeout(dialTimeout),
		// A topic that was just made must be found quickly.
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(backoff), kgo.DisableClientMetrics(),
	}
	if o.Logger != nil {
		opts = append(opts, kgo.WithLogger(kslog.New(slog.New(newQuiet(o.Logger.Handler())))))
	}
	if o.Dial != nil {
		opts = append(opts, kgo.Dialer(o.Dial))
	}
	if o.TLS != nil {
		conf, err := tlsConfig(o.TLS)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	if o.SASL != nil {
		m, err := mechanism(o.SASL)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// backoff grows from 20 ms to a second: on the way lie leaders that move and topics that are being made.
func backoff(tries int) time.Duration {
	return min(time.Second, 20*time.Millisecond<<min(tries, 6))
}

func tlsConfig(f *TLSFiles) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading kafka.tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading kafka.tls.ca_file: %s holds no PEM certificate", f.CAFile)
		}
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading kafka.tls.cert_file and key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func mechanism(s *SASL) (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("kafka.sasl.mechanism %q: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}
