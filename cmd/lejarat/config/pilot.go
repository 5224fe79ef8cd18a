package config

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Pilot restricts the service to named registrations; without any it is open to all.
type Pilot struct {
	// Registrations are row keys of registrations: the fields of the record key, like id=12. Default: none.
	Registrations []string `yaml:"registrations,omitempty"`
	// File holds more of them, one a line; blank lines and lines that start with # do not count. Default: none.
	File string `yaml:"file,omitempty"`
}

// Restricts says whether there is a pilot list at all; an empty file restricts to nobody.
func (p Pilot) Restricts() bool { return len(p.Registrations) > 0 || p.File != "" }

// Keys returns the row keys of the list and the file together.
func (p Pilot) Keys() ([]string, error) {
	keys := append([]string(nil), p.Registrations...)
	if p.File == "" {
		return keys, nil
	}
	f, err := os.Open(p.File)
	if err != nil {
		return nil, fmt.Errorf("reading pilot.file: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key := strings.TrimSpace(lines.Text()); key != "" && !strings.HasPrefix(key, "#") {
			keys = append(keys, key)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading pilot.file: %w", err)
	}
	return keys, nil
}
