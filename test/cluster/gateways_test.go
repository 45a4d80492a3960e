package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vigil/cmd/network"
	"vigil/ledger"
	"vigil/node/peer"
)

// TestAllGatewaysAreReplacedBehindACut: while the border is closed every gateway of one side gets another machine. Neither side knows
// the other's gateways any more; told of one by its configuration, a node has everything, and needs no telling from then on.
func TestAllGatewaysAreReplacedBehindACut(t *testing.T) {
	n := start(t, "in/a", "uk/a", "uk/b", "uk/c")
	if err := n.Connect(t.Context(), "in", "uk"); err != nil {
		t.Fatal(err)
	}
	if err := n.Voters(t.Context(), "uk"); err != nil {
		t.Fatal(err)
	}
	both := []string{"in/*", "uk/*"}
	w := &written{}
	raises := func(x *network.Node, key string) {
		t.Helper()
		if err := w.raise(t.Context(), x.Work, key, both...); err != nil {
			t.Fatal(err)
		}
	}
	raises(n.Node("uk/c"), "before")
	settled(t, n, "in", "uk")

	n.Cut(true)
	for _, id := range []ledger.AgencyID{"uk/a", "uk/b"} {
		old, err := n.Replace(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		old.Stop()
		old.Link.Close()
		if err := n.Voters(t.Context(), "uk"); err != nil {
			t.Fatal(err)
		}
	}
	n.Cut(false)
	x := n.Node("in/a")
	raises(n.Node("uk/c"), "from the new gateways")
	raises(x, "to them")
	if err := network.Eventually(t.Context(), 60*time.Second, func() error {
		s, err := x.Operator.Status(t.Context())
		for _, p := range s.Problems {
			if strings.Contains(p.Fix, "[peer.gateways]") {
				return nil
			}
		}
		return errors.Join(errors.New("nobody is told what to do"), err)
	}); err != nil {
		t.Fatal(err)
	}

	told := gateways(t, n.Node("uk/c"))
	x.Stop()
	x.Config.Peer.Gateways = map[string][]string{"uk": told[:1]}
	restart(t, x)
	settled(t, n, "in", "uk")
	x.Stop()
	x.Config.Peer.Gateways = nil
	restart(t, x)
	raises(n.Node("uk/c"), "as before")
	raises(x, "both ways")
	settled(t, n, "in", "uk")
	for _, id := range n.Order() {
		if err := network.Eventually(t.Context(), 20*time.Second, func() error { return n.Node(id).Lab(t.Context()) }); err != nil {
			t.Fatal(err)
		}
		w.check(t, n.Node(id))
	}
}

// gateways are the addresses of a jurisdiction's gateways with their keys, as each prints its own where it starts.
func gateways(t *testing.T, x *network.Node) (out []string) {
	t.Helper()
	c, err := x.Operator.Card(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	card, err := ledger.DecodePartnerCard(c.Card)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range card.Gateways {
		id, err := peer.IDOf(g.Key)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g.Peers[0]+"/p2p/"+id.String())
	}
	return out
}
