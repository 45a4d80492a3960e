package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
)

// partnersWait is how long a start waits for what partners remember. Those that are out of reach are done without: what they
// remember is heard once they are followed again.
const partnersWait = 2 * time.Second

// errForgotten says that a partner keeps this node's own signature over more than this disk remembers to have signed. It is a
// cluster.ErrRolledBack that no other node here may have noticed: all of them may have been rolled back.
var errForgotten = fmt.Errorf("%w: a partner remembers more", cluster.ErrRolledBack)

// forgotten compares a checkpoint of our own ledger, as somebody keeps it, with what this node remembers to have signed. Only
// this node's own signature counts: nobody else can make it believe that it was rolled back. The size is on disk before a
// signature leaves, so that an honest disk is never behind one.
func (n *Node) forgotten(by string, signed []byte) error {
	own := map[ledger.AgencyID][]crypto.NodePublic{n.id.Agency: {n.keys.Checkpoint.Public()}}
	cp, valid, err := ledger.VerifyCosignatures(signed, own)
	if err != nil || cp.Origin != n.id.Origin || len(valid) == 0 {
		return nil // what is not signed by this node says nothing of it
	}
	if last := n.store.LastSigned(); cp.Size > last {
		return fmt.Errorf("%w: %s keeps a checkpoint of %d entries that this node signed; here it has signed %d and holds %d", errForgotten, by, cp.Size, last, n.store.Size(n.id.Origin))
	}
	return nil
}

// askPartners asks, before this node takes part in anything, what partners remember of it. A node that was rolled back tells
// the other members what it learned, before it ends: they may have been, too.
func (n *Node) askPartners() error {
	if n.peer == nil || n.store.State() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), partnersWait)
	defer cancel()
	for partner, kept := range n.peer.Remembered(ctx) {
		for _, signed := range kept {
			if err := n.forgotten(string(partner), signed); err != nil {
				n.passOn(signed)
				return err
			}
		}
	}
	return nil
}

// heardOfOurs takes a checkpoint of our own ledger from a partner while this node runs.
func (n *Node) heardOfOurs(by string, signed []byte) {
	if err := n.forgotten(by, signed); err != nil {
		n.cluster.Condemn(err)
		n.passOn(signed)
	}
}

// passOn shows the other members a checkpoint that they may have signed and forgotten.
func (n *Node) passOn(signed []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), partnersWait)
	defer cancel()
	var all sync.WaitGroup
	g := n.store.State().Governance
	for i := range g.Agencies {
		if node := g.Agencies[i].Node; g.Agencies[i].ID != n.id.Agency {
			all.Go(func() {
				_, _ = cluster.PostTo(ctx, n.keys.Node, node.Key.ID(), node.Address, "/checkpoint", signed) // who is away asks by itself
			})
		}
	}
	all.Wait()
}

// mustBeReplaced adds the command to an end that no restart mends.
func (n *Node) mustBeReplaced(err error) error {
	replace := "vigil node replace --from " + n.cfg.Dir + " --dir NEW-DIR"
	switch {
	case errors.Is(err, errForgotten):
		return fmt.Errorf("%w: %w; where the other members' nodes are as they were, run: %s; where they were all restored from older copies, bring back the newest copy of any of them first, and do not write before", ErrMustReplace, err, replace)
	case errors.Is(err, cluster.ErrRolledBack):
		return fmt.Errorf("%w: %w; run: %s", ErrMustReplace, err, replace)
	case errors.Is(err, cluster.ErrTwin):
		return fmt.Errorf("%w: %w; stop the other, or run: %s", ErrMustReplace, err, replace)
	}
	return err
}
