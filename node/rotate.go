package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/node/durable"
)

// keyFormer is the type of the events, sealed to the agency itself, that hand a key that left to the one in force: whoever
// has the newest key can open everything the agency ever could. Its one row is the secret key.
const keyFormer = "key.former"

// RotateKey implements api.Node: it makes this agency's next key and proposes it. Until the others have approved it the
// old key stays in force; asked again, the same key is proposed.
func (n *Node) RotateKey(ctx context.Context) (r author.Receipt, fingerprint string, err error) {
	state := n.store.State()
	if state == nil {
		return r, "", errNotYet
	}
	key, err := n.nextKey(state.Governance)
	if err != nil {
		return r, "", err
	}
	change, err := ledger.NewRekey(state.Governance, n.id.Agency, key)
	if err != nil {
		return r, "", err
	}
	r, err = n.propose(ctx, change)
	return r, key.Certificate().Fingerprint().String(), err
}

// AgencyKeys implements api.Node.
func (n *Node) AgencyKeys() []api.Key {
	out := []api.Key{}
	state := n.store.State()
	for _, k := range n.ring.all() {
		x := api.Key{Fingerprint: k.Certificate().Fingerprint().String(), Suite: string(k.Certificate().Suite()), State: "waiting for approvals", Created: k.Certificate().Created().UTC()}
		if state == nil {
			x.State = "not in a roster yet"
		} else if a, ok := state.Governance.Agency(n.id.Agency); ok && n.ring.named(a.Certificate) == k {
			x.State, x.Generation = "in force", a.Generation
		} else {
			for _, f := range state.Governance.Former {
				if f.Agency == n.id.Agency && n.ring.named(f.Certificate) == k {
					x.State, x.Generation = "former: opens what was sealed to it", f.Generation
				}
			}
		}
		out = append(out, x)
	}
	return out
}

// keepFormerKeys commits the keys that left, sealed to the one in force, until ctx ends.
func (n *Node) keepFormerKeys(ctx context.Context) error {
	var seen *ledger.Governance
	for ctx.Err() == nil {
		changed := n.store.Changed()
		if state := n.store.State(); state != nil && state.Governance != seen && n.signer(state) != nil {
			err := n.handOver(ctx, state)
			if err == nil {
				seen = state.Governance
			} else if ctx.Err() == nil {
				n.log.Warn("former keys are not in the ledger yet", "error", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

func (n *Node) handOver(ctx context.Context, state *ledger.State) error {
	if err := n.board.WaitFor(ctx, n.id.Origin, state.Size()); err != nil {
		return err
	}
	now := n.signer(state)
	for _, k := range n.ring.all() {
		if k == now {
			return nil // those behind it wait for approvals
		}
		id := ledger.EventIDFor(n.id.Agency, keyFormer+" "+k.Certificate().Fingerprint().String()+" "+now.Certificate().Fingerprint().String())
		if _, found, err := n.board.ByEvent(ctx, n.id.Agency, id); err != nil {
			return err
		} else if found {
			continue
		}
		secret := k.Secret()
		event := ledger.Event{ID: id, Type: keyFormer, Version: 1, Shared: []byte{}, Width: uint32(len(secret)), Rows: secret}
		if _, err := n.author.Submit(ctx, []ledger.AudienceName{ledger.AudienceName(n.id.Agency)}, []ledger.Event{event}); err != nil {
			return err
		}
	}
	return nil
}

// foundKey is told of a former key that the ledger held for us: it is kept, and the board follows every ledger again,
// because it opens what did not open before.
func (n *Node) foundKey(k *crypto.AgencyKey) {
	if err := n.ring.add(k, false); err != nil {
		n.log.Warn("a former key is not on disk; it comes from the ledger again", "error", err)
	}
	n.rewind()
}

const (
	rewindFile  = "rewind"
	rewindEvery = 200 * time.Millisecond
)

// rewind lets the board follow every ledger again. The wish is on disk until it has been fulfilled.
func (n *Node) rewind() {
	if err := durable.WriteFile(filepath.Join(n.cfg.Dir, rewindFile), nil, 0o600); err != nil {
		n.log.Warn("a stop before the board has followed everything again would forget that it must", "error", err)
	}
	for _, origin := range n.store.Origins() {
		n.board.Rewind(origin, 0)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rewinds++
}

// finishRewind forgets the wish once the board is where the ledgers are, until ctx ends.
func (n *Node) finishRewind(ctx context.Context) error {
	path := filepath.Join(n.cfg.Dir, rewindFile)
	if _, err := os.Stat(path); err == nil {
		n.rewind()
	}
	tick := time.NewTicker(rewindEvery)
	defer tick.Stop()
	for {
		n.mu.Lock()
		wishes := n.rewinds
		n.mu.Unlock()
		if wishes > 0 && n.board.CaughtUp() {
			n.mu.Lock()
			if n.rewinds == wishes {
				n.rewinds = 0
				if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					n.log.Warn("the board is followed again at the next start", "error", err)
				}
			}
			n.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
