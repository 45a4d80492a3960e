package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/api"
)

// TestMembersComeAndGo: an agency is removed, a key is rotated and two nodes are replaced while alerts are being raised,
// and partners follow; nothing acknowledged is lost, and who left gets nothing more.
func TestMembersComeAndGo(t *testing.T) {
	n := start(t, "in/a", "in/b", "in/c", "in/d", "uk/a")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	a, b, c, d := n.Node("in/a"), n.Node("in/b"), n.Node("in/c"), n.Node("in/d")
	both := []string{"in/*", "uk/*"}
	w := &written{}

	// An agency is removed under load.
	stop := w.load(t, "removal", both, a.Work, b.Work)
	w.more(t, 50)
	removal, err := a.Operator.Remove(t.Context(), api.Removal{Agency: "in/d"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Approve(t.Context(), "in/b", removal.ID); err != nil {
		t.Fatal(err)
	}
	epoch(t, n, "in/a", 3)
	w.more(t, 100)
	stop()
	after := &written{}
	for i := range 20 {
		if err := after.raise(t.Context(), c.Work, fmt.Sprintf("after-%d", i), both...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Work.Raise(t.Context(), "late", api.RaiseAlert{Signals: network.RandomSignals(), Audience: []string{"in/d"}}); err == nil {
		t.Error("the removed agency wrote")
	}
	for id, s := range after.ids {
		if found, err := d.Work.LookUp(t.Context(), api.LookUp{Signals: []api.Signal{s}}); err != nil || len(found.Results[0].Alerts) > 0 {
			t.Errorf("the removed agency reads %s: %v", id, err)
		}
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		s, err := d.Operator.Status(t.Context())
		if err == nil && (s.Ready || len(s.Problems) == 0 || !strings.Contains(fmt.Sprint(s.Problems), "removed")) {
			err = fmt.Errorf("it does not say that it was removed: %+v", s.Problems)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	n.Forget("in/d")

	// A key is rotated under load, at the very node whose key it is.
	stop = w.load(t, "rotation", both, b.Work)
	w.more(t, 30)
	rotation, err := b.Operator.RotateKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"in/a", "in/c"} {
		if err := n.Approve(t.Context(), n.Node(agency(by)).Agency, rotation.ID); err != nil {
			t.Fatal(err)
		}
	}
	epoch(t, n, "in/a", 3)
	w.more(t, 100)
	stop()

	// A follower's node is replaced under load, then another's, which may lead.
	first, second := a, b
	if leader(t, n, "in/c") == a {
		first, second = b, a
	}
	for _, x := range []*network.Node{first, second} {
		stop = w.load(t, "replacing-"+string(x.Agency), both, c.Work)
		w.more(t, 30)
		old, err := n.Replace(t.Context(), x.Agency)
		if err != nil {
			t.Fatal(err)
		}
		w.more(t, 50)
		old.Stop()
		w.more(t, 50)
		stop()
		if err := n.Voters(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
	}
	if err := network.Eventually(t.Context(), 20*time.Second, func() error { return n.Node("uk/a").Lab(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	settled(t, n, "in", "uk")
	for _, id := range []string{"in/a", "in/b", "in/c", "uk/a"} {
		w.check(t, n.Node(agency(id)))
		after.check(t, n.Node(agency(id)))
	}
}

// epoch waits until an agency sees so many members in an audience that is not stale.
func epoch(t *testing.T, n *network.Network, by string, members int) {
	t.Helper()
	if err := network.Eventually(t.Context(), 20*time.Second, func() error {
		a, err := n.Node(agency(by)).Operator.Agencies(t.Context())
		if err == nil && (a.Audiences[0].Stale || len(a.Audiences[0].Members) != members) {
			err = errors.New("the next epoch has not come")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func agency(id string) ledger.AgencyID { return ledger.AgencyID(id) }
