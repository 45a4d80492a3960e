package store

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// HashReader reads the tree hashes of a ledger, by tlog's storage index.
func (s *Store) HashReader(origin ledger.Origin) tlog.HashReader { return hashReader{s, origin} }

type hashReader lockedReader

// ReadHashes implements tlog.HashReader.
func (r hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	r.s.mu.RLock()
	defer r.s.mu.RUnlock()
	return lockedReader(r).ReadHashes(indexes)
}

// Hash returns the leaf hash of an entry, also where only that is here.
func (s *Store) Hash(origin ledger.Origin, index ledger.Index) (tlog.Hash, error) {
	if index >= s.Size(origin) {
		return tlog.Hash{}, fmt.Errorf("%w: entry %d of %s", ErrAbsent, index, origin)
	}
	h, err := s.HashReader(origin).ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
	if err != nil {
		return tlog.Hash{}, err
	}
	return h[0], nil
}

// Leaf returns a leaf's bytes, checked against the tree. ErrAbsent where only its hash is here.
func (s *Store) Leaf(origin ledger.Origin, index ledger.Index) ([]byte, error) {
	leaf, _, err := s.leafAndHash(origin, index)
	return leaf, err
}

// leafAndHash is Leaf with the hash in the tree, which is there with ErrAbsent, too.
func (s *Store) leafAndHash(origin ledger.Origin, index ledger.Index) ([]byte, tlog.Hash, error) {
	want, err := s.Hash(origin, index)
	if err != nil {
		return nil, want, err
	}
	leaf, err := s.leafBytes(origin, index)
	switch {
	case err != nil:
		return nil, want, err
	case len(leaf) == 0:
		return nil, want, fmt.Errorf("%w: entry %d of %s, only its hash", ErrAbsent, index, origin)
	case ledger.LeafHash(leaf) != want:
		return nil, want, fmt.Errorf("%w: leaf %d of %s does not hash to the tree", ErrDamaged, index, origin)
	}
	return leaf, want, nil
}

func (s *Store) leafBytes(origin ledger.Origin, index uint64) (leaf []byte, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.leafLocked(origin, index)
}

// leafLocked reads a leaf's bytes; mu is held.
func (s *Store) leafLocked(origin ledger.Origin, index uint64) (leaf []byte, err error) {
	if s.each(origin, func(l *ledgerOverlay) bool { leaf = l.leaves[index]; return leaf != nil }) {
		return leaf, nil
	}
	leaf, err = s.value(origin, bucketLeaves, index)
	if err != nil || len(leaf) > 0 {
		return leaf, err
	}
	p, err := s.presence(origin, index)
	if err == nil && (p&leafHere != 0 || origin == s.id.Origin && index < sizeOf(s.state, origin)) {
		err = fmt.Errorf("%w: leaf %d of %s is missing", ErrDamaged, index, origin)
	}
	return nil, err
}

// Entry returns an entry with its payload; ErrAbsent with the leaf where the payload is not here, ErrExpunged where it was taken. bare says that only its hash is here: it was not released to us. Whatever
// is returned has been checked against tree and record.
func (s *Store) Entry(origin ledger.Origin, index ledger.Index) (e ledger.Entry, bare bool, hash tlog.Hash, err error) {
	e, rec, hash, err := s.entry(origin, index)
	return e, err == nil && rec == nil, hash, err
}

// entry is Entry with the record, which is nil where only the hash is here.
func (s *Store) entry(origin ledger.Origin, index ledger.Index) (e ledger.Entry, rec *ledger.Record, hash tlog.Hash, err error) {
	e.Leaf, hash, err = s.leafAndHash(origin, index)
	if errors.Is(err, ErrAbsent) && hash != (tlog.Hash{}) {
		return e, nil, hash, nil
	}
	if err != nil {
		return e, nil, hash, err
	}
	if rec, _, err = ledger.OpenLeaf(e.Leaf); err != nil {
		return e, nil, hash, fmt.Errorf("%w: leaf %d of %s", ErrDamaged, index, origin)
	}
	e.Payload, err = s.payload(origin, index, rec)
	return e, rec, hash, err
}

// payload returns the payload of an entry with this record, checked against it.
func (s *Store) payload(origin ledger.Origin, index uint64, rec *ledger.Record) ([]byte, error) {
	payload, err := s.payloadBytes(origin, index)
	if err != nil {
		return nil, err
	}
	if rec.CheckPayload(payload) != nil {
		if _, gone, err := s.Gone(origin, index); err == nil && gone { // while it was being read
			return nil, fmt.Errorf("%w: payload of entry %d of %s", ErrExpunged, index, origin)
		}
		return nil, fmt.Errorf("%w: payload of entry %d of %s", ErrDamaged, index, origin)
	}
	return payload, nil
}

