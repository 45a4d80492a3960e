package release_test

import (
	"testing"

	"vigil/ledger"
	"vigil/ledger/noun"
	"vigil/ledger/release"
)

const (
	in = ledger.Origin("in/aaaaaaaaaaaaaaaaaaaaaaaaaa")
	uk = ledger.Origin("uk/aaaaaaaaaaaaaaaaaaaaaaaaaa")
)

func placed(t *testing.T, o ledger.Origin, by ledger.AgencyID, index uint64, e ledger.Event) noun.Placed[noun.Fact] {
	t.Helper()
	p, err := release.Codec.Place(o, ledger.Position{Index: index}, by, 0, &e)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnlyWhoseEntryItIsDeclines(t *testing.T) {
	made, err := release.DecideMade(ledger.EventID{1}, release.Made{Ledger: in, Index: 7, Reason: "our case"})
	if err != nil {
		t.Fatal(err)
	}
	k := noun.Key{Home: uk, Author: "uk/met", Event: made.ID}
	asked := placed(t, uk, "uk/met", 3, made)
	a := release.Fold(k, []noun.Placed[noun.Fact]{asked})
	if _, err := a.DecideDeclined(ledger.EventID{2}, "uk/met", "no"); err == nil {
		t.Error("who asks declines")
	}
	no, err := a.DecideDeclined(ledger.EventID{2}, "in/ncrb", "not ours to give")
	if err != nil {
		t.Fatal(err)
	}
	other, err := release.Codec.Encode(ledger.EventID{3}, release.TypeDeclined, &release.Declined{Target: k, Reason: "forged"})
	if err != nil {
		t.Fatal(err)
	}
	a = release.Fold(k, []noun.Placed[noun.Fact]{placed(t, in, "in/ncrb", 9, no), placed(t, uk, "uk/x", 4, other), asked})
	if a.Declined == nil || a.By != "in/ncrb" || a.Declined.Reason != "not ours to give" {
		t.Fatalf("%+v", a)
	}
	if _, err := a.DecideDeclined(ledger.EventID{4}, "in/ncrb", "again"); err == nil {
		t.Error("declined twice")
	}
	for name, f := range map[string]noun.Fact{
		"no ledger": &release.Made{Reason: "x"}, "no reason": &release.Made{Ledger: in}, "no target": &release.Declined{Reason: "x"},
		"a reason of control characters": &release.Declined{Target: k, Reason: "\x00"},
	} {
		if f.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
