package node_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/cmd/network/ports"
	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
	"vigil/node/peer"
	"vigil/test/nodetest"
)

func gateway(t *testing.T, c *node.Config) {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	c.Peer.Listen = []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)}
}

// TestALyingGateway: a partner's first gateway sends bare hashes of what was released, or of governance, or another entry's
// bytes. The state line shows it, whoever was asked next delivers everything, and the liar is named.
func TestALyingGateway(t *testing.T) {
	bare := func(i *ledger.MirrorItem) { *i = ledger.Bare(i.LeafHash()) }
	for name, lie := range map[string]func(rec *ledger.Record, i *ledger.MirrorItem){
		"a released entry as a hash": func(rec *ledger.Record, i *ledger.MirrorItem) {
			if rec.Kind == ledger.KindSealed {
				bare(i)
			}
		},
		"governance dropped": func(rec *ledger.Record, i *ledger.MirrorItem) {
			if rec.Kind == ledger.KindGovernance {
				bare(i)
			}
		},
		"altered bytes": func(rec *ledger.Record, i *ledger.MirrorItem) {
			if rec.Kind == ledger.KindSealed {
				i.Leaf = append([]byte{}, i.Leaf...)
				i.Leaf[len(i.Leaf)-1] ^= 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			liar := atomic.Int64{}
			liar.Store(-1)
			var lied atomic.Int64
			nodes, _ := jurisdiction(t, 2, func(i int, c *node.Config) {
				gateway(t, c)
				c.Falsify(func(b *ledger.MirrorBatch) {
					if int64(i) != liar.Load() {
						return
					}
					for k := range b.Items {
						if rec, _, err := ledger.OpenLeaf(b.Items[k].Leaf); err == nil {
							before := b.Items[k].IsBare()
							was := string(b.Items[k].Leaf)
							if lie(rec, &b.Items[k]); b.Items[k].IsBare() != before || string(b.Items[k].Leaf) != was {
								lied.Add(1)
							}
						}
					}
				})
			})
			abroad := partner(t, nodes)
			origin := string(nodes[0].Node.Identity().Origin)
			liar.Store(int64(gatewayOf(t, abroad, nodes)))
			lab := nodes[1].As(t, api.RoleLab)
			started := time.Now()
			if _, err := lab.Raise(t.Context(), "abroad", api.RaiseAlert{Signals: md5(9), Audience: []string{"in/*", "uk/*"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := nodes[1].Operator.SetAudience(t.Context(), api.SetAudience{Name: "in/@desk", Members: []string{"in/a1"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := lab.Raise(t.Context(), "after", api.RaiseAlert{Signals: md5(10), Audience: []string{"in/*", "uk/*"}}); err != nil {
				t.Fatal(err)
			}
			reader := abroad.As(t, api.RoleLab)
			for _, s := range []byte{9, 10} {
				nodetest.Until(t, "it is there through the other gateway", func() bool {
					found, err := reader.LookUp(t.Context(), api.LookUp{Signals: md5(s)})
					return err == nil && len(found.Results) == 1 && len(found.Results[0].Alerts) == 1
				})
			}
			t.Logf("delivered %s after it was written, %d lies", time.Since(started), lied.Load())
			if lied.Load() == 0 {
				t.Fatal("nothing was falsified")
			}
			name, honest := fmt.Sprintf("in/a%d", liar.Load()), fmt.Sprintf("in/a%d", 1-liar.Load())
			nodetest.Until(t, "the liar is named", func() bool {
				s, err := abroad.Operator.Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range s.Problems {
					if strings.Contains(p.What, name+": its gateway sent a batch of "+origin) && p.Fix != "" {
						return true
					}
					if strings.Contains(p.What, honest+": ") {
						t.Errorf("the honest one is accused: %s", p.What)
					}
				}
				return false
			})
		})
	}
}

// TestAGatewayOfOursThatOnlySaysItFollows: it is named, and what the partner writes arrives through the other gateway.
func TestAGatewayOfOursThatOnlySaysItFollows(t *testing.T) {
	nodes, _ := jurisdiction(t, 2, func(i int, c *node.Config) {
		gateway(t, c)
		if i == 0 { // the first in rank
			c.Idle()
		}
	})
	started := time.Now()
	abroad := partner(t, nodes) // waits until the partner's roster is here, for which somebody must follow
	w, err := abroad.As(t, api.RoleLab).Raise(t.Context(), "abroad", api.RaiseAlert{Signals: md5(11), Audience: []string{"in/*", "uk/*"}})
	if err != nil {
		t.Fatal(err)
	}
	reader := nodes[1].As(t, api.RoleLab)
	nodetest.Until(t, "it is there through the other gateway", func() bool { _, err := reader.Alert(t.Context(), w.ID); return err == nil })
	t.Logf("delivered %s after the link was proposed", time.Since(started))
	nodetest.Until(t, "the idle one is named", func() bool {
		s, err := nodes[1].Operator.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Problems, func(p api.NodeProblem) bool {
			return strings.Contains(p.What, "in/a0: its gateway says that it follows "+string(abroad.Node.Identity().Origin)) && p.Fix != ""
		})
	})
}

// gatewayOf returns which of the nodes a partner follows now.
func gatewayOf(t *testing.T, abroad *nodetest.Running, nodes []*nodetest.Running) (at int) {
	t.Helper()
	nodetest.Until(t, "a gateway is followed", func() bool {
		p, err := abroad.Operator.Partners(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at = slices.IndexFunc(nodes, func(n *nodetest.Running) bool {
			id, err := peer.IDOf(n.Node.TestKeys().Node.Public())
			return err == nil && id.String() == p[0].Gateway
		})
		return at >= 0
	})
	return at
}

// partner runs uk/b0, a gateway, and links it with the jurisdiction of the nodes.
func partner(t *testing.T, nodes []*nodetest.Running) *nodetest.Running {
	t.Helper()
	c := nodetest.Config(t, filepath.Join(t.TempDir(), "n"))
	gateway(t, &c)
	if _, err := node.Init(c, node.Founding{Agency: "uk/b0", Threshold: 2, Suite: crypto.SuiteClassic}); err != nil {
		t.Fatal(err)
	}
	abroad := nodetest.Run(t, c)
	card := func(n *nodetest.Running) []byte {
		x, err := n.Operator.Card(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return x.Card
	}
	if _, err := abroad.Operator.Link(t.Context(), api.Link{Card: card(nodes[0])}); err != nil {
		t.Fatal(err)
	}
	w, err := nodes[0].Operator.Link(t.Context(), api.Link{Card: card(abroad)})
	if err != nil {
		t.Fatal(err)
	}
	approve(t, nodes[1], w.ID)
	for _, n := range append([]*nodetest.Running{abroad}, nodes...) {
		nodetest.Until(t, "they know each other", func() bool {
			p, err := n.Operator.Partners(t.Context())
			return err == nil && len(p) == 1 && len(p[0].Audiences) > 0
		})
	}
	return abroad
}
