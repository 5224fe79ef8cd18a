package letter

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// keyring makes keys in files and answers for the DNS.
type keyring struct {
	dir string
	dns map[string]string
}

var (
	rsaKey   = sync.OnceValue(func() crypto.Signer { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	shortKey = sync.OnceValue(func() crypto.Signer { k, _ := rsa.GenerateKey(rand.Reader, 1024); return k })
)

func ed25519Key() crypto.Signer {
	_, k, _ := ed25519.GenerateKey(rand.Reader)
	return k
}

// add writes a key and publishes its public half.
func (k *keyring) add(t testing.TB, domain, selector string, key crypto.Signer) DKIMKey {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(k.dir, selector+".pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=rsa; p="
	public, _ := x509.MarshalPKIXPublicKey(key.Public())
	if e, ok := key.Public().(ed25519.PublicKey); ok {
		record, public = "v=DKIM1; k=ed25519; p=", e
	}
	k.dns[selector+"._domainkey."+domain] = record + base64.StdEncoding.EncodeToString(public)
	return DKIMKey{Selector: selector, KeyFile: file}
}

func newKeyring(t testing.TB) *keyring { return &keyring{dir: t.TempDir(), dns: map[string]string{}} }

// verify returns the selectors' domains and errors of a mail's signatures.
func (k *keyring) verify(t *testing.T, msg []byte) []*dkim.Verification {
	t.Helper()
	found, err := dkim.VerifyWithOptions(bytes.NewReader(msg), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if record, ok := k.dns[name]; ok {
			return []string{record}, nil
		}
		return nil, errors.New("no such name")
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The first key of each algorithm signs; a receiver who asks the DNS finds every signature good, over all that is shown.
func TestSignaturesVerify(t *testing.T) {
	ring := newKeyring(t)
	old, later := ring.add(t, "example.hu", "old", rsaKey()), ring.add(t, "example.hu", "later", rsaKey())
	modern := ring.add(t, "example.hu", "modern", ed25519Key())
	for name, c := range map[string]struct {
		keys []DKIMKey
		want []string
	}{
		"one": {[]DKIMKey{old}, []string{"old"}}, "both algorithms": {[]DKIMKey{modern, old}, []string{"modern", "old"}},
		"the next one waits": {[]DKIMKey{old, later, modern}, []string{"old", "modern"}}, "changed": {[]DKIMKey{later, old}, []string{"later"}},
	} {
		o := sampleOptions()
		o.ReplyTo, o.DKIM = "ugyfelszolgalat@example.hu", c.keys
		o.Unsubscribe = map[string]Unsubscribe{"expiry": {URL: "https://example.hu/ki?r={registration}", OneClick: true}}
		for _, s := range mustTemplates(t, o).samples()[:4] {
			e, err := mustComposer(t, o).Compose(nil, s.mail, testNow)
			if err != nil {
				t.Fatal(err)
			}
			found := ring.verify(t, e.Body)
			if len(found) != len(c.want) {
				t.Fatalf("%s: %d signatures", name, len(found))
			}
			for i, v := range found {
				if v.Err != nil || v.Domain != "example.hu" || !bytes.Contains(e.Body, []byte("s="+c.want[i]+";")) {
					t.Errorf("%s: %+v", name, v)
				}
				for _, field := range fieldNames(e.Body) {
					if field != "DKIM-Signature" && !containsFold(v.HeaderKeys, field) {
						t.Errorf("%s: %s is not signed", name, field)
					}
				}
			}
			spoilt := [][]byte{
				bytes.Replace(e.Body, []byte("Subject: "), []byte("Subject: x\r\nSubject: "), 1),
				bytes.Replace(e.Body, []byte("From: "), []byte("From: <evil@example.com>\r\nFrom: "), 1),
				bytes.Replace(e.Body, []byte("To: "), []byte("To: <x@example.com>, "), 1),
				bytes.Replace(e.Body, []byte("\r\n--lejarat"), []byte("\r\nx--lejarat"), 1),
				bytes.Replace(e.Body, []byte("MIME-Version"), []byte("Reply-To: <evil@example.com>\r\nMIME-Version"), 1),
			}
			for i, msg := range spoilt {
				if found := ring.verify(t, msg); found[0].Err == nil {
					t.Errorf("%s: change %d was not noticed", name, i)
				}
			}
		}
	}
}

func containsFold(all []string, s string) bool {
	for _, one := range all {
		if strings.EqualFold(one, s) {
			return true
		}
	}
	return false
}

// What is signed is the same at every attempt, and so is the mail but for its signatures.
func TestSignedMailIsTheSameAtEveryAttempt(t *testing.T) {
	ring := newKeyring(t)
	o := sampleOptions()
	unsigned, _ := mustComposer(t, o).Compose(nil, sampleMail(1), testNow)
	o.DKIM = []DKIMKey{ring.add(t, "example.hu", "modern", ed25519Key())}
	signed, err := mustComposer(t, o).Compose(nil, sampleMail(1), testNow)
	if err != nil || !bytes.HasPrefix(signed.Body, []byte("DKIM-Signature:")) || !bytes.HasSuffix(signed.Body, unsigned.Body) {
		t.Errorf("%v: signing changed the mail", err)
	}
}

func TestKeysThatCannotSign(t *testing.T) {
	ring := newKeyring(t)
	good := ring.add(t, "example.hu", "good", ed25519Key())
	write := func(name, text string) DKIMKey {
		file := filepath.Join(ring.dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return DKIMKey{Selector: "s", KeyFile: file}
	}
	public, _ := x509.MarshalPKIXPublicKey(ed25519Key().Public())
	for want, k := range map[string]DKIMKey{
		"no such file":                {Selector: "s", KeyFile: "/nowhere/key.pem"},
		"holds no PEM":                write("empty", ""),
		"no private key":              write("public", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))),
		"RSA key of 1024 bits":        {Selector: "s", KeyFile: ring.add(t, "example.hu", "short", shortKey()).KeyFile},
		"selector":                    {Selector: "a b", KeyFile: good.KeyFile},
		"not the sender's domain":     {Selector: "s", Domain: "example.com", KeyFile: good.KeyFile},
		"sender's domain example.hu ": {Selector: "s", Domain: "mail.example.hu", KeyFile: good.KeyFile},
	} {
		o := sampleOptions()
		o.DKIM = []DKIMKey{good, k, {Selector: "", KeyFile: good.KeyFile}}
		_, err := NewComposer(o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "mail.dkim[1]") || !strings.Contains(err.Error(), "mail.dkim[2].selector") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	o := sampleOptions()
	o.From, o.DKIM = "a@mail.example.hu", []DKIMKey{{Domain: "example.hu", Selector: "s", KeyFile: good.KeyFile}}
	if _, err := NewComposer(o); err != nil {
		t.Error(err)
	}
}
