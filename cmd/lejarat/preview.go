package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lejarat/cmd/lejarat/config"
	"lejarat/connectors/smtp/letter"
)

func previewCommand(o *options) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "preview --out DIR",
		Short: "Write every letter that the configuration can lead to, for an invented person, and say what is wrong with them",
		Long: "For each language, document type and threshold, on its day and a day late, and for the announcement: .eml as it would\n" +
			"leave, and .html for a browser. Connects to nothing. What it finds wrong keeps `lejarat mail` from starting; then it\n" +
			"ends with 1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage("want --out DIR, the folder for the letters")
			}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			letters, findings, err := letter.Preview(letterOptions(cfg), dir)
			if err != nil {
				return usageError{err}
			}
			if err := printPreview(cmd, o.json, letters, findings); err != nil {
				return err
			}
			if len(findings) > 0 {
				return fmt.Errorf("%d findings in the letters; mend mail.template_dir, mail.texts or the names in documents", len(findings))
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "out", "", "the folder for the letters; it is made where it does not exist")
	return c
}

func printPreview(cmd *cobra.Command, asJSON bool, letters int, findings []letter.Finding) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), struct {
			Letters  int              `json:"letters"`
			Findings []letter.Finding `json:"findings"`
		}{letters, append([]letter.Finding{}, findings...)})
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), f); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d letters written, %d findings\n", letters, len(findings))
	return err
}

// letterOptions translates what the configuration says about letters.
func letterOptions(cfg *config.Config) letter.Options {
	m := cfg.Mail
	o := letter.Options{From: m.From, ReplyTo: m.ReplyTo, EnvelopeFrom: m.EnvelopeFrom, TemplateDir: m.TemplateDir, Website: m.Website, Texts: m.Texts,
		Unsubscribe: map[string]letter.Unsubscribe{}}
	for _, name := range sortedKeys(cfg.Documents) {
		d := cfg.Documents[name]
		doc := letter.Document{Type: name, Names: d.Names}
		for _, n := range d.Notices {
			doc.Notices = append(doc.Notices, string(n.At))
		}
		o.Documents = append(o.Documents, doc)
	}
	for kind, u := range m.Unsubscribe {
		o.Unsubscribe[kind] = letter.Unsubscribe(u)
	}
	for _, k := range m.DKIM {
		o.DKIM = append(o.DKIM, letter.DKIMKey(k))
	}
	return o
}
