package ledger_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func votedBy(voters ...ledger.AgencyID) ledger.Policy {
	p := ledger.DefaultPolicy(2)
	p.Voters = voters
	return p
}

// TestVotersThatAPolicyMayName: 1, 3 or 5 members, each once, and two of two.
func TestVotersThatAPolicyMayName(t *testing.T) {
	a := []ledger.AgencyID{"in/a0", "in/a1", "in/a2", "in/a3", "in/a4", "in/a5"}
	for _, c := range []struct {
		name     string
		agencies int
		voters   []ledger.AgencyID
		reason   *ledger.Reason
	}{
		{"none: by the rule of thumb", 6, nil, nil},
		{"one of six", 6, a[3:4], nil},
		{"two of two", 2, a[:2], nil},
		{"two of three", 3, a[:2], ledger.ErrVotersPolicy},
		{"two of one", 1, a[:2], ledger.ErrVotersPolicy},
		{"three of six", 6, a[2:5], nil},
		{"four of six", 6, a[:4], ledger.ErrVotersPolicy},
		{"five of six", 6, a[1:6], nil},
		{"six of six", 6, a, ledger.ErrVotersPolicy},
		{"one of them twice", 6, []ledger.AgencyID{"in/a0", "in/a1", "in/a0"}, ledger.ErrVotersPolicy},
		{"a stranger", 6, []ledger.AgencyID{"in/a0", "in/a1", "in/b"}, ledger.ErrVotersPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := ledgertest.Found(t, "in", c.agencies)
			e := j.Act(t, 0, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.SetPolicy{Policy: votedBy(c.voters...)})})
			if _, r := j.State.Apply(e, nil); r.Reason != c.reason || (r.Verdict == ledger.Accepted) != (c.reason == nil) {
				t.Errorf("%v, %v", r.Verdict, r.Reason)
			}
		})
	}
}

// TestAnOlderFormatKeepsItsVoters: what the binary before accepted, this one accepts where the format is that one's.
func TestAnOlderFormatKeepsItsVoters(t *testing.T) {
	j := ledgertest.Found(t, "in", 4)
	j.State.Governance.Format = 1
	j.Change(t, &ledger.SetPolicy{Policy: votedBy("in/a0", "in/a1")})
	e := j.Act(t, 0, &ledger.SwapVoter{Out: "in/a1", In: "in/a2"})
	if _, r := j.State.Apply(e, nil); r.Reason != ledger.ErrOldFormat {
		t.Errorf("a swap before its format: %v, %v", r.Verdict, r.Reason)
	}
	j.Change(t, &ledger.RaiseFormat{Format: ledger.FormatVoters})
	j.Change(t, &ledger.SetPolicy{Policy: votedBy("in/a0", "in/a1")}) // a policy that leaves them as they are
	j.Govern(t, 0, &ledger.SwapVoter{Out: "in/a1", In: "in/a2"})
}

// TestSwapRefusals: of five agencies the first three vote; the next after the last of them is in/a3.
func TestSwapRefusals(t *testing.T) {
	swap := func(out, in ledger.AgencyID) any { return &ledger.SwapVoter{Out: out, In: in} }
	day := func(j *ledgertest.Jurisdiction) { j.Now = j.Now.Add(ledger.SwapEvery) }
	for _, c := range []struct {
		name   string
		member int
		before func(t *testing.T, j *ledgertest.Jurisdiction)
		act    any
		reason *ledger.Reason
	}{
		{"the next in roster order", 0, nil, swap("in/a2", "in/a3"), nil},
		{"by a voter that does not lead, for all State knows", 1, nil, swap("in/a0", "in/a3"), nil},
		{"one after the next", 0, nil, swap("in/a2", "in/a4"), ledger.ErrSwap},
		{"for another voter", 0, nil, swap("in/a2", "in/a1"), ledger.ErrSwap},
		{"for oneself", 0, nil, swap("in/a2", "in/a2"), ledger.ErrSwap},
		{"of who does not vote", 0, nil, swap("in/a3", "in/a4"), ledger.ErrSwap},
		{"of a stranger", 0, nil, swap("in/nobody", "in/a3"), ledger.ErrSwap},
		{"by who does not vote", 3, nil, swap("in/a2", "in/a3"), ledger.ErrSwap},
		{"of oneself", 2, nil, swap("in/a2", "in/a3"), ledger.ErrSwap},
		{"a second one within the day", 1, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			j.Now = j.Now.Add(ledger.SwapEvery - 2*time.Second) // the record's own second makes it one less
		}, swap("in/a3", "in/a4"), ledger.ErrSwapSoon},
		{"a second one dated before the first", 1, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			j.Now = j.Now.Add(-48 * time.Hour)
		}, swap("in/a3", "in/a4"), ledger.ErrSwapSoon},
		{"a second one a day later by the same", 0, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			day(j)
		}, swap("in/a3", "in/a4"), ledger.ErrSwapAgain},
		{"a second one a day later by another", 1, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			day(j)
		}, swap("in/a3", "in/a4"), nil},
		{"whom it replaced again", 3, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			day(j)
		}, swap("in/a1", "in/a2"), nil},
		{"after the members decided who votes", 0, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Govern(t, 0, swap("in/a2", "in/a3"))
			j.Change(t, &ledger.SetPolicy{Policy: votedBy("in/a0", "in/a1", "in/a2")})
		}, swap("in/a2", "in/a3"), nil},
		{"where all vote", 0, func(t *testing.T, j *ledgertest.Jurisdiction) {
			j.Change(t, &ledger.SetPolicy{Policy: votedBy("in/a0", "in/a1", "in/a2", "in/a3", "in/a4")})
		}, swap("in/a2", "in/a3"), ledger.ErrSwap},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := ledgertest.Found(t, "in", 5)
			j.Change(t, &ledger.SetPolicy{Policy: votedBy("in/a0", "in/a1", "in/a2")})
			if c.before != nil {
				c.before(t, j)
			}
			next, r := j.State.Apply(j.Act(t, c.member, c.act), nil)
			if r.Reason != c.reason || (r.Verdict == ledger.Accepted) != (c.reason == nil) {
				t.Fatalf("%v, %v", r.Verdict, r.Reason)
			}
			if c.reason != nil {
				return
			}
			s := c.act.(*ledger.SwapVoter)
			before, after := j.State.Governance.Voters(), next.Governance.Voters()
			if len(after) != len(before) || slices.Contains(after, s.Out) || !slices.Contains(after, s.In) {
				t.Errorf("%v became %v", before, after)
			}
			if _, member := next.Governance.Agency(s.Out); !member {
				t.Error("the swapped agency is no member any more")
			}
			if next.Governance.PublicRoot() == j.State.Governance.PublicRoot() {
				t.Error("the public root does not show it")
			}
		})
	}
}

