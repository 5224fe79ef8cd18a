package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/dchest/siphash"
)

// Each kind of hashed text begins with its own byte, so that no two kinds can ever be equal. The texts are for ever:
// another one would mail everybody again.
const (
	tagID          = 0 // fixed label
	tagFingerprint = 1 // list, then each field of it: length, bytes
	tagSum         = 2 // label: length, bytes; then each part: length, bytes
)

// minSecret is the shortest secret that NewKey takes, in bytes.
const minSecret = 32

// keyIDLabel is what the key id is the keyed hash of.
const keyIDLabel = "lejarat key id"

// quickLabel is what the key of Quick is the keyed hash of.
const quickLabel = "quick"

// Key makes the keyed hashes of SPEC 1.4: fingerprints under the identity key, notification ids and pseudonyms under the
// reference key. All its methods may be called from many goroutines at once. It prints as its id, never as its secret.
type Key struct {
	id     string
	hashes sync.Pool // of *keyed
	quick  [2]uint64
}

// keyed is a reusable HMAC state of one key, with the buffer that its text is put together in.
type keyed struct {
	mac  hash.Hash
	text []byte
	sum  [sha256.Size]byte
}

// maxKeptText bounds the buffer that a keyed state keeps for its next use, in bytes.
const maxKeptText = 4096

// NewKey makes a key of a secret of at least 32 bytes, taken as they are: nothing is trimmed or decoded. A shorter one is
// an error that says how to make a good one.
func NewKey(secret []byte) (*Key, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("making a key: the secret has %d bytes and needs at least %d; make one with: head -c %d /dev/urandom > identity.key",
			len(secret), minSecret, minSecret)
	}
	own := append([]byte(nil), secret...)
	k := &Key{}
	k.hashes.New = func() any {
		return &keyed{mac: hmac.New(sha256.New, own), text: make([]byte, 0, 256)}
	}
	h := k.begin(tagID)
	h.text = append(h.text, keyIDLabel...)
	id := k.finish(h)
	k.id = hex.EncodeToString(id[:4])
	quick := k.Sum(quickLabel)
	k.quick = [2]uint64{binary.LittleEndian.Uint64(quick[:8]), binary.LittleEndian.Uint64(quick[8:])}
	return k, nil
}

// ID names the key: 8 hex digits, a keyed hash of a fixed label, that tell keys apart and nothing of the secret.
func (k *Key) ID() string { return k.id }

// Format prints the key's id, whatever the verb: a secret must not reach a log by a careless %+v.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "key "+k.id) }

// Fingerprint returns the keyed fingerprint of the holder under the list: HMAC-SHA-256, truncated to 128 bits, over the
// list and the length and bytes of each of its fields (SPEC 1.4). Two holders have the same one exactly when the list
// and all fields in it are equal; fields outside the list have no part in it. It is not ok, and matches nothing, where a
// field of the list is empty or the list is not valid.
func (k *Key) Fingerprint(l List, h *Holder) (fingerprint [16]byte, ok bool) {
	if !l.Valid() || h == nil {
		return fingerprint, false
	}
	for f := range h {
		if l.Has(Field(f)) && h[f] == "" {
			return fingerprint, false
		}
	}
	state := k.begin(tagFingerprint)
	state.text = append(state.text, byte(l))
	for f := range h {
		if l.Has(Field(f)) {
			state.text = binary.BigEndian.AppendUint32(state.text, uint32(len(h[f])))
			state.text = append(state.text, h[f]...)
		}
	}
	return k.finish(state), true
}

// Sum returns the keyed hash of the parts under a label that says what it is for: notification ids, pseudonyms, hashes of
// addresses. Each part is hashed with its length, so that ("ab", "c") and ("a", "bc") differ.
func (k *Key) Sum(label string, parts ...[]byte) [16]byte {
	state := k.begin(tagSum)
	state.text = binary.BigEndian.AppendUint32(state.text, uint32(len(label)))
	state.text = append(state.text, label...)
	for _, part := range parts {
		state.text = binary.BigEndian.AppendUint32(state.text, uint32(len(part)))
		state.text = append(state.text, part...)
	}
	return k.finish(state)
}

// Quick returns a keyed hash of the text that takes a quarter of the time of Sum: SipHash-2-4 with 128 bits, under a key made of
// this one. It tells whether a text has changed; what names somebody or something is a Sum.
func (k *Key) Quick(text []byte) (sum [16]byte) {
	low, high := siphash.Hash128(k.quick[0], k.quick[1], text)
	binary.LittleEndian.PutUint64(sum[:8], low)
	binary.LittleEndian.PutUint64(sum[8:], high)
	return sum
}

func (k *Key) begin(tag byte) *keyed {
	state := k.hashes.Get().(*keyed)
	state.text = append(state.text[:0], tag)
	return state
}

// finish hashes the text and gives the state back. The text is overwritten: it is personal data.
func (k *Key) finish(state *keyed) (out [16]byte) {
	state.mac.Reset()
	state.mac.Write(state.text)
	copy(out[:], state.mac.Sum(state.sum[:0]))
	clear(state.text)
	if cap(state.text) > maxKeptText {
		state.text = nil
	}
	k.hashes.Put(state)
	return out
}
