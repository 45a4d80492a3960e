package store

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// Finding is something that does not verify.
type Finding struct {
	Origin ledger.Origin
	Index  uint64
	What   string
}

// Verify reads everything back from disk: every leaf against the tree, the tree against the state, every payload
// against its record, every signature of our own ledger against the roster as it was, every checkpoint kept. progress
// is called now and then; findings are handed on as they are found.
func (s *Store) Verify(ctx context.Context, progress func(origin ledger.Origin, done, size uint64), found func(Finding)) error {
	if err := s.Flush(); err != nil && !errors.Is(err, ErrFailed) { // a store that failed is still read
		return err
	}
	for _, origin := range s.Origins() {
		v := verifier{s: s, origin: origin, found: found, tree: &ledger.Frontier{}}
		size := s.Size(origin)
		for i := uint64(0); i < size; i++ {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v.entry(i)
			if i%512 == 0 {
				progress(origin, i, size)
			}
		}
		v.end(size)
		progress(origin, size, size)
	}
	return nil
}

type verifier struct {
	s      *Store
	origin ledger.Origin
	found  func(Finding)
	tree   *ledger.Frontier
	state  *ledger.Governance // folded as we go, for the signatures
	broken bool               // governance could not be folded: signatures are not checked any more
}

func (v *verifier) report(index uint64, what string) { v.found(Finding{v.origin, index, what}) }

func (v *verifier) entry(index uint64) {
	e, bare, hash, err := v.s.Entry(v.origin, index)
	if err != nil && !errors.Is(err, ErrAbsent) {
		v.report(index, err.Error())
	}
	v.tree.Append(hash)
	if bare || err != nil || v.broken {
		v.broken = v.broken || err != nil
		return
	}
	v.signature(index, e, hash)
}

// signature checks the author's signature under the roster at this position and folds governance.
func (v *verifier) signature(index uint64, e ledger.Entry, hash tlog.Hash) {
	if index == 0 {
		first, err := ledger.Found(e)
		if err != nil {
			v.broken = true
			v.report(index, err.Error())
			return
		}
		v.state = first.Governance
		return
	}
	rec, err := e.Open()
	if err != nil {
		v.report(index, err.Error())
		return
	}
	certificate, ok := v.state.Certificate(rec.Author)
	if !ok {
		v.report(index, "the author was not in the roster")
		return
	}
	if _, err := ledger.VerifyLeaf(e.Leaf, certificate); err != nil {
		v.report(index, err.Error())
	}
	if rec.Kind != ledger.KindGovernance {
		return
	}
	next, err := v.state.Fold(rec, e.Payload, index, hash)
	if err != nil {
		v.broken = true
		v.report(index, err.Error())
		return
	}
	v.state = next
}

// end compares the root with the state and the newest checkpoint.
func (v *verifier) end(size uint64) {
	root, err := tlog.TreeHash(int64(size), v.s.HashReader(v.origin))
	if size > 0 && (err != nil || root != v.tree.Root()) {
		v.report(size, "the stored tree does not have the root of its leaves")
	}
	signed, err := v.s.Latest(v.origin)
	if err != nil || signed == nil || v.state == nil {
		return
	}
	cp, cosignatures, err := ledger.VerifyCosignatures(signed, v.state.CheckpointKeys())
	if err != nil {
		v.report(size, err.Error())
		return
	}
	if ok, _ := ledger.Counts(cosignatures, v.state.QuorumSize()); !ok {
		v.report(cp.Size, "the newest checkpoint has too few valid cosignatures under today's roster")
	}
	if cp.Size <= size {
		if at, err := tlog.TreeHash(int64(cp.Size), v.s.HashReader(v.origin)); err != nil || at != cp.Root {
			v.report(cp.Size, "the newest checkpoint has another root than the stored tree")
		}
	}
}
