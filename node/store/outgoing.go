package store

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"vigil/ledger"
)

// Outgoing returns the batch that takes a partner from its cursor to the greatest checkpoint that still fits one batch:
// what is released to it in full, all else as hashes. It is nil while there is no checkpoint beyond the cursor.
func (s *Store) Outgoing(partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	return s.OutgoingUntil(partner, from, math.MaxUint64)
}

// OutgoingUntil is Outgoing that goes to no checkpoint beyond a size.
func (s *Store) OutgoingUntil(partner ledger.JurisdictionID, from, most uint64) (*ledger.MirrorBatch, error) {
	size, signed, evidence, err := s.nextCheckpoint(from, most)
	if err != nil || signed == nil {
		return nil, err
	}
	b := &ledger.MirrorBatch{Origin: s.id.Origin, From: from, Checkpoint: signed, Evidence: evidence}
	for i := from; i < size; i++ {
		e, rec, hash, err := s.entry(s.id.Origin, i)
		if err != nil && !errors.Is(err, ErrExpunged) { // of what was expunged the leaf goes on
			return nil, err
		}
		if rec == nil {
			return nil, fmt.Errorf("%w: leaf %d of %s", ErrDamaged, i, s.id.Origin)
		}
		if ledger.ReleasedTo(rec, partner) {
			b.Items = append(b.Items, ledger.Full(e))
		} else {
			b.Items = append(b.Items, ledger.Bare(hash))
		}
	}
	return b, nil
}

// MirrorEnd is where a batch of a mirror ended: the checkpoint there, and what leads from it to the rosters.
type MirrorEnd struct {
	Checkpoint []byte
	Evidence   ledger.Evidence
}

// MirrorEnds returns where the batches of a mirror ended, the newest first.
func (s *Store) MirrorEnds(origin ledger.Origin) (out []MirrorEnd, err error) {
	all, err := s.mirrored(origin)
	for _, m := range all {
		out = append(out, MirrorEnd{m.Checkpoint, m.Evidence})
	}
	slices.Reverse(out)
	return out, err
}

// mirrored returns the places of a mirror's batches in order, those that are not on disk yet among them. Nobody waits while they are
// read: what is on disk is as it was when the others were copied.
func (s *Store) mirrored(origin ledger.Origin) (out []journalMirror, err error) {
	defer onFault(&err)()
	var later []journalMirror
	tx, err := func() (*bbolt.Tx, error) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, o := range []*overlay{s.flushing, s.pending} {
			if o != nil {
				later = append(later, o.journal...)
			}
		}
		return s.db.Begin(false)
	}()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	add := func(m journalMirror) {
		if n := len(out); m.Origin == origin && (n == 0 || m.From >= out[n-1].From+out[n-1].Count) { // one that is being flushed may be on disk, too
			out = append(out, m)
		}
	}
	for number := uint64(1); number <= journalEnd(tx); number++ {
		raw, err := opened(bucketJournal, be64(number), tx.Bucket(bucketOwn).Bucket(bucketJournal).Get(be64(number)))
		var m journalMirror
		if err == nil {
			err = ledger.Unmarshal(raw, &m, maxFrameBytes)
		}
		if err != nil {
			return nil, err
		}
		add(m)
	}
	for _, m := range later {
		add(m)
	}
	return out, nil
}

// Remaining returns the batch that takes a partner from its cursor further into the ledger that ours continues, of which
// all is here; nil where it has all.
func (s *Store) Remaining(origin ledger.Origin, partner ledger.JurisdictionID, from uint64) (*ledger.MirrorBatch, error) {
	all, err := s.mirrored(origin)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m.From+m.Count <= from {
			continue
		}
		if m.From > from {
			return nil, fmt.Errorf("%w: no mirror batch of %s holds entry %d", ErrDamaged, origin, from)
		}
		b, err := s.mirrorBatch(m)
		if err != nil {
			return nil, err
		}
		b.From, b.Items = from, b.Items[from-m.From:]
		for i, item := range b.Items {
			rec, _, err := ledger.OpenLeaf(item.Leaf)
			if err != nil {
				return nil, err
			}
			if !ledger.ReleasedTo(rec, partner) {
				b.Items[i] = ledger.Bare(item.LeafHash())
			}
		}
		return b, nil
	}
	return nil, nil
}

// nextCheckpoint finds the greatest checkpoint beyond from whose entries fit one batch, at least the next one.
func (s *Store) nextCheckpoint(from, most uint64) (size uint64, signed []byte, evidence ledger.Evidence, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes, err := s.checkpointSizes(s.id.Origin, from, false)
	if err != nil || len(sizes) == 0 {
		return 0, nil, evidence, err
	}
	sizes = slices.DeleteFunc(sizes, func(size uint64) bool { return size > most })
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
