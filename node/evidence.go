package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/store"
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
	if of := n.predecessor(); of != nil && of.Origin == origin {
		return n.bundleOfPredecessor(origin, at)
	}
	if origin != n.id.Origin {
		return nil, refuse(http.StatusConflict, "other-ledger", fmt.Sprintf("it is in the ledger of %s", origin), "ask a node of that jurisdiction for the bundle")
	}
	signed, cp, err := n.latest(n.id.Origin)
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
	if errors.Is(err, store.ErrExpunged) {
		return n.bundleOfRemains(at, signed, cp, evidence)
	}
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
	return n.bundle(c, rec.Author, signed, cp, evidence)
}

// bundleOfPredecessor proves a row of the ledger that ours continues, under the newest of its checkpoints that can; one that
// its members signed goes before the one at its end, which may have its founder's signature alone.
func (n *Node) bundleOfPredecessor(origin ledger.Origin, at ledger.Position) ([]byte, error) {
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
	ends, err := n.store.MirrorEnds(origin)
	if err != nil {
		return nil, err
	}
	g := n.governanceOf(origin)
	var last []byte
	for _, end := range ends {
		cp, valid, err := ledger.VerifyCosignatures(end.Checkpoint, g.CheckpointKeys())
		if err != nil || cp.Size <= at.Index {
			continue
		}
		c, err := ledger.Carry(origin, at.Index, e.Leaf, p, []int{int(at.Leaf)})
		if err != nil {
			return nil, err
		}
		raw, err := n.bundleUnder(c, g, rec.Author, end.Checkpoint, cp, end.Evidence)
		if counts, _ := ledger.Counts(valid, g.QuorumSize()); err == nil && counts {
			return raw, nil
		}
		if err == nil && last == nil {
			last = raw
		}
	}
	if last == nil {
		return nil, refuse(http.StatusConflict, "not-sealed", "no checkpoint of the old ledger proves it under the roster it ended with", "")
	}
	return last, nil
}

// bundleOfRemains proves a row that an expungement of others has left.
func (n *Node) bundleOfRemains(at ledger.Position, signed []byte, cp ledger.Checkpoint, evidence ledger.Evidence) ([]byte, error) {
	x, err := n.openRemains(at.Index)
	if err != nil {
		return nil, err
	}
	if !x.shown[int(at.Leaf)] {
		return nil, refuse(http.StatusGone, "expunged", fmt.Sprintf("row %d of entry %d was expunged", at.Leaf, at.Index), "")
	}
	var others []int
	for row := range x.shown {
		if row != int(at.Leaf) {
			others = append(others, row)
		}
	}
	one, _, err := ledger.CarryLess(x.carried, others)
	if err != nil {
		return nil, err
	}
	c, rec, _, err := ledger.OpenCarried(&one)
	if err != nil {
		return nil, err
	}
	return n.bundle(c, rec.Author, signed, cp, evidence)
}

// bundle completes what is carried by its path and its author's certificate.
func (n *Node) bundle(c *ledger.Carried, by ledger.AgencyID, signed []byte, cp ledger.Checkpoint, evidence ledger.Evidence) ([]byte, error) {
	return n.bundleUnder(c, n.store.State().Governance, by, signed, cp, evidence)
}

// bundleUnder does so under a checkpoint and the governance at its size.
func (n *Node) bundleUnder(c *ledger.Carried, g *ledger.Governance, by ledger.AgencyID, signed []byte, cp ledger.Checkpoint, evidence ledger.Evidence) (_ []byte, err error) {
	if c.Path, err = ledger.ProveInclusion(cp.Size, c.Index, n.store.HashReader(c.Origin)); err != nil {
		return nil, err
	}
	b, err := ledger.MakeBundle(c, signed, g, by, evidence)
	if err != nil {
		return nil, err
	}
	raw := b.Encode()
	if r := ledger.VerifyBundle(raw, nil); r.Code() != 13 { // nothing leaves that does not verify; trust is the reader's
		return nil, refuse(http.StatusServiceUnavailable, "not-sealed", "the roster has changed since the last checkpoint", "ask again in a moment")
	}
	return raw, nil
}

var errTile = errors.New("node: no such tile")

// Tile implements api.Node: C2SP tlog-tiles of our own tree, "tile/<level>/<n>" and, of leaves, "tile/entries/<n>".
func (n *Node) Tile(path string) ([]byte, bool, error) {
	rest, _ := strings.CutPrefix(path, "tile/")
	number, entries := strings.CutPrefix(rest, "entries/")
	if entries {
		rest = "0/" + number
	}
	tile, err := tlog.ParseTilePath("tile/8/" + rest)
	if err != nil || tile.L < 0 {
		return nil, false, errTile
	}
	if end := ((tile.N << 8) + int64(tile.W)) << (8 * tile.L); tile.L > maxTileLevel || end > int64(n.Size()) {
		return nil, false, errTile
	}
	full := tile.W == 1<<8
	if entries {
		b, err := n.entryTile(tile)
		return b, full, err
	}
	b, err := tlog.ReadTileData(tile, n.store.HashReader(n.id.Origin))
	return b, full, err
}

const maxTileLevel = 6 // 2^56 entries

// entryTile is the leaves of a tile, each with 2 bytes of length before it.
func (n *Node) entryTile(tile tlog.Tile) ([]byte, error) {
	var out []byte
	for i := range uint64(tile.W) {
		leaf, err := n.store.Leaf(n.id.Origin, uint64(tile.N)<<8+i)
		if err != nil {
			return nil, err
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(leaf))), leaf...)
	}
	return out, nil
}
