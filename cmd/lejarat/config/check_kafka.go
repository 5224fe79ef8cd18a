package config

import (
	"maps"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
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

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$|^\[[0-9A-Fa-f.:a-zA-Z]+\]$`)

func (c *Config) checkMail(r *report) {
	m := c.Mail
	if _, err := mail.ParseAddress(m.From); err != nil {
		r.fault("mail.from", "this is no sender; write for example \"Okmányértesítő <ertesites@example.hu>\"")
	}
	for _, a := range []struct{ path, value string }{{"mail.reply_to", m.ReplyTo}, {"mail.envelope_from", m.EnvelopeFrom}} {
		if _, err := mail.ParseAddress(a.value); a.value != "" && err != nil {
			r.fault(a.path, "this is no address; write for example ertesites@example.hu")
		}
	}
	c.checkRelay(r)
	if m.Hello != "" && !hostName.MatchString(m.Hello) {
		r.fault("mail.hello", "%q is no host name; write for example mail.example.hu", m.Hello)
	}
	between(r, "mail.retry.min", m.Retry.Min, time.Millisecond, time.Hour)
	between(r, "mail.retry.max", m.Retry.Max, m.Retry.Min, day)
	oneOf(r, "mail.in_doubt", m.InDoubt, "park", "resend")
	if m.Website != "" {
		if u, err := url.Parse(m.Website); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			r.fault("mail.website", "%q is no web address; write for example https://example.hu/", m.Website)
		}
	}
	checkLanguages(r, "mail.texts", slices.Sorted(maps.Keys(m.Texts)))
}

func (c *Config) checkRelay(r *report) {
	l := c.Mail.Relay
	if !isAddress(l.Address, false) {
		r.fault("mail.relay.address", "%q is not host:port; write for example 127.0.0.1:25", l.Address)
	}
	oneOf(r, "mail.relay.tls", l.TLS, "starttls", "tls", "none")
	if l.User != "" {
		checkPassword(r, "mail.relay", l.Password, l.PasswordFile)
		if l.TLS == "none" && !isLoopback(l.Address) {
			r.fault("mail.relay.tls", "the password would cross the network in clear; use starttls or tls, or log in to no other machine")
		}
	} else if l.Password != "" || l.PasswordFile != "" {
		r.fault("mail.relay.user", "missing beside the password; give the user, or remove the password")
	}
	between(r, "mail.relay.connect_timeout", l.ConnectTimeout, time.Second, 10*time.Minute)
	between(r, "mail.relay.command_timeout", l.CommandTimeout, time.Second, time.Hour)
	between(r, "mail.relay.data_timeout", l.DataTimeout, time.Second, time.Hour)
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func checkLanguages(r *report, path string, codes []string) {
	for _, code := range codes {
		if !languageCode.MatchString(code) {
			r.fault(join(path, code), "%q is no language; write a code as hu or en", code)
		}
	}
}
