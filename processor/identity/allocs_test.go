//go:build !race

// Under the race detector sync.Pool drops some of what it is given, on purpose.

package identity_test

import (
	"testing"

	"lejarat/processor/identity"
)

// What is called once for every source record must not leave garbage behind.
func TestFingerprintAllocatesNothing(t *testing.T) {
	k := newKey(t, secret)
	if n := testing.AllocsPerRun(1000, func() { k.Fingerprint(identity.AllFields, &anna) }); n >= 1 {
		t.Errorf("Fingerprint allocates %v times", n)
	}
	for _, text := range []string{"nagy anna", "kovács győző", "kiss-nagy éva", "1970-01-31"} {
		if n := testing.AllocsPerRun(1000, func() { identity.Normalise(identity.Name, text, identity.Options{}) }); n >= 1 {
			t.Errorf("Normalise(%q) allocates %v times", text, n)
		}
	}
}
