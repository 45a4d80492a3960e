package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"vigil/ledger/subscription"
)

// refusal is a receiver's answer that is no success.
type refusal struct {
	status int
	after  time.Duration // it asks to be left alone for
}

func (r *refusal) Error() string { return fmt.Sprintf("the receiver answered %d", r.status) }

// errForbidden says that an address is none that webhooks may go to; trying again does not help.
var errForbidden = errors.New("the address is not public: the operator can allow it by notify.allow")

// deliver sends until it succeeds. What never gets through pauses the subscription, with the reason, and is told when that
// is resumed.
func (t *Teller) deliver(ctx context.Context, s *subscription.Subscription, send func(context.Context) error) error {
	channel := string(s.Opened.Channel)
	for try := 0; ; try++ {
		once, cancel := context.WithTimeout(ctx, answerTime)
		err := send(once)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			t.cfg.Told(channel, "told")
			return nil
		}
		t.cfg.Told(channel, "failed")
		wait, why := next(err, try)
		if why != "" {
			if err := t.cfg.Pause(ctx, &subscription.Paused{Target: s.Key, Reason: why}); err != nil {
				return err
			}
			return errPaused
		}
		t.cfg.Log.Info("a subscriber does not answer and is tried again", "subscription", s.Key.ID(subscription.IDs), "in", wait.String(), "error", err)
		pause(ctx, wait)
	}
}

// next says how long to wait after a failed try, or why there is none.
func next(err error, try int) (wait time.Duration, why string) {
	var r *refusal
	switch {
	case errors.Is(err, errForbidden):
		return 0, errForbidden.Error()
	case errors.As(err, &r) && r.status == http.StatusGone:
		return 0, "the receiver says that it is gone (410)"
	case try >= len(retries):
		return 0, fmt.Sprintf("nothing got through for three days; the last: %.200s", err)
	}
	wait = retries[try]
	wait += time.Duration(rand.Int64N(int64(wait)/10 + 1))
	if r != nil && r.after > wait {
		wait = min(r.after, maxRetryAfter)
	}
	return wait, ""
}
