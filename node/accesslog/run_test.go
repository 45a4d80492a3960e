package accesslog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"vigil/ledger"
)

// ledgerFake takes segments as a ledger would: the second time the same one has no effect.
type ledgerFake struct {
	mu       sync.Mutex
	list     []Anchor
	segments []*Segment
	refuse   int // so many times
	lose     int // so many times it is stored and the answer is lost
	calls    []time.Time
}

func (f *ledgerFake) take(_ context.Context, s *Segment) (ledger.Index, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, time.Now())
	if f.refuse > 0 {
		f.refuse--
		return 0, errors.New("no quorum")
	}
	decoded, err := DecodeSegment(s.Encode())
	if err != nil {
		return 0, err
	}
	position := ledger.Index(0)
	i := slices.IndexFunc(f.segments, func(o *Segment) bool { return string(o.Encode()) == string(s.Encode()) })
	if i >= 0 {
		position = f.list[i].Position
	} else {
		position = ledger.Index(100 + len(f.list))
		f.list, f.segments = append(f.list, s.Anchor(position)), append(f.segments, decoded)
	}
	if f.lose > 0 {
		f.lose--
		return 0, errors.New("the answer was lost")
	}
	return position, nil
}

func (f *ledgerFake) anchors(context.Context) ([]Anchor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), nil
}

// Segments close by age, are handed out until the ledger has them, each once, and tell one unbroken story.
func TestSegmentsReachTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, taken := newMemory(), ledgerFake{refuse: 3, lose: 1}
		c := config(t)
		c.OnSegment = taken.take
		l := must[*Log](t)(create(c, m))
		ctx, cancel := context.WithCancel(t.Context())
		var run errgroup.Group
		run.Go(func() error { return l.Run(ctx) })

		time.Sleep(10 * time.Hour)
		if s := l.Status(); s.Segments != 0 {
			t.Fatal("an empty segment was closed")
		}
		started := time.Now()
		fill(t, l, 2)
		time.Sleep(59 * time.Minute)
		fill(t, l, 1)
		if s := l.Status(); s.Segments != 0 || !s.Oldest.Equal(started.UTC().Truncate(time.Millisecond)) {
			t.Fatal(s)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := l.Status(); s.Segments != 1 || s.Unanchored != 0 || !s.Oldest.IsZero() {
			t.Fatal(s)
		}
		if n := len(taken.calls); n != 5 || taken.calls[4].Sub(taken.calls[0]) != 15*time.Second {
			t.Fatal(taken.calls)
		}

		taken.refuse = 1 << 30
		fill(t, l, 4)
		time.Sleep(2 * time.Hour)
		fill(t, l, 4)
		time.Sleep(2 * time.Hour)
		if s := l.Status(); s.Segments != 3 || s.Unanchored != 2 {
			t.Fatal(s)
		}
		cancel()
		if err := run.Wait(); err != nil {
			t.Fatal(err)
		}

		taken.refuse = 0 // and after a restart
		l = must[*Log](t)(open(c, m.clone()))
		ctx, cancel = context.WithCancel(t.Context())
		run.Go(func() error { return l.Run(ctx) })
		synctest.Wait()
		r := sound(t, l, taken.list...)
		if len(taken.list) != 3 || r.Unanchored != 0 || r.Segments != 3 || r.Size != 11 {
			t.Fatalf("%+v", r)
		}
		cancel()
		if err := run.Wait(); err != nil {
			t.Fatal(err)
		}
		for i, s := range taken.segments {
			if i > 0 && s.Before.Root() != taken.segments[i-1].Root {
				t.Fatalf("segment %d does not follow", i)
			}
			if entries := must[[]Entry](t)(s.Entries()); entries[0].Index != s.First {
				t.Fatal(entries[0].Index)
			}
		}
	})
}

// A segment that is damaged before it reached the ledger does not hold up the next one.
func TestDamagedSegmentIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m, _ := three(t)
		var taken ledgerFake
		l.cfg.OnSegment = taken.take
		m.files[recordsName(3)][50] ^= 1
		if err := l.CloseSegment(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var run errgroup.Group
		run.Go(func() error { return l.Run(ctx) })
		time.Sleep(time.Minute)
		cancel()
		if err := run.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(taken.list) != 1 || taken.list[0].First != 7 || l.Status().Unanchored != 1 {
			t.Fatalf("%+v", taken.list)
		}
	})
}

func TestRunEndsWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := must[*Log](t)(create(config(t), m))
		fill(t, l, 1)
		m.fault = func(int) failure { return failed }
		if err := l.Run(t.Context()); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
	})
}

func TestClockSetBack(t *testing.T) {
	l := must[*Log](t)(create(config(t), newMemory()))
	hour := time.Hour.Milliseconds()
	for _, at := range []int64{100 * hour, 100*hour - 5, 98 * hour, 99*hour - 1} {
		l.turn <- struct{}{}
		if _, err := l.write([]*request{{record: record(0)}}, at); err != nil {
			t.Fatal(err)
		}
		<-l.turn
	}
	if s := l.Status(); s.Segments != 1 || s.Size != 4 {
		t.Fatal(s)
	}
	sound(t, l)
	if s := must[*Segment](t)(l.export(l.now.Load().history.segments[0])); s.End.Sub(s.Start) != 5*time.Millisecond {
		t.Fatal(s.Start, s.End)
	}
}
