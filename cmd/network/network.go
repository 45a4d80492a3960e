// Package network runs whole jurisdictions on this machine: one process a node, real disk, real sockets on the loopback,
// and links between jurisdictions that can be cut. The demo shows one to people; tests break one.
package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// gateways is how many agencies of a jurisdiction, the first to join, are gateways.
const gateways = 2

// Network is used by one goroutine, except where it says otherwise.
type Network struct {
	// Places says where an agency's node runs; nil is here, on the loopback.
	Places func(ledger.AgencyID) Place

	dir, binary string
	nodes       map[ledger.AgencyID]*Node
	order       []ledger.AgencyID
}

// New makes an empty network whose nodes keep their data under dir and run binary.
func New(dir, binary string) (*Network, error) {
	n := &Network{dir: dir, binary: binary, nodes: map[ledger.AgencyID]*Node{}}
	return n, errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(n.passphrase(), []byte(rand.Text()+"\n"), 0o600))
}

func (n *Network) passphrase() string { return filepath.Join(n.dir, "passphrase") }

func (n *Network) place(id ledger.AgencyID) Place {
	if n.Places == nil {
		return here
	}
	return n.Places(id)
}

// Node returns an agency's node; nil where there is none.
func (n *Network) Node(id ledger.AgencyID) *Node { return n.nodes[id] }

// Order returns the agencies in the order in which they were added.
func (n *Network) Order() []ledger.AgencyID { return n.order }

// members returns the agencies of a jurisdiction in the order in which they were added.
func (n *Network) members(j ledger.JurisdictionID) []ledger.AgencyID {
	var out []ledger.AgencyID
	for _, id := range n.order {
		if id.Jurisdiction() == j {
			out = append(out, id)
		}
	}
	return out
}

// Add founds the agency's jurisdiction where it is the first, or has it join by invitation and approval, and waits until
// its node is ready and reads what comes from now on.
func (n *Network) Add(ctx context.Context, id ledger.AgencyID) error {
	before := n.members(id.Jurisdiction())
	x, err := newNode(n.dir, n.binary, n.passphrase(), id, n.gateway(id, len(before)), n.place(id))
	if err != nil {
		return err
	}
	n.nodes[id], n.order = x, append(n.order, id)
	if err := n.enter(ctx, x, before); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if err := Eventually(ctx, 30*time.Second, func() error { return x.Lab(ctx) }); err != nil {
		return fmt.Errorf("%s: token: %w", id, err)
	}
	return nil
}

// gateway says over what partners reach an agency's node, if at all: the first jurisdiction over TCP, the others over QUIC.
func (n *Network) gateway(id ledger.AgencyID, before int) string {
	switch {
	case before >= gateways:
		return ""
	case len(n.order) > 0 && n.order[0].Jurisdiction() != id.Jurisdiction():
		return overQUIC
	}
	return overTCP
}

func (n *Network) enter(ctx context.Context, x *Node, before []ledger.AgencyID) error {
	if len(before) == 0 {
		if _, err := node.Init(x.Config, node.Founding{Agency: x.Agency, Name: string(x.Agency), Threshold: 2, Suite: crypto.SuitePQ}); err != nil {
			return err
		}
		if err := x.Start(ctx); err != nil {
			return err
		}
		return Eventually(ctx, 20*time.Second, func() error { return x.ready(ctx) })
	}
	inv, err := n.nodes[before[0]].Operator.Invite(ctx, api.Invite{Agency: string(x.Agency)})
	if err != nil {
		return err
	}
	joined, err := node.Join(ctx, x.Config, node.Joining{Token: inv.Token, Name: string(x.Agency), Suite: crypto.SuitePQ})
	if err != nil {
		return err
	}
	if len(before) > 1 { // with two members or more, a second one approves
		if err := n.Approve(ctx, before[1], joined.Proposal); err != nil {
			return err
		}
	}
	if err := x.Start(ctx); err != nil {
		return err
	}
	if err := Eventually(ctx, 60*time.Second, func() error { return x.ready(ctx) }); err != nil {
		return err
	}
	return Eventually(ctx, 30*time.Second, func() error { // the next epoch, so that it reads from now on
		a, err := x.Operator.Agencies(ctx)
		if err == nil && (len(a.Audiences) != 1 || a.Audiences[0].Epoch < uint64(len(before)+1)) {
			err = errors.New("the next epoch has not come")
		}
		return err
	})
}

// Forget stops the node of an agency that was removed, and leaves it out from now on.
func (n *Network) Forget(id ledger.AgencyID) {
	x := n.nodes[id]
	x.Stop()
	if x.Link != nil {
		x.Link.Close()
	}
	delete(n.nodes, id)
	n.order = slices.DeleteFunc(n.order, func(o ledger.AgencyID) bool { return o == id })
}

// Replace puts a new node in the place of an agency's, which may be running, and returns the old one. The new one is
// started and ready.
func (n *Network) Replace(ctx context.Context, id ledger.AgencyID) (*Node, error) {
	return n.Rebuild(ctx, id, func(c node.Config) error {
		from, err := node.ReplacingFrom(ctx, n.nodes[id].Config)
		if err == nil {
			_, err = node.Replace(ctx, c, from)
		}
		return err
	})
}

