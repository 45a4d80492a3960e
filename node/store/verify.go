package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Finding is something that does not verify.
type Finding struct {
	Origin ledger.Origin
	Index  uint64
	What   string
}

// Verify reads everything back from disk: every value against its checksum, every leaf and every node of the tree, every
// payload against its record; then it folds everything again from the genesis, with every signature, every checkpoint
// kept and every cosignature under the roster of its time, and compares what comes out with the state on disk. progress
// is called now and then; findings are handed on as they are found.
func (s *Store) Verify(ctx context.Context, progress func(origin ledger.Origin, done, size uint64), found func(Finding)) error {
	if err := s.Flush(); err != nil && !errors.Is(err, ErrFailed) { // a store that failed is still read
		return err
	}
	v := &verification{s: s, ctx: ctx, progress: progress, found: found}
	if err := v.values(); err != nil {
		return err
	}
	for _, origin := range s.Origins() {
		if err := v.tree(origin); err != nil {
			return err
		}
	}
	return v.replay()
}

type verification struct {
	s        *Store
	ctx      context.Context
	progress func(origin ledger.Origin, done, size uint64)
	found    func(Finding)
	findings int
	state    *ledger.State // folded as we go
	without  pledges
}

func (v *verification) report(origin ledger.Origin, index uint64, what string) {
	v.findings++
	v.found(Finding{origin, index, what})
}

const (
	progressEvery = 512
	valuesAtOnce  = 4096 // read in one transaction: a long one would keep the file from reusing pages
)

// values checks every value of the file against its checksum, whoever reads it and whether or not anybody does.
func (v *verification) values() error {
	paths, err := v.s.buckets()
	if err != nil {
		v.report(v.s.id.Origin, 0, err.Error())
		return nil
	}
	for _, path := range paths {
		for after := []byte{}; after != nil; {
			if v.ctx.Err() != nil {
				return v.ctx.Err()
			}
			before := after
			after, err = v.some(path, after)
			if err == nil && after != nil && bytes.Compare(after, before) <= 0 {
				err = fmt.Errorf("%w: ledger.db: keys of %s out of order", ErrDamaged, path[len(path)-1])
			}
			if err != nil {
				v.report(v.s.id.Origin, 0, err.Error())
				break
			}
		}
	}
	return nil
}

// some checks the values behind a key, and returns the last key; nil when there are no more.
func (v *verification) some(path [][]byte, after []byte) (last []byte, err error) {
	err = v.s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(path[0])
		for _, name := range path[1:] {
			b = b.Bucket(name)
		}
		name, c, n := path[len(path)-1], b.Cursor(), 0
		k, value := c.Seek(after)
		if len(after) > 0 && bytes.Equal(k, after) {
			k, value = c.Next()
		}
		for ; k != nil && n < valuesAtOnce; k, value = c.Next() {
			n, last = n+1, bytes.Clone(k)
			if value == nil {
				continue // a bucket
			}
			if _, err := opened(name, k, value); err != nil {
				v.report(v.s.id.Origin, fromBE(k), err.Error())
			}
		}
		return nil
	})
	return last, err
}

// tree checks every entry of a ledger by itself, and every node of its tree against the leaves.
func (v *verification) tree(origin ledger.Origin) error {
	size, own := v.s.Size(origin), origin == v.s.id.Origin
	governance, err := v.s.Governance(origin, 0)
	if err != nil {
		v.report(origin, 0, err.Error())
	}
	var nodes []tlog.Hash // of the subtrees that are complete so far, the largest first
	for i := uint64(0); i < size; i++ {
		if v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		e, bare, leaf, err := v.s.Entry(origin, i)
		switch {
		case err != nil && !errors.Is(err, ErrExpunged) && (own || !errors.Is(err, ErrAbsent) || leaf == (tlog.Hash{})):
			v.report(origin, i, err.Error())
		case bare && own:
			v.report(origin, i, "the entry is missing, only its hash is here")
		case !bare:
			v.indexes(origin, i, e, leaf, slices.Contains(governance, i), own)
		}
		if nodes, err = v.nodes(origin, i, nodes, leaf); err != nil {
			v.report(origin, i, err.Error())
		}
		if i%progressEvery == 0 {
			v.progress(origin, i, size)
		}
	}
	v.progress(origin, size, size)
	return nil
}

// nodes checks the tree's nodes that a leaf completes.
func (v *verification) nodes(origin ledger.Origin, index uint64, nodes []tlog.Hash, leaf tlog.Hash) ([]tlog.Hash, error) {
	stored := []tlog.Hash{leaf}
	nodes = append(nodes, leaf)
	for n := index; n&1 == 1; n >>= 1 {
		last := len(nodes) - 1
		nodes = append(nodes[:last-1], tlog.NodeHash(nodes[last-1], nodes[last]))
		stored = append(stored, nodes[last-1])
	}
	at := make([]int64, len(stored))
	for i := range at {
		at[i] = tlog.StoredHashIndex(0, int64(index)) + int64(i)
	}
	have, err := v.s.HashReader(origin).ReadHashes(at)
	if err == nil && !slices.Equal(have, stored) {
		err = errors.New("the stored tree does not follow from its leaves")
	}
	return nodes, err
}

