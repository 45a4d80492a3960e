package board_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/ledger/noun"
	"vigil/ledger/referral"
	"vigil/node/board"
)

const (
	manyReferrals = 100_000
	perEntry      = 4_000
)

// numberedReferral is one of many: a third accepted, a tenth take-downs, all of them dated.
func numberedReferral(b testing.TB, home ledger.Origin, i int) (opened, accepted ledger.Event) {
	kind, to := referral.Investigation, ledger.AgencyID("in/a1")
	if i%10 == 0 {
		kind = referral.TakeDown
	}
	if i%1000 == 0 {
		to = "in/a2" // rarely asked
	}
	opened = opening(b, "in/a0", to, fmt.Sprintf("referral %d", i), func(o *referral.Opened) {
		o.Kind, o.Urgency, o.Due, o.Also = kind, referral.Urgencies[i%3], then.Add(time.Duration(i+1)*time.Minute).UnixMilli(), []ledger.AgencyID{"in/a1"}
		o.Text = "what is asked for, in a sentence of the usual length, so that a page has something to read"
	})
	m := referral.Moved{Target: referral.Key{Home: home, Author: "in/a0", Event: opened.ID}, Move: referral.Accept}
	accepted, err := referral.Codec.Encode(ledger.EventIDFor("in/a1", fmt.Sprint(i)), referral.TypeMoved, &m)
	if err != nil {
		b.Fatal(err)
	}
	return opened, accepted
}

func sealReferrals(b testing.TB, in *ledgertest.Jurisdiction, n int) {
	for at := 0; at < n; at += perEntry {
		var opened, accepted []ledger.Event
		for i := at; i < min(at+perEntry, n); i++ {
			o, a := numberedReferral(b, in.Origin(), i)
			opened = append(opened, o)
			if i%3 == 1 {
				accepted = append(accepted, a)
			}
		}
		in.Seal(b, 0, pair, opened...)
		in.Seal(b, 1, pair, accepted...)
	}
}

// many is a board of 100,000 referrals, made once for the benchmarks that read it.
var many = struct {
	sync.Once
	board *board.Board
}{}

func manyBoard(b *testing.B) *board.Board {
	b.Helper()
	many.Do(func() {
		f, in := alone(b, 3)
		sealReferrals(b, in, manyReferrals)
		show(f, in)
		dir, err := mkdirForAll(b)
		if err != nil {
			b.Fatal(err)
		}
		many.board = open(b, dir, f, in.Ring(0), 1)
		if err := many.board.SetSealed(b.Context(), in.Origin(), board.Seal{Size: f.shown[in.Origin()], At: then}); err != nil {
			b.Fatal(err)
		}
		catchUpWithin(b, many.board, f, 10*time.Minute)
	})
	return many.board
}

// BenchmarkReferrals reads pages among 100,000 referrals: first ones, late ones, and those for which there is little.
func BenchmarkReferrals(b *testing.B) {
	x := manyBoard(b)
	now := then.Add(30 * 24 * time.Hour)
	for _, c := range []struct {
		name string
		q    board.ReferralQuery
	}{
		{"newest", board.ReferralQuery{}},
		{"five hundred", board.ReferralQuery{Limit: 500}},
		{"state", board.ReferralQuery{State: "accepted"}},
		{"no such state", board.ReferralQuery{State: "withdrawn"}},
		{"agency", board.ReferralQuery{Agency: "in/a1"}},
		{"rare agency", board.ReferralQuery{Agency: "in/a2"}},
		{"unknown agency", board.ReferralQuery{Agency: "in/a9"}},
		{"rare kind", board.ReferralQuery{Kind: "take-down", Holder: "in/a1"}},
		{"no such kind", board.ReferralQuery{Kind: "information"}},
		{"overdue", board.ReferralQuery{Overdue: true}},
		{"overdue of nobody", board.ReferralQuery{Overdue: true, Holder: "in/a9"}},
		{"due before", board.ReferralQuery{DueBefore: then.Add(time.Hour)}},
		{"by due", board.ReferralQuery{Sort: "due"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Referrals(b.Context(), c.q, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("one", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := x.Referral(b.Context(), ledger.EventIDFor("test", fmt.Sprintf("referral %d", i*7919%manyReferrals)).String()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("alarms", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := x.Alarms(b.Context(), now, 64); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFollowReferrals opens and folds referrals, a third of which were accepted.
func BenchmarkFollowReferrals(b *testing.B) {
	f, in := alone(b, 3)
	const n = 12_000
	sealReferrals(b, in, n)
	show(f, in)
	for b.Loop() {
		x := open(b, b.TempDir(), f, in.Ring(0), 1)
		catchUp(b, x, f)
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*4/3*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFoldReferrals folds decoded referrals of six events.
func BenchmarkFoldReferrals(b *testing.B) {
	key, events := sixEvents(b)
	for b.Loop() {
		referral.Fold(key, events)
	}
	b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
}

func sixEvents(b testing.TB) (noun.Key, []referral.Placed) {
	home := ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	o, _ := numberedReferral(b, home, 1)
	key := noun.Key{Home: home, Author: "in/a0", Event: o.ID}
	var events []referral.Placed
	place := func(by ledger.AgencyID, e ledger.Event) {
		p, err := referral.Codec.Place(home, ledger.Position{Index: uint64(len(events))}, by, 0, &e)
		if err != nil {
			b.Fatal(err)
		}
		events = append(events, p)
	}
	place("in/a0", o)
	for i, m := range []referral.Move{referral.Acknowledge, referral.Accept, referral.Note, referral.Pause, referral.Close} {
		r := referral.Fold(key, events)
		e, err := r.DecideMove(ledger.EventIDFor("in/a1", fmt.Sprint(i)), "in/a1", r.Step, referral.Moved{Move: m, Text: "x"}, referral.Templates["india"]().Timetable())
		if err != nil {
			b.Fatal(err)
		}
		place("in/a1", e)
	}
	return key, events
}
