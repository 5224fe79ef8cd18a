package bounce

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Maildir takes messages in from a Maildir's new, and moves each to cur once everything that follows from it is durable.
type Maildir struct {
	Dir     string
	Handler *Handler
	Logger  *slog.Logger
	// Every is how often new is looked into.
	Every time.Duration
}

// Watch looks into the Maildir until ctx ends. While the brokers are away messages stay in new.
func (m *Maildir) Watch(ctx context.Context) error {
	for {
		if _, err := m.Once(ctx); err != nil && ctx.Err() == nil {
			m.Logger.Warn("bounces wait in the Maildir", "error", err)
		}
		t := time.NewTimer(m.Every)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// Once takes in what is in new now. left is how many messages must wait: their mail is in a connector's hand, or they cannot
// be read. The first error of the brokers, or of the directory, ends it.
func (m *Maildir) Once(ctx context.Context) (left int, err error) {
	entries, err := os.ReadDir(filepath.Join(m.Dir, "new"))
	if err != nil {
		return 0, fmt.Errorf("looking into the Maildir: %w", err)
	}
	for i, entry := range entries {
		if err := ctx.Err(); err != nil {
			return left + len(entries) - i, err
		}
		if strings.HasPrefix(entry.Name(), ".") || entry.IsDir() {
			continue
		}
		switch err := m.take(ctx, entry.Name()); {
		case errors.Is(err, ErrInHand):
			left++
		case errors.As(err, new(*fs.PathError)):
			left++
			m.Logger.Warn("a message in the Maildir cannot be read or moved", "error", err)
		case err != nil:
			return left + len(entries) - i, err
		}
	}
	return left, nil
}

func (m *Maildir) take(ctx context.Context, name string) error {
	path := filepath.Join(m.Dir, "new", name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has taken it
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := m.Handler.Accept(ctx, nil, f); err != nil {
		return err
	}
	done := name
	if !strings.Contains(name, ":2,") {
		done += ":2,S"
	}
	if err := os.Rename(path, filepath.Join(m.Dir, "cur", done)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		var link *os.LinkError
		if errors.As(err, &link) {
			return &fs.PathError{Op: "moving to cur", Path: path, Err: link.Err}
		}
		return err
	}
	return nil
}
