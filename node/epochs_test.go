package node_test

import (
	"context"
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/test/nodetest"
)

// TestABadShareIsReportedAndMended: a member gives another one a share of another key. That one says so by itself, the
// maker is barred, another makes the next epoch, and everyone reads again.
func TestABadShareIsReportedAndMended(t *testing.T) {
	maker := nodetest.Run(t, nodetest.Found(t))
	second := invite(t, maker, "in/b")
	if _, err := second.join(t); err != nil {
		t.Fatal(err)
	}
	victim := nodetest.Run(t, second.config)
	everyone := ledger.AudienceName("in/*")
	var before ledger.Audience
	nodetest.Until(t, "an epoch for both", func() bool {
		a, _ := victim.Node.Governance().Audience(everyone)
		before = *a
		return !a.Due && len(a.Members) == 2
	})

	now := time.Now()
	announced, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := crypto.GenerateAgencyKey(crypto.SuiteClassic, now)
	if err != nil {
		t.Fatal(err)
	}
	g := maker.Node.Governance()
	epoch, err := ledger.MakeEpoch(announced, everyone, before.Epoch+1, g.Agencies)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := ledger.MakeEpoch(other, everyone, before.Epoch+1, g.Agencies)
	if err != nil {
		t.Fatal(err)
	}
	epoch.Shares[1] = wrong.Shares[1]
	if err := maker.Node.Govern(t.Context(), &ledger.NewEpoch{Roster: g.Version, Epoch: epoch}); err != nil {
		t.Fatal(err)
	}

	nodetest.Until(t, "the next epoch, of another maker", func() bool {
		a, _ := maker.Node.Governance().Audience(everyone)
		return a.Epoch == before.Epoch+2 && !a.Stale && a.Maker == "in/b"
	})
	if _, err := maker.As(t, "analyst").Raise(t.Context(), "", api.RaiseAlert{Signals: md5(7)}); err != nil {
		t.Fatal(err)
	}
	reader := victim.As(t, "analyst")
	nodetest.Until(t, "the alert at the one that had a bad share", func() bool {
		answer, err := reader.LookUp(context.Background(), api.LookUp{Signals: md5(7)})
		return err == nil && len(answer.Results[0].Alerts) == 1
	})
}