func (s *Store) payloadBytes(origin ledger.Origin, index uint64) (payload []byte, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if by, gone, err := s.gone(origin, index); err != nil || gone {
		return nil, errors.Join(err, fmt.Errorf("%w by entry %d: payload of entry %d of %s", ErrExpunged, by, index, origin))
	}
	if s.each(origin, func(l *ledgerOverlay) bool { payload = l.payloads[index]; return payload != nil }) {
		return payload, nil
	}
	where, err := s.value(origin, bucketPayloads, index)
	if err != nil {
		return nil, err
	}
	if len(where) == 0 {
		if p, err := s.presence(origin, index); err != nil || p&payloadHere != 0 {
			return nil, errors.Join(err, fmt.Errorf("%w: place of the payload of entry %d of %s is missing", ErrDamaged, index, origin))
		}
		return nil, fmt.Errorf("%w: payload of entry %d of %s", ErrAbsent, index, origin)
	}
	p, err := decodePlace(where)
	if err != nil {
		return nil, err
	}
	return s.segments.read(p)
}

// BySequence returns which of our entries a writer's sequence became.
func (s *Store) BySequence(writer crypto.NodeID, number uint64) (index uint64, leaf tlog.Hash, ok bool, err error) {
	index, ok, err = s.bySequence(writer, number)
	if err != nil || !ok {
		return 0, leaf, false, err
	}
	leaf, err = s.Hash(s.id.Origin, index)
	return index, leaf, err == nil, err
}

func (s *Store) bySequence(writer crypto.NodeID, number uint64) (uint64, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range []*overlay{s.pending, s.flushing} {
		if o == nil {
			continue
		}
		if index, ok := o.sequences[sequence{writer, number}]; ok {
			return index, true, nil
		}
	}
	b, err := s.ownValue(bucketSequences, sequenceKey(writer, number))
	if err == nil && len(b) != 8 && s.state != nil && number > 0 && number <= s.state.Writers[writer].Sequence {
		err = fmt.Errorf("%w: sequence %d of writer %s is missing", ErrDamaged, number, writer.Short())
	}
	if err != nil || len(b) != 8 {
		return 0, false, err
	}
	return fromBE(b), true, nil
}

// Governance returns the indexes of a ledger's governance entries from an index on, in order.
func (s *Store) Governance(origin ledger.Origin, from uint64) ([]uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out, err := s.keys(origin, bucketGovernance, from)
	if err != nil {
		return nil, err
	}
	s.each(origin, func(l *ledgerOverlay) bool {
		for _, i := range l.governance {
			if i >= from {
				out = append(out, i)
			}
		}
		return false
	})
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (s *Store) keys(origin ledger.Origin, bucket []byte, from uint64) (out []uint64, err error) {
	defer onFault(&err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(origin))
		if b == nil || b.Bucket(bucket) == nil {
			return nil
		}
		c := b.Bucket(bucket).Cursor()
		for k, _ := c.Seek(be64(from)); k != nil; k, _ = c.Next() {
			out = append(out, fromBE(k))
		}
		return nil
	})
	return out, err
}

// PutCheckpoint keeps a signed checkpoint; signatures for a size that is kept already are merged.
func (s *Store) PutCheckpoint(origin ledger.Origin, signed []byte) error {
	cp, _, err := ledger.ParseSigned(signed)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	have, err := s.checkpoint(origin, cp.Size)
	if err != nil {
		return err
	}
	if have != nil {
		if signed, err = ledger.MergeSignatures(have, signed); err != nil {
			return err
		}
	}
	if have == nil {
		s.counts.of(origin).Marks++
	}
	s.pending.ledger(origin).checkpoints[cp.Size] = signed
	s.counts.of(origin).checkpoint(cp.Size)
	s.pending.bytes += len(signed)
	s.wake()
	return nil
}

// checkpoint returns the checkpoint kept for exactly size; mu is held.
func (s *Store) checkpoint(origin ledger.Origin, size uint64) (signed []byte, err error) {
	if s.each(origin, func(l *ledgerOverlay) bool { signed = l.checkpoints[size]; return signed != nil }) {
		return signed, nil
	}
	signed, err = s.value(origin, bucketCheckpoints, size)
	if len(signed) == 0 {
		signed = nil
	}
	return signed, err
}

// Checkpoint returns the checkpoint kept for exactly size, nil where there is none.
func (s *Store) Checkpoint(origin ledger.Origin, size uint64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.checkpoint(origin, size)
}

