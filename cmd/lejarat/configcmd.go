package main

import "github.com/spf13/cobra"

func configCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, secrets masked",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			return cfg.Print(cmd.OutOrStdout())
		},
	}
}
