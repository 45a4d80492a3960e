package author_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/author"
)

var errLost = errors.New("the answer was lost")

// fakeLedger is a ledger in memory that fails as networks do: before it stored, and after.
type fakeLedger struct {
	mu      sync.Mutex
	state   *ledger.State                    // guarded by mu
	index   map[string]ledger.Result         // guarded by mu; by leaf
	entries int                              // guarded by mu
	lose    func(n int) (before, after bool) // of the n-th proposal
	calls   int                              // guarded by mu
	refuse  *ledger.Reason                   // guarded by mu; once
	always  bool                             // it refuses more than once
	gap     bool                             // it says of everything that an earlier entry is missing
	pretend bool                             // it says once that it has written what it has not
	changed chan struct{}                    // guarded by mu
	renewed *crypto.AgencyKey                // of member 0, once the roster names it
	deaf    atomic.Bool                      // whoever leads is not heard
	term    atomic.Uint64                    // of whoever leads
	shows   *[32]byte                        // the leaf that this replica has wherever it is asked; nil where it has none yet
	alarms  chan string
	kept    []author.Receipt // what an earlier process was told, and had not seen when it ended
}

func (f *fakeLedger) Made(author.Receipt)    {}
func (f *fakeLedger) Settled(author.Receipt) {}
func (f *fakeLedger) Sync()                  {}
func (f *fakeLedger) Open() []author.Receipt { return f.kept }

func (f *fakeLedger) keyOf(s *ledger.State, first *crypto.AgencyKey) *crypto.AgencyKey {
	if c, _ := s.Governance.Certificate("in/a0"); f.renewed != nil && c.Fingerprint() == f.renewed.Certificate().Fingerprint() {
		return f.renewed
	}
	return first
}

// set replaces the state, as other members' entries do.
func (f *fakeLedger) set(s *ledger.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	f.wake()
}

// wake tells of a change; mu is held.
func (f *fakeLedger) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeLedger) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeLedger) Writable() error { return nil }

func (f *fakeLedger) Heard() (uint64, bool) { return f.term.Load(), !f.deaf.Load() }

func (f *fakeLedger) Earlier(ledger.Index) ([]byte, error) { return nil, errLost }

func (f *fakeLedger) State() *ledger.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeLedger) Propose(_ context.Context, entries []ledger.Entry) ([]ledger.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	before, after := f.lose(f.calls)
	if before {
		return nil, errLost
	}
	out := make([]ledger.Result, len(entries))
	for i, e := range entries {
		if f.gap && f.calls < 1000 { // a test that fails ends
			out[i] = ledger.Result{Verdict: ledger.Gap, NextSequence: 1}
			continue
		}
		if f.pretend {
			f.pretend = false
			out[i] = ledger.Result{Verdict: ledger.Accepted, Index: f.state.Size()}
			continue
		}
		if f.refuse != nil {
			out[i] = ledger.Result{Verdict: ledger.Refused, Reason: f.refuse}
			if !f.always {
				f.refuse = nil
			}
			continue
		}
		next, r := f.state.Apply(e, nil)
		if r.Verdict == ledger.Repeat {
			r = f.index[string(e.Leaf)]
			r.Verdict = ledger.Repeat
		}
		if r.Verdict == ledger.Accepted {
			f.state, f.index[string(e.Leaf)] = next, r
			f.entries++
			f.wake()
		}
		out[i] = r
	}
	if after {
		return nil, errLost
	}
	return out, nil
}

func (f *fakeLedger) Committed(crypto.NodeID, uint64) (uint64, [32]byte, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shows == nil {
		return 0, [32]byte{}, false, nil
	}
	return f.state.Size() - 1, *f.shows, true, nil
}

