package duty_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vigil/ledger"
	"vigil/node/author"
	"vigil/node/board"
	"vigil/node/duty"
)

// network is a board and an author in memory: what is submitted is on the board at once. Submissions fail as often as
// told, stored or not.
type network struct {
	mu       sync.Mutex
	written  map[ledger.EventID]int
	entries  [][]ledger.AudienceName
	failures []bool // whether the failing submission was stored all the same
	changes  uint64
	changed  chan struct{}
}

func (n *network) LastChange() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changes
}

// all is how often each event was written, and in how many entries.
func (n *network) all() (written map[ledger.EventID]int, entries int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.written), len(n.entries)
}

func (n *network) change() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *network) WaitChange(ctx context.Context, after uint64) error {
	for {
		n.mu.Lock()
		done, changed := n.changes > after, n.changed
		n.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (n *network) WaitFor(context.Context, ledger.Origin, uint64) error { return nil }

func (n *network) ByEvent(_ context.Context, _ ledger.AgencyID, id ledger.EventID) (board.Stored, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return board.Stored{}, n.written[id] > 0, nil
}

func (n *network) Submit(_ context.Context, audience []ledger.AudienceName, events []ledger.Event) (author.Receipt, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	stored := true
	if len(n.failures) > 0 {
		stored, n.failures, err = n.failures[0], n.failures[1:], author.ErrUnknown
	}
	if stored {
		n.entries = append(n.entries, audience)
		for _, e := range events {
			n.written[e.ID]++
		}
	}
	return author.Receipt{}, err
}

// answers owes one answer to each of so many, at a time.
type answers struct {
	n     *network
	owed  []duty.Owed
	from  time.Time
	looks atomic.Int64
}

func (*answers) Name() string { return "answers" }

func (a *answers) Owed(_ context.Context, now time.Time) ([]duty.Owed, time.Time, error) {
	a.looks.Add(1)
	if now.Before(a.from) {
		return nil, a.from, nil
	}
	a.n.mu.Lock()
	defer a.n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.owed), func(o duty.Owed) bool { return a.n.written[o.Event.ID] > 0 }), time.Time{}, nil
}

func TestWhatIsOwedIsWrittenOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{written: map[ledger.EventID]int{}, changed: make(chan struct{}), failures: []bool{false, true}}
		a := &answers{n: n, from: time.Now().Add(time.Hour)}
		for i := range 5 {
			audience := []ledger.AudienceName{[]ledger.AudienceName{"in/a", "in/b"}[i%2]}
			a.owed = append(a.owed, duty.Owed{Audience: audience, Event: ledger.Event{ID: ledger.EventID{byte(i)}}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		r := duty.New(duty.Config{Agency: "in/a", Board: n, Author: n, Duties: []duty.Duty{a}, Log: slog.New(slog.DiscardHandler)})
		go func() { done <- r.Run(ctx) }()
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if written, _ := n.all(); len(written) > 0 {
			t.Fatal("written before its time")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		written, entries := n.all()
		if len(written) != 5 || entries != 2 {
			t.Errorf("%d of 5 written, in %d entries", len(written), entries)
		}
		for id, times := range written {
			if times != 1 {
				t.Errorf("%s written %d times", id, times)
			}
		}
		looks := a.looks.Load()
		for range 100 {
			n.change()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if more := a.looks.Load() - looks; more == 0 || more > 11 {
			t.Errorf("%d looks in a second of 100 changes", more)
		}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// stubborn owes one thing for ever, though it is written.
type stubborn struct{ looks int }

func (*stubborn) Name() string { return "stubborn" }

func (s *stubborn) Owed(context.Context, time.Time) ([]duty.Owed, time.Time, error) {
	s.looks++
	return []duty.Owed{{Audience: []ledger.AudienceName{"in/a"}, Event: ledger.Event{ID: ledger.EventID{1}}}}, time.Time{}, nil
}

func TestWhatIsWrittenIsNotAskedForWithoutRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{written: map[ledger.EventID]int{}, changed: make(chan struct{})}
		s := &stubborn{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		r := duty.New(duty.Config{Agency: "in/a", Board: n, Author: n, Duties: []duty.Duty{s}, Log: slog.New(slog.DiscardHandler)})
		go func() { done <- r.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.looks > 2 || n.written[ledger.EventID{1}] != 1 {
			t.Errorf("%d looks, %d times written", s.looks, n.written[ledger.EventID{1}])
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
