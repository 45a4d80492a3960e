package ledger_test

import (
	"errors"
	"testing"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestAGrantOpensThePast: a newcomer opens nothing older; what it was granted opens exactly that, at home and from partners.
func TestAGrantOpensThePast(t *testing.T) {
	in, uk := ledgertest.Found(t, "in", 2), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	entries := map[string]ledger.Entry{
		"home":       in.Seal(t, 0, []ledger.AudienceName{everyone}, ledgertest.Event("home")),
		"of partner": uk.Seal(t, 0, []ledger.AudienceName{everyone, "uk/*"}, ledgertest.Event("abroad")),
	}
	fresh := ledgertest.NewMember(t, "in/new")
	in.Admit(t, fresh)
	in.NewEpoch(t, everyone) // epoch 4, which is not granted
	in.Seal(t, 0, []ledger.AudienceName{everyone}, ledgertest.Event("x"))
	own := crypto.NewKeyring(in.Epochs[2:]...).With(fresh.Key)
	opens := func(ring *crypto.Keyring) (n int) {
		for name, e := range entries {
			rec := must(e.Open())
			switch _, err := ledger.OpenPayload(e.Payload, rec, ring); {
			case err == nil:
				n++
			case !errors.Is(err, crypto.ErrNotForUs):
				t.Errorf("%s: %v", name, err)
			}
		}
		return n
	}
	if n := opens(own); n != 0 {
		t.Fatalf("the newcomer opens %d of what came before it", n)
	}
	in.Change(t, &ledger.Grant{Agency: "in/new", Audience: everyone, First: 1, Last: 2})
	to, _ := in.State.Governance.Agency("in/new")
	certificate := func(epoch uint64) *crypto.Certificate { return in.Epochs[epoch-1].Certificate() }

	wrong := must(ledger.MakeHandOver(in.Epochs[1:3], everyone, 1, to))
	if _, err := wrong.Open(own, certificate); err == nil {
		t.Fatal("keys of other epochs were taken")
	}
	in.Govern(t, 1, wrong)
	in.Govern(t, 2, &ledger.Took{Audience: everyone})
	if o := in.State.Governance.Grants[0]; o.Maker != "" || len(o.Barred) != 1 {
		t.Fatalf("%+v", o)
	}
	h := must(ledger.MakeHandOver(in.Epochs[:2], everyone, 1, to))
	in.Govern(t, 0, h)
	keys, err := h.Open(own, certificate)
	if err != nil {
		t.Fatal(err)
	}
	if n := opens(own.With(keys...)); n != 2 {
		t.Fatalf("%d of 2 opened", n)
	}
	in.Govern(t, 2, &ledger.Took{Audience: everyone, OK: true})
	if len(in.State.Governance.Grants) != 0 {
		t.Fatal("the grant stays open")
	}
	again := must(ledger.DecodeState(in.State.EncodeRosters(), in.State.EncodeMoving()))
	if again.Line() != in.State.Line() {
		t.Fatal("grants do not survive the state's encoding")
	}
	in.Change(t, &ledger.Grant{Agency: "in/new", Audience: everyone, First: 1, Last: 2})
	in.Change(t, &ledger.Remove{Agency: "in/new"})
	if len(in.State.Governance.Grants) != 0 {
		t.Fatal("a grant to who left stays open")
	}
}

// TestASupportBodyIsInNoAudience: it is addressed by name, and reads nothing else.
func TestASupportBodyIsInNoAudience(t *testing.T) {
	j := ledgertest.Found(t, "in", 2)
	body := ledgertest.NewMember(t, "in/support")
	j.Change(t, &ledger.Admit{Agency: body.Agency()})
	j.Members = append(j.Members, body)
	if a, _ := j.State.Governance.Audience(everyone); a.Due || a.Stale || len(a.Members) != 2 {
		t.Fatalf("%+v", a)
	}
	toAll := j.Seal(t, 0, []ledger.AudienceName{everyone}, ledgertest.Event("x"))
	toIt := j.Seal(t, 0, []ledger.AudienceName{everyone, "in/support"}, ledgertest.Event("y"))
	ring := crypto.NewKeyring(body.Key)
	if _, err := ledger.OpenPayload(toAll.Payload, must(toAll.Open()), ring); !errors.Is(err, crypto.ErrNotForUs) {
		t.Fatalf("it reads what is not for it: %v", err)
	}
	if _, err := ledger.OpenPayload(toIt.Payload, must(toIt.Open()), ring); err != nil {
		t.Fatal(err)
	}
	j.Seal(t, 2, []ledger.AudienceName{"in/a0", "in/support"}, ledgertest.Event("answer"))
	if _, err := j.SealAs(2, j.Record(2, ledger.KindSealed), []ledger.AudienceName{everyone}, ledgertest.Event("z")); err != nil {
		t.Fatal(err)
	} else if _, r := j.State.Apply(must(j.SealAs(2, j.Record(2, ledger.KindSealed), []ledger.AudienceName{everyone}, ledgertest.Event("z"))), nil); r.Reason != ledger.ErrAuthorOutside {
		t.Fatalf("it writes to an audience it is not in: %v", r.Reason)
	}
}