// Latest returns the checkpoint of the greatest size, nil before the first.
func (s *Store) Latest(origin ledger.Origin) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes, err := s.checkpointSizes(origin, 0, true)
	if c := s.counts[origin]; err == nil && c != nil && (len(sizes) == 0 && c.Latest > 0 || len(sizes) > 0 && slices.Max(sizes) != c.Latest) {
		err = fmt.Errorf("%w: the newest checkpoint of %s, of size %d, is missing", ErrDamaged, origin, c.Latest)
	}
	if err != nil || len(sizes) == 0 {
		return nil, err
	}
	return s.checkpoint(origin, slices.Max(sizes))
}

// Checkpoints returns sizes above after that have a checkpoint, the next ones in ascending order; none where there are no
// more.
func (s *Store) Checkpoints(origin ledger.Origin, after uint64) ([]uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sizes, err := s.checkpointSizes(origin, after, false)
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	return sizes[:min(len(sizes), ledger.MaxMirrorItems)], err
}

// checkpointSizes returns the sizes above after that have a checkpoint, in no order; with lastOnly only the last one
// on disk and those not there yet. mu is held.
func (s *Store) checkpointSizes(origin ledger.Origin, after uint64, lastOnly bool) (sizes []uint64, err error) {
	defer onFault(&err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(origin))
		if b == nil || b.Bucket(bucketCheckpoints) == nil {
			return nil
		}
		c := b.Bucket(bucketCheckpoints).Cursor()
		if lastOnly {
			if k, _ := c.Last(); k != nil {
				sizes = append(sizes, fromBE(k))
			}
			return nil
		}
		for k, _ := c.Seek(be64(after + 1)); k != nil && len(sizes) < ledger.MaxMirrorItems; k, _ = c.Next() {
			sizes = append(sizes, fromBE(k))
		}
		return nil
	})
	s.each(origin, func(l *ledgerOverlay) bool {
		for size := range l.checkpoints {
			if size > after {
				sizes = append(sizes, size)
			}
		}
		return false
	})
	return sizes, err
}

// Boundary returns the state line at a size and what a partner needs beside its own fold to compute it. There is one
// for every size at which a batch ended.
func (s *Store) Boundary(size uint64) (line tlog.Hash, evidence ledger.Evidence, ok bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, ok, err := s.boundary(size)
	return b.Line, b.Evidence, ok, err
}

func (s *Store) boundary(size uint64) (b boundary, ok bool, err error) {
	for _, o := range []*overlay{s.pending, s.flushing} {
		if o != nil {
			if b, ok = o.boundaries[size]; ok {
				return b, true, nil
			}
		}
	}
	raw, err := s.ownValue(bucketBoundaries, be64(size))
	if err != nil || len(raw) == 0 {
		return b, false, err
	}
	err = ledger.Unmarshal(raw, &b, maxFrameBytes)
	return b, err == nil, err
}

// totalBytes returns the bytes of our ledger up to size, which is a boundary; mu is held.
func (s *Store) totalBytes(size uint64) (uint64, error) {
	b, ok, err := s.boundary(size)
	if err == nil && !ok {
		err = fmt.Errorf("%w: no boundary at %d", ErrDamaged, size)
	}
	return b.Bytes, err
}

// NextBoundary returns the greatest boundary above after whose entries since after fit one mirror batch, and at least
// the next one; ok is false when there is none.
func (s *Store) NextBoundary(after uint64) (size uint64, ok bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	start := boundary{}
	if after > 0 {
		if start, ok, err = s.boundary(after); err != nil || !ok {
			return 0, false, err
		}
	}
	sizes, err := s.boundarySizes(after)
	if err != nil {
		return 0, false, err
	}
	for _, candidate := range sizes {
		b, found, err := s.boundary(candidate)
		if err != nil || !found {
			return 0, false, err
		}
		if size > 0 && (b.Bytes-start.Bytes > batchBytes || candidate-after > ledger.MaxMirrorItems) {
			break
		}
		size = candidate
	}
	return size, size > 0, nil
}

// boundarySizes returns the sizes above after that are boundaries, in order and bounded; mu is held.
func (s *Store) boundarySizes(after uint64) (sizes []uint64, err error) {
	defer onFault(&err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		own := tx.Bucket(bucketOwn)
		if own == nil || own.Bucket(bucketBoundaries) == nil {
			return nil
		}
		c := own.Bucket(bucketBoundaries).Cursor()
		for k, _ := c.Seek(be64(after + 1)); k != nil && len(sizes) < ledger.MaxMirrorItems; k, _ = c.Next() {
			sizes = append(sizes, fromBE(k))
		}
		return nil
	})
	for _, o := range []*overlay{s.pending, s.flushing} {
		if o == nil {
			continue
		}
		for size := range o.boundaries {
			if size > after {
				sizes = append(sizes, size)
			}
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), err
}
