package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/kafka"
	"lejarat/processor/event"
)

// whomFlags say which registrations are meant.
type whomFlags struct {
	refs         []string
	registration string
	id           string
}

func (f *whomFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.refs, "ref", nil, "registration reference, as in notifications; may be repeated; - reads one a line from standard input")
	c.Flags().StringVar(&f.registration, "registration", "", "row key of the registration, as explain takes it; SOURCE:KEY where several sources have it")
	c.Flags().StringVar(&f.id, "id", "", "id of a notification: the registration that it went to")
}

var refPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// find returns the references of the registrations that are meant, each once.
func (f *whomFlags) find(ctx context.Context, cfg *config.Config, clk timepiece, k *kafka.Client, in io.Reader) (refs []string, err error) {
	given := 0
	for _, is := range []bool{len(f.refs) > 0, f.registration != "", f.id != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, usage("say whose mails are meant: --ref REF, --registration [SOURCE:]KEY or --id ID")
	}
	switch {
	case f.registration != "":
		refs, err = registrationRef(ctx, cfg, clk, f.registration)
	case f.id != "":
		refs, err = receiverOf(ctx, cfg, k, f.id)
	case slices.Equal(f.refs, []string{"-"}):
		refs, err = readRefs(in)
	default:
		refs = f.refs
	}
	if err != nil {
		return nil, err
	}
	for i, ref := range refs {
		if !refPattern.MatchString(ref) {
			return nil, usage("reference %d: want 32 hex digits, as registration_ref in notifications", i+1)
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs), nil
}

// maxRefs bounds a list of references.
const maxRefs = 1_000_000

// readRefs reads references, one a line; what stands behind the first blank is passed over, so that list's lines will do.
func readRefs(in io.Reader) (refs []string, err error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if ref, _, _ := strings.Cut(strings.TrimSpace(lines.Text()), " "); ref != "" {
			refs = append(refs, ref)
		}
		if len(refs) > maxRefs {
			return nil, usage("more than %d references at a time", maxRefs)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading references from standard input: %w", err)
	}
	if len(refs) == 0 {
		return nil, usage("no reference came on standard input")
	}
	return refs, nil
}

// registrationRef is the reference of a registration by its row key. It must exist: a slip of the pen would else stop nobody's
// mails, and look as if it had.
func registrationRef(ctx context.Context, cfg *config.Config, clk timepiece, text string) ([]string, error) {
	f := explainFlags{registration: text, scan: clk.Virtual()}
	if source, key, ok := strings.Cut(text, ":"); ok {
		for _, s := range cfg.Sources {
			if s.Kind == config.KindRegistrations && (s.Name == source || s.Topic == source) {
				f.source, f.registration = s.Name, key
			}
		}
	}
	s, err := explain(ctx, cfg, clk, &f, newLogger(cfg))
	if err != nil {
		return nil, err
	}
	return []string{s.Ref}, nil
}

// errFound ends a scan early.
var errFound = errors.New("found")

// receiverOf is the registration that a notice is for.
func receiverOf(ctx context.Context, cfg *config.Config, k *kafka.Client, id string) ([]string, error) {
	spans, err := k.Spans(ctx, cfg.Kafka.Topics().Notifications)
	if err != nil {
		return nil, err
	}
	var n event.Notice
	err = event.Scan(ctx, k, spans, func(r *event.Record) error {
		if string(r.Key) != id || r.Value == nil {
			return nil
		}
		if err := json.Unmarshal(r.Value, &n); err != nil {
			return errors.New("the notification cannot be read")
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return []string{n.RegistrationRef}, nil
	case err != nil:
		return nil, err
	}
	return nil, usage("--id: no notification has this id")
}
