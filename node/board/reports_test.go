package board_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/alert"
	"vigil/ledger/ledgertest"
	"vigil/ledger/report"
	"vigil/node/board"
)

var reportTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// prints are those of a synthetic file.
func prints(seed int) alert.File {
	sum := sha256.Sum256(fmt.Append(nil, seed))
	return alert.File{Signals: []alert.Signal{{Algorithm: alert.MD5, Value: sum[:16]}, {Algorithm: alert.SHA256, Value: sum[:]}}}
}

func reported(seeds ...int) report.Statement {
	s := report.Statement{Kind: report.Material, Reference: fmt.Sprint(seeds), About: []report.Pointer{{Role: report.Reported, Kind: report.Account, Value: "u"}}}
	for _, x := range seeds {
		s.Files = append(s.Files, report.File{Prints: prints(x), Viewed: report.Yes})
	}
	return s
}

func source(platform string) report.Source { return report.Source{Platform: platform, Token: "t"} }

func received(t testing.TB, name, platform string, exercise bool, seeds ...int) ledger.Event {
	t.Helper()
	e, err := report.Submission{
		Event: ledger.EventIDFor("test", name), Source: source(platform), Desk: []ledger.AudienceName{"in/a1", "uk/a0"}, Statement: reported(seeds...), Exercise: exercise,
	}.Decide(reportTime)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func about(t testing.TB, name, kind string, fact report.Fact) ledger.Event {
	t.Helper()
	e, err := report.Codec.Encode(ledger.EventIDFor("test", name), kind, fact)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// reportWorld is two linked ledgers with reports, and moves of the desk from both that contradict each other.
func reportWorld(t testing.TB) (*fakeLedgers, *ledgertest.Jurisdiction) {
	t.Helper()
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	both := []ledger.AudienceName{"in/*", "uk/*"}
	key := func(name string) report.Key {
		return report.Key{Home: in.Origin(), Author: "in/a0", Event: ledger.EventIDFor("test", name)}
	}
	for i, name := range []string{"one", "two", "three"} {
		in.Seal(t, 0, both, received(t, name, "chat.example", false, i, i+1))
	}
	in.Seal(t, 0, both, received(t, "drill", "chat.example", true, 1))
	move := func(j *ledgertest.Jurisdiction, member int, name, target string, step, revision uint64, m report.Move, outcome report.Outcome) {
		j.Seal(t, member, both, about(t, fmt.Sprint(name, target, step, m), report.TypeTriaged, &report.Triaged{Target: key(target), Step: step, Revision: revision, Move: m, By: name, Outcome: outcome, Alerts: []string{}, Referrals: []string{}}))
	}
	move(uk, 0, "u1", "one", 0, 0, report.Claim, "")
	move(in, 1, "l1", "one", 0, 0, report.Claim, "")
	move(in, 1, "l1", "one", 1, 0, report.Conclude, report.Known)
	move(uk, 0, "u2", "two", 0, 0, report.Conclude, report.NotActionable)
	other := reported(7)
	in.Seal(t, 0, both, about(t, "am1", report.TypeAmended, &report.Amended{Target: key("two"), Source: source("chat.example"), Statement: other.Normal()}))
	in.Seal(t, 0, both, about(t, "am2", report.TypeAmended, &report.Amended{Target: key("two"), Source: source("chat.example"), Statement: reported(8).Normal()}))
	in.Seal(t, 0, both, about(t, "w", report.TypeWithdrawn, &report.Withdrawn{Target: key("three"), Source: source("chat.example"), Reason: "x"}))
	move(uk, 0, "u3", "nowhere", 0, 0, report.Claim, "")
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{},
		entries: map[ledger.Origin][]ledger.Entry{in.Origin(): in.Entries, uk.Origin(): uk.Entries},
	}
	return f, in
}

func showAll(f *fakeLedgers) {
	for o, e := range f.entries {
		f.shown[o] = uint64(len(e))
	}
}

func TestReportsInAnyOrderOfArrivalGiveTheSamePicture(t *testing.T) {
	f, in := reportWorld(t)
	showAll(f)
	full := map[ledger.Origin]uint64{f.origins[0]: f.shown[f.origins[0]], f.origins[1]: f.shown[f.origins[1]]}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	catchUp(t, b, f)
	want, err := b.Dump()
	if err != nil {
		t.Fatal(err)
	}
	for name, state := range map[string]string{"one": report.Concluded, "two": report.Waiting, "three": report.Waiting, "drill": report.Waiting} {
		r, err := b.Report(t.Context(), "rp_"+ledger.EventIDFor("test", name).String())
		if err != nil || r.Object.State != state || r.Object.Withdrawn != (name == "three") || r.Object.Again != (name == "two") {
			t.Errorf("%s: %+v %v", name, r.Object, err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		f.shown = map[ledger.Origin]uint64{}
		dir, err := os.MkdirTemp("", "board")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := open(t, dir, f, in.Ring(0), 1)
		defer b.Close()
		for f.shown[f.origins[0]] < full[f.origins[0]] || f.shown[f.origins[1]] < full[f.origins[1]] {
			o := f.origins[rapid.IntRange(0, 1).Draw(r, "ledger")]
			f.shown[o] = min(full[o], f.shown[o]+uint64(rapid.IntRange(1, 9).Draw(r, "entries")))
			catchUp(t, b, f)
		}
		if got, err := b.Dump(); err != nil || got != want {
			r.Fatalf("another picture (%v):\n%s\nwanted\n%s", err, got, want)
		}
	})
}

func TestReportsAreFound(t *testing.T) {
	f, in := reportWorld(t)
	for i := range 25 {
		in.Seal(t, 0, home, received(t, fmt.Sprint("page ", i), "other.example", false, 1000+i))
	}
	f.entries[in.Origin()] = in.Entries
	showAll(f)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	ctx := t.Context()
	for name, c := range map[string]struct {
		q    board.ReportQuery
		want int
	}{
		"casework":          {board.ReportQuery{Limit: 100}, 28},
		"drills":            {board.ReportQuery{Exercise: true}, 1},
		"a platform's":      {board.ReportQuery{Platform: "chat.example"}, 3},
		"concluded":         {board.ReportQuery{State: report.Concluded}, 1},
		"by another agency": {board.ReportQuery{Author: "in/a1"}, 0},
		"somebody works on": {board.ReportQuery{Person: "l1"}, 0},
		"nobody's":          {board.ReportQuery{Platform: "third.example"}, 0},
		"a page of another": {board.ReportQuery{Platform: "other.example", Limit: 7}, 7},
	} {
		page, err := b.Reports(ctx, c.q)
		if err != nil || len(page.Reports) != c.want {
			t.Errorf("%s: %d, %v", name, len(page.Reports), err)
		}
	}
	if _, err := b.Reports(ctx, board.ReportQuery{State: "lost"}); err == nil {
		t.Error("an unknown state")
	}
	seen := map[report.Key]bool{}
	for q := (board.ReportQuery{Limit: 4}); ; {
		page, err := b.Reports(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Reports {
			if seen[r.Key] {
				t.Fatalf("%s twice", r.Key.Event)
			}
			seen[r.Key] = true
		}
		if q.Before = page.Next; q.Before == 0 {
			break
		}
	}
	if len(seen) != 28 {
		t.Errorf("%d on all pages", len(seen))
	}
	for seed, want := range map[int]int{0: 1, 1: 1, 2: 0, 7: 1, 8: 0} { // "two" was amended, "three" withdrawn
		found, err := b.ReportsWith(ctx, prints(seed), false)
		if err != nil || len(found) != want {
			t.Errorf("file %d: %v, %v", seed, found, err)
		}
	}
	figures, err := b.Platforms(ctx, "chat.example", "in/a0", false)
	if err != nil || len(figures) != 1 || figures[0].Reports != 3 || figures[0].Amended != 1 || figures[0].Withdrawn != 1 || figures[0].Files != 5 || figures[0].Viewed != 5 ||
		figures[0].Outcomes[report.Known] != 1 || figures[0].Outcomes[report.NotActionable] != 1 || figures[0].Complete < 100 || figures[0].Complete > 1000 {
		t.Errorf("%+v %v", figures, err)
	}
	if figures, err = b.Platforms(ctx, "", "in/a1", false); err != nil || len(figures) != 0 {
		t.Errorf("%+v %v", figures, err)
	}
	if _, err := b.ReportOf(ctx, report.Key{Home: in.Origin(), Author: "in/a0"}); err == nil {
		t.Error("a report that is not there")
	}
}

func TestAlertsGiveTheirSignals(t *testing.T) {
	f, in := alone(t, 1)
	in.Seal(t, 0, home, listed(t, "list", 0, 30))
	in.Seal(t, 0, home, raised(t, "one", "one"))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	changes, err := b.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 2 {
		t.Fatal(changes, err)
	}
	for i, want := range []int{30, 1} {
		n := 0
		if err := b.SignalsOf(t.Context(), changes[i].Object, func(alert.Signal) { n++ }); err != nil || n != want {
			t.Errorf("%s: %d signals, %v", changes[i].Object, n, err)
		}
	}
	if err := b.SignalsOf(t.Context(), "rp_00", nil); err == nil {
		t.Error("not an alert's id")
	}
}

// hundredThousand is a board of 100,000 reports, made once for the benchmarks that read it.
var hundredThousand = struct {
	sync.Once
	board *board.Board
}{}

func manyReports(b *testing.B) *board.Board {
	b.Helper()
	hundredThousand.Do(func() {
		f, in := alone(b, 2)
		const entry = 500
		for i := range 100_000 / entry {
			var events []ledger.Event
			for n := range entry {
				events = append(events, received(b, fmt.Sprint(i, n), fmt.Sprintf("p%d.example", n%20), false, i*entry+n))
			}
			in.Seal(b, 0, home, events...)
		}
		show(f, in)
		dir, err := mkdirForAll(b)
		if err != nil {
			b.Fatal(err)
		}
		x := open(b, dir, f, in.Ring(0), 1)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		done := make(chan error, 1)
		started := time.Now()
		go func() { done <- x.Run(ctx) }()
		if err := x.WaitFor(ctx, in.Origin(), f.shown[in.Origin()]); err != nil {
			b.Fatal(err)
		}
		b.Logf("%.0f reports/s folded", 100_000/time.Since(started).Seconds())
		cancel()
		<-done
		hundredThousand.board = x
	})
	return hundredThousand.board
}

func BenchmarkReports(b *testing.B) {
	x := manyReports(b)
	ctx := context.Background()
	for name, q := range map[string]board.ReportQuery{
		"all": {}, "waiting": {State: report.Waiting}, "platform": {Platform: "p7.example"}, "platform-of-agency": {Platform: "p7.example", Author: "in/a0"}, "deep": {Before: 1000},
	} {
		b.Run("list-"+name, func(b *testing.B) {
			for b.Loop() {
				if page, err := x.Reports(ctx, q); err != nil || len(page.Reports) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("one", func(b *testing.B) {
		id := "rp_" + ledger.EventIDFor("test", fmt.Sprint(100, 77)).String()
		for b.Loop() {
			if _, err := x.Report(ctx, id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("figures-of-one", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Platforms(ctx, "p7.example", "in/a0", false); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFollowReports opens and folds entries of 500 reports of one file with two signals each.
func BenchmarkFollowReports(b *testing.B) {
	f, in := alone(b, 2)
	const total, entry = 5_000, 500
	for i := range total / entry {
		var events []ledger.Event
		for n := range entry {
			events = append(events, received(b, fmt.Sprint(i, n), "chat.example", false, i*entry+n))
		}
		in.Seal(b, 0, home, events...)
	}
	show(f, in)
	for b.Loop() {
		x := open(b, b.TempDir(), f, in.Ring(0), 1)
		catchUp(b, x, f)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total*b.N)/b.Elapsed().Seconds(), "reports/s")
}

func TestNoListOfReportsIsSortedByHand(t *testing.T) {
	f, in := alone(t, 1)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	for _, where := range []string{"r.exercise = 0", "r.exercise = 0 AND r.state = 'waiting'", "r.exercise = 0 AND r.platform = 'p'", "r.exercise = 0 AND r.platform = 'p' AND r.author = 'a' AND r.moved < 9"} {
		plan, err := b.ExplainQuery("SELECT o.id FROM reports r JOIN objects o ON o.id = r.id WHERE " + where + " ORDER BY r.moved DESC LIMIT 5")
		if err != nil || strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, "INDEX") {
			t.Errorf("%s: %v\n%s", where, err, plan)
		}
	}
	if !slices.Contains(report.States, "waiting") {
		t.Error("the state of the second query is none")
	}
}