func (f *fakeLedger) Wait(ctx context.Context, _ uint64) error {
	if f.shows != nil {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func start(t *testing.T, f *fakeLedger, j *ledgertest.Jurisdiction) *author.Author {
	t.Helper()
	f.state, f.index, f.changed = j.State, map[string]ledger.Result{}, make(chan struct{})
	if f.lose == nil {
		f.lose = func(int) (bool, bool) { return false, false }
	}
	alarm := func(reason string) {
		select {
		case f.alarms <- reason:
		default:
		}
	}
	m := j.Members[0]
	a := author.New(author.Config{
		Agency: m.ID, Key: func(s *ledger.State) *crypto.AgencyKey { return f.keyOf(s, m.Key) }, Writer: m.Node.Public().ID(), Ledger: f, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Alarm: func(reason string, _ uint64) { alarm(reason) }, Promises: f,
		Late: func(reason string, _ author.Receipt) { alarm(reason) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a
}

// TestWhoIsCutOffAccusesNobody: what was acknowledged does not arrive. That is the leader's doing only where it is heard, and one.
func TestWhoIsCutOffAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // the test's keys were made by then
		f := &fakeLedger{alarms: make(chan string, 4)}
		f.deaf.Store(true)
		a := start(t, f, ledgertest.Found(t, "in", 2))
		if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("row")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(f.alarms); n != 0 {
			t.Fatalf("%d alarms over a leader that is not heard", n)
		}
		f.deaf.Store(false)
		for range 12 {
			time.Sleep(5 * time.Second)
			f.term.Add(1)
		}
		if n := len(f.alarms); n != 0 {
			t.Fatalf("%d alarms where one leader follows the other", n)
		}
		time.Sleep(15 * time.Second)
		if n := len(f.alarms); n != 1 {
			t.Fatalf("%d alarms over an entry that is withheld", n)
		}
	})
}

// TestALeaderThatRefusesForEver what this replica accepts lies, where that one leads all the time and tells it of its log. Where the
// replica may be behind, nobody knows.
func TestALeaderThatRefusesForEver(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(*fakeLedger)
		want    error
		alarms  int
	}{
		"it is heard":     {func(*fakeLedger) {}, author.ErrRefused, 1},
		"it misses one":   {func(f *fakeLedger) { f.mu.Lock(); f.gap = true; f.mu.Unlock() }, author.ErrRefused, 1},
		"it is not heard": {func(f *fakeLedger) { f.deaf.Store(true) }, author.ErrUnknown, 0},
		"another follows": {func(f *fakeLedger) { time.Sleep(time.Second); f.term.Add(1) }, author.ErrUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // the test's keys were made by then
				f := &fakeLedger{alarms: make(chan string, 4), refuse: ledger.ErrConflict, always: true}
				a := start(t, f, ledgertest.Found(t, "in", 2))
				go tt.happens(f)
				if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("row")}); !errors.Is(err, tt.want) {
					t.Errorf("%v", err)
				}
				if n := len(f.alarms); n != tt.alarms {
					t.Errorf("%d alarms", n)
				}
				if f.calls > 50 {
					t.Errorf("it was asked %d times", f.calls)
				}
			})
		})
	}
}

var everyone = []ledger.AudienceName{"in/*"}

func TestWaitingEventsBecomeOneEntry(t *testing.T) {
	f := &fakeLedger{}
	a := start(t, f, ledgertest.Found(t, "in", 2))
	const n = 200
	var wg sync.WaitGroup
	places := make(chan string, n)
	for i := range n {
		wg.Go(func() {
			r, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event(fmt.Sprintf("row %d", i))})
			if err != nil {
				t.Error(err)
			}
			places <- fmt.Sprintf("%d/%d", r.Index, r.First)
		})
	}
	wg.Wait()
	close(places)
	seen := map[string]bool{}
	for p := range places {
		if seen[p] {
			t.Fatalf("two events at %s", p)
		}
		seen[p] = true
	}
	if f.entries >= n/2 {
		t.Fatalf("%d events took %d entries", n, f.entries)
	}
}

func TestLostAnswersDoubleNothing(t *testing.T) {
	f := &fakeLedger{lose: func(n int) (bool, bool) { return n%3 == 1, n%3 == 2 }}
	a := start(t, f, ledgertest.Found(t, "in", 2))
	seen := map[uint64]bool{}
	for i := range 10 {
		r, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event(fmt.Sprint("row ", i))})
		if err != nil || seen[r.Index] {
			t.Fatalf("%+v %v", r, err)
		}
		seen[r.Index] = true
	}
	if f.entries != 10 {
		t.Fatalf("10 writes became %d entries", f.entries)
	}
}

// TestWhatWasAcknowledgedIsConfirmed: the author's own replica must show the leaf that the leader acknowledged; another one is
// an alarm.
func TestWhatWasAcknowledgedIsConfirmed(t *testing.T) {
	f := &fakeLedger{shows: &[32]byte{1}, alarms: make(chan string, 1)}
	a := start(t, f, ledgertest.Found(t, "in", 2))
	if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("row")}); err != nil {
		t.Fatal(err)
	}
	select {
	case reason := <-f.alarms:
		if !strings.Contains(reason, "another entry") {
			t.Error(reason)
		}
	case <-time.After(20 * time.Second):
		t.Error("the leader acknowledged what this replica does not have, and nobody was told")
	}
}

// TestWhatAnEarlierProcessWasToldIsConfirmed: an acknowledgement that the process did not live to see kept is looked after by
// the next one.
func TestWhatAnEarlierProcessWasToldIsConfirmed(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	for name, leaf := range map[string][32]byte{"kept": {1}, "pretended": {2}} {
		f := &fakeLedger{shows: &[32]byte{1}, alarms: make(chan string, 2)}
		f.kept = []author.Receipt{
			{Index: j.State.Size() - 1, Leaf: leaf, Sequence: 1},
			{Index: j.State.Size() - 1, Leaf: [32]byte{3}, Sequence: 2}, // the alarm of which says that the first was looked at
		}
		start(t, f, j)
		for range map[string]int{"kept": 1, "pretended": 2}[name] {
			select {
			case reason := <-f.alarms:
				if !strings.Contains(reason, "another entry") {
					t.Error(reason)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("%s: what an earlier process was told is not here, and nobody heard of it", name)
			}
		}
		if name == "kept" && len(f.alarms) > 0 {
			t.Errorf("what was kept: %s", <-f.alarms)
		}
	}
}

func TestARefusalRenumbersWhatFollows(t *testing.T) {
	f := &fakeLedger{}
	a := start(t, f, ledgertest.Found(t, "in", 2))
	if _, err := a.Govern(t.Context(), &ledger.Approve{}); !errors.Is(err, author.ErrRefused) {
		t.Fatalf("refused for good: %v", err)
	}
	f.mu.Lock()
	f.refuse = ledger.ErrMalformedEntry
	f.mu.Unlock()
	if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("not believed")}); err != nil {
		t.Fatalf("the leader's word alone refused an entry: %v", err)
	}
	f.mu.Lock()
	f.refuse = ledger.ErrStaleEpoch
	f.mu.Unlock()
	if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("sealed again")}); err != nil {
		t.Fatalf("a stale epoch is mended by signing again: %v", err)
	}
}

