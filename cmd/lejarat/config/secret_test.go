package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files of secrets that anybody can read, or their group can write, are refused, all of them at once, each with its line.
func TestSecretFilesThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(strings.Repeat("k", 32)), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	load := func(open os.FileMode, env ...string) string {
		path := func(name string) string { return file(name, open) }
		text := strings.Join([]string{
			"identity: {key_file: " + path("identity") + ",",
			"  reference_key_file: " + path("reference") + "}",
			"kafka: {brokers: [kafka:9092], sasl: {mechanism: PLAIN, user: u,",
			"  password_file: " + path("sasl") + "}, tls: {cert_file: c.pem,",
			"  key_file: " + path("tls") + "}}",
			"mail: {from: a@example.hu, bounce_address: b@example.hu,",
			"  bounce_key_file: " + path("bounce") + ",",
			"  relay: {address: 'relay:25', user: u,",
			"    password_file: " + path("relay") + "},",
			"  further_relays: [{address: 'other:25', user: u,",
			"    password_file: " + path("further") + "}],",
			"  dkim: [{selector: s,",
			"    key_file: " + path("dkim") + "}]}",
		}, "\n")
		name := file("lejarat.yaml", 0o600)
		if err := os.WriteFile(name, []byte(withBase(text)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(name, env)
		return fmt.Sprint(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o604, 0o660} {
		said := load(mode)
		for _, line := range []int{1, 2, 4, 5, 7, 9, 11, 13} {
			if !strings.Contains(said, fmt.Sprintf("lejarat.yaml:%d:", line)) {
				t.Errorf("%v: line %d is missing: %s", mode, line, said)
			}
		}
		if n := strings.Count(said, "chmod 600"); n != 8 {
			t.Errorf("%v: %d faults: %s", mode, n, said)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640} {
		if said := load(mode); said != "<nil>" {
			t.Errorf("%v: %s", mode, said)
		}
	}
	key := strings.Repeat("0a", 32)
	if said := load(0o644, envIdentityKey+"="+key, envReferenceKey+"="+strings.Repeat("0b", 32)); strings.Contains(said, "identity") {
		t.Errorf("keys from the environment: %s", said)
	}
}
