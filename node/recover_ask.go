package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/cluster"
	"vigil/node/durable"
	"vigil/node/peer"
)

const (
	latestRoute = "/ledger/latest"
	askWait     = 10 * time.Second // for a gateway across the border
	memberWait  = 3 * time.Second
)

// latest is how much of the ledger a member has.
type latest struct {
	_      struct{} `cbor:",toarray"`
	Size   uint64
	Signed []byte // its newest checkpoint that counts; empty before the first
}

// serveLatest tells a member how much of the ledger is here.
func (n *Node) serveLatest(w http.ResponseWriter, _ *http.Request) {
	signed, err := n.store.Latest(n.id.Origin)
	if err != nil {
		http.Error(w, "it cannot be read", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(ledger.Marshal(latest{Size: n.Size(), Signed: signed})) // a lost answer is asked for again
}

// ask asks every member and every partner for what they have of the ledger, and takes what came by hand.
func (w *recovery) ask(ctx context.Context) error {
	i, err := cluster.Inspect(ctx, filepath.Join(w.r.Old.Dir, "raft"), w.keys.Node, w.store, nil)
	if err != nil {
		return err
	}
	if w.Voters, w.Answered = i.Voters, i.Answered; i.Refusal != nil {
		return fmt.Errorf("%w: %w", ErrMustReplace, i.Refusal)
	}
	w.askMembers(ctx)
	w.askPartners(ctx)
	for _, from := range slices.Sorted(maps.Keys(w.r.Checkpoints)) {
		m, err := w.mark(from, w.r.Checkpoints[from])
		if err == nil && m.by > 0 {
			w.say(from, m.cp.Size, fmt.Sprintf("is a checkpoint of %d entries that %d members signed", m.cp.Size, m.by))
		} else if err == nil {
			err = fmt.Errorf("%w: no member known here signed it", ledger.ErrCheckpoint)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return nil
}

func (w *recovery) askMembers(ctx context.Context) {
	g, self := w.state.Governance, w.keys.Node.Public().ID()
	for i := range g.Agencies {
		a := &g.Agencies[i]
		to := a.Node.Key.ID()
		if to == self {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, memberWait)
		raw, err := cluster.PostTo(ask, w.keys.Node, to, a.Node.Address, latestRoute, nil)
		cancel()
		var l latest
		if err == nil {
			err = ledger.Unmarshal(raw, &l, ledger.MaxCheckpointBytes+64)
		}
		if err != nil {
			w.say(string(a.ID), 0, "does not answer")
			continue
		}
		w.say(string(a.ID), l.Size, fmt.Sprintf("holds %d entries", l.Size))
		if len(l.Signed) > 0 {
			_, _ = w.mark(string(a.ID), l.Signed) // what it holds counts, what it cannot show does not
		}
	}
}

// askPartners asks each partner's gateways until one answers.
func (w *recovery) askPartners(ctx context.Context) {
	for _, link := range w.state.Governance.Partners {
		origin := link.Card.Origin
		if _, closed := w.state.Governance.ClosedAt(origin); closed {
			continue
		}
		said := errors.New("it names no gateway")
		for _, gateway := range gatewaysOf(w.state, link) {
			ask, cancel := context.WithTimeout(ctx, askWait)
			signed, err := peer.AskStopped(ask, w.keys.Node, w.id.Origin, origin, gateway)
			cancel()
			if said = err; err != nil {
				continue
			}
			if signed == nil {
				w.say(string(origin), 0, "has no checkpoint of this ledger")
			} else if m, err := w.mark(string(origin), signed); err != nil {
				said = err
			} else {
				w.say(string(origin), m.cp.Size, fmt.Sprintf("has a checkpoint of %d entries that %d members signed", m.cp.Size, m.by))
			}
			break
		}
		if j := string(origin.Jurisdiction()); said != nil && w.r.Checkpoints[j] == nil {
			w.unheard = append(w.unheard, j)
		}
		if said != nil {
			w.say(string(origin), 0, "does not answer: "+said.Error())
		}
	}
}

func (w *recovery) say(from string, size uint64, said string) {
	w.Words = append(w.Words, Word{From: from, Size: size, Said: said})
}

// mark takes a checkpoint of the ledger and counts who signed it.
func (w *recovery) mark(from string, signed []byte) (mark, error) {
	keys := w.state.Governance.CheckpointKeys()
	cp, valid, err := ledger.VerifyCosignatures(signed, keys)
	if err != nil {
		return mark{}, err
	}
	if cp.Origin != w.id.Origin {
		return mark{}, fmt.Errorf("%w: it is of %s", ledger.ErrCheckpoint, cp.Origin)
	}
	who := map[ledger.AgencyID]crypto.NodePublic{}
	for _, c := range valid {
		who[c.Agency] = c.Key
	}
	m := mark{from: from, cp: cp, signed: signed, by: len(who)}
	w.marks = append(w.marks, m)
	return m, nil
}

// writeSuccessor writes a SuccessorFile or a closing.
func writeSuccessor(path string, f any) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(b, '\n'), 0o600)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// ReadCheckpoint reads a signed checkpoint that came by hand.
func ReadCheckpoint(path string) ([]byte, error) {
	b, err := readSmall(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is not there", ErrConfig, path)
	}
	return b, err
}
