package ledger_test

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// burnt is a jurisdiction of three with a partner, written to after the partner heard of it last.
func burnt(t *testing.T) (old, uk *ledgertest.Jurisdiction) {
	old, uk = ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, old, uk)
	both := []ledger.AudienceName{"in/*", "uk/*"}
	old.Seal(t, 0, both, ledgertest.Event("mirrored"))
	uk.Mirror(t, old)
	old.Seal(t, 1, both, ledgertest.Event("released and not mirrored"))
	old.Seal(t, 2, []ledger.AudienceName{"in/*"}, ledgertest.Event("of no concern to them"))
	return old, uk
}

func applied(t *testing.T, s *ledger.State, b *ledger.MirrorBatch) *ledger.State {
	t.Helper()
	next, r := s.ApplyMirror(b)
	if r.Verdict != ledger.MirrorApplied {
		t.Fatalf("%v: %v", r.Verdict, r.Reason)
	}
	return next
}

// TestALedgerContinues: the roster, keys and links come over; the old ledger is mirrored whole under its founder's signature,
// the partner mirrors it to its end and then the new one, and what each counts of the other is the same.
func TestALedgerContinues(t *testing.T) {
	old, uk := burnt(t)
	next := old.Succeed(t, 1)
	g := next.State.Governance
	if g.Origin == old.Origin() || len(g.Agencies) != 3 || g.Version != old.State.Governance.Version+1 || len(g.Voters()) != 1 || g.Voters()[0] != "in/a1" {
		t.Fatalf("%s, version %d, voters %v", g.Origin, g.Version, g.Voters())
	}
	next.State = applied(t, next.State, old.Rest(t, next.State, 1))
	if m := next.State.Partners[old.Origin()].Mirror; m.Size() != old.State.Size() || m.Governance.PublicRoot() != old.State.Governance.PublicRoot() {
		t.Error("the old ledger is not there whole")
	}

	next.Seal(t, 1, []ledger.AudienceName{"in/*"}, ledgertest.Event("goes on"))
	member := ledgertest.NewMember(t, "in/a0") // another agency's new node comes by its own entry
	member.Key = old.Members[0].Key
	next.Members[0] = member
	next.Govern(t, 0, &ledger.ReplaceNode{Node: member.Agency().Node})
	if len(next.State.Writers) != 2 {
		t.Errorf("%d writers", len(next.State.Writers))
	}

	card := next.Card()
	card.Gateways[0].Agency, card.Gateways[0].Key = "in/a1", next.Members[1].Node.Public()
	uk.Change(t, &ledger.Succeed{Card: card, Of: old.Close(1)})
	first := next.Batch(t, uk)
	if _, r := uk.State.ApplyMirror(first); !errors.Is(r.Reason, ledger.ErrMirrorEarly) {
		t.Errorf("the successor before the end of the old one: %v", r.Reason)
	}
	uk.State = applied(t, uk.State, old.Rest(t, uk.State, 1))
	uk.State = applied(t, uk.State, first)
	next.Mirror(t, uk)
	both := []ledger.AudienceName{"in/*", "uk/*"}
	next.Seal(t, 1, both, ledgertest.Event("across the border"))
	uk.Mirror(t, next)
	uk.Seal(t, 0, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("and back"))
	next.Mirror(t, uk)
	if next.State.Partners[uk.Origin()].Mirror.Size() != uk.State.Size() || uk.State.Partners[next.Origin()].Mirror.Size() != next.State.Size() {
		t.Error("one of them is behind")
	}
	again, err := ledger.DecodeState(uk.State.EncodeRosters(), uk.State.EncodeMoving())
	if err != nil || again.Line() != uk.State.Line() {
		t.Errorf("read back: %v", err)
	}
}

