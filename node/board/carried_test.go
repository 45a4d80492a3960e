package board_test

import (
	"testing"

	"vigil/ledger"
	"vigil/ledger/alert"
)

// TestOnlyWhatTheLedgerHasIsReleased: a release shows what stands at the place it names, and nothing that its author made up
// for that place or took from another.
func TestOnlyWhatTheLedgerHasIsReleased(t *testing.T) {
	f, in := alone(t, 3)
	secret := []ledger.AudienceName{"in/a1", "in/a2"}
	in.Seal(t, 1, secret, raised(t, "real", "real"), raised(t, "beside", "beside"))
	target := in.State.Size() - 1
	in.Seal(t, 1, secret, raised(t, "other", "other"))
	forged, err := in.SealAs(1, in.Record(1, ledger.KindSealed), secret, raised(t, "fake", "fake"))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := forged.Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ledger.OpenPayload(forged.Payload, rec, in.Ring(1))
	if err != nil {
		t.Fatal(err)
	}
	carry := func(index ledger.Index, leaf []byte, p *ledger.Payload) ledger.Event {
		e, err := ledger.CarryEvent(in.Origin(), index, leaf, p, []int{0})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	real := carry(target, in.Entries[target].Leaf, in.Opened(t, 1, target))
	fake := carry(target, forged.Leaf, p)
	other := carry(target+1, in.Entries[target+1].Leaf, in.Opened(t, 1, target+1))
	in.Naming(t, 1, ledger.KindRelease, target, nil, nil, home, fake, other, real, raised(t, "smuggled", "smuggled"))
	show(f, in)
	b := open(t, t.TempDir(), f, in.Ring(0), 1)
	defer b.Close()
	catchUp(t, b, f)
	for name, want := range map[string]bool{"real": true, "beside": false, "fake": false, "other": false, "smuggled": false} {
		a, err := b.One(t.Context(), alertID(in, "in/a1", name, 0).String())
		if (err == nil) != want {
			t.Errorf("%s: shown %v", name, err == nil)
		}
		if want && (a.Position != ledger.Position{Index: target} || a.Standing != alert.Asserted) {
			t.Errorf("%s stands at %v", name, a.Position)
		}
	}
}
