package bounce

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTokens: what is written is read again in any case of letters, fits into an envelope, and a changed one is not ours.
func TestTokens(t *testing.T) {
	local := strings.Repeat("b", MaxLocalPart)
	tokens, err := NewTokens(local+"@Example.hu", testMAC("ours"))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		k := Token{ID: fmt.Sprintf("%032x", rapid.Uint64().Draw(t, "id")), Partition: rapid.Int32Range(0, 1<<14-1).Draw(t, "partition"),
			Offset: rapid.Int64Range(0, 1<<35-1).Draw(t, "offset")}
		address := tokens.Sender(k)
		if at := strings.IndexByte(address, '@'); at > maxLocal {
			t.Fatalf("%d letters before the @", at)
		}
		for _, form := range []string{address, strings.ToUpper(address), " <" + address + ">"} {
			if read, err := tokens.Read(form); err != nil || read != k {
				t.Fatalf("%s: %+v %v, want %+v", form, read, err, k)
			}
		}
		i := rapid.IntRange(len(local)+1, strings.IndexByte(address, '@')-1).Draw(t, "changed")
		other := []byte(address)
		for other[i] == address[i] {
			other[i] = letterAt(rapid.IntRange(0, 31).Draw(t, "letter"))
		}
		if read, err := tokens.Read(string(other)); err == nil && read != k {
			t.Fatalf("%s was read as %+v", other, read)
		}
	})
}

func letterAt(i int) byte { return "abcdefghijklmnopqrstuvwxyz234567"[i] }

func TestAddressesWithoutOurToken(t *testing.T) {
	tokens, err := NewTokens("bounces@example.hu", testMAC("ours"))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]error{
		"": errElsewhere, "bounces": errElsewhere, "bounces@example.com": errElsewhere, "other+abc@example.hu": errElsewhere,
		"bounces@example.hu": errBare, "BOUNCES@EXAMPLE.HU": errBare,
		"bounces+@example.hu": errForged, "bounces+abc@example.hu": errForged, "bounces+" + strings.Repeat("a", 50) + "@example.hu": errForged,
		"bounces+" + strings.Repeat("a", 1000) + "@example.hu": errElsewhere,
	} {
		if _, err := tokens.Read(address); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", address, err, want)
		}
	}
	if sender := tokens.Sender(Token{ID: "not-an-id"}); sender != "bounces@example.hu" {
		t.Errorf("an id of somebody else's making gets %s", sender)
	}
	for _, bad := range []string{"", "bounces", "@example.hu", "bounces@", "a+b@example.hu", strings.Repeat("b", MaxLocalPart+1) + "@example.hu", "a b@example.hu"} {
		if _, err := NewTokens(bad, testMAC("ours")); err == nil {
			t.Errorf("%q is a bounce address", bad)
		}
	}
}
