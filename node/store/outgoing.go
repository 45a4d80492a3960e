package store

import (
	"errors"
	"slices"

	"vigil/ledger"
)

// Outgoing returns the batch that takes a partner from its cursor to the greatest checkpoint that still fits one batch:
// what is released to it in full, all else as hashes. It is nil while there is no checkpoint beyond the cursor.
func (s *Store) Outgoing(partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	size, signed, evidence, err := s.nextCheckpoint(from)
	if err != nil || signed == nil {
		return nil, err
	}
	b := &ledger.MirrorBatch{Origin: s.id.Origin, From: from, Checkpoint: signed, Evidence: evidence}
	for i := from; i < size; i++ {
		e, _, hash, err := s.Entry(s.id.Origin, i)
		if err != nil && !errors.Is(err, ErrExpunged) { // of what was expunged the leaf goes on
			return nil, err
		}
		rec, _, err := ledger.OpenLeaf(e.Leaf)
		if err != nil {
			return nil, err
		}
		if ledger.ReleasedTo(rec, partner) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(hash))
		}
	}
	return b, nil
}

// nextCheckpoint finds the greatest checkpoint beyond from whose entries fit one batch, at least the next one.
func (s *Store) nextCheckpoint(from uint64) (size uint64, signed []byte, evidence ledger.Evidence, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes, err := s.checkpointSizes(s.id.Origin, from, false)
	if err != nil || len(sizes) == 0 {
		return 0, nil, evidence, err
	}
	slices.Sort(sizes)
	start := boundary{}
	if from > 0 {
		if start, _, err = s.boundary(from); err != nil {
			return 0, nil, evidence, err
		}
	}
	for _, candidate := range slices.Compact(sizes) {
		b, ok, err := s.boundary(candidate)
		if err != nil {
			return 0, nil, evidence, err
		}
		if !ok {
			continue
		}
		if size > 0 && (b.Bytes-start.Bytes > batchBytes || candidate-from > ledger.MaxMirrorItems) {
			break
		}
		size, evidence = candidate, b.Evidence
	}
	if size == 0 {
		return 0, nil, evidence, nil
	}
	signed, err = s.checkpoint(s.id.Origin, size)
	return size, signed, evidence, err
}
