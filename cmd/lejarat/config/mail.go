package config

import "time"

// Mail is the SMTP connector.
type Mail struct {
	// From is the fixed sender, "Name <address>". Default "Okmányértesítő <lejarat@localhost>".
	From string `yaml:"from"`
	// ReplyTo is where answers go. Default: none.
	ReplyTo string `yaml:"reply_to,omitempty"`
	// EnvelopeFrom is the address that bounces go to. Default: the address of From.
	EnvelopeFrom string `yaml:"envelope_from,omitempty"`
	// BounceAddress is the address, name@domain, that bounces go to, each under a sender of its own: name+TOKEN@domain.
	// `lejarat mail bounces` reads them. Default: none, and bounces go to EnvelopeFrom.
	BounceAddress string `yaml:"bounce_address,omitempty"`
	// BounceKeyFile holds the key that tokens are made with, where it is not to be the reference key. Default: none.
	BounceKeyFile string `yaml:"bounce_key_file,omitempty"`
	// Relay is the mail server that takes the mails.
	Relay Relay `yaml:"relay"`
	// FurtherRelays have settings and defaults of their own, those of Relay. Each is given what those before it cannot
	// take: because they are away, or have all their connections and all that their rate allows under way. Default: none.
	FurtherRelays []Relay `yaml:"further_relays,omitempty"`
	// Hello is the name said in EHLO. Default: the machine's.
	Hello string `yaml:"hello,omitempty"`
	// Retry bounds the growing pause before another attempt.
	Retry Retry `yaml:"retry"`
	// DailyCap is how many mails may be handed over on a civil day (calendar.timezone), by all instances together; 0 is any
	// number. Mails of the last day go first. Default 0.
	DailyCap int `yaml:"daily_cap"`
	// InDoubt says what becomes of a mail whose answer was never seen: park (reported, not sent again) or resend
	// (sent once more, and again after a crash, so that nothing is lost). Default resend.
	InDoubt string `yaml:"in_doubt"`
	// TemplateDir holds templates that replace the shipped ones of the same name. Default: none.
	TemplateDir string `yaml:"template_dir,omitempty"`
	// Website is the address that mails point to for the service and its switch. Default: none.
	Website string `yaml:"website,omitempty"`
	// Texts are free texts that templates use: language, then name, then text; connectors/smtp/letter says which names the
	// shipped ones know, such as renew_passport. Default: none.
	Texts map[string]map[string]string `yaml:"texts,omitempty"`
	// Unsubscribe names ways to switch the service off that mail programs show: by kind of letter, expiry or announcement.
	// Default: none.
	Unsubscribe map[string]Unsubscribe `yaml:"unsubscribe,omitempty"`
	// DKIM are the keys that sign mails: the first RSA key and the first Ed25519 key do, those behind them wait.
	// Default: none, the relay signs.
	DKIM []DKIMKey `yaml:"dkim,omitempty"`
}

// Unsubscribe is where a mail program finds the way to switch the service off (header List-Unsubscribe).
type Unsubscribe struct {
	// URL is a page, https; {registration} in it becomes the registration's reference.
	URL string `yaml:"url,omitempty"`
	// Mail is an address that takes such wishes, the reference in the subject.
	Mail string `yaml:"mail,omitempty"`
	// OneClick: a POST to URL switches off without asking anything more (RFC 8058). Default false.
	OneClick bool `yaml:"one_click,omitempty"`
}

// DKIMKey is a key that signs.
type DKIMKey struct {
	// Domain is the one that the key's DNS record stands in: the sender's, or one above it. Default: the sender's.
	Domain string `yaml:"domain,omitempty"`
	// Selector is the label before ._domainkey in the DNS.
	Selector string `yaml:"selector"`
	// KeyFile is the private key, PEM, RSA or Ed25519; only its owner and group may read it.
	KeyFile string `yaml:"key_file"`
}

// Relay is the mail server that takes the mails.
type Relay struct {
	// Address is host:port. Default of Mail.Relay 127.0.0.1:25; a further one must name it.
	Address string `yaml:"address"`
	// TLS is starttls (required, not merely tried), tls (from the first byte) or none. Default starttls.
	TLS string `yaml:"tls"`
	// CAFile holds the certificates (PEM) that are trusted. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// User logs in where it is given. Default: no login.
	User string `yaml:"user,omitempty"`
	// Password may stand here or, better, in PasswordFile.
	Password     Secret `yaml:"password,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
	// ConnectTimeout is the longest time for connecting, TLS and login. Default 30s.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// CommandTimeout is the longest wait for the answer to a command. Default 5m.
	CommandTimeout time.Duration `yaml:"command_timeout"`
	// DataTimeout is the longest wait for the answer to the mail itself; the mail is in doubt after it. RFC 5321
	// asks for 10 minutes. Default 10m.
	DataTimeout time.Duration `yaml:"data_timeout"`
	// Connections is how many are open at most; after a crash as many mails may be in doubt. Default 8.
	Connections int `yaml:"connections"`
	// Rate is the most mails that one instance hands over, "20/s", "600/min" or "10000/h". Default: no limit.
	Rate Rate `yaml:"rate,omitempty"`
}

func (r *Relay) setDefaults() {
	*r = Relay{TLS: "starttls", ConnectTimeout: 30 * time.Second, CommandTimeout: 5 * time.Minute,
		DataTimeout: 10 * time.Minute, Connections: 8}
}

// Relays are all relays in their order, Relay first.
func (m Mail) Relays() []Relay { return append([]Relay{m.Relay}, m.FurtherRelays...) }

// relayPath is the setting that the i-th of Relays stands in.
func relayPath(i int) string {
	if i == 0 {
		return "mail.relay"
	}
	return index("mail.further_relays", i-1)
}

// Passwords are those of Relays, from their files where such are named.
func (m Mail) Passwords() ([]string, error) {
	var passwords []string
	for i, r := range m.Relays() {
		p, err := secret(relayPath(i), r.Password, r.PasswordFile)
		if err != nil {
			return nil, err
		}
		passwords = append(passwords, p)
	}
	return passwords, nil
}

// Retry bounds the growing pause before another attempt.
type Retry struct {
	// Min is the first pause. Default 1s.
	Min time.Duration `yaml:"min"`
	// Max is the longest pause. Default 5m.
	Max time.Duration `yaml:"max"`
}

func defaultMail() Mail {
	m := Mail{From: "Okmányértesítő <lejarat@localhost>", Retry: Retry{Min: time.Second, Max: 5 * time.Minute}, InDoubt: "resend"}
	m.Relay.setDefaults()
	m.Relay.Address = "127.0.0.1:25"
	return m
}
