// Package cosign makes checkpoints count: it asks the members of the jurisdiction to cosign the size the ledger has
// reached, signs what this node itself has applied and re-hashed, collects what partners send back, and hands the
// signed checkpoint to everyone at home.
//
// Signatures live beside the ledger, never in it: losing them loses time, not entries. The package does not know how
// nodes reach each other, who leads, or what entries mean.
package cosign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// Errors of signing and collecting.
var (
	// ErrNotOurs refuses a checkpoint that is not what this node has applied: a size it has not reached, another
	// root, another state line.
	ErrNotOurs = errors.New("cosign: not the ledger this node has applied")
	// ErrDamaged says that the leaves on this disk do not hash to the tree any more; nothing is signed.
	ErrDamaged = errors.New("cosign: the stored leaves do not hash to the tree")
	// ErrQuorum says that fewer agencies signed than a checkpoint needs.
	ErrQuorum = errors.New("cosign: too few agencies signed")
)

// Store is what cosigning needs of the ledger on disk.
type Store interface {
	State() *ledger.State
	// Boundary returns the state line noted when the ledger had exactly size entries.
	Boundary(size uint64) (line tlog.Hash, evidence ledger.Evidence, ok bool, err error)
	// NextBoundary returns the greatest boundary above after whose payloads since after stay within the bytes of one
	// mirror batch, and at least the next one.
	NextBoundary(after uint64) (size uint64, ok bool, err error)
	// Governance returns the indexes of the governance entries from an index on.
	Governance(origin ledger.Origin, from uint64) ([]uint64, error)
	// Leaf reads the leaf bytes from disk, not from the tree.
	Leaf(origin ledger.Origin, index ledger.Index) ([]byte, error)
	HashReader(origin ledger.Origin) tlog.HashReader
	Wait(ctx context.Context, origin ledger.Origin, size uint64) error
	// Latest returns the newest checkpoint that counts, nil before the first.
	Latest(origin ledger.Origin) ([]byte, error)
	Checkpoint(origin ledger.Origin, size uint64) ([]byte, error)
	PutCheckpoint(origin ledger.Origin, signed []byte) error
	// SetLastSigned persists, synced, before it returns, and refuses a smaller size or another root for the same.
	SetLastSigned(origin ledger.Origin, size uint64, root tlog.Hash) error
}

// Members reaches the other nodes of the jurisdiction.
type Members interface {
	// Ask posts a checkpoint to one node's signer and returns its cosignature line.
	Ask(ctx context.Context, node crypto.NodeID, checkpoint string) (line string, err error)
	// Give hands a signed checkpoint to one node.
	Give(ctx context.Context, node crypto.NodeID, signed []byte) error
	// Leads says whether this node leads now.
	Leads() bool
}

// Config names what a Cosigner works with; every field but May, Contradicted, Ahead, Sealed and Clock is required.
type Config struct {
	Agency  ledger.AgencyID
	Node    crypto.NodeID
	Key     *crypto.NodeKey // the checkpoint key
	Store   Store
	Members Members
	Log     *slog.Logger
	// Alarm is told of signed contradictions and of damage; it must not block.
	Alarm func(reason string, who string)
	// May says why this node must sign nothing yet; nil once it may.
	May func() error
	// Contradicted gets a checkpoint that somebody signed and that is not of the history this node has verified.
	Contradicted func(signed []byte)
	// Ahead gets a checkpoint that too few signed, of a size that is not here yet: it is compared once it is.
	Ahead func(signed []byte)
	// Sealed is told when a checkpoint begins to count.
	Sealed func(c ledger.Checkpoint, noLaterThan time.Time)
	// Clock is the time of day that signatures carry; nil is the operating system's.
	Clock func() time.Time
}

// Cosigner is safe for concurrent use.
type Cosigner struct {
	cfg  Config
	mu   sync.Mutex
	tree *ledger.Frontier // over the leaves re-hashed from disk; guarded by mu
}

// New returns a Cosigner; Run drives it, Sign and Take answer others.
func New(cfg Config) *Cosigner {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Cosigner{cfg: cfg, tree: &ledger.Frontier{}}
}

