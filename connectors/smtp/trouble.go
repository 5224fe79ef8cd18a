package smtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// trouble is why something is not asked for anything at the moment: the relay, or the brokers.
type trouble struct {
	err   error // nil: none
	until time.Time
	pause backoff
}

// note begins a pause, with one log line when the trouble begins. Reports that come during the pause are of the same trouble.
func (t *trouble) note(err error, log *slog.Logger) {
	if t.err == nil {
		log.Warn("sending waits", "error", err)
	}
	if !t.pausing() {
		t.until = time.Now().Add(t.pause.next())
	}
	t.err = err
}

func (t *trouble) over(log *slog.Logger) {
	if t.err != nil {
		log.Info("sending goes on")
	}
	t.err = nil
	t.pause.reset()
}

func (t *trouble) pausing() bool { return t.err != nil && time.Now().Before(t.until) }

// hinder notes that the relay takes nothing: after a pause it is tried with one mail.
func (r *run) hinder(err error) {
	r.away.note(err, r.options.Logger)
	r.width = 1
}

// recovered notes that the relay decides about mails again.
func (r *run) recovered() {
	r.deferrals, r.putOff = 0, nil
	r.away.over(r.options.Logger)
	r.width = min(2*r.width, r.options.Relay.Connections)
}

// spent is the error of a run with once that stands still; nil while it does not.
func (r *run) spent() error {
	if !r.once || len(r.busy) > 0 || time.Since(r.progress) <= r.options.Retry.Budget {
		return nil
	}
	why := r.away.err
	for _, other := range []error{r.putOff, r.brokers.err, errors.New("other members of the consumer group hold them, or another instance has claimed them")} {
		if why == nil {
			why = other
		}
	}
	if r.under == nil {
		if err := r.unrecorded(why); errors.Is(err, errUnrecorded) {
			return err
		}
	}
	return fmt.Errorf("%d mails stay queued, none was settled for %s: %w", r.left(), r.options.Retry.Budget, why)
}

func (r *run) left() int64 {
	ctx, cancel := context.WithTimeout(r.work, 5*time.Second)
	defer cancel()
	if lag, err := r.queue.Lag(ctx); err == nil {
		return lag
	}
	return int64(len(r.inHand))
}
