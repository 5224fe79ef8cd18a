package config

import (
	"strconv"
	"strings"
	"time"
)

// Kafka says where the brokers are, how to talk to them and how topics are made.
type Kafka struct {
	// Brokers are the addresses to start from, host:port. Required.
	Brokers []string `yaml:"brokers"`
	// TopicPrefix stands before the name of every topic that lejarat writes. Default "lejarat.".
	TopicPrefix string `yaml:"topic_prefix"`
	// ClientID is the name that brokers log. Default lejarat.
	ClientID string `yaml:"client_id"`
	// InstanceID is this instance's own name in the consumer groups, under which a restart finds its partitions again.
	// Default: of run, a name kept in State.Dir; of mail, none.
	InstanceID string `yaml:"instance_id,omitempty"`
	// TLS encrypts the connections.
	TLS TLS `yaml:"tls"`
	// SASL is the login.
	SASL SASL `yaml:"sasl,omitempty"`
	// SessionTimeout is after how long without a heartbeat an instance's partitions go to others. Default 45s.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// TransactionTimeout is after how long brokers abort a transaction that was left open. Default 60s.
	TransactionTimeout time.Duration `yaml:"transaction_timeout"`
	// Replication is the number of copies of a new topic; -1 leaves it to the brokers. Default -1.
	Replication int `yaml:"replication"`
	// JournalPartitions is the number of partitions of a new generation's journal. Default 8.
	JournalPartitions int `yaml:"journal_partitions"`
	// Partitions are the numbers of partitions of the other topics when they are made.
	Partitions Partitions `yaml:"partitions"`
	// Retention says how long the topics that are not kept for ever are kept.
	Retention Retention `yaml:"retention"`
}

// TLS of the connections to the brokers.
type TLS struct {
	// Enabled encrypts. Default: true where any of the files is given, else false.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the certificates (PEM) that are trusted. Default: the system's.
	CAFile string `yaml:"ca_file,omitempty"`
	// CertFile and KeyFile are this client's certificate and key (PEM). Default: none.
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

// SASL is the login at the brokers; an empty Mechanism is no login.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `yaml:"mechanism,omitempty"`
	User      string `yaml:"user,omitempty"`
	// Password may stand here or, better, in PasswordFile.
	Password     Secret `yaml:"password,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
}

// Secret returns the password, from the file where one is named.
func (s SASL) Secret() (string, error) {
	return secret("kafka.sasl", s.Password, s.PasswordFile)
}

// Partitions are the numbers of partitions that topics are made with.
type Partitions struct {
	// Notifications: default 8.
	Notifications int `yaml:"notifications"`
	// MailSink: default 8; it bounds how many instances of `lejarat mail` share the work.
	MailSink int `yaml:"mail_sink"`
	// Deliveries: default 8.
	Deliveries int `yaml:"deliveries"`
	// Suppressions: default 8.
	Suppressions int `yaml:"suppressions"`
	// Runs: default 1.
	Runs int `yaml:"runs"`
	// Rejects: default 1.
	Rejects int `yaml:"rejects"`
}

// Retention says how long records are kept in the topics that are not kept for ever.
type Retention struct {
	// MailSink holds addresses and names: default 720h (30 days).
	MailSink time.Duration `yaml:"mail_sink"`
	// Rejects: default 336h (14 days).
	Rejects time.Duration `yaml:"rejects"`
	// Tombstones is how long a deletion stays readable in a compacted topic, and a retraction in the journal. Default 720h (30 days).
	Tombstones time.Duration `yaml:"tombstones"`
}

func defaultKafka() Kafka {
	return Kafka{
		TopicPrefix: "lejarat.", ClientID: "lejarat",
		SessionTimeout: 45 * time.Second, TransactionTimeout: time.Minute,
		Replication: -1, JournalPartitions: 8,
		Partitions: Partitions{Notifications: 8, MailSink: 8, Deliveries: 8, Suppressions: 8, Runs: 1, Rejects: 1},
		Retention:  Retention{MailSink: 30 * day, Rejects: 14 * day, Tombstones: 30 * day},
	}
}

// Topics are the names of the topics that lejarat writes, the journal aside.
type Topics struct{ Notifications, MailSink, Deliveries, Suppressions, Runs, Rejects string }

// Topics returns the names under the prefix.
func (k Kafka) Topics() Topics {
	p := k.TopicPrefix
	return Topics{
		Notifications: p + "notifications", MailSink: p + "mail-sink", Deliveries: p + "deliveries",
		Suppressions: p + "suppressions", Runs: p + "runs", Rejects: p + "rejects",
	}
}

// Journal returns the name of a generation's journal.
func (k Kafka) Journal(generation int) string {
	return k.TopicPrefix + "journal." + strconv.Itoa(generation)
}

// owns says whether a topic is one that lejarat writes.
func (k Kafka) owns(topic string) bool {
	t := k.Topics()
	switch topic {
	case t.Notifications, t.MailSink, t.Deliveries, t.Suppressions, t.Runs, t.Rejects:
		return true
	}
	return strings.HasPrefix(topic, k.TopicPrefix+"journal.")
}
