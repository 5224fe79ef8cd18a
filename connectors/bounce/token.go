package bounce

import (
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
)

// Token is what an envelope sender of ours carries: which mail it belongs to, and where its record stands in mail-sink.
type Token struct {
	ID        string // of the notification, 32 hex digits
	Partition int32
	Offset    int64
}

// Tokens write and read envelope senders: bounces@example.hu becomes bounces+TOKEN@example.hu. A token is, in base32,
// the notification id (16 bytes), partition and offset in mail-sink (uvarints), and the first 8 bytes of a keyed hash of
// these. It is lower case and read in any: mail servers may change it.
type Tokens struct {
	local, domain string
	mac           func(body []byte) [16]byte
}

const (
	idBytes  = 16
	macBytes = 8
	// maxToken is the longest token, in letters: of partition 16383 and offset 34 billion.
	maxToken = (idBytes+2+5+macBytes)*8/5 + 1
	// maxLocal is what RFC 5321 4.5.3.1.1 allows before the @.
	maxLocal = 64
)

// MaxLocalPart is how long the part of the address before the @ may be, so that a token still has room.
const MaxLocalPart = maxLocal - 1 - maxToken

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewTokens makes tokens for an address, local@domain. mac is a keyed hash that nobody else can make.
func NewTokens(address string, mac func(body []byte) [16]byte) (*Tokens, error) {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" || len(local) > MaxLocalPart || strings.ContainsAny(address, "+ \t\r\n<>\"") {
		return nil, errors.New("the bounce address must be name@domain, with a short name and no + in it")
	}
	return &Tokens{local: local, domain: domain, mac: mac}, nil
}

// Sender is the envelope sender of a mail. A mail whose id is not 32 hex digits has the bare address: it was not queued by
// lejarat, and nobody would know what to do with its bounce.
func (t *Tokens) Sender(k Token) string {
	id, err := hex.DecodeString(k.ID)
	if err != nil || len(id) != idBytes {
		return t.local + "@" + t.domain
	}
	body := binary.AppendUvarint(id, uint64(k.Partition))
	body = binary.AppendUvarint(body, uint64(k.Offset))
	mac := t.mac(body)
	return t.local + "+" + letters.EncodeToString(append(body, mac[:macBytes]...)) + "@" + t.domain
}

// Errors of Read.
var (
	errElsewhere = errors.New("not our address")
	errBare      = errors.New("no token")
	errForged    = errors.New("a token that is not ours")
)

// Read reads the token of an address.
func (t *Tokens) Read(address string) (Token, error) {
	address = strings.Trim(strings.TrimSpace(address), "<>")
	at := strings.LastIndexByte(address, '@')
	if at < 0 || !strings.EqualFold(address[at+1:], t.domain) || len(address) > 320 {
		return Token{}, errElsewhere
	}
	local, token, tagged := strings.Cut(address[:at], "+")
	switch {
	case !strings.EqualFold(local, t.local):
		return Token{}, errElsewhere
	case !tagged:
		return Token{}, errBare
	}
	raw, err := letters.DecodeString(strings.ToLower(token))
	if err != nil || len(raw) < idBytes+2+macBytes {
		return Token{}, errForged
	}
	body, said := raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	mac := t.mac(body)
	if subtle.ConstantTimeCompare(mac[:macBytes], said) != 1 {
		return Token{}, errForged
	}
	partition, n := binary.Uvarint(body[idBytes:])
	if n <= 0 {
		return Token{}, errForged
	}
	offset, m := binary.Uvarint(body[idBytes+n:])
	if m <= 0 || idBytes+n+m != len(body) {
		return Token{}, errForged
	}
	return Token{ID: hex.EncodeToString(body[:idBytes]), Partition: int32(partition), Offset: int64(offset)}, nil
}
