package ledger_test

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func notice(t *testing.T, n *ledger.Notices, j *ledgertest.Jurisdiction, e ledger.Entry) {
	t.Helper()
	if news, err := n.Add(j.State.Governance, e); err != nil || !news {
		t.Fatalf("news %v: %v", news, err)
	}
}

// TestNoticesCondemn: enough approvals cut an agency off, whichever of them are in the ledger, and no fewer.
func TestNoticesCondemn(t *testing.T) {
	for _, inLedger := range []int{0, 1} {
		j := ledgertest.Found(t, "in", 4)
		j.Change(t, &ledger.SetPolicy{Policy: ledger.DefaultPolicy(3)})
		n := &ledger.Notices{}
		condemned := func() ledger.AgencyID { id, _ := n.Condemned(j.State.Governance); return id }

		propose := j.Act(t, 1, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.Remove{Agency: "in/a0"})})
		approve := &ledger.Approve{Proposal: ledger.LeafHash(propose.Leaf)}
		if inLedger == 1 {
			j.Append(t, propose)
		} else {
			notice(t, n, j, propose)
		}
		notice(t, n, j, j.Act(t, 2, approve))
		notice(t, n, j, j.Act(t, 0, approve)) // the target's own counts for nothing
		if news, err := n.Add(j.State.Governance, j.Act(t, 2, approve)); news || err != nil {
			t.Fatalf("the same approval again: %v %v", news, err)
		}
		if id := condemned(); id != "" {
			t.Fatalf("%s is cut off by two of three", id)
		}
		if p := n.Proposals(j.State.Governance); inLedger == 0 && (len(p) != 1 || len(p[0].Approvals) != 2) {
			t.Fatalf("%+v", p)
		}
		notice(t, n, j, j.Act(t, 3, approve))
		if id := condemned(); id != "in/a0" {
			t.Fatalf("%q is cut off by three of three", id)
		}
		if got := len(n.Entries("in/a3")); got != 1 {
			t.Fatalf("%d entries of in/a3", got)
		}

		// Another change voids it all.
		j.Members = append(j.Members[2:4:4], j.Members[1])
		j.Change(t, &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{"in/a1"}})
		if id := condemned(); id != "" {
			t.Fatalf("%s is cut off by what was voided", id)
		}
		n.Trim(j.State.Governance)
		if len(n.Entries("in/a1"))+len(n.Entries("in/a2"))+len(n.Entries("in/a3")) != 0 {
			t.Fatal("what was voided is kept")
		}
	}
}

// TestTwoRemovalsCondemnOne: two removals with enough approvals cut off one agency, the same on every node.
func TestTwoRemovalsCondemnOne(t *testing.T) {
	j := ledgertest.Found(t, "in", 3)
	remove := func(by int, id ledger.AgencyID) ledger.Entry {
		return j.Act(t, by, &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.Remove{Agency: id})})
	}
	one, other := remove(1, "in/a0"), remove(0, "in/a1")
	entries := []ledger.Entry{
		one, other, j.Act(t, 2, &ledger.Approve{Proposal: ledger.LeafHash(one.Leaf)}), j.Act(t, 2, &ledger.Approve{Proposal: ledger.LeafHash(other.Leaf)}),
	}
	var want ledger.AgencyID
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}} {
		n := &ledger.Notices{}
		for _, i := range order {
			notice(t, n, j, entries[i])
		}
		id, ok := n.Condemned(j.State.Governance)
		if !ok || want != "" && id != want {
			t.Fatalf("%s after %v, before %s", id, order, want)
		}
		want = id
	}
}

func TestNoticesRefuse(t *testing.T) {
	j, other := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "in", 3)
	propose := func(j *ledgertest.Jurisdiction, by int, roster uint64, change any) ledger.Entry {
		return j.Act(t, by, &ledger.Propose{Roster: roster, Change: ledger.NewChange(change)})
	}
	version := j.State.Governance.Version
	remove := &ledger.Remove{Agency: "in/a0"}
	forged := propose(j, 1, version, remove)
	forged.Payload = propose(j, 1, version, &ledger.Remove{Agency: "in/a2"}).Payload
	busy := ledgertest.Found(t, "in", 3)
	busy.Propose(t, 1, &ledger.SetAudience{Name: "in/@desk", Members: []ledger.AgencyID{"in/a0"}})
	if _, err := (&ledger.Notices{}).Add(busy.State.Governance, propose(busy, 1, version, remove)); !errors.Is(err, ledger.ErrNotice) {
		t.Errorf("a second proposal of one agency: %v", err)
	}
	stolen := j.Record(1, ledger.KindGovernance)
	stolen.Author = "in/a2"
	for name, e := range map[string]ledger.Entry{
		"garbage":               {Leaf: []byte{1}},
		"another ledger's":      propose(other, 1, version, remove),
		"an older roster":       propose(j, 1, version-1, remove),
		"of nobody":             propose(j, 1, version, &ledger.Remove{Agency: "in/nobody"}),
		"another payload":       forged,
		"another's key":         must(ledger.SignEntry(j.Members[1].Key, stolen, ledger.EncodeAct(&ledger.Approve{Proposal: tlog.Hash{1}}))),
		"an epoch":              j.Act(t, 1, j.NextEpoch(t, everyone)),
		"a sealed entry":        must(j.SealAs(1, j.Record(1, ledger.KindSealed), []ledger.AudienceName{everyone}, ledgertest.Event("x"))),
		"an act nobody knows":   must(ledger.SignEntry(j.Members[1].Key, j.Record(1, ledger.KindGovernance), ledger.Marshal([]any{1, "dance", []byte{}}))),
		"a change nobody knows": j.Act(t, 1, &ledger.Propose{Roster: version, Change: ledger.Change{Name: "dance"}}),
	} {
		n := &ledger.Notices{}
		if news, err := n.Add(j.State.Governance, e); news || err == nil {
			t.Errorf("%s: news %v, %v", name, news, err)
		} else if name == "garbage" && !errors.Is(err, ledger.ErrNotice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
