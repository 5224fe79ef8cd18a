package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/debezium"
	"lejarat/processor"
	"lejarat/processor/intake"
	told "lejarat/processor/story"
)

// explainFlags say whose story is asked for.
type explainFlags struct {
	document, registration, source string
	scan                           bool
	instance                       string
}

func explainCommand(o *options) *cobra.Command {
	var f explainFlags
	var clk clockFlags
	c := &cobra.Command{
		Use:   "explain --document KEY | --registration KEY",
		Short: "The story of one document or registration: every notice, and every silence with its reason",
		Long: "Tells the story of one document or registration: its facts, who shares its identity, and of every notice when it was\n" +
			"sent and how it was delivered, or why not. KEY is the row's key: the value of a key of one column (12345), or its\n" +
			"columns in the order of the record key (id=12345, or office=1,id=7), or the key as JSON ({\"id\":12345}).\n" +
			"A running instance answers where it holds all that is asked for; else, with --scan or --clock, the topics are read,\n" +
			"which takes a minute or so for thirty million rows and adds former facts and their notices. Every look-up is logged.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, clock, err := o.loadWithClock(&clk)
			if err != nil {
				return err
			}
			f.scan = f.scan || clock.Virtual() // an instance tells by its own clock
			s, err := explain(cmd.Context(), cfg, clock, &f, newLogger(cfg))
			if err != nil {
				return err
			}
			return printStory(cmd.OutOrStdout(), s, o.json)
		},
	}
	clk.add(c)
	c.Flags().StringVar(&f.document, "document", "", "key of a document")
	c.Flags().StringVar(&f.registration, "registration", "", "key of a registration")
	c.Flags().StringVar(&f.source, "source", "", "name of the source that the row belongs to, where several have the key")
	c.Flags().BoolVar(&f.scan, "scan", false, "read the topics also where an instance would answer")
	c.Flags().StringVar(&f.instance, "instance", "", "address of a running instance, for example http://127.0.0.1:8080; default: http.listen")
	return c
}

func printStory(out io.Writer, s *told.Story, asJSON bool) error {
	if asJSON {
		return printJSON(out, s)
	}
	for _, line := range s.Text {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return fmt.Errorf("printing the story: %w", err)
		}
	}
	return nil
}

// explain asks a running instance, and reads the topics where none can tell.
func explain(ctx context.Context, cfg *config.Config, clk timepiece, f *explainFlags, log *slog.Logger) (*told.Story, error) {
	q, err := question(cfg, f)
	if err != nil {
		return nil, err
	}
	if !f.scan {
		s, why, err := ask(ctx, cfg, f)
		if s != nil || err != nil {
			return s, err
		}
		if why != "" {
			log.Info("reading the topics", "because", why)
		}
	}
	k, err := openKafka(ctx, cfg, log, nil)
	if err != nil {
		return nil, err
	}
	defer k.Close()
	ec, err := engineConfig(cfg, k, clk, log, nil, nil)
	if err != nil {
		return nil, err
	}
	ec.Look = true
	s, err := processor.Explain(ctx, ec, q)
	audit(log, q, s, told.FromTopics, err)
	if errors.Is(err, processor.ErrSeveralRows) {
		return nil, usageError{err}
	}
	return s, err
}

// audit notes a look-up: who the row is stands there as a reference only.
func audit(log *slog.Logger, q processor.Question, s *told.Story, from string, err error) {
	kind, ref, source, result := told.Document, "", strings.Join(q.Topics, ","), "found"
	if q.Kind == intake.Registrations {
		kind = told.Registration
	}
	switch {
	case s != nil:
		ref, source = s.Ref, s.Source
	case errors.Is(err, processor.ErrUnknownRow), errors.Is(err, processor.ErrNotHere):
		result = "not found"
	default:
		result = "failed"
	}
	log.Info("explain", "kind", kind, "source", source, kind+"_ref", ref, "result", result, "from", from)
}

// question reads the flags: whose story, in which sources.
func question(cfg *config.Config, f *explainFlags) (processor.Question, error) {
	q := processor.Question{Kind: intake.Documents}
	key, kind := f.document, config.KindDocuments
	if f.registration != "" {
		q.Kind, key, kind = intake.Registrations, f.registration, config.KindRegistrations
	}
	if (f.document == "") == (f.registration == "") {
		return q, usage("name one row: --document KEY or --registration KEY")
	}
	var names []string
	for _, s := range cfg.Sources {
		if s.Kind != kind {
			continue
		}
		names = append(names, s.Name)
		if f.source == "" || f.source == s.Name {
			q.Topics = append(q.Topics, s.Topic)
		}
	}
	if len(q.Topics) == 0 {
		return q, usage("no source of %s is named %q: there are %s", kind, f.source, strings.Join(names, ", "))
	}
	return q, readKey(&q, key)
}

// readKey takes a row's key in the forms in which people have it: the row's name as it stands in a pilot list, the key as
// JSON, or the bare value of a key of one column.
func readKey(q *processor.Question, key string) error {
	key = strings.TrimSpace(key)
	switch {
	case strings.HasPrefix(key, "{"):
		row, reason := debezium.RowName([]byte(key))
		if reason != "" {
			return usage("the key looks like JSON, but %s", reason)
		}
		q.Row = row
	case strings.HasPrefix(strings.ReplaceAll(key, `\=`, ""), "="), strings.HasSuffix(key, ","):
		return usage("the key has a value without a column, or ends in a comma: want 12345, id=12345, or office=1,id=7")
	case strings.Contains(strings.ReplaceAll(key, `\=`, ""), "="):
		q.Row = key
	default:
		q.Row, q.Value = key, "="+debezium.FieldValue(key)
	}
	return nil
}
