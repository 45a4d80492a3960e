package hashing

import (
	"context"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Each hashes the files that roots name or contain, several at a time, and gives what became of each to take: in the
// order of the roots and of names, one at a time. It ends early only with the context or with an error of take.
func (h *Hasher) Each(ctx context.Context, roots []string, take func(Item) error) error {
	group, ctx := errgroup.WithContext(ctx)
	e := &each{h: h, ordered: make(chan *waiting, window*h.options.Parallel), work: make(chan *waiting)}
	group.Go(func() error {
		defer close(e.work)
		defer close(e.ordered)
		(&walker{follow: h.options.Follow, give: func(f found) bool { return e.give(ctx, f) }}).walk(slices.Clone(roots))
		return ctx.Err()
	})
	for range h.options.Parallel {
		group.Go(func() error {
			for w := range e.work {
				w.done <- h.File(ctx, w.path)
			}
			return nil
		})
	}
	group.Go(func() error { return e.deliver(ctx, take) })
	return group.Wait()
}

// each is one run of Each: what is found goes into both channels, so that one keeps the order and the other is free of it.
type each struct {
	h             *Hasher
	ordered, work chan *waiting
	count         atomic.Uint64
}

type waiting struct {
	found
	done chan Item // takes one
}

// give passes on what was found. False: it has ended.
func (e *each) give(ctx context.Context, f found) bool {
	w := &waiting{f, make(chan Item, 1)}
	e.count.Add(1)
	select {
	case e.ordered <- w:
	case <-ctx.Done():
		return false
	}
	if f.err != nil {
		w.done <- Item{Path: f.path, Err: f.err}
		return true
	}
	select {
	case e.work <- w:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *each) deliver(ctx context.Context, take func(Item) error) error {
	for w := range e.ordered {
		select {
		case it := <-w.done:
			if err := ctx.Err(); err != nil {
				return err // it may be of the end, not of the file
			}
			it.Found = e.count.Load()
			if err := take(it); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
