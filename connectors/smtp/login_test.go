package smtp

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// doorkeeper is a scripted relay's side of a login, one connection at a time.
type doorkeeper struct {
	mechanism      string
	user, password string

	mu    sync.Mutex
	step  int    // 0: nobody is logging in
	first string // what counts of the messages before the last
}

func (d *doorkeeper) script(s step) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case s.verb == "AUTH":
		d.step = 0
		rest, ok := strings.CutPrefix(s.line, "AUTH "+d.mechanism)
		if !ok {
			return "504 5.5.4 Unrecognized authentication type"
		}
		return d.answer(strings.TrimSpace(rest))
	case d.step > 0:
		return d.answer(s.line)
	case s.verb == "*": // the client is done with trying
		return "501 5.7.0 Authentication aborted"
	}
	return ""
}

func (d *doorkeeper) answer(line string) string {
	said, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		return "501 5.5.2 Cannot decode"
	}
	d.step++
	ask := func(text string) string { return "334 " + base64.StdEncoding.EncodeToString([]byte(text)) }
	in := false
	switch at := fmt.Sprint(d.mechanism, d.step); at {
	case "LOGIN1":
		return ask("Username:")
	case "LOGIN2":
		d.first = string(said)
		return ask("Password:")
	case "LOGIN3":
		in = d.first == d.user && string(said) == d.password
	case "PLAIN1":
		in = string(said) == "\x00"+d.user+"\x00"+d.password
	case "SCRAM-SHA-2561":
		return ask("")
	case "SCRAM-SHA-2562":
		bare := strings.TrimPrefix(string(said), "n,,")
		_, nonce, _ := strings.Cut(bare, ",r=")
		server := "r=" + nonce + "server,s=" + base64.StdEncoding.EncodeToString([]byte("salt")) + ",i=4096"
		d.first = bare + "," + server
		return ask(server)
	case "SCRAM-SHA-2563":
		if signature, ok := d.proven(string(said)); ok {
			return ask("v=" + signature)
		}
	case "SCRAM-SHA-2564":
		in = true
	}
	d.step = 0
	if in {
		return "235 2.7.0 Ok"
	}
	return "535 5.7.8 no entry with " + line
}

// proven checks the proof of RFC 5802 and gives the server's signature.
func (d *doorkeeper) proven(final string) (signature string, ok bool) {
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	without, proof, _ := strings.Cut(final, ",p=")
	salted, err := pbkdf2.Key(sha256.New, d.password, []byte("salt"), 4096, sha256.Size)
	if err != nil {
		return "", false
	}
	text := d.first + "," + without
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client)
	signed := mac(stored[:], text)
	for i := range client {
		client[i] ^= signed[i]
	}
	got, _ := base64.StdEncoding.DecodeString(proof)
	return base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), text)), bytes.Equal(got, client) && strings.HasPrefix(d.first, "n="+d.user+",")
}

// Each way to log in, over each way to encrypt, at a relay that is not this machine: and what is said when the password is
// wrong names neither it nor what was sent for it.
func TestLogin(t *testing.T) {
	cfg, ca := certificate(t, false)
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} {
		for _, how := range []string{StartTLS, TLS} {
			for _, password := range []string{"titkos-jelszó", "hamis-jelszó"} {
				t.Run(fmt.Sprint(mechanism, " ", how, " ", password), func(t *testing.T) {
					t.Parallel()
					door := &doorkeeper{mechanism: mechanism, user: "lejarat-user", password: "titkos-jelszó"}
					relay := startEncrypted(t, how, cfg, door.script, "AUTH "+mechanism)
					b := newBench(t, relay.address())
					x := &b.options.Relays[0]
					x.TLS, x.CAFile, x.User, x.Password = how, ca, door.user, password
					b.options.Retry = Retry{Min: time.Minute, Max: time.Minute, Budget: 20 * time.Second} // one attempt
					if password != door.password {
						b.options.Retry.Budget = 100 * time.Millisecond
					}
					b.queue(sampleMail(1))
					c := mustConnector(t, b.options, b.join(), b.broker)
					c.relays[0].tls.ServerName = "relay.example.hu" // go-mail is freer with passwords at 127.0.0.1
					s, err := c.Run(t.Context(), true)
					switch right := password == door.password; {
					case right && (err != nil || s.Accepted != 1):
						t.Errorf("%v %+v %s", err, s, b.log.String())
					case !right && (err == nil || !strings.Contains(err.Error(), "connect: answered 535 5.7.8")):
						t.Errorf("%v %+v", err, s)
					}
					if relay.count("AUTH") == 0 {
						t.Error("nobody logged in")
					}
					places := fmt.Sprint(b.log.String(), err, b.outcomes, c.Status(), b.deliveries(t))
					for _, secret := range []string{password, password[1:], "\x00" + door.user + "\x00" + password} {
						for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), door.user} {
							if strings.Contains(places, form) {
								t.Errorf("%q is in %s", form, places)
							}
						}
					}
				})
			}
		}
	}
}

// startEncrypted is startScripted with encryption.
func startEncrypted(t *testing.T, how string, cfg *tls.Config, script func(step) string, extensions ...string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l, script: script, tls: cfg, extensions: append([]string{"PIPELINING", "8BITMIME"}, extensions...)}
	if how == TLS {
		s.Listener, s.tls = tls.NewListener(l, cfg), nil
	}
	return serveScripted(t, s)
}