// TestWhatWasPretendedHoldsNobodyUp: behind a leader that lied the number after the one that it pretended to write is too high.
func TestWhatWasPretendedHoldsNobodyUp(t *testing.T) {
	f := &fakeLedger{pretend: true}
	a := start(t, f, ledgertest.Found(t, "in", 2))
	for _, text := range []string{"pretended", "written", "written, too"} {
		if _, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event(text)}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	if f.entries != 2 {
		t.Errorf("%d entries", f.entries)
	}
}

// TestAStaleAudienceHoldsNobodyUp: what is for a stale audience waits, everything else goes on, and the next epoch, made by
// this very author, lets it through.
func TestAStaleAudienceHoldsNobodyUp(t *testing.T) {
	f := &fakeLedger{}
	j := ledgertest.Found(t, "in", 3)
	a := start(t, f, j)
	j.Change(t, &ledger.Remove{Agency: "in/a2"})
	f.set(j.State)
	waiting := make(chan error, 1)
	go func() {
		_, err := a.Submit(t.Context(), everyone, []ledger.Event{ledgertest.Event("waits")})
		waiting <- err
	}()
	if _, err := a.Submit(t.Context(), []ledger.AudienceName{"in/a0"}, []ledger.Event{ledgertest.Event("to itself")}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-waiting:
		t.Fatalf("sealed to a stale audience: %v", err)
	default:
	}
	if _, err := a.Govern(t.Context(), j.NextEpoch(t, everyone[0])); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Fatalf("not sealed again to the next epoch: %v", err)
	}
}

// TestARotatedKeySignsAgain: what the old key signed and the ledger refused is signed with the new one.
func TestARotatedKeySignsAgain(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeLedger{renewed: key, refuse: ledger.ErrSignature}
	a := start(t, f, j)
	change, err := ledger.NewRekey(j.State.Governance, "in/a0", key)
	if err != nil {
		t.Fatal(err)
	}
	id := j.Propose(t, 1, change)
	if v := j.State.Governance.Version; v != 3 || j.State.Governance.Needs(change) != 1 {
		t.Fatalf("%s at version %d", id, v)
	}
	f.set(j.State)
	r, err := a.Submit(t.Context(), []ledger.AudienceName{"in/a0"}, []ledger.Event{ledgertest.Event("signed twice")})
	if err != nil || r.Index != j.State.Size() {
		t.Fatalf("%+v %v", r, err)
	}
}

func TestAnApprovalWaitsForItsProposal(t *testing.T) {
	f := &fakeLedger{}
	j := ledgertest.Found(t, "in", 3)
	a := start(t, f, j)
	propose := j.Act(t, 1, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.Remove{Agency: "in/a2"})})
	approve := &ledger.Approve{Proposal: ledger.LeafHash(propose.Leaf)}
	if _, err := a.Govern(t.Context(), approve); !errors.Is(err, ledger.ErrNoProposal) {
		t.Fatalf("approved what is not there: %v", err)
	}
	done := make(chan error, 1)
	go func() { _, err := a.GovernAfter(t.Context(), approve, time.Minute); done <- err }()
	if _, err := a.Submit(t.Context(), []ledger.AudienceName{"in/a0"}, []ledger.Event{ledgertest.Event("between")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Propose(t.Context(), []ledger.Entry{propose}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, member := f.State().Governance.Agency("in/a2"); member {
		t.Fatal("not carried out")
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	a := start(t, &fakeLedger{}, ledgertest.Found(t, "in", 1))
	for name, events := range map[string][]ledger.Event{
		"nothing":   nil,
		"too large": {{Type: "x", Width: 1 << 20, Rows: make([]byte, 1<<20)}},
		"too many":  {{Type: "x", Width: 1, Rows: make([]byte, ledger.MaxEntryLeaves+1)}},
	} {
		if _, err := a.Submit(t.Context(), everyone, events); !errors.Is(err, author.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := a.Submit(ctx, []ledger.AudienceName{"uk/*"}, []ledger.Event{ledgertest.Event("x")}); !errors.Is(err, author.ErrRefused) {
		t.Errorf("an audience that is not there: %v", err)
	}
}
