package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/bounce"
	"lejarat/connectors/console"
	"lejarat/connectors/kafka"
	"lejarat/connectors/smtp"
)

func mailCommand(o *options) *cobra.Command {
	var clk clockFlags
	var once bool
	var listen string
	c := &cobra.Command{
		Use:   "mail",
		Short: "The SMTP connector: hands the mails of mail-sink to the relay",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			summary, err := mail(cmd.Context(), cfg, clock, &screen{out: os.Stderr}, newRegistry(), once, listen)
			if err != nil || !once {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), summary)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d accepted, %d rejected, %d expired, %d suppressed, %d in doubt, %d settled before, %d left\n",
				summary.Accepted, summary.Rejected, summary.Expired, summary.Suppressed, summary.InDoubt, summary.Skipped, summary.Left)
			return err
		},
	}
	c.AddCommand(bouncesCommand(o), reconcileCommand(o))
	c.AddCommand(previewCommand(o))
	clk.add(c)
	c.Flags().BoolVar(&once, "once", false, "send what is queued, end")
	c.Flags().StringVar(&listen, "listen", "", "host:port for metrics and health; none by default")
	c.AddCommand(mailPauseCommand(o), mailResumeCommand(o), mailStatusCommand(o))
	return c
}

// mail is the connector's life.
func mail(ctx context.Context, cfg *config.Config, clk timepiece, terminal *screen, registry *prometheus.Registry, once bool, listen string) (smtp.Summary, error) {
	log := loggerTo(cfg, terminal)
	opts, err := mailOptions(cfg, clk)
	if err != nil {
		return smtp.Summary{}, err
	}
	opts.Logger, opts.Observer, opts.Lost = log, newMailMetrics(registry), newLostMetric(registry)
	k, err := openActing(ctx, cfg, clk, log, registry)
	if err != nil {
		return smtp.Summary{}, err
	}
	defer k.Close()
	queue, leave, err := consumeMail(ctx, k, cfg, &opts)
	if err != nil {
		return smtp.Summary{}, err
	}
	defer leave()
	connector, err := smtp.New(opts, queue, k)
	if err != nil {
		return smtp.Summary{}, usageError{err}
	}
	registry.MustRegister(mailGauges{connector.Status})
	if listen != "" {
		server, err := console.Start(console.Options{Listen: listen, Logger: log, Gatherer: registry,
			Live: func() error { return nil }, Ready: func() (bool, any) { return true, connector.Status() }})
		if err != nil {
			return smtp.Summary{}, err
		}
		defer server.Close(context.WithoutCancel(ctx))
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		var bars sync.WaitGroup
		following, stop := context.WithCancel(ctx)
		defer bars.Wait()
		defer stop()
		bars.Go(func() { terminal.follow(following, (&mailProgress{status: connector.Status}).bars) })
	}
	return connector.Run(ctx, once)
}

// mailGroups are the consumer groups of all instances of the connector: that of all mails but those of the last day, and
// theirs.
func mailGroups(cfg *config.Config) []string {
	return []string{cfg.Kafka.TopicPrefix + "mail", cfg.Kafka.TopicPrefix + "mail.last-day"}
}

// consumeMail joins the groups of the connector.
func consumeMail(ctx context.Context, k *kafka.Client, cfg *config.Config, o *smtp.Options) (queue *kafka.Consumer, leave func(), err error) {
	topic, groups := cfg.Kafka.Topics().MailSink, mailGroups(cfg)
	if queue, err = k.Consume(ctx, groups[0], topic); err != nil {
		return nil, nil, err
	}
	ahead, err := k.Consume(ctx, groups[1], topic)
	if err != nil {
		queue.Close()
		return nil, nil, err
	}
	o.LastDay = ahead
	return queue, func() { ahead.Close(); queue.Close() }, nil
}

// mailOptions translates the configuration for the connector.
func mailOptions(cfg *config.Config, clk timepiece) (smtp.Options, error) {
	m := cfg.Mail
	passwords, err := m.Passwords()
	if err != nil {
		return smtp.Options{}, usageError{err}
	}
	o := smtp.Options{Letters: letterOptions(cfg), Hello: m.Hello, Prefix: cfg.Kafka.TopicPrefix, InDoubt: m.InDoubt, Now: clk.Now}
	o.DailyCap, o.Zone = m.DailyCap, cfg.Calendar.Location()
	o.Retry = smtp.Retry{Min: m.Retry.Min, Max: m.Retry.Max}
	for i, r := range m.Relays() {
		o.Relays = append(o.Relays, smtp.Relay{Address: r.Address, TLS: r.TLS, CAFile: r.CAFile, User: r.User, Password: passwords[i],
			ConnectTimeout: r.ConnectTimeout, CommandTimeout: r.CommandTimeout, DataTimeout: r.DataTimeout, Connections: r.Connections,
			Rate: r.Rate.PerSecond()})
	}
	tokens, err := bounceTokens(cfg)
	if err != nil {
		return smtp.Options{}, err
	}
	if tokens != nil {
		o.Sender = func(id string, partition int32, offset int64) string {
			return tokens.Sender(bounce.Token{ID: id, Partition: partition, Offset: offset})
		}
	}
	// Two instances have a partition's mails at the same time at most while the brokers think that the first still lives.
	o.Limits.Claim = cfg.Kafka.SessionTimeout / 2
	return o, nil
}
