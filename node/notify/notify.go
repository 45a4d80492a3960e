package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"vigil/ledger/alert"
	"vigil/ledger/noun"
	"vigil/ledger/subscription"
	"vigil/node/board"
)

// Board is where changes are seen, and where it stands how far each subscription was told.
type Board interface {
	Subscriptions(ctx context.Context) ([]board.Subscription, error)
	Changes(ctx context.Context, after uint64, limit int) ([]board.Change, error)
	LastChange() uint64
	WaitChange(ctx context.Context, after uint64) error
	ToldUpTo(ctx context.Context, k noun.Key) (seq uint64, begun bool, err error)
	SetTold(ctx context.Context, k noun.Key, seq uint64, objects []string) error
	WasTold(ctx context.Context, k noun.Key, object string) (bool, error)
}

// Config names what a Teller works with.
type Config struct {
	Board Board
	// URL is where people reach this node; empty: messages carry no addresses.
	URL string
	// Allow are the addresses that are not public and that webhooks may go to all the same.
	Allow []netip.Prefix
	// Roots are the authorities that vouch for receivers and the mail relay; nil: the system's.
	Roots *x509.CertPool
	// Mail is how mail leaves; nil where none does.
	Mail *Mail
	// Pause commits that a subscription is paused.
	Pause func(ctx context.Context, f *subscription.Paused) error
	// Told counts messages by channel and result; it may be nil.
	Told func(channel, result string)
	Log  *slog.Logger
}

// Teller tells subscribers.
type Teller struct {
	cfg    Config
	client *http.Client
}

// New makes a Teller.
func New(cfg Config) *Teller {
	if cfg.Told == nil {
		cfg.Told = func(string, string) {}
	}
	return &Teller{cfg: cfg, client: newClient(cfg.Allow, cfg.Roots)}
}

// errPaused ends a worker: its subscription was paused.
var errPaused = errors.New("notify: paused")

// Run tells every open subscription until ctx ends. Subscriptions come, change and go while it runs.
func (t *Teller) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[noun.Key]*worker{}
	for ctx.Err() == nil {
		seen := t.cfg.Board.LastChange()
		all, err := t.cfg.Board.Subscriptions(ctx)
		if err != nil && ctx.Err() == nil {
			t.cfg.Log.Warn("subscriptions cannot be read now", "error", err)
		}
		if err == nil {
			t.keep(ctx, &wg, running, all)
		}
		t.rest(ctx, seen)
	}
	return nil
}

// worker tells one subscription as it stood when the worker began.
type worker struct {
	stands subscription.Subscription
	stop   context.CancelFunc
}

// keep starts and stops workers, so that there is one for each open subscription as it stands.
func (t *Teller) keep(ctx context.Context, wg *sync.WaitGroup, running map[noun.Key]*worker, all []board.Subscription) {
	open := map[noun.Key]bool{}
	for _, s := range all {
		x := *s.Object
		if x.State != subscription.Open || len(open) >= maxWorkers {
			continue
		}
		open[x.Key] = true
		if w := running[x.Key]; w != nil {
			if w.stands.Secret == x.Secret {
				continue
			}
			w.stop()
		}
		inner, stop := context.WithCancel(ctx)
		running[x.Key] = &worker{x, stop}
		wg.Go(func() { t.tell(inner, &x) })
	}
	for k, w := range running {
		if !open[k] {
			w.stop()
			delete(running, k)
		}
	}
}

// rest waits for a change, and never looks again too soon.
func (t *Teller) rest(ctx context.Context, seen uint64) {
	pause(ctx, lookEvery)
	_ = t.cfg.Board.WaitChange(ctx, seen) // its error is the end
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// tell goes on from where a subscription was told up to, until ctx ends or it is paused.
func (t *Teller) tell(ctx context.Context, s *subscription.Subscription) {
	for ctx.Err() == nil {
		err := t.follow(ctx, s)
		switch {
		case errors.Is(err, errPaused):
			return
		case err != nil && ctx.Err() == nil:
			t.cfg.Log.Warn("a subscription waits", "subscription", s.Key.ID(subscription.IDs), "error", err)
			pause(ctx, failPause)
		}
	}
}

func (t *Teller) follow(ctx context.Context, s *subscription.Subscription) error {
	after, begun, err := t.cfg.Board.ToldUpTo(ctx, s.Key)
	if err != nil {
		return err
	}
	if !begun { // it is told of what comes, not of what was
		after = t.cfg.Board.LastChange()
		if err := t.cfg.Board.SetTold(ctx, s.Key, after, nil); err != nil {
			return err
		}
	}
	if s.Opened.Channel == subscription.Mail {
		return t.digests(ctx, s, after)
	}
	for {
		changes, err := t.cfg.Board.Changes(ctx, after, pageChanges)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if err := t.one(ctx, s, c); err != nil {
				return err
			}
			after = c.Sequence
		}
		if len(changes) == 0 {
			t.rest(ctx, after)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// one tells of one change, where it is wanted, and notes that.
func (t *Teller) one(ctx context.Context, s *subscription.Subscription, c board.Change) error {
	wanted, err := t.wants(ctx, s, c)
	if err != nil {
		return err
	}
	var objects []string
	if wanted {
		if err := t.deliver(ctx, s, func(ctx context.Context) error { return t.post(ctx, s, c) }); err != nil {
			return err
		}
		objects = []string{c.Object}
	}
	return t.cfg.Board.SetTold(ctx, s.Key, c.Sequence, objects)
}

// wants says whether a subscription is to be told of a change: what it asked for, and that an alert was taken back of
// which it was told.
func (t *Teller) wants(ctx context.Context, s *subscription.Subscription, c board.Change) (bool, error) {
	if s.Opened.Wants(subscription.Change{Kind: c.Kind, Exercise: c.Exercise, Urgency: c.Urgency}) {
		return true, nil
	}
	if c.Kind != alert.TypeRetracted {
		return false, nil
	}
	return t.cfg.Board.WasTold(ctx, s.Key, c.Object)
}