// Sign cosigns a checkpoint of our own ledger if it is exactly what this node has applied: the root is computed from
// the leaf bytes read back from disk, on a path that shares nothing with the stored tree. The size and root are on
// disk before the signature exists. A crash in between costs one signature, never two for one size.
func (c *Cosigner) Sign(text string) (line string, err error) {
	if err := c.may(); err != nil {
		return "", err
	}
	cp, err := ledger.ParseCheckpointText(text)
	if err != nil {
		return "", err
	}
	state := c.cfg.Store.State()
	if state == nil || cp.Origin != state.Governance.Origin || cp.Size == 0 || cp.Size > state.Size() {
		return "", fmt.Errorf("%w: size %d", ErrNotOurs, cp.Size)
	}
	want, _, ok, err := c.cfg.Store.Boundary(cp.Size)
	if err != nil {
		return "", err
	}
	if !ok || want != cp.State {
		return "", fmt.Errorf("%w: state line at size %d", ErrNotOurs, cp.Size)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	root, err := c.rehash(cp.Origin, cp.Size)
	if err != nil {
		return "", err
	}
	if root != cp.Root {
		return "", fmt.Errorf("%w: root at size %d", ErrNotOurs, cp.Size)
	}
	if err := c.cfg.Store.SetLastSigned(cp.Origin, cp.Size, cp.Root); err != nil {
		return "", err
	}
	return ledger.Cosign(cp, c.cfg.Agency, c.cfg.Key, c.cfg.Clock())
}

func (c *Cosigner) may() error {
	if c.cfg.May == nil {
		return nil
	}
	return c.cfg.May()
}

func (c *Cosigner) contradicted(signed []byte) {
	if c.cfg.Contradicted != nil {
		c.cfg.Contradicted(signed)
	}
}

// rehash returns the root over the first size leaves as they are on disk now. It remembers where it was, so that a
// growing ledger is read once; a smaller size than last time is read from the tree.
func (c *Cosigner) rehash(origin ledger.Origin, size uint64) (tlog.Hash, error) {
	reader := c.cfg.Store.HashReader(origin)
	stored, err := tlog.TreeHash(int64(size), reader)
	if err != nil || size < c.tree.Size() {
		return stored, err
	}
	tree := c.tree.Clone()
	for i := tree.Size(); i < size; i++ {
		leaf, err := c.cfg.Store.Leaf(origin, i)
		if err != nil {
			return tlog.Hash{}, fmt.Errorf("%w: leaf %d: %w", ErrDamaged, i, err)
		}
		tree.Append(ledger.LeafHash(leaf))
	}
	if tree.Root() != stored {
		c.cfg.Alarm("the stored leaves do not hash to the stored tree", string(c.cfg.Agency))
		return tlog.Hash{}, fmt.Errorf("%w: below %d", ErrDamaged, size)
	}
	c.tree = tree
	return stored, nil
}

// CosignPartner signs a partner's checkpoint that our own replicas have verified and committed as a mirror: that one, to its state line,
// as two of one size are a fork of whoever signs both.
func (c *Cosigner) CosignPartner(cp ledger.Checkpoint) (line string, err error) {
	if err := c.may(); err != nil {
		return "", err
	}
	state := c.cfg.Store.State()
	partner := state.Partners[cp.Origin]
	if partner == nil || cp.Size > partner.Mirror.Size() {
		return "", fmt.Errorf("%w: mirror of %s at %d", ErrNotOurs, cp.Origin, cp.Size)
	}
	kept, err := c.cfg.Store.Checkpoint(cp.Origin, cp.Size)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	root, err := tlog.TreeHash(int64(cp.Size), c.cfg.Store.HashReader(cp.Origin))
	if err != nil {
		return "", err
	}
	if root != cp.Root {
		c.cfg.Alarm("a partner showed another root than the one mirrored", string(cp.Origin))
		return "", fmt.Errorf("%w: root of %s at %d", ErrNotOurs, cp.Origin, cp.Size)
	}
	if mirrored, _, err := ledger.ParseSigned(kept); err != nil || mirrored != cp {
		return "", fmt.Errorf("%w: %s at %d was mirrored under another checkpoint", ErrNotOurs, cp.Origin, cp.Size)
	}
	if err := c.cfg.Store.SetLastSigned(cp.Origin, cp.Size, cp.Root); err != nil {
		return "", err
	}
	return ledger.Cosign(cp, c.cfg.Agency, c.cfg.Key, c.cfg.Clock())
}
