//go:build integration

package integration

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lejarat/processor/event"
)

// TestMailTLSAndLogin: Postfix takes mails over STARTTLS alone, and from nobody but a user who logs in (Cyrus SASL). A mail
// waits while the certificate is not trusted, the connection is not encrypted, or the password is another one; then it goes
// out, once.
func TestMailTLSAndLogin(t *testing.T) {
	p := openPost(t)
	dir := p.shared
	ca, cert, key := selfMade(t, dir, "relay")
	otherCA, _, _ := selfMade(t, dir, "other")
	sasl := filepath.Join(dir, "postfix", "conf", "sasl") // where Debian's Postfix looks
	if err := os.MkdirAll(sasl, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(sasl, "smtpd.conf"), fmt.Sprintf("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s/users\nmech_list: SCRAM-SHA-256 PLAIN\n", dir))
	saslUser(t, filepath.Join(dir, "users"), "relay-password")
	p.throughOwn("smtpd_tls_security_level = encrypt", "smtpd_tls_cert_file = "+cert, "smtpd_tls_key_file = "+key,
		"smtpd_tls_received_header = yes", "smtpd_sasl_auth_enable = yes", "smtpd_sasl_local_domain = stack.example",
		"smtpd_relay_restrictions = permit_sasl_authenticated, reject")

	m := p.queue("etelka@known.example")[0]
	login := func(password string) string {
		return fmt.Sprintf("ca_file: %q, user: lejarat, password: %s", ca, password) // starttls is the default
	}
	for _, c := range []struct{ name, relay, said string }{
		{"the system's authorities", "user: lejarat, password: relay-password", "certificate is not trusted"},
		{"another authority", fmt.Sprintf("ca_file: %q, user: lejarat, password: relay-password", otherCA), "certificate is not trusted"},
		{"not encrypted", "tls: none", "530 5.7.0"},
		{"another password", login("another-password"), "535 5.7.8"},
	} {
		v := p.instance("one", c.relay)
		s := v.start("mail")
		await(t, 30*time.Second, c.name, func() (bool, string) {
			log := tailOf(s.log, 20)
			return strings.Contains(log, c.said), log
		})
		v.stop(s)
		if d, ok := p.outcomes()[m.ID]; ok || len(p.box.read()) > 0 {
			t.Fatalf("%s: the mail did not wait: %+v", c.name, d)
		}
	}

	v := p.instance("one", login("relay-password"))
	s := v.start("mail")
	p.becomes(m, event.DeliveryAccepted)
	if got := p.copies(1); got[m.ID] != 1 {
		t.Errorf("in the mailbox: %v", got)
	}
	v.stop(s)
	text, err := os.ReadFile(p.box.read()[0].file)
	if err != nil || !strings.Contains(string(text), "using TLSv1.3") || !strings.Contains(string(text), "ESMTPSA") {
		t.Errorf("the mail did not come encrypted, after a login: %v\n%.600s", err, text)
	}
	if log := tailOf(p.maillog(), 1000); !strings.Contains(log, "sasl_method=SCRAM-SHA-256, sasl_username=lejarat@stack.example") {
		t.Error("Postfix's log knows of no login by SCRAM-SHA-256")
	}
}

// TestMailGreylisted: the first attempt to each recipient is put off, with each of the answers that greylists give. Each
// mail goes out later, once, and mails to others do not wait for it.
func TestMailGreylisted(t *testing.T) {
	p := openPost(t)
	g := startGreylist(t)
	p.throughOwn("smtpd_recipient_restrictions = check_policy_service inet:" + g.Addr().String())
	var to []string
	for i := range 20 {
		to = append(to, fmt.Sprintf("kanari%d@grey.example", i))
	}
	mails := p.queue(to...)
	v := p.instance("greylisted", "tls: none")
	s := v.start("mail")
	for _, m := range mails {
		if d := p.becomes(m, event.DeliveryAccepted); d.Attempts < 2 || d.Attempts != g.attempts(m.To.Email) {
			t.Errorf("%s after %d attempts, the greylist was asked %d times", m.To.Email, d.Attempts, g.attempts(m.To.Email))
		}
	}
	got := p.copies(len(mails))
	for _, m := range mails {
		if got[m.ID] != 1 {
			t.Errorf("mail to %s came %d times", m.To.Email, got[m.ID])
		}
	}
	v.stop(s)
}

// greylist is a policy server for Postfix (SMTPD_POLICY_README): a recipient is let in a while after the first attempt.
type greylist struct {
	net.Listener
	mu    sync.Mutex
	first map[string]time.Time
	asked map[string]int
}

const greylisted = time.Second

func startGreylist(t *testing.T) *greylist {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &greylist{Listener: l, first: map[string]time.Time{}, asked: map[string]int{}}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.serve(c)
		}
	}()
	return g
}

// serve answers requests: lines name=value up to an empty one.
func (g *greylist) serve(c net.Conn) {
	defer c.Close()
	recipient := ""
	for in := bufio.NewScanner(c); in.Scan(); {
		if name, value, _ := strings.Cut(in.Text(), "="); name == "recipient" {
			recipient = value
		} else if name == "" {
			fmt.Fprintf(c, "action=%s\n\n", g.judge(recipient))
		}
	}
}

func (g *greylist) judge(recipient string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[recipient]++
	if _, known := g.first[recipient]; !known {
		g.first[recipient] = time.Now()
	}
	switch {
	case time.Since(g.first[recipient]) >= greylisted:
		return "DUNNO"
	case len(g.first)%2 == 0:
		return "450 4.2.0 Greylisted"
	}
	return "451 4.7.1 Greylisting in action, please come back later"
}

func (g *greylist) attempts(recipient string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[recipient]
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// saslUser makes a user database with the user lejarat.
func saslUser(t *testing.T, file, password string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/saslpasswd2", "-c", "-p", "-f", file, "-u", "stack.example", "lejarat")
	cmd.Stdin = strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2 (Debian package sasl2-bin, which deploy/stack/start installs): %v\n%s", err, out)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
}

// selfMade makes a certificate authority, and a certificate of it for 127.0.0.1, as files.
func selfMade(t *testing.T, dir, name string) (ca, cert, key string) {
	t.Helper()
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().Add(24 * time.Hour)}
	}
	root, leaf := template(1), template(2)
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	rootKey, leafKey := newKey(t), newKey(t)
	file := func(kind, what string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+"-"+what+".pem")
		write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		return path
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	ca = file("CERTIFICATE", "ca", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, rootKey)
	cert = file("CERTIFICATE", "cert", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	return ca, cert, file("PRIVATE KEY", "key", der, err)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
