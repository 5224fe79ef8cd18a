package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lejarat/connectors/bounce"
)

func reconcileCommand(o *options) *cobra.Command {
	var clk clockFlags
	var logFile string
	var apply bool
	c := &cobra.Command{
		Use:   "reconcile --log FILE",
		Short: "Settles mails in doubt from the relay's own log: shows what it says, and with --apply records it",
		Long: "A mail whose answer was never seen, or whose connector was killed, is in doubt; the relay knows. This reads the relay's log\n" +
			"(Postfix, in syslog's or ISO times; - is standard input, for zcat and journalctl) for their Message-IDs and says of each\n" +
			"what became of it. Nothing is recorded without --apply. No address of the log is printed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settled, err := reconcile(cmd, o, &clk, logFile, apply)
			if err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"applied": apply, "mails": settled})
			}
			return printSettled(cmd.OutOrStdout(), settled, apply)
		},
	}
	clk.add(c)
	c.Flags().StringVar(&logFile, "log", "", "the relay's log; - for standard input")
	c.Flags().BoolVar(&apply, "apply", false, "record what the log settles")
	return c
}

func reconcile(cmd *cobra.Command, o *options, f *clockFlags, logFile string, apply bool) ([]bounce.Settled, error) {
	cfg, clk, err := o.loadWithClock(f)
	if err != nil {
		return nil, err
	}
	in := cmd.InOrStdin()
	switch logFile {
	case "":
		return nil, usage("name the relay's log: --log /var/log/mail.log")
	case "-":
	default:
		file, err := os.Open(logFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--log: %w", err)}
		}
		defer file.Close()
		in = file
	}
	ctx := cmd.Context()
	k, err := openActing(ctx, cfg, clk, newLogger(cfg), nil)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	zone := cfg.Calendar.Location()
	r := &bounce.Reconciler{Topics: k, Prefix: cfg.Kafka.TopicPrefix, Now: func() time.Time { return clk.Now().In(zone) }}
	return r.Reconcile(ctx, in, apply)
}

func printSettled(out io.Writer, settled []bounce.Settled, applied bool) error {
	known := 0
	for _, s := range settled {
		if s.Status != bounce.NotInLog && s.Status != bounce.NotTaken {
			known++
		}
		line := fmt.Sprintf("%s  %s -> %s", s.ID, s.Before, s.Status)
		for _, word := range []string{s.EnhancedCode, s.QueueID} {
			if word != "" {
				line += "  " + word
			}
		}
		if s.Suppressed {
			line += "  address suppressed"
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("printing what the log says: %w", err)
		}
	}
	end := "recorded"
	if !applied {
		end = "nothing is recorded without --apply"
	}
	_, err := fmt.Fprintf(out, "%d mails in doubt, the log settles %d: %s\n", len(settled), known, end)
	return err
}
