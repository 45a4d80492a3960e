package ledger

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof says that an inclusion or consistency proof does not hold.
var ErrProof = errors.New("ledger: proof")

// Frontier is the right edge of an RFC 6962 tree: what is needed to append leaves and to know the root. Its zero
// value is the empty tree. Clone before appending to a shared one.
type Frontier struct {
	size  uint64
	edges []tlog.Hash // roots of the full subtrees, largest first
}

// Size returns the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Clone returns an independent copy.
func (f *Frontier) Clone() *Frontier { return &Frontier{size: f.size, edges: slices.Clone(f.edges)} }

// Append adds one leaf by its hash.
func (f *Frontier) Append(leaf tlog.Hash) {
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.edges) - 1
		leaf = tlog.NodeHash(f.edges[last], leaf)
		f.edges = f.edges[:last]
	}
	f.edges = append(f.edges, leaf)
	f.size++
}

// Root returns the RFC 6962 root.
func (f *Frontier) Root() tlog.Hash {
	if f.size == 0 {
		return EmptyRoot
	}
	root := f.edges[len(f.edges)-1]
	for i := len(f.edges) - 2; i >= 0; i-- {
		root = tlog.NodeHash(f.edges[i], root)
	}
	return root
}

type frontierWire struct {
	_     struct{} `cbor:",toarray"`
	Size  uint64
	Edges []tlog.Hash
}

// MarshalCBOR writes [size, edges].
func (f *Frontier) MarshalCBOR() ([]byte, error) {
	edges := f.edges
	if edges == nil {
		edges = []tlog.Hash{}
	}
	return encMode.Marshal(frontierWire{Size: f.size, Edges: edges})
}

// UnmarshalCBOR reads [size, edges]; there is one edge for every bit set in size.
func (f *Frontier) UnmarshalCBOR(b []byte) error {
	var w frontierWire
	if err := decMode.Unmarshal(b, &w); err != nil {
		return err
	}
	if len(w.Edges) != bits.OnesCount64(w.Size) {
		return fmt.Errorf("%w: a tree of %d leaves has %d edges", ErrEncoding, w.Size, bits.OnesCount64(w.Size))
	}
	f.size, f.edges = w.Size, w.Edges
	return nil
}

// ProveInclusion returns the RFC 6962 audit path of leaf index in the tree of size leaves.
func ProveInclusion(size, index uint64, r tlog.HashReader) ([]tlog.Hash, error) {
	p, err := tlog.ProveRecord(int64(size), int64(index), r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return p, nil
}

// RootAt returns the root of the tree of the first size leaves.
func RootAt(size uint64, r tlog.HashReader) (tlog.Hash, error) {
	if size == 0 {
		return EmptyRoot, nil
	}
	root, err := tlog.TreeHash(int64(size), r)
	if err != nil {
		return root, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return root, nil
}

// CheckInclusion checks an audit path.
func CheckInclusion(path []tlog.Hash, size uint64, root tlog.Hash, index uint64, leaf tlog.Hash) error {
	if size > 1<<62 || index >= size || len(path) > 64 {
		return fmt.Errorf("%w: index %d of %d", ErrProof, index, size)
	}
	if err := tlog.CheckRecord(path, int64(size), root, int64(index), leaf); err != nil {
		return fmt.Errorf("%w: leaf %d is not in the tree of %d", ErrProof, index, size)
	}
	return nil
}

// PathOf returns the audit path of leaf index over leaves that are all at hand.
func PathOf(leaves []tlog.Hash, index int) []tlog.Hash {
	var path []tlog.Hash
	level := slices.Clone(leaves)
	for len(level) > 1 {
		if sibling := index ^ 1; sibling < len(level) {
			path = append(path, level[sibling])
		}
		n := 0
		for i := 0; i < len(level); i += 2 {
			if i+1 < len(level) {
				level[n] = tlog.NodeHash(level[i], level[i+1])
			} else {
				level[n] = level[i]
			}
			n++
		}
		level, index = level[:n], index/2
	}
	return path
}
