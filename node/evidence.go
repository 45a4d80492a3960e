package node

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Trust implements api.Node.
func (n *Node) Trust() ([]byte, error) {
	state := n.store.State()
	if state == nil {
		return nil, errNotYet
	}
	return ledger.TrustOf(state).Encode()
}

// Bundle implements api.Node: the row at this place, and nothing else of its entry.
func (n *Node) Bundle(_ context.Context, origin ledger.Origin, at ledger.Position) ([]byte, error) {
	if origin != n.id.Origin {
		return nil, refuse(http.StatusConflict, "other-ledger", fmt.Sprintf("it is in the ledger of %s", origin), "ask a node of that jurisdiction for the bundle")
	}
	state := n.store.State()
	signed, cp, err := n.latest()
	if err != nil {
		return nil, err
	}
	if at.Index >= cp.Size {
		return nil, refuse(http.StatusServiceUnavailable, "not-sealed", "it is not under a checkpoint yet", "ask again in a moment")
	}
	_, evidence, ok, err := n.store.Boundary(cp.Size)
	if err != nil || !ok {
		return nil, refuse(http.StatusServiceUnavailable, "not-sealed", "no evidence for this checkpoint is kept", "ask again after the next write")
	}
	e, _, _, err := n.store.Entry(origin, at.Index)
	if err != nil {
		return nil, err
	}
	rec, err := e.Open()
	if err != nil {
		return nil, err
	}
	p, err := n.opener.Open(rec, e.Payload)
	if err != nil {
		return nil, err
	}
	c, err := ledger.Carry(origin, at.Index, e.Leaf, p, []int{int(at.Leaf)})
	if err != nil {
		return nil, err
	}
	if c.Path, err = ledger.ProveInclusion(cp.Size, at.Index, n.store.HashReader(origin)); err != nil {
		return nil, err
	}
	b, err := ledger.MakeBundle(c, signed, state.Governance, rec.Author, evidence)
	if err != nil {
		return nil, err
	}
	raw := b.Encode()
	if r := ledger.VerifyBundle(raw, nil); r.Code() != 13 { // nothing leaves that does not verify; trust is the reader's
		return nil, refuse(http.StatusServiceUnavailable, "not-sealed", "the roster has changed since the last checkpoint", "ask again in a moment")
	}
	return raw, nil
}

// Tile implements api.Node: C2SP tlog-tiles of our own tree.
func (n *Node) Tile(path string) ([]byte, bool, error) {
	parts := strings.SplitN(path, "/", 2)
	if len(parts) != 2 {
		return nil, false, fmt.Errorf("node: tile path")
	}
	tile, err := tlog.ParseTilePath("tile/8/" + parts[1])
	if err != nil || tile.L < 0 {
		return nil, false, fmt.Errorf("node: tile path: %w", err)
	}
	size := int64(n.Size())
	if end := ((tile.N << 8) + int64(tile.W)) << (8 * tile.L); end > size {
		return nil, false, fmt.Errorf("node: tile beyond the tree")
	}
	b, err := tlog.ReadTileData(tile, n.store.HashReader(n.id.Origin))
	return b, tile.W == 256, err
}
