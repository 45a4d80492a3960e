package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"vigil/ledger"
	"vigil/node/api"
	"vigil/node/author"
	"vigil/node/store"
)

const (
	closedFile    = "closed.json"
	successorFile = "successor.json"
	// takeOverAgain is when the founder of a successor tries again to take the old ledger over.
	takeOverAgain = time.Second
	// takeOverWait is how long after the leader's answer a batch may take to be here.
	takeOverWait = 30 * time.Second
)

// Errors of ledgers that end.
var (
	// ErrClosed refuses to start a node of a ledger that another one continues.
	ErrClosed = errors.New("node: this node's ledger is closed")
	// ErrSuccessor says that a file names no successor, or one of another ledger.
	ErrSuccessor = errors.New("node: successor")
)

// SuccessorFile is what the other agencies need to come over to a ledger that continues theirs. It holds no secret; genesis
// and node keys pin everything after.
type SuccessorFile struct {
	Version int           `json:"vigil_successor"`
	Origin  ledger.Origin `json:"origin"`
	Genesis string        `json:"genesis"`
	Members []Pin         `json:"members"`
	Of      ClosedLedger  `json:"of"`
}

// ClosedLedger says where a ledger ends.
type ClosedLedger struct {
	Origin ledger.Origin `json:"origin"`
	Size   uint64        `json:"size"`
	Root   string        `json:"root"`
}

// closing is closed.json in the directory of a ledger that is closed: the successor's file, and how far its founding came.
type closing struct {
	SuccessorFile
	Sealed uint64 `json:"sealed,omitempty"` // as in OldLedger: once the rest is signed, the old ledger does not say it any more
	// Founding is set until the new node may have an identity: nothing has started yet, and another successor may take its place.
	Founding bool `json:"founding,omitempty"`
}

// OldLedger is where the node of a successor's founder finds the ledger that it continues.
type OldLedger struct {
	Dir    string        `json:"dir"`
	Origin ledger.Origin `json:"origin"`
	Node   string        `json:"node"`
	Sealed uint64        `json:"sealed"` // size of the last checkpoint that its members' quorum signed
}

// ReadSuccessor reads the file that 'vigil ledger recover' wrote.
func ReadSuccessor(path string) (SuccessorFile, error) {
	c, err := readClosing(path)
	return c.SuccessorFile, err
}

func readClosing(path string) (closing, error) {
	var c closing
	b, err := readSmall(path)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrSuccessor, err)
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Version != 1 || len(c.Members) == 0 || len(c.Members) > ledger.MaxAgencies {
		return c, fmt.Errorf("%w: %s is not a file that 'vigil ledger recover' wrote", ErrSuccessor, path)
	}
	return c, nil
}

// Follow makes a new node one of the ledger that continues the agency's.
func (r *Replacing) Follow(f SuccessorFile) error {
	if f.Of.Origin != r.Origin {
		return fmt.Errorf("%w: it continues %s, and this agency's ledger is %s", ErrSuccessor, f.Of.Origin, r.Origin)
	}
	r.Origin, r.Genesis, r.Members = f.Origin, f.Genesis, f.Members
	return nil
}

// closeDirectory keeps a directory from being started again: its ledger goes on elsewhere.
func closeDirectory(dir string, c closing) error {
	return writeSuccessor(filepath.Join(dir, closedFile), c)
}

