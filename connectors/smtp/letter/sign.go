package letter

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIMKey is a key that mails are signed with (RFC 6376). Of several, the first RSA key and the first Ed25519 key sign;
// those behind them wait: a key is changed by publishing the new one, putting it first when the DNS has it everywhere, and
// removing the former some days later.
type DKIMKey struct {
	Domain   string // "": that of the sender's address
	Selector string
	KeyFile  string // PEM, PKCS #8 or PKCS #1
}

// signer puts signatures before a message.
type signer struct{ keys []dkim.SignOptions }

// newSigner reads all keys, those that wait too, and reports all that cannot be used. Without keys it is nil.
func newSigner(keys []DKIMKey, senderDomain string) (*signer, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	s := &signer{}
	signs := map[string]bool{}
	var faults []error
	for i, k := range keys {
		domain := first(k.Domain, senderDomain)
		key, algorithm, err := readSigningKey(k.KeyFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("mail.dkim[%d].key_file: %w", i, err))
		}
		if !hostName(k.Selector) {
			faults = append(faults, fmt.Errorf("mail.dkim[%d].selector: %q is none; write the label before ._domainkey in the DNS", i, k.Selector))
		}
		if sender := strings.ToLower(senderDomain); sender != strings.ToLower(domain) && !strings.HasSuffix(sender, "."+strings.ToLower(domain)) {
			faults = append(faults, fmt.Errorf("mail.dkim[%d].domain: %q is not the sender's domain %s nor above it; receivers would not count the signature", i, domain, senderDomain))
		}
		if err != nil || signs[algorithm] {
			continue
		}
		signs[algorithm] = true
		s.keys = append(s.keys, dkim.SignOptions{Domain: domain, Selector: k.Selector, Signer: key,
			HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if _, err := s.sign([]byte("From: <lejarat@" + senderDomain + ">\r\n\r\n")); err != nil { // now, not on a citizen's mail
		return nil, fmt.Errorf("mail.dkim: trying to sign: %w", err)
	}
	return s, nil
}

func hostName(s string) bool {
	return dotted(s, isHostRune) && !strings.HasPrefix(s, "-") && len(s) <= 63
}

// readSigningKey reads a private key.
func readSigningKey(file string) (key crypto.Signer, algorithm string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, "", fmt.Errorf("%s holds no PEM", file)
	}
	var parsed any
	if block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err == nil {
		switch key := parsed.(type) {
		case ed25519.PrivateKey:
			return key, "ed25519", nil
		case *rsa.PrivateKey:
			if n := key.N.BitLen(); n < 2048 || n > 4096 {
				return nil, "", fmt.Errorf("%s holds an RSA key of %d bits; receivers want 2048 to 4096", file, n)
			}
			return key, "rsa", nil
		}
	}
	return nil, "", fmt.Errorf("%s holds no private key of RSA or Ed25519 without a passphrase", file)
}

// signTwice are the fields of which nobody may add another without breaking the signature.
var signTwice = []string{"From", "To", "Subject", "Reply-To"}

// sign returns the message with its signatures before it. They say when they were made, and so differ at each attempt; what
// is signed does not.
func (s *signer) sign(msg []byte) ([]byte, error) {
	fields := append(fieldNames(msg), signTwice...)
	var out bytes.Buffer
	for _, options := range s.keys {
		options.HeaderKeys = fields
		one, err := dkim.NewSigner(&options)
		if err != nil {
			return nil, err
		}
		_, err = one.Write(msg)
		if err = errors.Join(err, one.Close()); err != nil {
			return nil, err
		}
		out.WriteString(one.Signature())
	}
	out.Write(msg)
	return out.Bytes(), nil
}

// fieldNames are the names of a message's header fields.
func fieldNames(msg []byte) (names []string) {
	header, _, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	for line := range bytes.Lines(header) {
		if name, _, found := bytes.Cut(line, []byte(":")); found && line[0] != ' ' {
			names = append(names, string(name))
		}
	}
	return names
}