// TestWhatEndsALedgerIsRefusedElsewhere: a ledger that is closed has one end, and one successor.
func TestWhatEndsALedgerIsRefusedElsewhere(t *testing.T) {
	old, uk := burnt(t)
	end := old.Close(1)
	next := old.Succeed(t, 1)
	propose := func(of ledger.Closed, card ledger.PartnerCard) *ledger.Reason {
		e := uk.Act(t, 0, &ledger.Propose{Roster: uk.State.Governance.Version, Change: ledger.NewChange(&ledger.Succeed{Card: card, Of: of})})
		_, r := uk.State.Apply(e, nil)
		return r.Reason
	}
	other := end
	other.Genesis = tlog.Hash{1}
	unlinked := end
	unlinked.Origin = ledger.NewOrigin("in", [16]byte{9})
	foreign := end
	foreign.By = "fr/a"
	for name, c := range map[string]struct {
		of     ledger.Closed
		card   ledger.PartnerCard
		reason *ledger.Reason
	}{
		"of another genesis":        {other, next.Card(), ledger.ErrNotThere},
		"of a ledger never linked":  {unlinked, next.Card(), ledger.ErrNotThere},
		"by another jurisdiction":   {foreign, next.Card(), ledger.ErrMalformedEntry},
		"the very ledger that ends": {end, old.Card(), ledger.ErrMalformedEntry},
		"as it is":                  {end, next.Card(), nil},
	} {
		if got := propose(c.of, c.card); got != c.reason {
			t.Errorf("%s: %v", name, got)
		}
	}
	uk.Change(t, &ledger.Succeed{Card: next.Card(), Of: end})
	if got := propose(end, old.Succeed(t, 0).Card()); got != ledger.ErrExists {
		t.Errorf("a second successor: %v", got)
	}

	// The old majority comes back and goes on: nobody who follows the successor takes it.
	old.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("beyond the end"))
	if _, r := uk.State.ApplyMirror(old.Batch(t, uk)); !errors.Is(r.Reason, ledger.ErrMirrorClosed) {
		t.Errorf("beyond the end: %v", r.Reason)
	}

	// A successor that names an end the partner knows to be another is never followed.
	liar, uk := burnt(t)
	lie := liar.Close(1)
	lie.Size, lie.Root = uk.State.Partners[liar.Origin()].Mirror.Size(), tlog.Hash{7}
	uk.Change(t, &ledger.Succeed{Card: next.Card(), Of: lie})
	if _, r := uk.State.ApplyMirror(next.Batch(t, uk)); !errors.Is(r.Reason, ledger.ErrMirrorEarly) {
		t.Errorf("another end: %v", r.Reason)
	}
}

// TestAFoundingOfASuccessorThatIsRefused.
func TestAFoundingOfASuccessorThatIsRefused(t *testing.T) {
	old, _ := burnt(t)
	for name, spoil := range map[string]func(*ledger.Successor){
		"it continues itself":           func(s *ledger.Successor) { s.Of.Origin = ledger.NewOrigin("in", s.Random) },
		"a ledger of another place":     func(s *ledger.Successor) { s.Of.Origin = ledger.NewOrigin("uk", [16]byte{1}) },
		"an end that nobody signs for":  func(s *ledger.Successor) { s.Of.By = "in/a0" },
		"an empty predecessor":          func(s *ledger.Successor) { s.Of.Size = 0 },
		"an older format":               func(s *ledger.Successor) { s.Format = 1 },
		"others vote too":               func(s *ledger.Successor) { s.Policy.Voters = []ledger.AgencyID{"in/a0", "in/a1", "in/a2"} },
		"by the rule of thumb":          func(s *ledger.Successor) { s.Policy.Voters = nil },
		"the old node again":            func(s *ledger.Successor) { s.Agencies[1].Node = old.Members[1].Agency().Node },
		"an agency twice":               func(s *ledger.Successor) { s.Agencies[2] = s.Agencies[0] },
		"the founder is not among them": func(s *ledger.Successor) { s.Agencies = s.Agencies[:1]; s.Epochs[0].Shares = s.Epochs[0].Shares[:1] },
		"no audience of all":            func(s *ledger.Successor) { s.Epochs = nil },
		"a key without shares":          func(s *ledger.Successor) { s.Epochs[0].Shares = nil },
		"a share for a stranger":        func(s *ledger.Successor) { s.Epochs[0].Shares[0].Agency = "in/nobody" },
		"two links of one jurisdiction": func(s *ledger.Successor) { s.Partners = append(s.Partners, s.Partners[0]) },
	} {
		act, founder, _ := old.Successor(t, 1)
		spoil(act)
		if _, err := ledger.Found(old.SignSuccessor(t, act, founder)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	act, founder, _ := old.Successor(t, 1)
	stranger := ledgertest.NewMember(t, "in/a1")
	stranger.Node = founder.Node
	if _, err := ledger.Found(old.SignSuccessor(t, act, stranger)); err == nil {
		t.Error("signed with another key: accepted")
	}
	e := old.SignSuccessor(t, act, founder)
	if _, err := ledger.Found(e); err != nil {
		t.Error(err)
	}
	next := old.Succeed(t, 1)
	again, founder, _ := old.Successor(t, 1)
	if _, r := next.State.Apply(next.Act(t, 1, again), nil); r.Reason != ledger.ErrGenesisTwice {
		t.Errorf("a second founding, %s: %v", founder.ID, r.Reason)
	}
}
