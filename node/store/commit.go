package store

import (
	"errors"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
)

// Batch is what one or more raft entries changed.
type Batch struct {
	Index, Term uint64 // of the last raft entry in it
	State       *ledger.State
	Own         []Appended
	Mirrors     []Mirrored
}

// Appended is an accepted entry of our ledger.
type Appended struct {
	Index    ledger.Index
	Leaf     tlog.Hash
	Writer   crypto.NodeID
	Sequence uint64
	Kind     ledger.Kind
	Entry    ledger.Entry
}

// Mirrored is an applied mirror batch and the size our own ledger had when it was applied.
type Mirrored struct {
	Batch *ledger.MirrorBatch
	Items []*ledger.Prepared // of the batch; may be empty
	At    uint64
}

// boundary is what is noted about the size after every batch with own entries.
type boundary struct {
	_        struct{} `cbor:",toarray"`
	Line     tlog.Hash
	Evidence ledger.Evidence
	Bytes    uint64 // of leaves and payloads from genesis on
}

// journalMirror is the place of one mirror batch among our own entries: what a follower needs to fold alike.
type journalMirror struct {
	_          struct{} `cbor:",toarray"`
	At         uint64
	Origin     ledger.Origin
	From       uint64
	Count      uint64
	Checkpoint []byte
	Evidence   ledger.Evidence
}

// Commit makes a batch visible at once and durable soon. Batches come from one goroutine, in raft's order. A crash
// before it is flushed is mended by raft's replay.
func (s *Store) Commit(b Batch) error {
	s.mu.Lock()
	if s.failed != nil {
		defer s.mu.Unlock()
		return s.failed
	}
	err := s.stage(b)
	if err != nil {
		err = s.fail(err)
		s.mu.Unlock()
		return err
	}
	s.state, s.applied = b.State, position{b.Index, b.Term}
	s.pending.state, s.pending.applied = s.state, s.applied
	waiting := s.pending.bytes
	s.wake()
	s.mu.Unlock()

	if waiting > flushBytes {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	if waiting > waitBytes {
		return s.Flush()
	}
	return nil
}

// stage puts a batch into the overlay; mu is held.
func (s *Store) stage(b Batch) error {
	for _, a := range b.Own {
		if err := s.stageOwn(b.State.Governance.Origin, a, b.Index); err != nil {
			return err
		}
	}
	for _, m := range b.Mirrors {
		if err := s.stageMirror(b.State, m, b.Index); err != nil {
			return err
		}
	}
	if len(b.Own) > 0 {
		size := b.State.Size()
		if _, again := s.pending.boundaries[size]; !again {
			s.counts.of("").Boundaries++
		}
		evidence := b.State.Evidence()
		s.pending.boundaries[size] = boundary{Line: ledger.StateLine(b.State.Governance.PublicRoot(), evidence), Evidence: evidence, Bytes: s.pending.total}
	}
	return nil
}

func (s *Store) stageOwn(origin ledger.Origin, a Appended, raft uint64) error {
	l := s.pending.ledger(origin)
	if err := s.stageHash(l, origin, a.Index, a.Leaf); err != nil {
		return err
	}
	l.leaves[a.Index] = a.Entry.Leaf
	if len(a.Entry.Payload) > 0 {
		l.payloads[a.Index] = a.Entry.Payload
	}
	if a.Kind == ledger.KindGovernance {
		l.governance = append(l.governance, a.Index)
		s.counts.of(origin).Governance++
	}
	s.pending.sequences[sequence{a.Writer, a.Sequence}] = a.Index
	n := len(a.Entry.Leaf) + len(a.Entry.Payload)
	if s.pending.total == 0 && a.Index > 0 {
		total, err := s.totalBytes(a.Index)
		if err != nil {
			return err
		}
		s.pending.total = total
	}
	s.pending.total += uint64(n)
	s.pending.bytes += n
	if a.Kind != ledger.KindRelease && a.Kind != ledger.KindExpungement {
		return nil
	}
	rec, _, err := ledger.OpenLeaf(a.Entry.Leaf)
	if err != nil {
		return err
	}
	return s.stageNaming(origin, a.Index, rec, raft)
}

func (s *Store) stageMirror(state *ledger.State, m Mirrored, raft uint64) error {
	b := m.Batch
	l := s.pending.ledger(b.Origin)
	for i, item := range b.Items {
		index := b.From + uint64(i)
		var p *ledger.Prepared
		if i < len(m.Items) {
			p = m.Items[i]
		}
		if p == nil {
			p = ledger.PrepareItem(item, nil)
		}
		hash := item.LeafHash
		if p != nil {
			hash = p.LeafHash
		}
		if err := s.stageHash(l, b.Origin, index, hash()); err != nil {
			return err
		}
		if item.IsBare() {
			continue
		}
		l.leaves[index] = item.Leaf
		if len(item.Payload) > 0 {
			l.payloads[index] = item.Payload
		}
		if err := s.stageMirrored(state, b.Origin, index, p.Record(), raft); err != nil {
			return err
		}
		s.pending.bytes += len(item.Leaf) + len(item.Payload)
	}
	cp, _, err := ledger.ParseSigned(b.Checkpoint)
	if err != nil {
		return err
	}
	if have, err := s.checkpoint(b.Origin, cp.Size); err != nil {
		return err
	} else if have == nil {
		s.counts.of(b.Origin).Marks++
	}
	l.checkpoints[cp.Size] = b.Checkpoint
	s.pending.journal = append(s.pending.journal, journalMirror{
		At: m.At, Origin: b.Origin, From: b.From, Count: uint64(len(b.Items)), Checkpoint: b.Checkpoint, Evidence: b.Evidence,
	})
	s.counts.of(b.Origin).checkpoint(cp.Size)
	s.counts.of("").Journal++
	s.pending.bytes += len(b.Checkpoint)
	return nil
}

// stageMirrored indexes a partner's entry by what it is.
func (s *Store) stageMirrored(state *ledger.State, origin ledger.Origin, index ledger.Index, r *ledger.Record, raft uint64) error {
	if r == nil {
		return nil // ApplyMirror has decoded what is in full
	}
	switch r.Kind {
	case ledger.KindGovernance:
		l := s.pending.ledger(origin)
		l.governance = append(l.governance, index)
		s.counts.of(origin).Governance++
	case ledger.KindExpungement:
		if may, err := s.mayExpunge(state.Partners[origin].Mirror.Governance, origin, r); err != nil || !may {
			return err
		}
		return s.stageNaming(origin, index, r, raft)
	case ledger.KindRelease:
		return s.stageNaming(origin, index, r, raft)
	}
	return nil
}

// stageHash adds a leaf hash and the inner nodes it completes.
func (s *Store) stageHash(l *ledgerOverlay, origin ledger.Origin, index uint64, leaf tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(int64(index), leaf, lockedReader{s, origin})
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, int64(index))
	for i, h := range hashes {
		l.hashes[first+int64(i)] = h
	}
	return nil
}

