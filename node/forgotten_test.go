package node_test

import (
	"errors"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/node"
	"vigil/node/api"
)

// TestAPartnerRemembersWhatThisNodeSigned: a checkpoint of our ledger that a partner keeps, larger than anything this node
// remembers to have signed, ends it if its own signature is on it, and only then.
func TestAPartnerRemembersWhatThisNodeSigned(t *testing.T) {
	nodes, configs := jurisdiction(t, 2, nil)
	n, other := nodes[0], nodes[1]
	origin := n.Node.Identity().Origin
	cp := sealedCheckpoint(t, n, origin, "in/a0")
	n.Node.TakeThird("uk/x", forged(t, n, cp)) // of a size that it did sign: a lie, and no roll-back
	cp.Size += 50
	n.Node.TakeThird("uk/x", forged(t, other, cp))
	n.Node.TakeThird("uk/x", []byte("nonsense"))
	foreign := cp
	foreign.Origin = ledger.NewOrigin("uk", [16]byte{1})
	n.Node.TakeThird("uk/x", forged(t, n, foreign))
	if _, err := n.As(t, api.RoleLab).Raise(t.Context(), "k", api.RaiseAlert{Signals: md5(1)}); err != nil {
		t.Fatalf("what others signed stops it: %v", err)
	}
	n.Node.TakeThird("uk/x", forged(t, n, cp))
	err := n.End()
	if !errors.Is(err, node.ErrMustReplace) || !strings.Contains(err.Error(), "uk/x keeps a checkpoint of ") || !strings.Contains(err.Error(), "vigil node replace --from "+configs[0].Dir) {
		t.Errorf("it ended with: %v", err)
	}
}
