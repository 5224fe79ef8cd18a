package smtp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stumble notes trouble, with one log line when it begins.
func (r *run) stumble(err error) {
	if r.trouble == nil {
		r.options.Logger.Warn("sending waits", "error", err)
	}
	r.trouble = err
}

// recovered notes that the relay decides about mails again.
func (r *run) recovered() {
	r.deferrals, r.putOff = 0, nil
	r.calm()
}

// calm notes that nothing hinders, unless the relay puts off one mail after another.
func (r *run) calm() {
	if r.deferrals >= r.options.Limits.RejectionsPerConnection {
		return
	}
	if r.trouble != nil {
		r.options.Logger.Info("sending goes on")
	}
	r.trouble = nil
	r.away.reset()
}

// sleep waits, with once no longer than the budget.
func (r *run) sleep(ctx context.Context, d time.Duration) {
	if r.once {
		d = min(d, max(0, r.options.Retry.Budget-time.Since(r.progress))+time.Millisecond)
	}
	sleep(ctx, d)
}

// spent is the error of a run with once that stands still.
func (r *run) spent() error {
	left := r.left()
	why := r.trouble
	if why == nil {
		why = r.putOff
	}
	if why == nil {
		why = errors.New("other members of the consumer group hold them")
	}
	return fmt.Errorf("%d mails stay queued, none was settled for %s: %w", left, r.options.Retry.Budget, why)
}

func (r *run) left() int64 {
	ctx, cancel := context.WithTimeout(r.work, 5*time.Second)
	defer cancel()
	if lag, err := r.queue.Lag(ctx); err == nil {
		return lag
	}
	return int64(len(r.inHand))
}
