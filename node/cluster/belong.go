package cluster

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"vigil/crypto"
	"vigil/ledger"
)

// Member says whether a node belongs: it is in the roster, or pinned while there is no roster yet that names this node.
func (c *Cluster) Member(id crypto.NodeID) bool {
	_, ok := c.Address(id)
	return ok
}

// Address returns where a member is.
func (c *Cluster) Address(id crypto.NodeID) (string, bool) {
	if g := c.roster(); g != nil {
		if owner, ok := g.NodeOwner(id); ok {
			a, _ := g.Agency(owner)
			return a.Node.Address, true
		}
		if !c.arriving(g) {
			return "", false
		}
	}
	address, ok := c.cfg.Pins[id]
	return address, ok
}

// arriving says that this node has not come to the entry that names it: the roster it has is one of long ago, in which
// whoever leads today may not be yet.
func (c *Cluster) arriving(g *ledger.Governance) bool {
	_, member := g.NodeOwner(c.self)
	return !member && !slices.ContainsFunc(g.Removed, func(r ledger.Removed) bool { return r.Node == c.self })
}

// speaks says whether raft speaks with a node: with members whose removal is not approved, and with one that left for as
// long as the configuration cannot do without its vote.
func (c *Cluster) speaks(id crypto.NodeID) bool {
	return c.Member(id) && !c.cfg.Condemned(id) || c.needed(id)
}

// needed says whether a node that does not belong any more must still vote, so that the configuration can become one
// without it: the voters that belong are no majority. With two voters, or a lone one, cutting the other at once would stop
// the ledger for good. For a node that its own agency has replaced only those count that are heard: its going must not
// stop the ledger because another is away.
func (c *Cluster) needed(id crypto.NodeID) bool {
	voters, belong, votes, replaced := 0, 0, false, c.replaced(id)
	for _, s := range c.configuration() {
		voter, err := crypto.ParseNodeID(string(s.ID))
		if err != nil || s.Suffrage != raft.Voter {
			continue
		}
		voters++
		votes = votes || voter == id
		if c.Member(voter) && !c.cfg.Condemned(voter) && (!replaced || c.alive(voter)) {
			belong++
		}
	}
	return votes && belong < voters/2+1
}

// configuration returns raft's servers; none before raft is there, or where its log is damaged.
func (c *Cluster) configuration() []raft.Server {
	select {
	case <-c.ready:
	default:
		return nil
	}
	f := c.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// servers returns raft's servers, as they were on disk while raft is not there yet.
func (c *Cluster) servers() []raft.Server {
	if s := c.configuration(); s != nil {
		return s
	}
	return c.initial
}

// replaced says whether a node left and its agency did not.
func (c *Cluster) replaced(id crypto.NodeID) bool {
	g := c.roster()
	return g != nil && slices.ContainsFunc(g.Removed, func(r ledger.Removed) bool {
		_, member := g.Agency(r.Agency)
		return r.Node == id && member
	})
}

// alive says whether a node was heard of late.
func (c *Cluster) alive(id crypto.NodeID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return id == c.self || time.Since(c.heights[id].Heard) < aliveWithin
}

// Lingers says that raft still counts the vote of a node that left: it must go on running until another has taken its
// place.
func (c *Cluster) Lingers() bool {
	return slices.ContainsFunc(c.configuration(), func(s raft.Server) bool {
		id, err := crypto.ParseNodeID(string(s.ID))
		return err == nil && s.Suffrage == raft.Voter && !c.Member(id)
	})
}

// raftAddress returns where raft reaches a node it speaks with.
func (c *Cluster) raftAddress(id crypto.NodeID) (string, bool) {
	if !c.speaks(id) {
		return "", false
	}
	if address, ok := c.Address(id); ok {
		return address, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	address, ok := c.addresses[id]
	if !ok {
		address, ok = c.cfg.Pins[id]
	}
	return address, ok
}

// remember keeps where the roster says that nodes are.
func (c *Cluster) remember() {
	state := c.cfg.Store.State()
	if state == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range state.Governance.Agencies {
		n := state.Governance.Agencies[i].Node
		c.addresses[n.Key.ID()] = n.Address
	}
}

// rosterChanged closes connections of nodes that left and wakes the leader's reconciliation.
func (c *Cluster) rosterChanged() {
	c.comparesShown()
	c.remember()
	c.Recheck()
	select {
	case c.reconcile <- struct{}{}:
	default:
	}
}

// Recheck cuts, now, the connections of every node that raft does not speak with any more.
func (c *Cluster) Recheck() {
	if c.listener == nil {
		return
	}
	c.listener.cut(c.stays)
	c.transport.cut(c.speaks)
	c.clients.cut(c.speaks)
}

// stays says whether a node's connections stay open: a member's do, and a stranger's, who may be asking to join. Those of
// a node that left do not.
func (c *Cluster) stays(id crypto.NodeID) bool {
	state := c.cfg.Store.State()
	if state == nil || c.speaks(id) {
		return true
	}
	left := func(r ledger.Removed) bool { return r.Node == id }
	return !c.cfg.Condemned(id) && !slices.ContainsFunc(state.Governance.Removed, left)
}
