package ledger_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestWhoIsNotAdmittedNorLinked begins each case with three agencies, in/a0 to in/a2; in/a0 signs.
func TestWhoIsNotAdmittedNorLinked(t *testing.T) {
	admit := func(change func(j *ledgertest.Jurisdiction, c *ledger.Admit)) func(*testing.T, *ledgertest.Jurisdiction) any {
		return func(t *testing.T, j *ledgertest.Jurisdiction) any {
			c := &ledger.Admit{Agency: ledgertest.NewMember(t, "in/new").Agency(), Audiences: []ledger.AudienceName{"in/*"}}
			change(j, c)
			return &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(c)}
		}
	}
	link := func(change func(t *testing.T, j *ledgertest.Jurisdiction, c *ledger.PartnerCard)) func(*testing.T, *ledgertest.Jurisdiction) any {
		return func(t *testing.T, j *ledgertest.Jurisdiction) any {
			c := ledgertest.Found(t, "uk", 1).Card()
			change(t, j, &c)
			return &ledger.Propose{Roster: j.State.Governance.Version, Change: ledger.NewChange(&ledger.Link{Card: c})}
		}
	}
	epoch := func(change func(t *testing.T, j *ledgertest.Jurisdiction, e *ledger.Epoch)) func(*testing.T, *ledgertest.Jurisdiction) any {
		return func(t *testing.T, j *ledgertest.Jurisdiction) any {
			e := nextEpoch(t, j, "in/*")
			change(t, j, &e)
			return &ledger.NewEpoch{Roster: j.State.Governance.Version, Epoch: e}
		}
	}
	for name, c := range map[string]struct {
		act    func(*testing.T, *ledgertest.Jurisdiction) any
		reason *ledger.Reason
	}{
		"an agency":                {admit(func(*ledgertest.Jurisdiction, *ledger.Admit) {}), nil},
		"an agency of no audience": {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Audiences = []ledger.AudienceName{} }), nil},
		"two of one name":          {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.ID = "in/a1" }), ledger.ErrExists},
		"another's certificate": {admit(func(j *ledgertest.Jurisdiction, c *ledger.Admit) {
			c.Agency.Certificate = j.Members[1].Agency().Certificate
		}), ledger.ErrExists},
		"another's node": {admit(func(j *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.Node.Key = j.Members[1].Node.Public() }), ledger.ErrExists},
		"another's checkpoint key": {admit(func(j *ledgertest.Jurisdiction, c *ledger.Admit) {
			c.Agency.Node.Checkpoint = j.Members[1].Checkpoint.Public()
		}), ledger.ErrExists},
		"another's node as checkpoints": {admit(func(j *ledgertest.Jurisdiction, c *ledger.Admit) {
			c.Agency.Node.Checkpoint = j.Members[1].Node.Public()
		}), ledger.ErrExists},
		"one key for both":            {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.Node.Checkpoint = c.Agency.Node.Key }), ledger.ErrMalformedEntry},
		"of another jurisdiction":     {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.ID = "uk/new" }), ledger.ErrMalformedEntry},
		"a malformed name":            {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.ID = "in/NEW" }), ledger.ErrMalformedEntry},
		"no certificate":              {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.Certificate = []byte{1} }), ledger.ErrMalformedEntry},
		"nowhere":                     {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Agency.Node.Address = "" }), ledger.ErrMalformedEntry},
		"to an audience there is not": {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Audiences[0] = "in/@none" }), ledger.ErrNotThere},
		"to one audience twice":       {admit(func(_ *ledgertest.Jurisdiction, c *ledger.Admit) { c.Audiences = append(c.Audiences, "in/*") }), ledger.ErrNotThere},

		"a partner": {link(func(*testing.T, *ledgertest.Jurisdiction, *ledger.PartnerCard) {}), nil},
		"our own jurisdiction": {link(func(t *testing.T, _ *ledgertest.Jurisdiction, c *ledger.PartnerCard) {
			*c = ledgertest.Found(t, "in", 1).Card()
		}), ledger.ErrExists},
		"ourselves":               {link(func(_ *testing.T, j *ledgertest.Jurisdiction, c *ledger.PartnerCard) { *c = j.Card() }), ledger.ErrExists},
		"no gateway":              {link(func(_ *testing.T, _ *ledgertest.Jurisdiction, c *ledger.PartnerCard) { c.Gateways = []ledger.Gateway{} }), ledger.ErrMalformedEntry},
		"a gateway of another":    {link(func(_ *testing.T, _ *ledgertest.Jurisdiction, c *ledger.PartnerCard) { c.Gateways[0].Agency = "fr/x" }), ledger.ErrMalformedEntry},
		"a card of a newer kind":  {link(func(_ *testing.T, _ *ledgertest.Jurisdiction, c *ledger.PartnerCard) { c.Version = 2 }), ledger.ErrMalformedEntry},
		"an origin of other form": {link(func(_ *testing.T, _ *ledgertest.Jurisdiction, c *ledger.PartnerCard) { c.Origin = "uk" }), ledger.ErrMalformedEntry},
		"linked, another origin": {link(func(t *testing.T, j *ledgertest.Jurisdiction, _ *ledger.PartnerCard) {
			j.Change(t, &ledger.Link{Card: ledgertest.Found(t, "uk", 1).Card()})
		}), ledger.ErrExists},

		"the next epoch":      {epoch(func(*testing.T, *ledgertest.Jurisdiction, *ledger.Epoch) {}), nil},
		"an epoch left out":   {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Number++ }), ledger.ErrEpoch},
		"an epoch again":      {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Number-- }), ledger.ErrEpoch},
		"a share left out":    {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Shares = e.Shares[1:] }), ledger.ErrEpoch},
		"shares out of order": {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { slices.Reverse(e.Shares) }), ledger.ErrEpoch},
		"an empty share":      {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Shares[1].Sealed = []byte{} }), ledger.ErrEpoch},
		"the same key again": {epoch(func(_ *testing.T, j *ledgertest.Jurisdiction, e *ledger.Epoch) {
			a, _ := j.State.Governance.Audience("in/*")
			e.Certificate = a.Certificate
		}), ledger.ErrEpoch},
		"no key":              {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Certificate = []byte{1} }), ledger.ErrEpoch},
		"of no such audience": {epoch(func(_ *testing.T, _ *ledgertest.Jurisdiction, e *ledger.Epoch) { e.Audience = "in/@none" }), ledger.ErrNoAudience},
		"an epoch for an older roster": {func(t *testing.T, j *ledgertest.Jurisdiction) any {
			return &ledger.NewEpoch{Roster: j.State.Governance.Version - 1, Epoch: nextEpoch(t, j, "in/*")}
		}, ledger.ErrEpoch},
		"a bad share of an older epoch": {func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			a, _ := j.State.Governance.Audience("in/*")
			return &ledger.BadShare{Audience: "in/*", Epoch: a.Epoch - 1}
		}, ledger.ErrEpoch},
		"a bad share of its own making": {func(_ *testing.T, j *ledgertest.Jurisdiction) any {
			a, _ := j.State.Governance.Audience("in/*")
			return &ledger.BadShare{Audience: "in/*", Epoch: a.Epoch}
		}, ledger.ErrEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			j := ledgertest.Found(t, "in", 3)
			act := c.act(t, j)
			e, err := ledger.SignEntry(j.Members[0].Key, j.Record(0, ledger.KindGovernance), ledger.EncodeAct(act))
			if err != nil {
				t.Fatal(err)
			}
			before := j.State.Line()
			next, r := j.State.Apply(e, nil)
			if r.Reason != c.reason || (r.Verdict == ledger.Accepted) != (c.reason == nil) {
				t.Fatalf("%v: %v, want %v", r.Verdict, r.Reason, c.reason)
			}
			if c.reason != nil && (next != j.State || next.Line() != before) {
				t.Error("a refused act changed the state")
			}
		})
	}
}

