package main

import (
	"encoding/json"
	"fmt"
	"io"

	"lejarat/cmd/lejarat/config"
	"lejarat/processor/event"
)

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return nil
}

// dateOf is the civil date by the clock in use.
func dateOf(clk timepiece, cfg *config.Config) string {
	return event.DateOf(clk.Now(), cfg.Calendar.Location()).String()
}
