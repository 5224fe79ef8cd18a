package letter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lejarat/processor/event"
)

// Preview writes every letter that the options can lead to into a folder, as .eml and .html, and returns how many
// there are and what is wrong with them. Nothing is connected to. The error is about options that do not hold, templates
// that cannot be read, or a folder that cannot be written.
func Preview(o Options, dir string) (letters int, findings []Finding, err error) {
	c, err := NewComposer(o)
	if err != nil {
		return 0, nil, fmt.Errorf("setting up the letters: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, nil, fmt.Errorf("making the folder for the letters: %w", err)
	}
	for _, s := range c.letters.templates.samples() {
		files, err := c.preview(s.mail)
		if err != nil {
			continue // lint says why
		}
		letters++
		for ending, content := range files {
			if err := os.WriteFile(filepath.Join(dir, s.name+ending), content, 0o644); err != nil {
				return letters, nil, fmt.Errorf("writing a letter: %w", err)
			}
		}
	}
	return letters, c.lint(), nil
}

// preview returns a letter's files by their endings.
func (c *Composer) preview(m event.Mail) (map[string][]byte, error) {
	msg, err := c.sampleMessage(m)
	if err == nil && c.signer != nil {
		msg, err = c.signer.sign(msg)
	}
	_, _, page, rerr := c.letters.templates.render(m)
	if err := errors.Join(err, rerr); err != nil {
		return nil, err
	}
	return map[string][]byte{".eml": msg, ".html": []byte(page)}, nil
}
