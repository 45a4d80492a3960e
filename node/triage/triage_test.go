package triage_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/ledger/report"
	"vigil/node/board"
	"vigil/node/triage"
)

var (
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	home  = []ledger.AudienceName{"in/*"}
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// fakeLedger is a ledger in memory.
type fakeLedger struct {
	j      *ledgertest.Jurisdiction // of the test's goroutine
	origin ledger.Origin

	mu      sync.Mutex
	entries []ledger.Entry
	changed chan struct{}
}

func (f *fakeLedger) Origins() []ledger.Origin { return []ledger.Origin{f.origin} }
func (f *fakeLedger) Size(ledger.Origin) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.entries))
}

func (f *fakeLedger) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *fakeLedger) Gone(ledger.Origin, uint64) (uint64, bool, error) { return 0, false, nil }

func (f *fakeLedger) Entry(_ ledger.Origin, i uint64) (ledger.Entry, bool, tlog.Hash, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entries[i], false, ledger.LeafHash(f.entries[i].Leaf), nil
}

type ringOpener struct{ ring *crypto.Keyring }

func (r ringOpener) Open(rec *ledger.Record, payload []byte) (*ledger.Payload, error) {
	return ledger.OpenPayload(payload, rec, r.ring)
}

// desk is a ledger of two agencies, and the board of the first.
type desk struct {
	ledger *fakeLedger
	board  *board.Board
	policy *atomic.Uint64                  // corroboration
	benign atomic.Pointer[ledger.AgencyID] // who alone says what is benign; nobody: everyone
	next   int
	stop   func()
}

