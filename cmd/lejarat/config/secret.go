package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Secret is a password. Every way of printing it gives the mask.
type Secret string

const mask = "***"

// String returns the mask, or "" for no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps JSON and slog from showing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *Secret) parse(text string) error {
	*s = Secret(text)
	return nil
}

func secret(path string, value Secret, file string) (string, error) {
	if file == "" {
		if value == mask {
			return "", fmt.Errorf("%s.password is only the mask that `lejarat config` prints; give the password or a password_file", path)
		}
		return string(value), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading %s.password_file: %w", path, err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", fmt.Errorf("reading %s.password_file: %s is empty; put the password into it", path, file)
	}
	return text, nil
}

// checkSecretFiles refuses files of keys and passwords that others than their owner, and a group that they were given to,
// can read or change. What cannot be looked at is said when it is read.
func (c *Config) checkSecretFiles(r *report) {
	check := func(path, file string) {
		info, err := os.Stat(file)
		if file == "" || err != nil || !info.Mode().IsRegular() {
			return
		}
		if mode := info.Mode().Perm(); mode&0o027 != 0 {
			r.fault(path, "%s can be read by anybody or written by its group (%v); chmod 600, or 640 for a group", file, mode)
		}
	}
	if c.Identity.key == nil {
		check("identity.key_file", c.Identity.KeyFile)
	}
	if c.Identity.referenceKey == nil {
		check("identity.reference_key_file", c.Identity.ReferenceKeyFile)
	}
	check("kafka.sasl.password_file", c.Kafka.SASL.PasswordFile)
	check("kafka.tls.key_file", c.Kafka.TLS.KeyFile)
	check("mail.bounce_key_file", c.Mail.BounceKeyFile)
	for i, l := range c.Mail.Relays() {
		check(relayPath(i)+".password_file", l.PasswordFile)
	}
	for i, k := range c.Mail.DKIM {
		check(index("mail.dkim", i)+".key_file", k.KeyFile)
	}
}

// Identity holds the two keys and how names are normalised.
type Identity struct {
	// KeyFile holds the identity key, which makes fingerprints. Default ./identity.key.
	KeyFile string `yaml:"key_file"`
	// ReferenceKeyFile holds the reference key, which makes notification ids and pseudonyms: it never changes. Default ./reference.key.
	ReferenceKeyFile string `yaml:"reference_key_file"`
	// DropTitle: a leading academic title is dropped from names, where the source says nothing else. Default false.
	DropTitle bool `yaml:"drop_title"`

	key, referenceKey []byte // from the environment; nil where the files count
}

// KeyBytes is the least number of bytes of a key.
const KeyBytes = 32

// Keys returns the identity key and the reference key, from the environment (LEJARAT_IDENTITY_KEY,
// LEJARAT_REFERENCE_KEY) or else from the files. A file holds the key in hexadecimal or base64 text, or else as raw bytes.
func (i Identity) Keys() (identity, reference []byte, err error) {
	identity, errI := readKey("identity.key_file", i.key, i.KeyFile)
	reference, errR := readKey("identity.reference_key_file", i.referenceKey, i.ReferenceKeyFile)
	if err := errors.Join(errI, errR); err != nil {
		return nil, nil, err
	}
	return identity, reference, nil
}

// BounceKey returns the key of bounce tokens, from its own file or else the reference key.
func (c *Config) BounceKey() ([]byte, error) {
	if c.Mail.BounceKeyFile != "" {
		return readKey("mail.bounce_key_file", nil, c.Mail.BounceKeyFile)
	}
	return readKey("identity.reference_key_file", c.Identity.referenceKey, c.Identity.ReferenceKeyFile)
}

func readKey(path string, key []byte, file string) ([]byte, error) {
	if key != nil {
		return key, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; make one with: umask 077; head -c 32 /dev/urandom > %s", path, err, file)
	}
	if key := decodeKey(string(data)); key != nil {
		return key, nil
	}
	if len(data) < KeyBytes {
		return nil, fmt.Errorf("reading %s: %s holds %d bytes, a key needs at least %d random ones", path, file, len(data), KeyBytes)
	}
	return data, nil
}

// decodeKey reads a key written as text; nil where the text is no hexadecimal or base64 of enough bytes. Hexadecimal
// comes first, since its digits are base64's too.
func decodeKey(text string) []byte {
	text = strings.TrimSpace(text)
	decoders := []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) >= KeyBytes {
			return key
		}
	}
	return nil
}
