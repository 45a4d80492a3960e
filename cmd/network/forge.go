package network

import (
	"context"
	"errors"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node"
	"vigil/node/cluster"
)

// ErrForgeryTaken says that a node took a checkpoint of a history that never was.
var ErrForgeryTaken = errors.New("network: the forged checkpoint was taken")

// Forge does what a thief of a node's disk and passphrase could: it signs another history of the ledger with the node's own
// keys and shows it to another node. The history has as many entries as the newest checkpoint on which the node's true signature
// stands, so that the two contradict each other.
func (n *Node) Forge(ctx context.Context, show *Node) error {
	keys, err := node.ReadKeys(n.Config)
	if err != nil {
		return err
	}
	to, err := node.ReadIdentity(show.Config.Dir)
	if err != nil {
		return err
	}
	id, err := crypto.ParseNodeID(to.Node)
	if err != nil {
		return err
	}
	return Eventually(ctx, 30*time.Second, func() error {
		cp, err := show.signedBy(ctx, n.Agency)
		if err != nil {
			return err
		}
		cp.Root[0] ^= 1
		line, err := ledger.Cosign(cp, n.Agency, keys.Checkpoint, time.Now())
		if err != nil {
			return err
		}
		if _, err = cluster.PostTo(ctx, keys.Node, id, show.Config.Address(), "/checkpoint", ledger.Assemble(cp, line)); err == nil {
			return ErrForgeryTaken
		}
		if !errors.Is(err, cluster.ErrRemote) { // it must be refused, not lost
			return err
		}
		return nil
	})
}

// signedBy returns the newest checkpoint of a node's ledger, if an agency signed it.
func (n *Node) signedBy(ctx context.Context, by ledger.AgencyID) (ledger.Checkpoint, error) {
	raw, err := n.Operator.Checkpoint(ctx, "")
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	_, signers, err := ledger.Signers(raw)
	if err != nil {
		return ledger.Checkpoint{}, err
	}
	for _, s := range signers {
		if s.Agency == by {
			cp, _, err := ledger.ParseSigned(raw)
			return cp, err
		}
	}
	return ledger.Checkpoint{}, errors.New("the newest checkpoint is not signed by " + string(by))
}
