package identity_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dchest/siphash"
	"pgregory.net/rapid"

	"lejarat/processor/identity"
)

var secret = []byte("a secret of more than 32 bytes, for tests")

var anna = identity.Holder{"kovácsné tóth anna", "tóth anna", "budapest 07", "1970-01-31", "kiss éva"}

func newKey(t testing.TB, secret []byte) *identity.Key {
	t.Helper()
	k, err := identity.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The text that is hashed is for ever: here it stands once more, put together by hand.
func TestHashesAreTheDocumentedOnes(t *testing.T) {
	k := newKey(t, secret)
	plain := func(text string) [16]byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return [16]byte(mac.Sum(nil)[:16])
	}
	id := plain("\x00lejarat key id")
	if want := hex.EncodeToString(id[:4]); k.ID() != want {
		t.Errorf("ID() = %s, want %s", k.ID(), want)
	}
	text := "\x01\x1f\x00\x00\x00\x15kovácsné tóth anna\x00\x00\x00\x0atóth anna\x00\x00\x00\x0bbudapest 07\x00\x00\x00\x0a1970-01-31\x00\x00\x00\x09kiss éva"
	if got, ok := k.Fingerprint(identity.AllFields, &anna); !ok || got != plain(text) {
		t.Errorf("Fingerprint of all fields = %x, %v, want %x", got, ok, plain(text))
	}
	text = "\x01\x0a\x00\x00\x00\x0atóth anna\x00\x00\x00\x0a1970-01-31"
	if got, ok := k.Fingerprint(1<<identity.BirthName|1<<identity.BirthDate, &anna); !ok || got != plain(text) {
		t.Errorf("Fingerprint of two fields = %x, %v, want %x", got, ok, plain(text))
	}
	text = "\x02\x00\x00\x00\x06notice\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x00\x01c"
	if got := k.Sum("notice", []byte("ab"), nil, []byte("c")); got != plain(text) {
		t.Errorf("Sum = %x, want %x", got, plain(text))
	}
	quick := plain("\x02\x00\x00\x00\x05quick")
	low, high := siphash.Hash128(binary.LittleEndian.Uint64(quick[:8]), binary.LittleEndian.Uint64(quick[8:]), []byte("ab"))
	if got := k.Quick([]byte("ab")); binary.LittleEndian.Uint64(got[:8]) != low || binary.LittleEndian.Uint64(got[8:]) != high {
		t.Errorf("Quick = %x, want %x %x", got, low, high)
	}
	if got, want := fmt.Sprintf("%x", k.Quick([]byte("golden"))), "986ab923596c47827451160262d00fcb"; got != want {
		t.Errorf("golden value of Quick is %s, want %s: with another one all facts are new", got, want)
	}
	if got, want := fmt.Sprintf("%s %x", k.ID(), k.Sum("golden")), "fdbce540 ef978bd629bdc451cdeaed26c7ae9ab0"; got != want {
		t.Errorf("golden values are %s, want %s: with other ones everybody is mailed again", got, want)
	}
}

func TestNewKey(t *testing.T) {
	for _, n := range []int{0, 1, 31} {
		if _, err := identity.NewKey(make([]byte, n)); err == nil || !strings.Contains(err.Error(), "head -c 32 /dev/urandom") {
			t.Errorf("a secret of %d bytes: %v", n, err)
		}
	}
	own := bytes.Clone(secret)
	k := newKey(t, own)
	before := k.Sum("x")
	clear(own)
	if k.Sum("x") != before || newKey(t, secret).ID() != k.ID() {
		t.Error("the key changes with the slice that it was made of")
	}
	other := newKey(t, append(bytes.Clone(secret), '\n'))
	if other.ID() == k.ID() {
		t.Error("a secret's last byte has no part in the key")
	}
}

func TestKeyNeverPrintsItsSecret(t *testing.T) {
	k := newKey(t, secret)
	want := "key " + k.ID()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(format, k); got != want {
			t.Errorf("printed with %s: %s", format, got)
		}
	}
}

func TestFingerprintNeedsEveryFieldOfTheList(t *testing.T) {
	k := newKey(t, secret)
	for f := identity.Field(0); f < identity.Fields; f++ {
		h := anna
		h[f] = ""
		if _, ok := k.Fingerprint(identity.AllFields, &h); ok {
			t.Errorf("without %s there is a fingerprint under all fields", f)
		}
		if _, ok := k.Fingerprint(identity.AllFields&^(1<<f), &h); !ok {
			t.Errorf("without %s there is none under the list without it", f)
		}
	}
	for _, l := range []identity.List{0, 1 << identity.Fields, 255} {
		if _, ok := k.Fingerprint(l, &anna); ok {
			t.Errorf("there is a fingerprint under list %d", l)
		}
	}
	if _, ok := k.Fingerprint(identity.AllFields, nil); ok {
		t.Error("there is a fingerprint of nobody")
	}
}

// Equal exactly where the list and all its fields are: no field may run over into the next.
func TestFingerprintsAreEqualExactlyWhereTheFieldsAre(t *testing.T) {
	k := newKey(t, secret)
	field := rapid.SampledFrom([]string{"a", "b", "ab", "aa", "a\x00", "\x00\x00\x00\x01a"})
	holder := rapid.Custom(func(t *rapid.T) identity.Holder {
		var h identity.Holder
		for f := range h {
			h[f] = field.Draw(t, "field")
		}
		return h
	})
	list := rapid.Custom(func(t *rapid.T) identity.List {
		return identity.List(rapid.Uint8Range(1, uint8(identity.AllFields)).Draw(t, "list"))
	})
	rapid.Check(t, func(t *rapid.T) {
		l, m, g, h := list.Draw(t, "l"), list.Draw(t, "m"), holder.Draw(t, "g"), holder.Draw(t, "h")
		if rapid.Bool().Draw(t, "same list") {
			m = l
		}
		same := l == m
		for f := range g {
			same = same && (!l.Has(identity.Field(f)) || g[f] == h[f])
		}
		x, _ := k.Fingerprint(l, &g)
		y, _ := k.Fingerprint(m, &h)
		if (x == y) != same {
			t.Fatalf("%q under %s and %q under %s: fingerprints equal is %v", g, l, h, m, x == y)
		}
	})
}

func TestSumKeepsItsPartsApart(t *testing.T) {
	k := newKey(t, secret)
	b := func(s string) []byte { return []byte(s) }
	seen := map[[16]byte]int{}
	for i, sum := range [][16]byte{
		k.Sum("a"), k.Sum("a", nil), k.Sum("a", nil, nil), k.Sum("a", b("b"), b("c")), k.Sum("a", b("bc")), k.Sum("a", b("bc"), nil),
		k.Sum("a", nil, b("bc")), k.Sum("ab", b("c")), k.Sum("", b("a")), newKey(t, bytes.Repeat([]byte{1}, 32)).Sum("a"),
	} {
		if j, ok := seen[sum]; ok {
			t.Errorf("sums %d and %d are equal", i, j)
		}
		seen[sum] = i
	}
}

func TestKeyServesManyGoroutines(t *testing.T) {
	k := newKey(t, secret)
	want, _ := k.Fingerprint(identity.AllFields, &anna)
	long := bytes.Repeat([]byte("x"), 1<<16)
	wantLong := k.Sum("long", long)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got, _ := k.Fingerprint(identity.AllFields, &anna); got != want {
					t.Error("another fingerprint")
				}
				if k.Sum("long", long) != wantLong {
					t.Error("another sum")
				}
			}
		})
	}
	wg.Wait()
}
