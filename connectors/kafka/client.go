// Package kafka is lejarat's edge to Apache Kafka, and to the embedded broker: reading without groups, writing under
// fenced transactional ids, memberships for the sake of their assignment, topics. It is the only importer of franz-go.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kprom"
	"github.com/twmb/franz-go/plugin/kslog"

	"lejarat/processor/event"
)

// TLSFiles are PEM files; empty ones take the system's authorities and no client certificate.
type TLSFiles struct{ CAFile, CertFile, KeyFile string }

// SASL is the login.
type SASL struct{ Mechanism, User, Password string }

// Options say where the brokers are and how to talk to them.
type Options struct {
	Brokers    []string
	ClientID   string
	InstanceID string // static group membership, "" for none
	TLS        *TLSFiles
	SASL       *SASL
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	// TransactionTimeout is after how long brokers abort what a dead owner left open: 10 s by default.
	TransactionTimeout time.Duration
	// SessionTimeout is after how long without a heartbeat a member's partitions go to others: 45 s by default.
	SessionTimeout time.Duration
}

// Named limits, from measurements on a real broker.
const (
	fetchBytes          = 8 << 20
	fetchPartitionBytes = 1 << 20
	fetchWait           = 500 * time.Millisecond
	batchBytes          = 1000000 // a little under what a broker takes by default
	bufferedRecords     = 100000
	dialTimeout         = 10 * time.Second
	openTimeout         = 15 * time.Second
	closeTimeout        = 10 * time.Second
	// produceLinger lets a transaction's records gather; Flush ends the wait.
	produceLinger = 5 * time.Millisecond
)

// Client is a connection to the brokers. It is safe for concurrent use.
type Client struct {
	o    Options
	opts []kgo.Opt // common to every kgo client made here
	base *kgo.Client
	adm  *kadm.Client
	rest *kgo.Client // for Produce
}

// Open reaches the brokers. Its errors say which address, and what to look at.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.TransactionTimeout == 0 {
		o.TransactionTimeout = 10 * time.Second
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 45 * time.Second
	}
	c := &Client{o: o}
	var err error
	if c.opts, err = commonOptions(o); err != nil {
		return nil, err
	}
	if c.base, err = kgo.NewClient(c.opts...); err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	reach, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := c.base.Ping(reach); err != nil {
		c.base.Close()
		return nil, fmt.Errorf("reaching the brokers %s (kafka.brokers): %w", strings.Join(o.Brokers, ", "), classify(err))
	}
	c.adm = kadm.NewClient(c.base)
	c.rest, err = kgo.NewClient(append(c.writing(), kgo.RequiredAcks(kgo.AllISRAcks()))...)
	if err != nil {
		c.base.Close()
		return nil, fmt.Errorf("making a Kafka producer: %w", err)
	}
	return c, nil
}

// Close ends the connections. Readers, writers and members must be closed before.
func (c *Client) Close() {
	c.rest.Close()
	c.base.Close()
}

func commonOptions(o Options) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...), kgo.ClientID(clientID(o)), kgo.DialTimeout(dialTimeout),
		// A topic that was just made must be found quickly.
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(backoff),
	}
	if o.Logger != nil {
		opts = append(opts, kgo.WithLogger(kslog.New(slog.New(quiet{o.Logger.Handler()}))))
	}
	if o.Registerer != nil {
		m := kprom.NewMetrics("lejarat_kafka", kprom.Registerer(onceOnly{o.Registerer}))
		opts = append(opts, kgo.WithHooks(m))
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

func clientID(o Options) string {
	if o.ClientID == "" {
		return "lejarat"
	}
	return o.ClientID
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

// writing are the options of everything that produces.
func (c *Client) writing() []kgo.Opt {
	return append(append([]kgo.Opt{}, c.opts...),
		kgo.RecordPartitioner(partitioner{}), kgo.ProducerBatchMaxBytes(batchBytes), kgo.MaxBufferedRecords(bufferedRecords),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), kgo.ProducerLinger(produceLinger))
}

// reading are the options of everything that fetches.
func (c *Client) reading() []kgo.Opt {
	return append(append([]kgo.Opt{}, c.opts...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes), kgo.FetchMaxWait(fetchWait))
}

// classify puts an error of the library into one of event's classes, or leaves it.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case is(err, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.FencedInstanceID):
		return fmt.Errorf("%v: %w", err, event.ErrFenced)
	case is(err, kerr.SaslAuthenticationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.IllegalSaslState, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("%v: check kafka.sasl and the ACLs of this user: %w", err, event.ErrAccess)
	case is(err, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed, kerr.UnknownTopicID):
		return fmt.Errorf("%v: the topic does not exist, or this user may not use it (Kafka answers the same): %w", err, event.ErrTopic)
	case is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("%v: %w", err, event.ErrRange)
	}
	var unknownCA x509.UnknownAuthorityError
	if errors.As(err, &unknownCA) {
		return fmt.Errorf("%v: check kafka.tls.ca_file: %w", err, event.ErrAccess)
	}
	return err
}

func is(err error, kinds ...*kerr.Error) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}
