package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/processor/event"
	"lejarat/processor/tally"
)

// reportFlags say what to report.
type reportFlags struct {
	from, to    string
	undelivered bool
	csv         bool
}

func reportCommand(o *options) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report [--from DATE] [--to DATE] [--undelivered]",
		Short: "What was told on some days and what became of it; or, one by one, what was emitted and not delivered",
		Long: "Adds up the notices of run dates by kind, type, threshold and outcome: of those emitted what became of the mail, of the\n" +
			"others the reason. --undelivered lists every notice that was emitted and has no final delivery:\n" +
			"  waiting   in the queue, not handed over yet\n" +
			"  in_hand   a connector has it, or had it when it was killed\n" +
			"  in_doubt  the relay's answer was never seen: lejarat mail reconcile\n" +
			"  lost      its mail went from the queue (kafka.retention.mail_sink) before a connector took it: nobody sends it any more\n" +
			"  missing   the connector is past its mail and recorded nothing\n" +
			"It reads notifications, mail-sink and deliveries, and disturbs nobody.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			r, err := report(cmd.Context(), cfg, &f, time.Now())
			if err != nil {
				return err
			}
			return printReport(cmd.OutOrStdout(), r, &f, o.json)
		},
	}
	c.Flags().StringVar(&f.from, "from", "", "first run date; default today, with --undelivered as far back as twice what mail-sink keeps")
	c.Flags().StringVar(&f.to, "to", "", "last run date; default the first one, or today")
	c.Flags().BoolVar(&f.undelivered, "undelivered", false, "list what was emitted and has no final delivery")
	c.Flags().BoolVar(&f.csv, "csv", false, "as CSV")
	return c
}

// report reads the topics.
func report(ctx context.Context, cfg *config.Config, f *reportFlags, now time.Time) (*tally.Report, error) {
	t := cfg.Kafka.Topics()
	q := tally.Query{Zone: cfg.Calendar.Location(), Groups: mailGroups(cfg),
		Topics: tally.Topics{Notifications: t.Notifications, MailSink: t.MailSink, Deliveries: t.Deliveries}}
	today := event.DateOf(now, q.Zone)
	q.From, q.To = today, today
	if f.undelivered {
		q.From = today - event.Date(2*cfg.Kafka.Retention.MailSink/(24*time.Hour))
	}
	for _, d := range []struct {
		flag, text string
		to         []*event.Date
	}{{"from", f.from, []*event.Date{&q.From, &q.To}}, {"to", f.to, []*event.Date{&q.To}}} {
		if d.text == "" {
			continue
		}
		date, err := event.ParseDate(d.text)
		if err != nil {
			return nil, usage("--%s: %w", d.flag, err)
		}
		for _, to := range d.to {
			*to = date
		}
	}
	if f.undelivered && f.to == "" {
		q.To = max(q.From, today)
	}
	if q.From > q.To {
		return nil, usage("--from %s is after --to %s", q.From, q.To)
	}
	k, err := openKafka(ctx, cfg, newLogger(cfg), nil)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	return tally.Make(ctx, k, q)
}

func printReport(out io.Writer, r *tally.Report, f *reportFlags, asJSON bool) error {
	if asJSON {
		if !f.undelivered {
			return printJSON(out, map[string]any{"from": r.From, "to": r.To, "rows": r.Rows, "undelivered": len(r.Open)})
		}
		return printJSON(out, map[string]any{"from": r.From, "to": r.To, "undelivered": r.Open})
	}
	table := [][]string{{"run_date", "kind", "type", "threshold", "decision", "outcome", "reason", "count"}}
	for _, row := range r.Rows {
		table = append(table, []string{row.RunDate, row.Kind, row.DocumentType, row.Threshold, row.Decision, row.Outcome, row.Reason, strconv.Itoa(row.Count)})
	}
	if f.undelivered {
		table = [][]string{{"id", "run_date", "kind", "type", "threshold", "outcome", "reason", "registration_ref"}}
		for _, n := range r.Open {
			table = append(table, []string{n.ID, n.RunDate, n.Kind, n.DocumentType, n.Threshold, n.Outcome, n.Reason, n.RegistrationRef})
		}
	}
	if f.csv {
		w := csv.NewWriter(out)
		if err := w.WriteAll(table); err != nil {
			return fmt.Errorf("printing the report: %w", err)
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range table {
		fmt.Fprintln(w, strings.TrimRight(strings.Join(line, "\t"), "\t"))
	}
	fmt.Fprintf(w, "\n%s\n", summary(r))
	if err := w.Flush(); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	return nil
}

// summary is the report in one line.
func summary(r *tally.Report) string {
	emitted, skipped, outcomes := 0, 0, map[string]int{}
	for _, row := range r.Rows {
		if row.Decision != event.Emitted {
			skipped += row.Count
			continue
		}
		emitted += row.Count
		outcomes[row.Outcome] += row.Count
	}
	words := []string{}
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		words = append(words, fmt.Sprintf("%d %s", outcomes[o], o))
	}
	of := ""
	if len(words) > 0 {
		of = ": " + strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s to %s: %d emitted%s; %d skipped", r.From, r.To, emitted, of, skipped)
}
