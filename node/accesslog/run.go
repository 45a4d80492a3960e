package accesslog

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Anchor is what the ledger says of one segment.
type Anchor struct {
	Log      LogID
	First    uint64
	Count    uint64
	Root     tlog.Hash // of the whole log after the segment
	Position ledger.Index
}

// Run closes segments when they are due and hands them to OnSegment until it succeeds. It returns when ctx ends or the
// disk fails.
func (l *Log) Run(ctx context.Context) error {
	retry := retryFirst
	for {
		err := l.withTurn(ctx, func() error {
			_, err := l.closeIfDue(time.Now().UnixMilli())
			return err
		})
		if err != nil {
			return runError(ctx, err)
		}
		done, err := l.anchorPending(ctx)
		if err != nil {
			return runError(ctx, err)
		}
		wait := l.untilDue(time.Now())
		if done {
			retry = retryFirst
		} else {
			wait, retry = min(wait, retry), min(2*retry, retryLast)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-l.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// runError is nil for an end that was asked for.
func runError(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// CloseSegment closes the open segment now, whatever its age: before a node leaves for good, say. Run hands it out.
func (l *Log) CloseSegment(ctx context.Context) error {
	defer l.wakeRun()
	return l.withTurn(ctx, func() error {
		if v := l.now.Load(); v.failed != nil || v.empty() {
			return v.failed
		}
		return l.closeSegment()
	})
}

func (l *Log) withTurn(ctx context.Context, f func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case l.turn <- struct{}{}:
	}
	defer func() { <-l.turn }()
	return f()
}

func (l *Log) untilDue(now time.Time) time.Duration {
	v := l.now.Load()
	if v.empty() {
		return segmentAge // the first record of a segment wakes nobody
	}
	return max(millis(v.open.start).Add(segmentAge).Sub(now), 0)
}

// anchorPending hands out what is not in the ledger yet. A segment that is refused or damaged does not hold up the ones
// after it. The error is of our own disk or of ctx.
func (l *Log) anchorPending(ctx context.Context) (done bool, err error) {
	if l.cfg.OnSegment == nil {
		return true, nil
	}
	done = true
	for _, c := range l.now.Load().history.pending() {
		position, err := l.handOut(ctx, c)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			l.cfg.Log.Warn("access log: a segment is not in the ledger yet", "first", c.first, "count", c.count, "err", err)
			done = false
			continue
		}
		m := mark{Kind: markAnchored, First: c.first, Position: position}
		if err := l.withTurn(ctx, func() error { return l.markUnlessFailed(m) }); err != nil {
			return false, err
		}
	}
	return done, nil
}

func (l *Log) markUnlessFailed(m mark) error {
	if v := l.now.Load(); v.failed != nil {
		return v.failed
	}
	return l.mark(m)
}

func (l *Log) handOut(ctx context.Context, c closed) (ledger.Index, error) {
	s, err := l.export(c)
	if err != nil {
		return 0, err
	}
	return l.cfg.OnSegment(ctx, s)
}

// export reads a closed segment back. What is handed out is what was written, or an error.
func (l *Log) export(c closed) (*Segment, error) {
	v := l.now.Load()
	place, _ := v.history.find(c.first)
	s := &Segment{Log: l.id, First: c.first, Before: v.before(place), Root: c.tree.Root(), Start: millis(c.start), End: millis(c.end)}
	err := l.readSegment(v, c, place, func(_ Entry, leaf []byte) { s.Leaves = append(s.Leaves, leaf) })
	if err != nil {
		return nil, err
	}
	return s, nil
}
