package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/bounce"
	"lejarat/connectors/console"
	"lejarat/processor/identity"
)

// bounceFlags say where bounces come from.
type bounceFlags struct {
	lmtp, smtp, maildir string
	once                bool
	listen              string
}

// maildirEvery is how often a Maildir is looked into.
const maildirEvery = 5 * time.Second

func bouncesCommand(o *options) *cobra.Command {
	var clk clockFlags
	var f bounceFlags
	c := &cobra.Command{
		Use:   "bounces --lmtp ADDRESS | --smtp ADDRESS | --maildir DIR",
		Short: "Takes in mails that come back, and complaints: records them, and stops mails to dead addresses",
		Long: "Takes in what arrives at mail.bounce_address, over LMTP or SMTP from the mail server in front of it (host:port, or\n" +
			"unix:PATH), or from a Maildir, whose messages move from new to cur. A delivery report with a token of ours is recorded in\n" +
			"deliveries as bounced; where the address itself does not exist, or its owner complains, mails to it stop until another\n" +
			"address is registered or `suppress remove --reason address` lifts it. Everything else is counted and changes nothing.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			counts, left, err := bounces(cmd.Context(), cfg, clock, &f)
			if err != nil || !f.once {
				return err
			}
			return printBounces(cmd.OutOrStdout(), counts, left, o.json)
		},
	}
	clk.add(c)
	c.Flags().StringVar(&f.lmtp, "lmtp", "", "take bounces in over LMTP at host:port or unix:PATH")
	c.Flags().StringVar(&f.smtp, "smtp", "", "take bounces in over SMTP at host:port or unix:PATH")
	c.Flags().StringVar(&f.maildir, "maildir", "", "take bounces in from this Maildir")
	c.Flags().BoolVar(&f.once, "once", false, "with --maildir: take in what is there, end")
	c.Flags().StringVar(&f.listen, "listen", "", "host:port for metrics and health; none by default")
	return c
}

func (f *bounceFlags) check() error {
	switch {
	case f.lmtp == "" && f.smtp == "" && f.maildir == "":
		return usage("say where bounces come from: --lmtp, --smtp or --maildir")
	case f.once && (f.maildir == "" || f.lmtp != "" || f.smtp != ""):
		return usage("--once goes with --maildir alone")
	}
	return nil
}

// bounceTokens make the envelope senders of mails, and read them; nil without mail.bounce_address.
func bounceTokens(cfg *config.Config) (*bounce.Tokens, error) {
	if cfg.Mail.BounceAddress == "" {
		return nil, nil
	}
	secret, err := cfg.BounceKey()
	if err != nil {
		return nil, usageError{err}
	}
	key, err := identity.NewKey(secret)
	if err != nil {
		return nil, usageError{fmt.Errorf("bounce key: %w", err)}
	}
	tokens, err := bounce.NewTokens(cfg.Mail.BounceAddress, func(body []byte) [16]byte { return key.Sum("bounce", body) })
	if err != nil {
		return nil, usageError{err}
	}
	return tokens, nil
}

// bounces takes them in until ctx ends, or with once until none is left.
func bounces(ctx context.Context, cfg *config.Config, clk timepiece, f *bounceFlags) (counts map[bounce.Verdict]int, left int, err error) {
	if err := f.check(); err != nil {
		return nil, 0, err
	}
	tokens, err := bounceTokens(cfg)
	if err != nil {
		return nil, 0, err
	}
	if tokens == nil {
		return nil, 0, usage("mail.bounce_address is not set: mails go out without a sender of their own, so no bounce can be told from a forged one")
	}
	log, registry := newLogger(cfg), newRegistry()
	k, err := openActing(ctx, cfg, clk, log, registry)
	if err != nil {
		return nil, 0, err
	}
	defer k.Close()
	count := newBounceCounts(registry)
	zone := cfg.Calendar.Location()
	h := bounce.NewHandler(bounce.Options{Tokens: tokens, Topics: k, Prefix: cfg.Kafka.TopicPrefix, Remember: cfg.Kafka.Retention.MailSink,
		Now: func() time.Time { return clk.Now().In(zone) }, Observer: count.add, Logger: log})
	defer h.Close()
	if err := h.Ready(ctx); err != nil {
		return nil, 0, err
	}
	log.Info("bounces are taken in")
	if f.once {
		left, err = (&bounce.Maildir{Dir: f.maildir, Handler: h, Logger: log}).Once(ctx)
		return count.counts, left, err
	}
	return nil, 0, serveBounces(ctx, f, h, log, registry)
}

// serveBounces serves all that the flags name until ctx ends, or one of them fails.
func serveBounces(ctx context.Context, f *bounceFlags, h *bounce.Handler, log *slog.Logger, registry *prometheus.Registry) error {
	if f.listen != "" {
		server, err := console.Start(console.Options{Listen: f.listen, Logger: log, Gatherer: registry,
			Live: func() error { return nil }, Ready: func() (bool, any) { return true, nil }})
		if err != nil {
			return err
		}
		defer server.Close(context.WithoutCancel(ctx))
	}
	sources := []struct {
		address string
		plain   bool
	}{{f.lmtp, false}, {f.smtp, true}}
	listeners := make([]net.Listener, len(sources))
	for i, source := range sources {
		if source.address == "" {
			continue
		}
		l, err := bounce.Listen(source.address)
		if err != nil {
			return err
		}
		defer l.Close()
		listeners[i] = l
	}
	all, ctx := errgroup.WithContext(ctx)
	for i, l := range listeners {
		if l != nil {
			all.Go(func() error { return h.Serve(ctx, l, sources[i].plain) })
		}
	}
	if f.maildir != "" {
		all.Go(func() error {
			return (&bounce.Maildir{Dir: f.maildir, Handler: h, Logger: log, Every: maildirEvery}).Watch(ctx)
		})
	}
	return all.Wait()
}

// bounceCounts counts messages by verdict, for the metric and for the summary.
type bounceCounts struct {
	metric *prometheus.CounterVec
	mu     sync.Mutex
	counts map[bounce.Verdict]int
}

func newBounceCounts(r *prometheus.Registry) *bounceCounts {
	c := &bounceCounts{counts: map[bounce.Verdict]int{}, metric: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lejarat",
		Name: "bounces_total", Help: "Messages at the bounce address, by what became of them."}, []string{"verdict"})}
	r.MustRegister(c.metric)
	return c
}

func (c *bounceCounts) add(v bounce.Verdict) {
	c.metric.WithLabelValues(string(v)).Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[v]++
}

func printBounces(out io.Writer, counts map[bounce.Verdict]int, left int, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]any{"verdicts": counts, "left": left})
	}
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		if _, err := fmt.Fprintf(out, "%8d  %s\n", counts[v], v); err != nil {
			return fmt.Errorf("printing the summary: %w", err)
		}
	}
	_, err := fmt.Fprintf(out, "%8d  left in the Maildir\n", left)
	return err
}