// checkClosed refuses a directory whose ledger goes on elsewhere.
func checkClosed(dir string) error {
	c, err := readClosing(filepath.Join(dir, closedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.refusal()
}

func (c closing) refusal() error {
	if c.Founding {
		return fmt.Errorf("%w at %d entries and its successor is not founded yet; what is here must not be started again: vigil ledger recover --from it, once more", ErrClosed, c.Of.Size)
	}
	return fmt.Errorf("%w at %d entries and goes on as %s; what is here must not be started again", ErrClosed, c.Of.Size, c.Origin)
}

// predecessor is where the ledger ended that ours continues; nil where it continues none.
func (n *Node) predecessor() *ledger.Closed {
	state := n.store.State()
	if state == nil || len(state.Governance.Predecessor) == 0 {
		return nil
	}
	return &state.Governance.Predecessor[0]
}

// linkSuccessor proposes to link the ledger that continues a partner's, unless that ends before what is mirrored here.
func (n *Node) linkSuccessor(ctx context.Context, state *ledger.State, next ledger.SuccessorCard) (author.Receipt, error) {
	m, of := state.Partners[next.Of.Origin].Mirror, next.Of
	if m.Size() > of.Size || m.Size() == of.Size && m.Tree.Root() != of.Root {
		return author.Receipt{}, refuse(http.StatusConflict, "other-end", fmt.Sprintf("it says that %s ended at %d entries, and %d are mirrored and verified here", of.Origin, of.Size, m.Size()),
			"give them the checkpoint of that ledger that is here: vigil ledger checkpoint; it shows what they lack")
	}
	return n.propose(ctx, &ledger.Succeed{Card: next.Card, Of: of})
}

// predecessorProblems say that the ledger that ours continues is not here whole.
func (n *Node) predecessorProblems() []api.NodeProblem {
	of := n.predecessor()
	if of == nil {
		return nil
	}
	here := n.store.Size(of.Origin)
	switch {
	case here == of.Size:
		return nil
	case n.id.Predecessor != nil:
		return []api.NodeProblem{{Severity: "warning", What: fmt.Sprintf("of the old ledger %s, closed at %d entries, %d are here", of.Origin, of.Size, here), Fix: "keep " + n.id.Predecessor.Dir + "; what was given up when it was closed never comes"}}
	}
	return []api.NodeProblem{{Severity: "warning", What: fmt.Sprintf("of the old ledger %s, closed at %d entries, %d are here", of.Origin, of.Size, here), Fix: "the founder's node brings it; 'vigil status' there"}}
}

// takeOver has the ledger that ours continues committed by our own replicas, where this node founded the successor: from
// the old directory, as if a gateway sent it. Every replica checks it against the end that the genesis names.
func (n *Node) takeOver(ctx context.Context) error {
	if n.id.Predecessor == nil {
		return nil
	}
	for ctx.Err() == nil {
		changed := n.store.Changed()
		if of := n.predecessor(); of != nil && n.store.Size(of.Origin) == of.Size {
			return nil
		} else if of != nil {
			whole, err := n.takeOverFrom(ctx, of)
			if err == nil && whole {
				n.log.Info("the old ledger is here", "ledger", of.Origin, "entries", n.store.Size(of.Origin), "of", of.Size)
				return nil
			}
			if err != nil && ctx.Err() == nil {
				n.log.Warn("the old ledger is not here whole yet; it is tried again", "directory", n.id.Predecessor.Dir, "error", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(takeOverAgain):
		}
	}
	return nil
}

func (n *Node) takeOverFrom(ctx context.Context, of *ledger.Closed) (whole bool, err error) {
	dir := filepath.Join(n.id.Predecessor.Dir, "ledger")
	if _, err := os.Stat(filepath.Join(dir, "store.json")); err != nil { // where nothing is, Open would make a store
		return false, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	old, err := store.Open(dir, store.Identity{Origin: n.id.Predecessor.Origin, Node: n.id.Predecessor.Node})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if old.State() == nil {
		return false, fmt.Errorf("%w: %s is empty", ErrDirectory, dir)
	}
	for ctx.Err() == nil {
		from := n.store.Size(of.Origin)
		most := of.Size
		if from < n.id.Predecessor.Sealed {
			most = n.id.Predecessor.Sealed // a batch ends there, under a checkpoint that bundles can name
		}
		b, err := old.OutgoingUntil(n.id.Origin.Jurisdiction(), from, most)
		if err != nil || b == nil {
			return err == nil, err
		}
		result, err := n.cluster.ProposeMirror(ctx, b)
		switch {
		case err != nil:
			return false, err
		case result.Verdict != ledger.MirrorApplied && result.Verdict != ledger.MirrorRepeat:
			return false, fmt.Errorf("%w: %w", errMirror, errors.Join(result.Reason))
		}
		wait, cancel := context.WithTimeout(ctx, takeOverWait) // a leader may have said so and not have done it
		err = n.store.Wait(wait, of.Origin, from+uint64(len(b.Items)))
		cancel()
		if err != nil {
			return false, err
		}
	}
	return false, ctx.Err()
}