func newDesk(t testing.TB, dir string) *desk {
	t.Helper()
	in := ledgertest.Found(t, "in", 3)
	d := &desk{ledger: &fakeLedger{j: in, origin: in.Origin(), entries: in.Entries, changed: make(chan struct{})}, policy: &atomic.Uint64{}}
	d.policy.Store(2)
	var err error
	d.board, err = board.Open(board.Config{
		Dir: dir, Key: [32]byte{1}, Agency: "in/a0", Ledger: d.ledger, Opener: ringOpener{in.Ring(0)}, Log: quiet,
		Policy: func() ledger.Policy {
			p := ledger.DefaultPolicy(1)
			p.Corroboration = d.policy.Load()
			if by := d.benign.Load(); by != nil {
				section, _ := alert.Section.In(p)
				section.Benign = []ledger.AgencyID{*by}
				b, err := alert.Section.Encode(section)
				if err != nil {
					panic(err)
				}
				p = p.WithSection(alert.Section.Name, b)
			}
			return p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.board.Run(ctx) }()
	d.stop = func() {
		cancel()
		if err := errors.Join(<-done, d.board.Close()); err != nil {
			t.Error(err)
		}
	}
	return d
}

// seal writes events and waits until the board has them.
func (d *desk) seal(t testing.TB, member int, events ...ledger.Event) {
	t.Helper()
	d.ledger.j.Seal(t, member, home, events...)
	d.ledger.mu.Lock()
	d.ledger.entries = d.ledger.j.Entries
	close(d.ledger.changed)
	d.ledger.changed = make(chan struct{})
	d.ledger.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.board.WaitFor(ctx, d.ledger.j.Origin(), uint64(len(d.ledger.j.Entries))); err != nil {
		t.Fatal(err)
	}
}

func prints(seed int) alert.File {
	sum := sha256.Sum256(fmt.Append(nil, seed))
	return alert.File{Signals: []alert.Signal{{Algorithm: alert.MD5, Value: sum[:16]}, {Algorithm: alert.SHA256, Value: sum[:]}}}
}

func (d *desk) id() ledger.EventID {
	d.next++
	return ledger.EventIDFor("test", fmt.Sprint(d.next))
}

func source() report.Source { return report.Source{Platform: "chat.example", Token: "t"} }

func statement(seeds ...int) report.Statement {
	s := report.Statement{Kind: report.Material, About: []report.Pointer{{Role: report.Reported, Kind: report.Account, Value: "u"}}}
	for _, x := range seeds {
		s.Files = append(s.Files, report.File{Prints: prints(x)})
	}
	return s
}

func (d *desk) report(t testing.TB, exercise bool, seeds ...int) report.Key {
	t.Helper()
	e, err := report.Submission{Event: d.id(), Source: source(), Desk: []ledger.AudienceName{"in/*"}, Statement: statement(seeds...), Exercise: exercise}.Decide(now)
	if err != nil {
		t.Fatal(err)
	}
	d.seal(t, 0, e)
	return report.Key{Home: d.ledger.j.Origin(), Author: "in/a0", Event: e.ID}
}

func (d *desk) say(t testing.TB, member int, kind string, f report.Fact) {
	t.Helper()
	e, err := report.Codec.Encode(d.id(), kind, f)
	if err != nil {
		t.Fatal(err)
	}
	d.seal(t, member, e)
}

// alert raises one on a file by the second agency.
func (d *desk) alert(t testing.TB, exercise bool, seed int) alert.Key {
	t.Helper()
	e, err := alert.Raise{Event: d.id(), Details: alert.Details{Handling: alert.Handling{TLP: alert.Amber}, Exercise: exercise}.Normal(), File: prints(seed)}.Decide(alert.View{Agency: "in/a1"})
	if err != nil {
		t.Fatal(err)
	}
	d.seal(t, 1, e)
	return alert.Key{Home: d.ledger.j.Origin(), Author: "in/a1", Event: e.ID}
}

func (d *desk) assess(t testing.TB, member int, k alert.Key, v alert.Verdict) {
	t.Helper()
	e, err := (&alert.Assessed{Target: k, Rows: alert.RowSet{0}, Verdict: v}).Encode(d.id())
	if err != nil {
		t.Fatal(err)
	}
	d.seal(t, member, e)
}

func (d *desk) queue() *triage.Queue {
	return triage.New(triage.Config{Board: d.board, Known: triage.Exact{Board: d.board}, Log: quiet})
}

func waiting(t testing.TB, q *triage.Queue, exercise bool) []report.Ranked {
	t.Helper()
	got, err := q.Waiting(context.Background(), exercise)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func part(r *report.Ranked, name string) int {
	for _, p := range r.Parts {
		if p.Name == name {
			return p.Points
		}
	}
	return 0
}

func TestTheQueueFollows(t *testing.T) {
	d := newDesk(t, t.TempDir())
	defer d.stop()
	q := d.queue()
	if len(waiting(t, q, false)) != 0 {
		t.Fatal("something waits")
	}
	first := d.report(t, false, 1)
	d.report(t, true, 1)
	if got := waiting(t, q, false); len(got) != 1 || got[0].Key != first || part(&got[0], "new") == 0 {
		t.Fatalf("%+v", got)
	}

	drill := d.alert(t, true, 1)
	if got := waiting(t, q, false); part(&got[0], "known") != 0 || len(got[0].Hits) != 0 {
		t.Errorf("known from a drill: %+v", got[0].Item)
	}
	if got := waiting(t, q, true); part(&got[0], "known") == 0 || got[0].Hits[0].Alert != (alert.ID{Key: drill}).String() {
		t.Errorf("a drill's alert is not known to a drill: %+v", got[0].Item)
	}
	k := d.alert(t, false, 1)
	if got := waiting(t, q, false); part(&got[0], "known") == 0 || len(got[0].Hits) != 1 {
		t.Errorf("an alert came: %+v", got[0].Item)
	}
	d.assess(t, 2, k, alert.Disputes)
	if got := waiting(t, q, false); part(&got[0], "known") != 0 || part(&got[0], "new") == 0 || got[0].Hits[0].Standing != alert.Disputed {
		t.Errorf("it is disputed: %+v", got[0].Item)
	}
	d.assess(t, 2, k, alert.Confirms)
	if got := waiting(t, q, false); got[0].Hits[0].Standing != alert.Corroborated {
		t.Errorf("it is confirmed: %+v", got[0].Item)
	}
	d.policy.Store(3)
	d.report(t, false, 50) // the policy is read with the next entry
	for _, r := range waiting(t, q, false) {
		if r.Key == first && r.Hits[0].Standing != alert.Asserted {
			t.Errorf("the policy asks for more: %+v", r.Item)
		}
	}

	copy := d.report(t, false, 1)
	if got := waiting(t, q, false); len(got) != 2 || len(got[0].Copies)+len(got[1].Copies) != 1 {
		t.Errorf("the same file: %d places", len(got))
	}
	d.say(t, 1, report.TypeTriaged, &report.Triaged{Target: first, Move: report.Claim, By: "l", Alerts: []string{}, Referrals: []string{}})
	for _, r := range waiting(t, q, false) {
		if r.Key == first || len(r.Copies) != 0 {
			t.Errorf("it was claimed: %+v", r.Item)
		}
	}
	d.say(t, 0, report.TypeWithdrawn, &report.Withdrawn{Target: copy, Source: source(), Reason: "x"})
	if got := waiting(t, q, false); len(got) != 1 {
		t.Errorf("it was withdrawn: %d", len(got))
	}
	d.say(t, 1, report.TypeTriaged, &report.Triaged{Target: first, Step: 1, Move: report.Release, By: "l", Alerts: []string{}, Referrals: []string{}})
	amended := statement(2).Normal()
	d.say(t, 0, report.TypeAmended, &report.Amended{Target: first, Source: source(), Statement: amended})
	for _, r := range waiting(t, q, false) {
		if r.Key == first && (len(r.Hits) != 0 || part(&r, "new") == 0) {
			t.Errorf("it was amended: %+v", r.Item)
		}
	}
	d.alert(t, false, 1)
	d.alert(t, false, 2)
	for _, r := range waiting(t, q, false) {
		if r.Key == first && len(r.Hits) != 1 {
			t.Errorf("an alert on what it says now: %+v", r.Item)
		}
	}
}

func harmless(t testing.TB, q *triage.Queue, k report.Key) bool {
	t.Helper()
	for _, r := range waiting(t, q, false) {
		if r.Key == k {
			return part(&r, "harmless") != 0
		}
	}
	t.Fatal("it does not wait")
	return false
}

func TestWhatIsKnownToBeHarmlessFollows(t *testing.T) {
	d := newDesk(t, t.TempDir())
	defer d.stop()
	q := d.queue()
	k := d.report(t, false, 1)
	declare := func(exercise bool, seed int) alert.Key {
		e, err := alert.Declare{Event: d.id(), Signals: prints(seed).Signals, Reason: "a logo", Exercise: exercise}.Decide("in/a1", d.board.Rules())
		if err != nil {
			t.Fatal(err)
		}
		d.seal(t, 1, e)
		return alert.Key{Home: d.ledger.j.Origin(), Author: "in/a1", Event: e.ID}
	}
	declare(true, 1)
	if harmless(t, q, k) {
		t.Error("harmless from a drill")
	}
	b := declare(false, 1)
	if !harmless(t, q, k) {
		t.Error("declared, and not shown so")
	}
	a := d.alert(t, false, 1)
	if got := waiting(t, q, false); part(&got[0], "harmless") == 0 || len(got[0].Hits) != 2 || got[0].Hits[1].Bar != alert.BarBenign {
		t.Errorf("an alert on it: %+v", got[0].Hits)
	}
	other := ledger.AgencyID("in/a2")
	d.benign.Store(&other)
	d.report(t, false, 50) // the policy is read with the next entry
	deadline := time.Now().Add(20 * time.Second)
	for harmless(t, q, k) {
		if time.Now().After(deadline) {
			t.Fatal("the policy does not let that agency say so any more")
		}
	}
	d.benign.Store(nil)
	d.report(t, false, 51)
	for !harmless(t, q, k) {
		if time.Now().After(deadline) {
			t.Fatal("the policy lets that agency say so again")
		}
	}
	e, err := alert.BenignCodec.Encode(d.id(), alert.TypeLifted, &alert.Lifted{Target: b, Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	d.seal(t, 1, e)
	if harmless(t, q, k) {
		t.Error("it was lifted")
	}
	if got := waiting(t, q, false); len(got) == 0 || !knows(got, (alert.ID{Key: a}).String(), alert.Open) {
		t.Errorf("the alert is not acted on again: %+v", got[0].Hits)
	}
}

func knows(queue []report.Ranked, id string, bar alert.Bar) bool {
	for _, r := range queue {
		for _, h := range r.Hits {
			if h.Alert == id && h.Bar == bar {
				return true
			}
		}
	}
	return false
}

// Whatever happens, the queue that followed is the queue that a start would read.
func TestFollowingEqualsReadingAnew(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "triage")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		d := newDesk(t, dir)
		defer d.stop()
		q := d.queue()
		var reports []report.Key
		var alerts []alert.Key
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			exercise := rapid.IntRange(0, 3).Draw(rt, "exercise") == 0
			switch n := rapid.IntRange(0, 6).Draw(rt, "step"); {
			case n < 2 || len(reports) == 0:
				reports = append(reports, d.report(t, exercise, rapid.SliceOfN(rapid.IntRange(0, 3), 0, 2).Draw(rt, "files")...))
			case n == 2:
				alerts = append(alerts, d.alert(t, exercise, rapid.IntRange(0, 3).Draw(rt, "file")))
			case n == 3 && len(alerts) > 0:
				d.assess(t, 2, rapid.SampledFrom(alerts).Draw(rt, "alert"), rapid.SampledFrom([]alert.Verdict{alert.Confirms, alert.Disputes, alert.Withdraws}).Draw(rt, "verdict"))
			case n == 4:
				s := statement(rapid.SliceOfN(rapid.IntRange(0, 3), 0, 2).Draw(rt, "files")...).Normal()
				d.say(t, 0, report.TypeAmended, &report.Amended{Target: rapid.SampledFrom(reports).Draw(rt, "report"), Revision: uint64(rapid.IntRange(0, 1).Draw(rt, "revision")), Source: source(), Statement: s})
			case n == 5:
				d.say(t, 0, report.TypeWithdrawn, &report.Withdrawn{Target: rapid.SampledFrom(reports).Draw(rt, "report"), Source: source(), Reason: "x"})
			default:
				m := report.Triaged{Target: rapid.SampledFrom(reports).Draw(rt, "report"), Step: uint64(rapid.IntRange(0, 2).Draw(rt, "at")), Move: rapid.SampledFrom([]string{report.Claim, report.Release, report.Conclude}).Draw(rt, "move"), By: "l", Alerts: []string{}, Referrals: []string{}}
				if m.Move == report.Conclude {
					m.Outcome = report.Known
				}
				d.say(t, 1, report.TypeTriaged, &m)
			}
			if rapid.IntRange(0, 2).Draw(rt, "looks") == 0 {
				waiting(t, q, false)
			}
		}
		for _, exercise := range []bool{false, true} {
			if got, want := waiting(t, q, exercise), waiting(t, d.queue(), exercise); !reflect.DeepEqual(got, want) {
				rt.Fatalf("followed:\n%+v\nread anew:\n%+v", got, want)
			}
		}
	})
}

// failing says that nothing can be known, for a while.
type failing struct {
	exact triage.Exact
	fails atomic.Bool
}

func (f *failing) Known(ctx context.Context, files []report.File, exercise bool) ([]report.Hit, error) {
	if f.fails.Load() {
		return nil, errors.New("not now")
	}
	return f.exact.Known(ctx, files, exercise)
}

func TestAFailureLosesNothing(t *testing.T) {
	d := newDesk(t, t.TempDir())
	defer d.stop()
	f := &failing{exact: triage.Exact{Board: d.board}}
	q := triage.New(triage.Config{Board: d.board, Known: f, Log: quiet})
	d.report(t, false, 1)
	for range 2 {
		f.fails.Store(true)
		if _, err := q.Waiting(t.Context(), false); err == nil {
			t.Fatal("it knows nothing, and says so to nobody")
		}
		f.fails.Store(false)
		before := len(waiting(t, q, false))
		d.report(t, false, 2+before)
	}
	f.fails.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	d.alert(t, false, 1)
	f.fails.Store(false)
	got := waiting(t, q, false)
	if len(got) != 3 {
		t.Fatalf("%d wait", len(got))
	}
	known := 0
	for i := range got {
		known += len(got[i].Hits)
	}
	if known != 1 {
		t.Errorf("%d hits", known)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// BenchmarkQueue asks for the queue of 10,000 waiting reports of three files with two signals each, after every one more.
func BenchmarkQueue(b *testing.B) {
	d := newDesk(b, b.TempDir())
	defer d.stop()
	const total, entry = 10_000, 500
	for i := range total / entry {
		var events []ledger.Event
		for n := range entry {
			at := 3 * (i*entry + n)
			e, err := report.Submission{Event: d.id(), Source: source(), Desk: home, Statement: statement(at, at+1, at+2)}.Decide(now)
			if err != nil {
				b.Fatal(err)
			}
			events = append(events, e)
		}
		d.seal(b, 0, events...)
	}
	q := d.queue()
	started := time.Now()
	if got := waiting(b, q, false); len(got) != total {
		b.Fatal(len(got))
	}
	b.Logf("read at a start in %s", time.Since(started))
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		d.report(b, false, 3*total+d.next)
		b.StartTimer()
		began := time.Now()
		waiting(b, q, false)
		took += time.Since(began)
	}
	b.ReportMetric(float64(took.Microseconds())/float64(b.N)/1000, "ms/queue")
}