// Rebuild does so as replace makes the new one in its directory.
func (n *Network) Rebuild(ctx context.Context, id ledger.AgencyID, replace func(node.Config) error) (*Node, error) {
	old := n.nodes[id]
	x, err := newNode(n.dir, n.binary, n.passphrase(), id, n.gateway(id, slices.Index(n.members(id.Jurisdiction()), id)), n.place(id))
	if err != nil {
		return nil, err
	}
	x.Config.Dir = old.Config.Dir + "-new"
	if err := replace(x.Config); err != nil {
		return nil, err
	}
	n.nodes[id], x.Token = x, old.Token
	if err := x.Start(ctx); err != nil {
		return nil, err
	}
	return old, Eventually(ctx, 60*time.Second, func() error { return x.ready(ctx) })
}

// Approve has an agency approve a proposal as soon as it has it.
func (n *Network) Approve(ctx context.Context, by ledger.AgencyID, proposal string) error {
	return Eventually(ctx, 20*time.Second, func() error { _, err := n.nodes[by].Operator.Approve(ctx, proposal); return err })
}

func (n *Node) ready(ctx context.Context) error {
	s, err := n.Operator.Status(ctx)
	if err == nil && !s.Ready {
		err = errors.New("not ready")
	}
	return err
}

// Connect links two jurisdictions: cards are exchanged and approved on both sides, and every node has the other roster.
func (n *Network) Connect(ctx context.Context, a, b ledger.JurisdictionID) error {
	for _, pair := range [][2]ledger.JurisdictionID{{a, b}, {b, a}} {
		own, other := n.members(pair[0]), n.members(pair[1])
		card, err := n.nodes[other[0]].Operator.Card(ctx)
		if err != nil {
			return err
		}
		w, err := n.nodes[own[0]].Operator.Link(ctx, api.Link{Card: card.Card})
		if err != nil {
			return err
		}
		if len(own) > 1 {
			if err := n.Approve(ctx, own[1], w.ID); err != nil {
				return err
			}
		}
	}
	for _, id := range slices.Concat(n.members(a), n.members(b)) {
		err := Eventually(ctx, 30*time.Second, func() error {
			partners, err := n.nodes[id].Operator.Partners(ctx)
			if err == nil && (len(partners) != 1 || len(partners[0].Audiences) == 0) {
				err = errors.New("the partner's roster has not arrived")
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

// Voters waits until the nodes of a jurisdiction that should vote do.
func (n *Network) Voters(ctx context.Context, j ledger.JurisdictionID) error {
	members := n.members(j)
	voters := 1
	if len(members) > 1 {
		voters = 2
	}
	if len(members) > 2 {
		voters = 3
	}
	for i, id := range members {
		err := Eventually(ctx, 30*time.Second, func() error {
			s, err := n.nodes[id].Operator.Status(ctx)
			if err == nil && (s.Role == "leader" || s.Role == "voter") != (i < voters) {
				err = fmt.Errorf("%s is %s", id, s.Role)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Leader returns the node that leads a jurisdiction, as a node of it says.
func (n *Network) Leader(ctx context.Context, by ledger.AgencyID) (*Node, error) {
	var leader *Node
	err := Eventually(ctx, 20*time.Second, func() error {
		s, err := n.nodes[by].Operator.Status(ctx)
		if err != nil {
			return err
		}
		if leader = n.nodes[ledger.AgencyID(s.Leader)]; leader == nil || !leader.Running() {
			return fmt.Errorf("no leader known: %q", s.Leader)
		}
		return nil
	})
	return leader, err
}

// Settled waits until the running nodes of the jurisdictions agree: same sizes and roots at home and, where more than one
// is named, complete mirrors abroad.
func (n *Network) Settled(ctx context.Context, jurisdictions ...ledger.JurisdictionID) error {
	return Eventually(ctx, 60*time.Second, func() error {
		roots := map[string]string{}
		for _, id := range n.order {
			if !slices.Contains(jurisdictions, id.Jurisdiction()) || !n.nodes[id].Running() {
				continue
			}
			s, err := n.nodes[id].Operator.Status(ctx)
			if err != nil {
				return err
			}
			for _, l := range s.Ledgers {
				if !l.Own && len(jurisdictions) == 1 {
					continue
				}
				if l.Board < l.Size {
					return fmt.Errorf("%s is still reading", id)
				}
				if have := roots[l.Origin]; have != "" && have != l.Root {
					return fmt.Errorf("%s has another root", id)
				}
				roots[l.Origin] = l.Root
			}
		}
		return nil
	})
}

// Cut cuts or heals every link between jurisdictions.
func (n *Network) Cut(cut bool) {
	for _, x := range n.nodes {
		if x.Link != nil {
			x.Link.Cut(cut)
		}
	}
}

// Stop ends every process and link.
func (n *Network) Stop() {
	for _, id := range slices.Backward(n.order) {
		x := n.nodes[id]
		if x.Running() {
			_ = x.Resume() // one that is paused would not hear the end
		}
		x.Stop()
		if x.Link != nil {
			x.Link.Close()
		}
	}
}

// RandomSignals are the fingerprints of a file that does not exist.
func RandomSignals() []api.Signal {
	var b [48]byte
	_, _ = rand.Read(b[:]) // never fails
	return []api.Signal{{Algorithm: "md5", Value: hex.EncodeToString(b[:16])}, {Algorithm: "sha256", Value: hex.EncodeToString(b[16:])}}
}
