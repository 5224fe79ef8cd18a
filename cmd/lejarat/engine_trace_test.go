package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// tracef notes what happened, for a failure to show.
func (h *house) tracef(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, fmt.Sprintf("%6d ms  %s  %s", time.Since(h.began).Milliseconds(), h.clock.Now().In(h.zone).Format("2006-01-02 15:04:05"),
		fmt.Sprintf(format, args...)))
}

// traceMost is how many events a failure shows.
const traceMost = 250

func (h *house) trace() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := max(0, len(h.events)-traceMost)
	return strings.Join(h.events[from:], "\n")
}

// Write takes an instance's log lines into the trace.
func (h *house) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("connection")) && !bytes.Contains(line, []byte("group")) {
		return len(line), nil // what the library says of connections that the gate ends
	}
	h.tracef("    %s", strings.TrimSpace(string(line)))
	return len(line), nil
}
