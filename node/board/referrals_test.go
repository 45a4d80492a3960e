package board_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
	"vigil/node/board"
)

var then = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func opening(t testing.TB, by, to ledger.AgencyID, name string, change func(*referral.Opened)) ledger.Event {
	t.Helper()
	o := referral.Opened{Kind: referral.Investigation, To: to, Urgency: "routine", Title: name}
	if change != nil {
		change(&o)
	}
	e, err := referral.Command{Event: ledger.EventIDFor("test", name), Opened: o}.Decide(by, then)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// answer is a move on a referral, decided on what the board shows.
func answer(t testing.TB, b *board.Board, id string, by ledger.AgencyID, m referral.Move) ledger.Event {
	t.Helper()
	r, err := b.Referral(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Object.DecideMove(ledger.EventIDFor(by, fmt.Sprint(id, m, r.Object.Step)), by, r.Object.Step, referral.Moved{Move: m, Text: "x"}, b.Timetable())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var pair = []ledger.AudienceName{"in/a0", "in/a1"}

func TestReferralsAreListedByWhatIsDue(t *testing.T) {
	f, in := alone(t, 2)
	id := func(name string) string { return ledger.EventIDFor("test", name).String() }
	for i := range 7 {
		name := fmt.Sprint("r", i)
		in.Seal(t, 0, pair, opening(t, "in/a0", "in/a1", name, func(o *referral.Opened) {
			o.Due = then.Add(time.Duration(7-i) * time.Hour).UnixMilli()
			if i == 6 {
				o.Kind, o.Urgency = referral.TakeDown, "priority"
			}
			o.Exercise = i == 5
		}))
	}
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	in.Seal(t, 1, pair, answer(t, b, id("r0"), "in/a1", referral.Accept))
	in.Seal(t, 1, pair, answer(t, b, id("r1"), "in/a1", referral.Decline))
	show(f, in)
	catchUp(t, b, f)
	now := then.Add(3*time.Hour + time.Minute)
	for _, c := range []struct {
		name string
		q    board.ReferralQuery
		want string
	}{
		{"all", board.ReferralQuery{}, "r1 r0 r6 r4 r3 r2"},
		{"exercises", board.ReferralQuery{Exercise: true}, "r5"},
		{"by due", board.ReferralQuery{Sort: "due"}, "r6 r4 r3 r2 r0"},
		{"overdue", board.ReferralQuery{Overdue: true}, "r6 r4"},
		{"due before", board.ReferralQuery{DueBefore: then.Add(5 * time.Hour)}, "r6 r4 r3"},
		{"held", board.ReferralQuery{Holder: "in/a1"}, "r0"},
		{"an agency's", board.ReferralQuery{Agency: "in/a1"}, "r0 r6 r4 r3 r2"},
		{"of a kind", board.ReferralQuery{Kind: "take-down"}, "r6"},
		{"declined", board.ReferralQuery{State: "declined"}, "r1"},
		{"overdue of a kind", board.ReferralQuery{Overdue: true, Kind: "investigation"}, "r4"},
		{"none", board.ReferralQuery{Holder: "in/nobody"}, ""},
	} {
		if got := titles(t, b, c.q, now); got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
		c.q.Limit = 2
		if got := titles(t, b, c.q, now); got != c.want {
			t.Errorf("%s, by pages: %q, not %q", c.name, got, c.want)
		}
	}
	if n, err := b.Overdue(t.Context(), now); err != nil || n != 2 {
		t.Errorf("%d overdue, %v", n, err)
	}
	for _, q := range []board.ReferralQuery{{State: "x"}, {Kind: "x"}, {Sort: "x"}, {Cursor: "x"}, {Sort: "due", Cursor: "bW92ZWQgMSAx"}} {
		if _, err := b.Referrals(t.Context(), q, now); err == nil {
			t.Errorf("%+v was answered", q)
		}
	}
}

// TestADrillIsToldOfAsOneFromTheFirst: what decides whom a change is told to is known of the change that founds a referral.
func TestADrillIsToldOfAsOneFromTheFirst(t *testing.T) {
	f, in := alone(t, 2)
	in.Seal(t, 0, pair, opening(t, "in/a0", "in/a1", "casework", nil))
	in.Seal(t, 0, pair, opening(t, "in/a0", "in/a1", "drill", func(o *referral.Opened) { o.Exercise, o.Urgency = true, "child-at-immediate-risk" }))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	changes, err := b.Changes(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, c := range changes {
		if c.Kind == referral.TypeOpened {
			told = append(told, fmt.Sprint(c.Index, c.Exercise, c.Urgency > 0))
		}
	}
	first := len(in.Entries) - 2
	if got, want := fmt.Sprint(told), fmt.Sprint([]string{fmt.Sprint(first, false, false), fmt.Sprint(first+1, true, true)}); got != want {
		t.Fatalf("%s, not %s", got, want)
	}
}

// titles reads every page.
func titles(t testing.TB, b *board.Board, q board.ReferralQuery, now time.Time) (out string) {
	t.Helper()
	for {
		page, err := b.Referrals(t.Context(), q, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Referrals {
			if out != "" {
				out += " "
			}
			out += r.Object.Opened.Title
		}
		if q.Cursor = page.Next; page.Next == "" {
			return out
		}
	}
}

func TestDeadlinesFollowCheckpointsAndPolicy(t *testing.T) {
	f, in := alone(t, 2)
	in.Seal(t, 0, pair, opening(t, "in/a0", "in/a1", "one", nil))
	show(f, in)
	var mu sync.Mutex
	policy := ledger.DefaultPolicy(1)
	b := openWith(t, t.TempDir(), f, in.Ring(0), func(c *board.Config) {
		c.Policy = func() ledger.Policy { mu.Lock(); defer mu.Unlock(); return policy }
	})
	defer b.Close()
	catchUp(t, b, f)
	overdue := func(now time.Time) bool {
		page, err := b.Referrals(t.Context(), board.ReferralQuery{Overdue: true}, now)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Referrals) == 1
	}
	if overdue(then.AddDate(1, 0, 0)) {
		t.Fatal("overdue before a checkpoint covers it")
	}
	if err := b.SetSealed(t.Context(), in.Origin(), board.Seal{Size: f.shown[in.Origin()], At: then}); err != nil {
		t.Fatal(err)
	}
	runningUntil(t, b, func() bool { return overdue(then.Add(73 * time.Hour)) })
	if overdue(then.Add(71 * time.Hour)) {
		t.Error("overdue before three days have passed")
	}
	p := referral.Templates["default"]()
	p.Deadlines = append([]referral.Rule{{Stage: referral.ToAcknowledge, Due: referral.Term{Hours: 1}}}, p.Deadlines...)
	section, err := referral.Section.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	policy = policy.WithSection("referral", section)
	mu.Unlock()
	in.Seal(t, 0, pair, opening(t, "in/a0", "in/a1", "two", nil)) // a transaction, which sees the new policy
	show(f, in)
	runningUntil(t, b, func() bool { return overdue(then.Add(2 * time.Hour)) })
}

// runningUntil runs the board until something holds, which no change tells of.
func runningUntil(t testing.TB, b *board.Board, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("not in time")
		case <-tick.C:
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAlarmsAreForOneAgencyAtATime(t *testing.T) {
	f, in := alone(t, 3)
	readers := []ledger.AudienceName{"in/a0", "in/a1", "in/a2"}
	in.Seal(t, 0, readers, opening(t, "in/a0", "in/a1", "one", func(o *referral.Opened) {
		o.Also, o.Due = []ledger.AgencyID{"in/a2"}, then.Add(time.Hour).UnixMilli()
	}))
	show(f, in)
	for member, wait := range map[int]time.Duration{0: 0, 2: 10 * time.Minute, 1: 20 * time.Minute} {
		b := openWith(t, t.TempDir(), f, in.Ring(member), func(c *board.Config) { c.Agency = ledger.AgencyID(fmt.Sprint("in/a", member)) })
		catchUp(t, b, f)
		at := then.Add(time.Hour + wait)
		for _, c := range []struct {
			now  time.Time
			want int
		}{{at.Add(-time.Millisecond), 0}, {at, 1}} {
			due, next, err := b.Alarms(t.Context(), c.now, 10)
			if err != nil || len(due) != c.want || (c.want == 0) != next.Equal(at) {
				t.Errorf("in/a%d at %s: %d, then %s, %v", member, c.now, len(due), next, err)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A referral that goes to and fro across a border, with dates, has the same row whatever came first.
func TestReferralsAreTheSameInAnyOrderOfArrival(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	readers := []ledger.AudienceName{"in/a0", "in/a1", "uk/a0"}
	in.Seal(t, 0, readers, opening(t, "in/a0", "uk/a0", "one", func(o *referral.Opened) { o.Also = []ledger.AgencyID{"in/a1"} }))
	f := &fakeLedgers{
		origins: []ledger.Origin{in.Origin(), uk.Origin()}, changed: make(chan struct{}), shown: map[ledger.Origin]uint64{}, entries: map[ledger.Origin][]ledger.Entry{},
	}
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	id := ledger.EventIDFor("test", "one").String()
	for _, step := range []struct {
		j      *ledgertest.Jurisdiction
		member int
		by     ledger.AgencyID
		move   referral.Move
	}{{uk, 0, "uk/a0", referral.Acknowledge}, {uk, 0, "uk/a0", referral.Accept}, {in, 0, "in/a0", referral.Release}, {uk, 0, "uk/a0", referral.Pause}, {uk, 0, "uk/a0", referral.Close}} {
		show(f, in)
		show(f, uk)
		catchUp(t, b, f)
		step.j.Seal(t, step.member, readers, answer(t, b, id, step.by, step.move))
	}
	show(f, in)
	show(f, uk)
	catchUp(t, b, f)
	seals := func(b *board.Board) {
		for _, o := range f.origins {
			if err := b.SetSealed(t.Context(), o, board.Seal{Size: f.shown[o], At: then}); err != nil {
				t.Fatal(err)
			}
		}
	}
	seals(b)
	row := func(b *board.Board) string {
		r, err := b.Referral(t.Context(), id)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s %s %d %v %v", r.Object.State, r.Object.Holder, len(r.Object.Lines), r.Object.Deadlines(b.Timetable(), r.Dates), titles(t, b, board.ReferralQuery{State: "closed", Holder: "uk/a0"}, then))
	}
	want := row(b)
	full := map[ledger.Origin]uint64{in.Origin(): f.shown[in.Origin()], uk.Origin(): f.shown[uk.Origin()]}
	rapid.Check(t, func(r *rapid.T) {
		f.shown = map[ledger.Origin]uint64{}
		b := open(t, t.TempDir(), f, in.Ring(0), 1)
		defer b.Close()
		sealed := rapid.IntRange(0, 9).Draw(r, "sealed")
		for n := 0; f.shown[f.origins[0]] < full[f.origins[0]] || f.shown[f.origins[1]] < full[f.origins[1]]; n++ {
			o := noun.Set(f.origins)[rapid.IntRange(0, 1).Draw(r, "ledger")]
			f.shown[o] = min(full[o], f.shown[o]+uint64(rapid.IntRange(1, 9).Draw(r, "entries")))
			catchUp(t, b, f)
			if n == sealed {
				seals(b)
			}
		}
		seals(b)
		if got := row(b); got != want {
			r.Fatalf("another referral:\n%s\nwanted\n%s", got, want)
		}
	})
}