// TestASwapVoidsPoliciesThatWait: they were made for other voters, and would undo it unread. Removals go on.
func TestASwapVoidsPoliciesThatWait(t *testing.T) {
	j := ledgertest.Found(t, "in", 4)
	policy := j.Propose(t, 1, &ledger.SetPolicy{Policy: ledger.DefaultPolicy(2)})
	removal := j.Propose(t, 3, &ledger.Remove{Agency: "in/a0"})
	j.Govern(t, 0, &ledger.SwapVoter{Out: "in/a2", In: "in/a3"})
	if _, r := j.State.Apply(j.Act(t, 2, &ledger.Approve{Proposal: policy}), nil); r.Reason != ledger.ErrNoProposal {
		t.Errorf("a policy: %v, %v", r.Verdict, r.Reason)
	}
	j.Govern(t, 2, &ledger.Approve{Proposal: removal})
	if _, member := j.State.Governance.Agency("in/a0"); member {
		t.Error("a swap held up its author's removal")
	}
}

// TestVotersThroughTheYears: whatever agencies come, go, are swapped and named, 1, 3 or 5 vote, or both of two; all of them
// are members; and a replay has the same.
func TestVotersThroughTheYears(t *testing.T) {
	pool := make([]ledgertest.Member, 7)
	for i := range pool {
		pool[i] = ledgertest.NewMember(t, ledger.AgencyID("in/b"+string(rune('0'+i))))
	}
	rapid.Check(t, func(rt *rapid.T) {
		j := ledgertest.Found(t, "in", 2)
		fresh := slices.Clone(pool)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			g := j.State.Governance
			any := func(what string) ledger.AgencyID {
				return g.Agencies[rapid.IntRange(0, len(g.Agencies)-1).Draw(rt, what)].ID
			}
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				if len(fresh) > 0 {
					j.Admit(t, fresh[0])
					fresh = fresh[1:]
				}
			case 1:
				if id := any("gone"); len(g.Agencies) > 2 && id != j.Members[0].ID {
					j.Members = slices.DeleteFunc(j.Members, func(m ledgertest.Member) bool { return m.ID == id }) // it does not vote on it
					j.Change(t, &ledger.Remove{Agency: id})
				}
			case 2:
				p := votedBy()
				for range rapid.IntRange(0, 6).Draw(rt, "named") {
					p.Voters = append(p.Voters, any("voter"))
				}
				if g.CheckVoters(p.Voters) == nil {
					j.Change(t, &ledger.SetPolicy{Policy: p})
				}
			case 3:
				j.Now = j.Now.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "hours")) * time.Hour)
				out := any("out")
				in, _ := g.NextVoter(out)
				by := rapid.IntRange(0, len(j.Members)-1).Draw(rt, "by")
				e := j.Act(t, by, &ledger.SwapVoter{Out: out, In: in})
				if next, r := j.State.Apply(e, nil); r.Verdict == ledger.Accepted {
					j.State, j.Entries = next, append(j.Entries, e)
				}
			}
			g = j.State.Governance
			voters := g.Voters()
			if n := len(voters); n != 1 && n != 3 && n != 5 && (n != 2 || len(g.Agencies) != 2) {
				rt.Fatalf("%d of %d agencies vote", n, len(g.Agencies))
			}
			for _, v := range voters {
				if _, member := g.Agency(v); !member {
					rt.Fatalf("%s votes and is no member", v)
				}
			}
		}
		again := must(ledger.Found(j.Entries[0]))
		for _, e := range j.Entries[1:] {
			again, _ = again.Apply(e, nil)
		}
		if again.Line() != j.State.Line() {
			rt.Fatal("a replay has another state")
		}
	})
}
