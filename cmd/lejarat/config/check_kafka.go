package config

import (
	"time"
)

const day = 24 * time.Hour

func (c *Config) checkKafka(r *report) {
	k := c.Kafka
	if len(k.Brokers) == 0 {
		r.fault("kafka.brokers", "missing; give at least one broker as host:port, here or in LEJARAT_KAFKA_BROKERS")
	}
	for i, b := range k.Brokers {
		if !isAddress(b, false) {
			r.fault(index("kafka.brokers", i), "%q is not host:port; write for example 127.0.0.1:9092", b)
		}
	}
	noRepeats(r, "kafka.brokers", k.Brokers)
	if p := k.TopicPrefix; p != "" && (!topicName.MatchString(p) || len(p) > 200) {
		r.fault("kafka.topic_prefix", "%q cannot begin a topic's name; use at most 200 letters, digits, dots, underscores and hyphens", p)
	}
	if k.TLS.CertFile != "" && k.TLS.KeyFile == "" {
		r.fault("kafka.tls.key_file", "missing beside cert_file; name the certificate's key, or remove cert_file")
	}
	if k.TLS.KeyFile != "" && k.TLS.CertFile == "" {
		r.fault("kafka.tls.cert_file", "missing beside key_file; name the key's certificate, or remove key_file")
	}
	c.checkSASL(r)
	between(r, "kafka.session_timeout", k.SessionTimeout, 6*time.Second, 30*time.Minute)
	between(r, "kafka.transaction_timeout", k.TransactionTimeout, time.Second, 15*time.Minute)
	if k.Replication != -1 {
		between(r, "kafka.replication", k.Replication, 1, 100)
	}
	between(r, "kafka.journal_partitions", k.JournalPartitions, 1, 1000)
	p := k.Partitions
	between(r, "kafka.partitions.notifications", p.Notifications, 1, 1000)
	between(r, "kafka.partitions.mail_sink", p.MailSink, 1, 1000)
	between(r, "kafka.partitions.deliveries", p.Deliveries, 1, 1000)
	between(r, "kafka.partitions.suppressions", p.Suppressions, 1, 1000)
	between(r, "kafka.partitions.runs", p.Runs, 1, 1000)
	between(r, "kafka.partitions.rejects", p.Rejects, 1, 1000)
	between(r, "kafka.retention.mail_sink", k.Retention.MailSink, day, 3650*day)
	between(r, "kafka.retention.rejects", k.Retention.Rejects, time.Hour, 3650*day)
	// State is used up to 15 days after it last advanced: what was deleted since must still be readable then.
	between(r, "kafka.retention.tombstones", k.Retention.Tombstones, 16*day, 3650*day)
}

func (c *Config) checkSASL(r *report) {
	s := c.Kafka.SASL
	if s == (SASL{}) {
		return
	}
	if s.Mechanism == "" {
		r.fault("kafka.sasl.mechanism", "missing; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or remove sasl")
	} else {
		oneOf(r, "kafka.sasl.mechanism", s.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
	}
	required(r, "kafka.sasl.user", s.User, "give the user that logs in")
	checkPassword(r, "kafka.sasl", s.Password, s.PasswordFile)
}

func checkPassword(r *report, path string, password Secret, file string) {
	switch {
	case password == "" && file == "":
		r.fault(path+".password_file", "missing; name the file that holds the password")
	case password != "" && file != "":
		r.fault(path+".password", "stands beside password_file; keep one of them")
	}
}