func nextEpoch(t *testing.T, j *ledgertest.Jurisdiction, name ledger.AudienceName) ledger.Epoch {
	t.Helper()
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := j.State.Governance.Audience(name)
	e, err := ledger.MakeEpoch(key, name, a.Epoch+1, j.State.Governance.Agencies)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestABadShareBarsItsMaker: whose share does not match says so; nothing is sealed to that epoch any more, and another
// member makes the next.
func TestABadShareBarsItsMaker(t *testing.T) {
	j := ledgertest.Found(t, "in", 3)
	a, _ := j.State.Governance.Audience("in/*")
	j.Govern(t, 1, &ledger.BadShare{Audience: "in/*", Epoch: a.Epoch})
	sealed, err := j.SealAs(1, j.Record(1, ledger.KindSealed), []ledger.AudienceName{"in/*"}, ledgertest.Event("x"))
	if err == nil {
		if _, r := j.State.Apply(sealed, nil); r.Reason != ledger.ErrStaleEpoch {
			t.Errorf("sealed to an epoch with a bad share: %v %v", r.Verdict, r.Reason)
		}
	} else if !errors.Is(err, ledger.ErrStaleEpoch) {
		t.Errorf("sealed to an epoch with a bad share: %v", err)
	}
	next := nextEpoch(t, j, "in/*")
	for member, want := range []*ledger.Reason{ledger.ErrBarred, nil} {
		e, err := ledger.SignEntry(j.Members[member].Key, j.Record(member, ledger.KindGovernance), ledger.EncodeAct(&ledger.NewEpoch{Roster: j.State.Governance.Version, Epoch: next}))
		if err != nil {
			t.Fatal(err)
		}
		if _, r := j.State.Apply(e, nil); r.Reason != want {
			t.Errorf("member %d makes the next epoch: %v %v, want %v", member, r.Verdict, r.Reason, want)
		}
	}
}

// TestAPartnerIsTheOneThatWasAgreedOn: a ledger with another genesis than the card's, or an entry of somebody who is not
// one of theirs, changes nothing.
func TestAPartnerIsTheOneThatWasAgreedOn(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	card := uk.Card()
	card.Genesis[0] ^= 1
	in.Change(t, &ledger.Link{Card: card})
	uk.Change(t, &ledger.Link{Card: in.Card()})
	if next, r := in.State.ApplyMirror(uk.Batch(t, in)); next != in.State || !errors.Is(r.Reason, ledger.ErrMirrorEntry) {
		t.Errorf("another genesis than agreed on: %v %v", r.Verdict, r.Reason)
	}

	in, uk = ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	uk.Seal(t, 0, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("x"))
	b := uk.Batch(t, in)
	stranger := ledgertest.NewMember(t, "uk/stranger")
	uk.Members = append(uk.Members, stranger)
	r := uk.Record(2, ledger.KindSealed)
	e, err := uk.SealAs(2, r, []ledger.AudienceName{"in/*"}, ledgertest.Event("forged"))
	if err != nil {
		t.Fatal(err)
	}
	b.Items[len(b.Items)-1] = ledger.Full(e)
	if next, r := in.State.ApplyMirror(b); next != in.State || !errors.Is(r.Reason, ledger.ErrMirrorEntry) {
		t.Errorf("an alert of an agency that is not in their roster: %v %v", r.Verdict, r.Reason)
	}
}
