package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lejarat/connectors/smtp"
	"lejarat/processor/event"
)

// newMailMetrics counts outcomes by status, how far the transaction came, reason and relay.
func newMailMetrics(r *prometheus.Registry) func(smtp.Outcome) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lejarat", Name: "mails_total",
		Help: "Outcomes of mails by status, how far the SMTP transaction came, reason and relay."}, []string{"status", "phase", "reason", "relay"})
	r.MustRegister(c)
	return func(o smtp.Outcome) { c.WithLabelValues(o.Status, o.Phase.String(), o.Reason, o.Relay).Inc() }
}

// newLostMetric counts offsets that went from the queue before anybody was done with them.
func newLostMetric(r *prometheus.Registry) func(*event.Lost) {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lejarat", Name: "mail_queue_lost_offsets_total",
		Help: "Offsets of mail-sink that were deleted before the connector was done with them."})
	r.MustRegister(c)
	return func(l *event.Lost) {
		for _, g := range l.Gaps {
			c.Add(float64(g.To - g.From))
		}
	}
}

// mailGauges asks the connector how it stands at each scrape.
type mailGauges struct{ status func() smtp.Status }

var (
	mailPausedDesc   = prometheus.NewDesc("lejarat_mail_paused", "1 while an operator holds sending.", nil, nil)
	mailQueuedDesc   = prometheus.NewDesc("lejarat_mail_queued", "Mails in the queue without an outcome, of all instances; missing while the brokers do not answer.", nil, nil)
	mailInHandDesc   = prometheus.NewDesc("lejarat_mail_in_hand", "Mails that this instance has read and not settled.", nil, nil)
	mailRetryingDesc = prometheus.NewDesc("lejarat_mail_retrying", "Mails in hand that wait for another attempt.", nil, nil)
	mailOldestDesc   = prometheus.NewDesc("lejarat_mail_oldest_seconds", "How long the oldest mail in hand has been in the queue; 0 when none is in hand.", nil, nil)
	mailInDoubtDesc  = prometheus.NewDesc("lejarat_mail_in_doubt", "Mails whose answer was never seen, of all instances, of the last 60 days.", nil, nil)
	mailCapDesc      = prometheus.NewDesc("lejarat_mail_daily_cap", "How many mails may be handed over on a day; missing without a cap.", nil, nil)
	mailCapUsedDesc  = prometheus.NewDesc("lejarat_mail_daily_cap_used", "How many of them were, or are under way, by all instances.", nil, nil)
	relayAwayDesc    = prometheus.NewDesc("lejarat_relay_away", "1 while the relay gets nothing, or one mail at a time to try.", []string{"relay"}, nil)
	relayOpenDesc    = prometheus.NewDesc("lejarat_relay_connections", "Connections to the relay: configured, allowed now, busy.", []string{"relay", "state"}, nil)
)

// Describe implements prometheus.Collector.
func (g mailGauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{mailPausedDesc, mailQueuedDesc, mailInHandDesc, mailRetryingDesc, mailOldestDesc, mailInDoubtDesc, mailCapDesc, mailCapUsedDesc, relayAwayDesc, relayOpenDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g mailGauges) Collect(ch chan<- prometheus.Metric) {
	s := g.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(mailPausedDesc, flag(s.Paused != nil))
	if s.Queued >= 0 {
		gauge(mailQueuedDesc, float64(s.Queued))
	}
	gauge(mailInHandDesc, float64(s.InHand))
	gauge(mailRetryingDesc, float64(s.Retrying))
	gauge(mailOldestDesc, s.OldestSeconds)
	gauge(mailInDoubtDesc, float64(s.InDoubt))
	if s.Cap != nil {
		gauge(mailCapDesc, float64(s.Cap.Limit))
		gauge(mailCapUsedDesc, float64(s.Cap.Used))
	}
	for _, r := range s.Relays {
		gauge(relayAwayDesc, flag(r.Away != ""), r.Relay)
		gauge(relayOpenDesc, float64(r.Connections), r.Relay, "configured")
		gauge(relayOpenDesc, float64(r.Allowed), r.Relay, "allowed")
		gauge(relayOpenDesc, float64(r.Busy), r.Relay, "busy")
	}
}

// mailProgress makes the bar of a queue that is being sent: what this instance has settled, and what is left for all.
type mailProgress struct {
	status func() smtp.Status
	past   []mailStep // of the last seconds, the oldest first
}

type mailStep struct {
	at      time.Time
	settled int64
}

// rateOver is the time over which the rate is taken.
const rateOver = 10 * time.Second

func (m *mailProgress) bars() []progress {
	s, now := m.status(), time.Now()
	if s.Queued <= 0 {
		m.past = nil
		return nil
	}
	m.past = append(m.past, mailStep{now, s.Settled})
	for now.Sub(m.past[0].at) > rateOver {
		m.past = m.past[1:]
	}
	p := progress{name: "sending mails", done: s.Settled, total: s.Settled + s.Queued}
	if s.Paused != nil {
		p.name = "paused"
	}
	if first := m.past[0]; s.Settled > first.settled {
		p.perSecond = float64(s.Settled-first.settled) / now.Sub(first.at).Seconds()
		p.left = time.Duration(float64(s.Queued) / p.perSecond * float64(time.Second))
	}
	return []progress{p}
}
