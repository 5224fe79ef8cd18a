package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestQuiet: warnings are passed on, the same one once in ten seconds, with how often it came meanwhile.
func TestQuiet(t *testing.T) {
	var out bytes.Buffer
	q := newQuiet(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if q.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("everyday messages are passed on")
	}
	began := time.Unix(1, 0)
	say := func(after time.Duration, broker int) {
		t.Helper()
		r := slog.NewRecord(began.Add(after), slog.LevelWarn, "unable to open connection", 0)
		r.AddAttrs(slog.Int("broker", broker))
		if err := q.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		say(time.Duration(i)*100*time.Millisecond, 1)
	}
	say(5*time.Second, 2)
	say(saidAgain, 1)
	say(saidAgain+time.Second, 1)
	say(2*saidAgain, 1)
	want := "broker=1\nbroker=2\nbroker=1 repeated=49\nbroker=1 repeated=1\n"
	if got := strings.ReplaceAll(out.String(), `level=WARN msg="unable to open connection" `, ""); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for i := range 3 * saidMost {
		q.said.pass(fmt.Sprint(i), began)
	}
	if n := len(q.said.lines); n > saidMost {
		t.Errorf("%d lines are remembered", n)
	}
}