func (s *Store) flushLoop() {
	defer close(s.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if !s.due() {
				continue
			}
		case <-s.kick:
		}
		_ = s.Flush() // latched in failed, where every writer sees it
	}
}

// due says whether what waits is to be written now: nothing more has come for a while, or it has waited long enough.
func (s *Store) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.pending
	if o.bytes == o.looked || o.looks >= flushLooks {
		return true
	}
	o.looked = o.bytes
	o.looks++
	return false
}

// Flush writes what waits, synced. The order is: payloads, sync, then one bbolt transaction that names them together
// with the state and the raft index. A crash before the transaction leaves bytes that nothing names.
func (s *Store) Flush() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	if s.failed != nil || s.pending.empty() {
		defer s.mu.Unlock()
		return s.failed
	}
	o := s.pending
	s.pending, s.flushing = newOverlay(), o
	s.pending.total = o.total
	o.counts = s.counts.clone()
	db, segs := s.db, s.segments
	s.mu.Unlock()

	err := write(db, segs, o, s.written)

	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil { // never retried: after a failed sync the page cache may lie
		return s.fail(err)
	}
	s.flushing = nil
	if o.state != nil {
		s.written = o.state
	}
	return nil
}

func write(db *bbolt.DB, segs *segments, o *overlay, before *ledger.State) (err error) {
	defer onFault(&err)()
	places := map[ledger.Origin]map[uint64]place{}
	for origin, l := range o.ledgers {
		places[origin] = map[uint64]place{}
		for _, index := range sortedKeys(l.payloads) {
			p, err := segs.append(l.payloads[index])
			if err != nil {
				return err
			}
			places[origin][index] = p
		}
	}
	if err := segs.sync(); err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, origin := range sortedKeys(o.ledgers) {
			if err := writeLedger(tx, origin, o.ledgers[origin], places[origin]); err != nil {
				return err
			}
		}
		return errors.Join(writeOwn(tx, o), writeMeta(tx, o, segs.end, before))
	})
	if err == nil && o.purge > 0 && !skipPurge {
		err = purge(db, segs)
	}
	return err
}
