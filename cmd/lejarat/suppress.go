package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/processor/event"
)

// liftable are the reasons that an operator may lift; the others follow the registry.
var liftable = []string{event.SuppressOperator, event.SuppressAddress}

func suppressCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "suppress",
		Short: "Mails of a registration that must not be handed over: an operator's word, and addresses whose mails come back",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage("want one of: suppress add, suppress remove, suppress list")
		},
	}
	c.AddCommand(suppressAddCommand(o), suppressRemoveCommand(o), suppressListCommand(o))
	return c
}

func suppressAddCommand(o *options) *cobra.Command {
	var clk clockFlags
	var whom whomFlags
	c := &cobra.Command{
		Use:   "add --ref REF | --registration [SOURCE:]KEY | --id ID",
		Short: "Stop the mails of a registration, until suppress remove",
		Long: "Stops what is queued and not yet handed to the relay, and every later mail, until `suppress remove`; notices are\n" +
			"decided and recorded as before. A running connector acts on it at once.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return suppress(cmd, o, &clk, &whom, event.SuppressOperator, true)
		},
	}
	clk.add(c)
	whom.add(c)
	return c
}

func suppressRemoveCommand(o *options) *cobra.Command {
	var clk clockFlags
	var whom whomFlags
	var reason string
	c := &cobra.Command{
		Use:   "remove --ref REF | --registration [SOURCE:]KEY | --id ID",
		Short: "Lift a suppression",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(liftable, reason) {
				return usage("--reason %q: want %s; what is switched off, deleted or moved follows the registry", reason, strings.Join(liftable, " or "))
			}
			return suppress(cmd, o, &clk, &whom, reason, false)
		},
	}
	clk.add(c)
	whom.add(c)
	c.Flags().StringVar(&reason, "reason", event.SuppressOperator, "operator, or address: mails to the address came back, and should be tried again")
	return c
}

// suppressed is a line of what the commands print. It holds no personal data.
type suppressed struct {
	Registration string `json:"registration_ref"`
	Reason       string `json:"reason"`
	Since        string `json:"since,omitempty"`
	Changed      *bool  `json:"changed,omitempty"` // false: it was so before
}

// suppress adds or lifts a suppression of each registration that has none yet, or has one.
func suppress(cmd *cobra.Command, o *options, f *clockFlags, whom *whomFlags, reason string, add bool) error {
	cfg, clk, err := o.loadWithClock(f)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	k, err := openActing(ctx, cfg, clk, newLogger(cfg), nil)
	if err != nil {
		return err
	}
	defer k.Close()
	refs, err := whom.find(ctx, cfg, clk, k, cmd.InOrStdin())
	if err != nil {
		return err
	}
	standing, err := suppressions(ctx, k, cfg, []string{reason})
	if err != nil {
		return err
	}
	lines, records := suppressionRecords(cfg, clk, refs, reason, standing, add)
	if err := k.Produce(ctx, records); err != nil {
		return err
	}
	if o.json {
		return printJSON(cmd.OutOrStdout(), lines)
	}
	for _, l := range lines {
		said := "was so before"
		switch {
		case *l.Changed && add:
			said = "suppressed"
		case *l.Changed:
			said = "lifted"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", l.Registration, l.Reason, said)
	}
	return nil
}

// suppressionRecords is what there is to write, and what is said of each registration.
func suppressionRecords(cfg *config.Config, clk timepiece, refs []string, reason string, standing map[string]string, add bool) (lines []suppressed, records []event.Record) {
	topic, at := cfg.Kafka.Topics().Suppressions, clk.Now().In(cfg.Calendar.Location()).Format(event.TimeFormat)
	for _, ref := range refs {
		key := event.SuppressionKey(ref, reason)
		since, known := standing[key]
		changed := known != add
		switch {
		case changed && add:
			since = at
			records = append(records, event.Message(topic, key, key+"@"+at, "suppression", at, event.Suppression{Since: at}))
		case changed:
			records = append(records, event.Record{Topic: topic, Partition: event.AnyPartition, Key: []byte(key)})
		}
		lines = append(lines, suppressed{Registration: ref, Reason: reason, Since: since, Changed: &changed})
	}
	return lines, records
}

// suppressions reads what stands: key → since, for some reasons (none: for all).
func suppressions(ctx context.Context, k *kafka.Client, cfg *config.Config, reasons []string) (map[string]string, error) {
	spans, err := k.Spans(ctx, cfg.Kafka.Topics().Suppressions)
	if err != nil {
		return nil, err
	}
	standing := map[string]string{}
	return standing, event.Scan(ctx, k, spans, func(r *event.Record) error {
		key := string(r.Key)
		if reason := key[strings.LastIndexByte(key, '/')+1:]; len(reasons) > 0 && !slices.Contains(reasons, reason) {
			return nil
		}
		if r.Value == nil {
			delete(standing, key)
			return nil
		}
		var s event.Suppression
		if json.Unmarshal(r.Value, &s) != nil {
			s.Since = "" // the connector takes it for one, whatever it says
		}
		standing[key] = s.Since
		return nil
	})
}

func suppressListCommand(o *options) *cobra.Command {
	var reasons []string
	var since string
	c := &cobra.Command{
		Use:   "list",
		Short: "Which registrations are suppressed, since when and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if slices.Contains(reasons, "all") {
				reasons = nil
			}
			var from time.Time
			if since != "" {
				if from, err = time.Parse(time.RFC3339, since); err != nil {
					return usage("--since %q: want an instant like 2026-03-31T06:00:00+02:00", since)
				}
			}
			k, err := openKafka(cmd.Context(), cfg, newLogger(cfg), nil)
			if err != nil {
				return err
			}
			defer k.Close()
			standing, err := suppressions(cmd.Context(), k, cfg, reasons)
			if err != nil {
				return err
			}
			return printSuppressions(cmd.OutOrStdout(), standing, from, o.json)
		},
	}
	c.Flags().StringSliceVar(&reasons, "reason", liftable, "which: operator, address, switched_off, deleted, moved, or all")
	c.Flags().StringVar(&since, "since", "", "only those that were decided at this instant or later")
	return c
}

func printSuppressions(out io.Writer, standing map[string]string, from time.Time, asJSON bool) error {
	lines := []suppressed{}
	for _, key := range sortedKeys(standing) {
		if at, err := time.Parse(time.RFC3339, standing[key]); !from.IsZero() && (err != nil || at.Before(from)) {
			continue
		}
		i := strings.LastIndexByte(key, '/')
		lines = append(lines, suppressed{Registration: key[:max(i, 0)], Reason: key[i+1:], Since: standing[key]})
	}
	if asJSON {
		return printJSON(out, lines)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(out, "%s  %-12s  %s\n", l.Registration, l.Reason, l.Since); err != nil {
			return fmt.Errorf("printing the list: %w", err)
		}
	}
	return nil
}
