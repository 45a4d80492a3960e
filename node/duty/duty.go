// Package duty writes what an agency owes without anyone asking: answers to recalls, escalations of deadlines that have
// passed. It knows when to look and sees to it that nothing is owed twice; what is owed, each duty says.
//
// It does not know what events mean, and reads no ledger: a duty looks at the board.
package duty

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/ledger"
	"vigil/node/author"
	"vigil/node/board"
)

// Owed is an event to be written, and to whom it is sealed.
type Owed struct {
	Audience []ledger.AudienceName
	Event    ledger.Event
}

// Duty says what is owed.
type Duty interface {
	// Name names the duty in the log.
	Name() string
	// Owed returns what is to be written now, the first so many of it, and when to look again though nothing has changed;
	// the zero time stands for "not before something changes". What is owed has the same event id however often it is
	// asked for, so that a crash or a lost answer doubles nothing; what the board shows as written is not owed.
	Owed(ctx context.Context, now time.Time) (owed []Owed, again time.Time, err error)
}

// Board is where duties are seen.
type Board interface {
	LastChange() uint64
	WaitChange(ctx context.Context, after uint64) error
	WaitFor(ctx context.Context, origin ledger.Origin, size uint64) error
	ByEvent(ctx context.Context, author ledger.AgencyID, id ledger.EventID) (board.Stored, bool, error)
}

// Author writes events.
type Author interface {
	Submit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) (author.Receipt, error)
}

// Config names what a Runner works with; every field is required.
type Config struct {
	Agency ledger.AgencyID
	Origin ledger.Origin
	Board  Board
	Author Author
	Duties []Duty
	Log    *slog.Logger
}

// Runner does the duties of one agency.
type Runner struct{ cfg Config }

// New makes a Runner.
func New(cfg Config) *Runner { return &Runner{cfg} }

// Run does the duties until ctx ends, each by itself: one that fails is tried again and does not keep the others.
func (r *Runner) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range r.cfg.Duties {
		group.Go(func() error {
			r.do(ctx, d)
			return nil
		})
	}
	return group.Wait()
}

func (r *Runner) do(ctx context.Context, d Duty) {
	for ctx.Err() == nil {
		seen := r.cfg.Board.LastChange()
		owed, again, err := d.Owed(ctx, time.Now())
		written := 0
		if err == nil {
			written, err = r.write(ctx, owed)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			r.cfg.Log.Warn("a duty waits and is tried again", "duty", d.Name(), "error", err)
			again = time.Now().Add(retryAfter)
		case written > 0:
			continue // there may be more
		}
		r.rest(ctx, seen, again)
	}
}

// rest waits for a change after what was seen, or for a time; never shorter than a look is apart from the next.
func (r *Runner) rest(ctx context.Context, seen uint64, again time.Time) {
	pause, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	<-pause.Done()
	if !again.IsZero() {
		wait, done := context.WithDeadline(ctx, again)
		defer done()
		ctx = wait
	}
	_ = r.cfg.Board.WaitChange(ctx, seen) // its error is the deadline, or the end
}

// write commits what is owed and not written yet, in as few entries as the audiences allow, and waits until the board shows
// it. It returns how many events it has written.
func (r *Runner) write(ctx context.Context, owed []Owed) (written int, err error) {
	for len(owed) > 0 {
		audience := owed[0].Audience
		var events []ledger.Event
		var others []Owed
		for _, o := range owed {
			if !slices.Equal(o.Audience, audience) || len(events) == maxEvents {
				others = append(others, o)
				continue
			}
			_, before, err := r.cfg.Board.ByEvent(ctx, r.cfg.Agency, o.Event.ID)
			if err != nil {
				return written, err
			}
			if !before {
				events = append(events, o.Event)
			}
		}
		if err := r.commit(ctx, audience, events); err != nil {
			return written, err
		}
		written, owed = written+len(events), others
	}
	return written, nil
}

func (r *Runner) commit(ctx context.Context, audience []ledger.AudienceName, events []ledger.Event) error {
	if len(events) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	receipt, err := r.cfg.Author.Submit(ctx, audience, events)
	if err != nil {
		return fmt.Errorf("write %d events: %w", len(events), err)
	}
	return r.cfg.Board.WaitFor(ctx, r.cfg.Origin, receipt.Index+1)
}