// indexes checks what leads to an entry.
func (v *verification) indexes(origin ledger.Origin, index uint64, e ledger.Entry, leaf tlog.Hash, listed, own bool) {
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		v.report(origin, index, err.Error())
		return
	}
	if listed != (rec.Kind == ledger.KindGovernance) {
		v.report(origin, index, "the list of governance entries is wrong about it")
	}
	if !own {
		return
	}
	at, have, ok, err := v.s.BySequence(rec.Writer, rec.Sequence)
	if err != nil || !ok || at != index || have != leaf {
		v.report(origin, index, "the index of sequences does not lead to it")
	}
}

// replay folds everything that is on disk again, as a follower would that was sent it.
func (v *verification) replay() error {
	j, err := v.s.onDisk()
	if errors.Is(err, ErrAbsent) {
		return nil
	}
	if err == nil {
		err = j.frames(v)
	}
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	if err == nil {
		err = errors.Join(v.without.kept(), v.mirrors(j.state))
	}
	if err != nil {
		v.report(v.s.id.Origin, v.size(), err.Error())
	}
	return nil
}

func (v *verification) size() uint64 {
	if v.state == nil {
		return 0
	}
	return v.state.Size()
}

// frame implements sink: it folds one frame.
func (v *verification) frame(kind byte, _ int, body func() ([]byte, error)) error {
	if v.ctx.Err() != nil {
		return v.ctx.Err()
	}
	b, err := body()
	if err != nil {
		return err
	}
	switch kind {
	case 'E':
		var e ledger.Entry
		if err := ledger.Unmarshal(b, &e, maxFrameBytes); err != nil {
			return err
		}
		return v.own(e, false)
	case 'X':
		return v.own(ledger.Entry{Leaf: b}, true)
	case 'M':
		return v.mirror(b)
	case 'B':
		return v.boundary()
	}
	return nil
}

func (v *verification) own(e ledger.Entry, gone bool) error {
	next, _, err := v.without.apply(v.state, ledger.Prepare(e, nil), func(i ledger.Index) ([]byte, error) { return v.s.Leaf(v.s.id.Origin, i) }, gone)
	if err != nil {
		return err
	}
	v.state = next
	if v.size()%progressEvery == 0 {
		v.progress(v.s.id.Origin, v.size(), v.s.Size(v.s.id.Origin))
	}
	return v.checkpoint(v.s.id.Origin, v.size(), v.state.Root(), v.state.Governance)
}

func (v *verification) mirror(body []byte) error {
	b, err := ledger.DecodeMirrorBatch(body)
	if err != nil {
		return err
	}
	if v.state == nil {
		return errors.New("a mirror before the genesis")
	}
	next, r := v.state.ApplyMirror(b)
	if r.Verdict != ledger.MirrorApplied {
		return fmt.Errorf("a mirror batch of %s does not hold: %w", b.Origin, errors.Join(r.Reason))
	}
	v.state = next
	m := next.Partners[b.Origin].Mirror
	return v.checkpoint(b.Origin, m.Size(), m.Tree.Root(), m.Governance)
}

// boundary compares what is noted about this size.
func (v *verification) boundary() error {
	line, evidence, _, err := v.s.Boundary(v.size())
	if err == nil && (line != v.state.Line() || !bytes.Equal(ledger.Marshal(evidence), ledger.Marshal(v.state.Evidence()))) {
		err = errors.New("another state was noted at this size")
	}
	return err
}

// checkpoint checks a checkpoint that is kept for this size, and every cosignature of a member of then. One that was
// collected while the roster moved on may count under the roster that is in force by now.
func (v *verification) checkpoint(origin ledger.Origin, size uint64, root tlog.Hash, then *ledger.Governance) error {
	signed, err := v.s.Checkpoint(origin, size)
	if err != nil || signed == nil {
		return err
	}
	cp, lines, err := ledger.ParseSigned(signed)
	if err != nil {
		return err
	}
	counts, verified := false, map[string]bool{}
	for _, g := range []*ledger.Governance{then, v.rosterNow(origin)} {
		_, cosignatures, err := ledger.VerifyCosignatures(signed, g.CheckpointKeys())
		if err != nil {
			return err
		}
		ok, _ := ledger.Counts(cosignatures, g.QuorumSize())
		closed, ends := v.s.State().Governance.ClosedAt(origin)
		ends = ends && slices.ContainsFunc(cosignatures, func(c ledger.Cosignature) bool { return c.Agency == closed.By })
		counts = counts || ok || ends
		for _, c := range cosignatures {
			verified[c.Line] = true
		}
	}
	if !counts {
		v.report(origin, size, "the checkpoint kept for this size has too few valid cosignatures")
	}
	for _, l := range lines {
		if _, member := then.Agency(ledger.Signer(l)); member && !verified[l] {
			v.report(origin, size, fmt.Sprintf("the cosignature of %s at this size does not verify", ledger.Signer(l)))
		}
	}
	own := origin == v.s.id.Origin
	if cp.Origin != origin || cp.Size != size || cp.Root != root || own && cp.State != v.state.Line() {
		v.report(origin, size, "the checkpoint kept for this size is of another ledger")
	}
	return nil
}

func (v *verification) rosterNow(origin ledger.Origin) *ledger.Governance {
	now := v.s.State()
	if origin == v.s.id.Origin {
		return now.Governance
	}
	return now.Partners[origin].Mirror.Governance
}

// mirrors compares what was folded with the state on disk.
func (v *verification) mirrors(stored *ledger.State) error {
	if v.state == nil || !bytes.Equal(v.state.EncodeMoving(), stored.EncodeMoving()) || !bytes.Equal(v.state.EncodeRosters(), stored.EncodeRosters()) {
		return errors.New("the state on disk does not follow from the entries")
	}
	return nil
}
