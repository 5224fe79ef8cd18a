package smtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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

// spent is the error of a run with once that stands still; nil while it does not.
func (r *run) spent() error {
	if !r.once || len(r.busy) > 0 || time.Since(r.progress) <= r.budget() {
		return nil
	}
	reasons := []error{r.errPaused(), r.errCapped()}
	for _, w := range r.routes {
		reasons = append(reasons, w.away.err)
	}
	reasons = append(reasons, r.lastRetry, r.brokers.err, errors.New("other members of the consumer group hold them, or another instance has claimed them"))
	why := reasons[slices.IndexFunc(reasons, func(err error) bool { return err != nil })]
	if r.under == nil {
		if err := r.unrecorded(why); errors.Is(err, errUnrecorded) {
			return err
		}
	}
	return fmt.Errorf("%d mails stay queued, none was settled for %s: %w", r.left(), r.budget(), why)
}

// budget is how long a run with once stands still before it gives up; while sending is held only as long as it takes to
// settle what must not be sent anyway.
func (r *run) budget() time.Duration {
	if r.errPaused() != nil || r.errCapped() != nil && !r.searching() {
		return min(r.options.Retry.Budget, heldBudget)
	}
	return r.options.Retry.Budget
}

const heldBudget = 5 * time.Second

func (r *run) left() int64 {
	ctx, cancel := context.WithTimeout(r.work, 5*time.Second)
	defer cancel()
	if n, err := r.length(ctx); err == nil {
		return n
	}
	return int64(len(r.inHand))
}
