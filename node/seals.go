package node

import (
	"context"
	"slices"
	"time"

	"vigil/ledger"
	"vigil/node/board"
)

// sealsEvery is how often the board is told of checkpoints: the newest of each second, so that dates cost one row a second.
const sealsEvery = time.Second

// keepSeals lets the board date its entries, until ctx ends. It tells of what the store has kept and the board does not
// know: a board built anew dates everything as it was dated before, so that no deadline begins again.
func (n *Node) keepSeals(ctx context.Context) error {
	tick := time.NewTicker(sealsEvery)
	defer tick.Stop()
	told := map[ledger.Origin]uint64{}
	for {
		for _, origin := range n.store.Origins() {
			if err := n.tellSeals(ctx, origin, told); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *Node) tellSeals(ctx context.Context, origin ledger.Origin, told map[ledger.Origin]uint64) error {
	after, ok := told[origin]
	if !ok {
		var err error
		if after, err = n.board.Sealed(ctx, origin); err != nil {
			return err
		}
	}
	for {
		sizes, err := n.store.Checkpoints(origin, after)
		if err != nil || len(sizes) == 0 {
			told[origin] = after
			return err
		}
		seals, err := n.keptSeals(origin, sizes)
		if err == nil {
			err = n.board.SetSealed(ctx, origin, seals...)
		}
		if err != nil {
			return err
		}
		after = sizes[len(sizes)-1]
	}
}

// keptSeals dates kept checkpoints, the greatest of those of one second.
func (n *Node) keptSeals(origin ledger.Origin, sizes []uint64) ([]board.Seal, error) {
	var out []board.Seal
	for _, size := range sizes {
		signed, err := n.store.Checkpoint(origin, size)
		if err != nil {
			return nil, err
		}
		_, signers, err := ledger.Signers(signed)
		if err != nil {
			return nil, err
		}
		at, ok := n.dateOf(origin, signers)
		if !ok {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].At.Equal(at) {
			out = out[:last]
		}
		out = append(out, board.Seal{Size: size, At: at})
	}
	return out, nil
}

// dateOf returns the time no later than which a kept checkpoint existed.
func (n *Node) dateOf(origin ledger.Origin, signers []ledger.Cosignature) (time.Time, bool) {
	signers = slices.DeleteFunc(signers, func(c ledger.Cosignature) bool { return c.Agency.Jurisdiction() != origin.Jurisdiction() })
	g := n.governanceOf(origin)
	if g == nil {
		return time.Time{}, false
	}
	ok, at := ledger.Counts(signers, min(g.QuorumSize(), max(len(signers), 1))) // the roster may have grown since
	return time.Unix(at, 0).UTC(), ok
}

// governanceOf is the roster of our ledger or, as mirrored, of a partner's; nil where none has arrived.
func (n *Node) governanceOf(origin ledger.Origin) *ledger.Governance {
	state := n.store.State()
	switch {
	case state == nil:
		return nil
	case origin == n.id.Origin:
		return state.Governance
	case state.Partners[origin] != nil:
		return state.Partners[origin].Mirror.Governance
	}
	return nil
}
