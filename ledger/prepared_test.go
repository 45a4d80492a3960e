package ledger_test

import (
	"errors"
	"slices"
	"testing"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func TestPreparedIsAppliedAsEverythingElse(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	before := j.State
	e := j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("row"))
	for what, g := range map[string]*ledger.Governance{"the roster": before.Governance, "no roster": nil} {
		next, r := before.ApplyPrepared(ledger.Prepare(e, g), nil)
		if r.Verdict != ledger.Accepted || next.Line() != j.State.Line() {
			t.Errorf("prepared with %s: %s, %v", what, r.Verdict, r.Reason)
		}
	}
	for what, damaged := range map[string]ledger.Entry{
		"a leaf that is none": {Leaf: e.Leaf[1:], Payload: e.Payload}, "another payload": {Leaf: e.Leaf, Payload: e.Payload[1:]},
	} {
		_, plain := before.Apply(damaged, nil)
		if _, r := before.ApplyPrepared(ledger.Prepare(damaged, before.Governance), nil); r.Verdict != ledger.Refused || r != plain {
			t.Errorf("%s: %s, and not prepared %s", what, r.Verdict, plain.Verdict)
		}
	}
}

// A roster that names another key for the author must lend its word to nobody.
func TestPreparedWithAnotherKeyIsCheckedAgain(t *testing.T) {
	j, other := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "in", 2)
	before := j.State
	e := j.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("row"))
	if _, r := before.ApplyPrepared(ledger.Prepare(e, other.State.Governance), nil); r.Verdict != ledger.Accepted {
		t.Errorf("a good entry prepared with another roster: %v", r.Reason)
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := ledger.SignEntry(other.Members[0].Key, *rec, e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if _, r := before.ApplyPrepared(ledger.Prepare(forged, other.State.Governance), nil); r.Reason != ledger.ErrSignature {
		t.Errorf("signed by another key, prepared with that: %s, %v", r.Verdict, r.Reason)
	}
}

func TestPreparedItemsCountOnlyForTheirOwnBytes(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 2)
	ledgertest.Link(t, in, uk)
	uk.Seal(t, 0, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("row"))
	uk.Seal(t, 0, []ledger.AudienceName{"uk/*"}, ledgertest.Event("not released"))
	b := uk.Batch(t, in)
	g := in.State.Partners[uk.Origin()].Mirror.Governance
	var prepared []*ledger.Prepared
	for _, item := range b.Items {
		prepared = append(prepared, ledger.PrepareItem(item, g))
	}
	want, r := in.State.ApplyMirror(b)
	if r.Verdict != ledger.MirrorApplied {
		t.Fatal(r.Reason)
	}
	if got, r := in.State.ApplyMirrorPrepared(b, prepared); r.Verdict != ledger.MirrorApplied || got.Line() != want.Line() {
		t.Errorf("prepared: %v", r.Reason)
	}
	changed := *b
	changed.Items = slices.Clone(b.Items)
	last := slices.IndexFunc(b.Items, func(i ledger.MirrorItem) bool { return len(i.Payload) > 0 && !i.IsBare() })
	changed.Items[last].Payload = append(slices.Clone(b.Items[last].Payload), 0)
	if _, r := in.State.ApplyMirrorPrepared(&changed, prepared); !errors.Is(r.Reason, ledger.ErrMirrorEntry) {
		t.Errorf("a payload changed since: %v", r.Reason)
	}
	if _, r := in.State.ApplyMirrorPrepared(b, append(prepared[1:], nil)); r.Verdict != ledger.MirrorApplied {
		t.Errorf("prepared at other places: %v", r.Reason)
	}
}
