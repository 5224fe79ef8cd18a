package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lejarat/processor/event"
)

func TestMissingBrokerIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, err = Open(testContext(t), Options{Brokers: []string{address}})
	if !contains(err, address) || !contains(err, "connection refused") || errors.Is(err, event.ErrAccess) {
		t.Fatalf("got %v", err)
	}
	if _, err := Open(testContext(t), Options{}); !contains(err, "kafka.brokers") {
		t.Fatalf("no address: got %v", err)
	}
}

// secured starts a broker that wants a login over TLS, and returns it with the file of the authority that signed it.
func secured(t *testing.T) (broker *Embedded, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "lejarat", "right"),
		kfake.Superuser("PLAIN", "lejarat", "right"), kfake.Superuser("SCRAM-SHA-256", "lejarat", "right"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &Embedded{cluster}, ca
}

func TestLoginsAndCertificates(t *testing.T) {
	embeddedOnly(t)
	broker, ca := secured(t)
	login := func(mechanism, password string) *SASL {
		return &SASL{Mechanism: mechanism, User: "lejarat", Password: password}
	}
	cases := []struct {
		name   string
		tls    *TLSFiles
		sasl   *SASL
		want   string // part of the error; "" is none
		access bool
	}{
		{"SCRAM 512", &TLSFiles{CAFile: ca}, login("SCRAM-SHA-512", "right"), "", false},
		{"SCRAM 256", &TLSFiles{CAFile: ca}, login("SCRAM-SHA-256", "right"), "", false},
		{"PLAIN", &TLSFiles{CAFile: ca}, login("PLAIN", "right"), "", false},
		{"wrong password, told by hanging up", &TLSFiles{CAFile: ca}, login("SCRAM-SHA-512", "wr0ng"), "kafka.sasl", false},
		{"authority not known", &TLSFiles{}, login("SCRAM-SHA-512", "right"), "check kafka.tls.ca_file", true},
		{"no TLS", nil, login("SCRAM-SHA-512", "right"), broker.Brokers()[0], false},
		{"no such mechanism", nil, login("MD5", "right"), `kafka.sasl.mechanism "MD5"`, false},
		{"no such file", &TLSFiles{CAFile: "not-there.pem"}, nil, "kafka.tls.ca_file: open not-there.pem", false},
		{"no such certificate", &TLSFiles{CertFile: "not-there.pem"}, nil, "kafka.tls.cert_file", false},
		{"no certificate in the file", &TLSFiles{CAFile: os.Args[0]}, nil, "holds no PEM certificate", false},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			c, err := Open(testContext(t), Options{Brokers: broker.Brokers(), TLS: k.tls, SASL: k.sasl})
			if err == nil {
				c.Close()
			}
			t.Log(err)
			if (k.want == "") != (err == nil) || k.want != "" && !contains(err, k.want) || errors.Is(err, event.ErrAccess) != k.access {
				t.Fatalf("got %v, want %q (access: %v)", err, k.want, k.access)
			}
			if contains(err, "wr0ng") {
				t.Fatal("the error tells the password")
			}
		})
	}
}

func TestWrongPasswordIsAnAccessError(t *testing.T) {
	embeddedOnly(t)
	broker, ca := secured(t)
	broker.cluster.ControlKey(kmsg.SASLAuthenticate.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.cluster.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code // Kafka's answer; the embedded broker hangs up instead
		return resp, nil, true
	})
	_, err := Open(testContext(t), Options{Brokers: broker.Brokers(), TLS: &TLSFiles{CAFile: ca}, SASL: &SASL{"PLAIN", "lejarat", "wr0ng"}})
	if !errors.Is(err, event.ErrAccess) || !contains(err, "check kafka.sasl") || !contains(err, broker.Brokers()[0]) || contains(err, "wr0ng") {
		t.Fatalf("got %v", err)
	}
}

func TestMetricsCountTheTrafficOfAllReadersAndWriters(t *testing.T) {
	brokers, _ := testBrokers(t)
	reg := prometheus.NewRegistry()
	c := open(t, brokers, func(o *Options) { o.Registerer = reg })
	topic := topic(t, c, 1, nil)
	commit(t, fence(t, c, unique("id")), topic, "a", "b")
	commit(t, fence(t, c, unique("id")), topic, "c")
	drain(t, c, read(t, c, topic, 0), topic)
	for _, name := range []string{"lejarat_kafka_connects_total", "lejarat_kafka_produce_bytes_total", "lejarat_kafka_fetch_bytes_total"} {
		if counter(t, reg, name) == 0 {
			t.Errorf("%s counts nothing", name)
		}
	}
}

func counter(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
