package node

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

func TestAShareThatFailsUsIsNoted(t *testing.T) {
	in := ledgertest.Found(t, "in", 3)
	members := in.State.Governance.Agencies
	name := ledger.Everyone("in")
	key, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	other, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	good, err := ledger.MakeEpoch(key, name, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	wrongKey, err := ledger.MakeEpoch(other, name, 1, members)
	if err != nil {
		t.Fatal(err)
	}
	wrongKey.Certificate = good.Certificate // the shares hold another key than the one that is announced
	notOurs := good
	notOurs.Shares = append([]ledger.Share{}, good.Shares...)
	notOurs.Shares[0].Sealed = good.Shares[1].Sealed // sealed to somebody else
	without := good
	without.Shares = good.Shares[1:]
	for what, c := range map[string]struct {
		epoch   ledger.Epoch
		learned bool
		bad     int
	}{"good": {good, true, 0}, "another key": {wrongKey, false, 1}, "sealed to another": {notOurs, false, 1}, "not a member": {without, false, 0}} {
		o := &opener{agency: "in/a0", log: slog.New(slog.NewTextHandler(io.Discard, nil)), ring: crypto.NewKeyring(in.Members[0].Key)}
		if got := o.take(ledger.EncodeAct(&ledger.NewEpoch{Roster: 1, Epoch: c.epoch}), 7); got != c.learned || len(o.bad) != c.bad {
			t.Errorf("%s: learned %v, %d bad", what, got, len(o.bad))
		}
	}
}
