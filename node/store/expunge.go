package store

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"vigil/ledger"
)

// ErrExpunged says that the payload was deleted by an expungement. It is an ErrAbsent.
var ErrExpunged = fmt.Errorf("%w: expunged", ErrAbsent)

// An expungement takes the payload of the entry that it names, and of every release and expungement before it that names the
// same one. What it takes is not read any more from the moment it is committed; its bytes are overwritten once the transaction
// is on disk that says so, and where a crash came between, at the next start. The leaves stay: no root changes.

// skipPurge is set by tests of a crash.
var skipPurge bool

// Gone says whether an entry's payload was expunged, and by which entry.
func (s *Store) Gone(origin ledger.Origin, index ledger.Index) (by ledger.Index, gone bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.gone(origin, index)
}

func (s *Store) gone(origin ledger.Origin, index ledger.Index) (by ledger.Index, gone bool, err error) {
	if s.each(origin, func(l *ledgerOverlay) bool { by, gone = l.expunged[index]; return gone }) {
		return by, true, nil
	}
	b, err := s.value(origin, bucketExpunged, index)
	return fromBE(b), len(b) == 8, err
}

// PurgeIndex returns the raft index of the last entry that expunged something: what raft keeps up to it may hold payloads that
// are gone from here. 0 where nothing was expunged.
func (s *Store) PurgeIndex() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.purge
}

// PurgeAlso says that a raft entry carries again what was expunged: raft's log is to be purged up to it, too. It lasts with the
// next Commit.
func (s *Store) PurgeAlso(raft uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge, s.pending.purge = raft, raft
}

// stageNaming notes that an entry names an earlier one and, where it expunges that, what it takes; mu is held.
func (s *Store) stageNaming(origin ledger.Origin, index ledger.Index, rec *ledger.Record, raft uint64) error {
	l := s.pending.ledger(origin)
	taken, err := s.naming(origin, rec.Target)
	if err != nil {
		return err
	}
	l.naming[naming{rec.Target, index}] = struct{}{}
	s.counts.of(origin).Naming++
	if rec.Kind != ledger.KindExpungement {
		return nil
	}
	for _, i := range append(taken, rec.Target) {
		if _, gone, err := s.gone(origin, i); err != nil || gone {
			if err != nil {
				return err
			}
			continue
		}
		l.expunged[i] = index
		s.counts.of(origin).Expunged++
		delete(l.payloads, i)
	}
	s.purge, s.pending.purge = raft, raft
	return nil
}

// naming returns the entries so far that name an entry; mu is held.
func (s *Store) naming(origin ledger.Origin, target ledger.Index) (out []ledger.Index, err error) {
	defer onFault(&err)()
	s.each(origin, func(l *ledgerOverlay) bool {
		for n := range l.naming {
			if n.target == target {
				out = append(out, n.index)
			}
		}
		return false
	})
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(origin))
		if b == nil || b.Bucket(bucketNaming) == nil {
			return nil
		}
		c := b.Bucket(bucketNaming).Cursor()
		for k, _ := c.Seek(append(be64(target), be64(0)...)); len(k) == 16 && fromBE(k[:8]) == target; k, _ = c.Next() {
			out = append(out, fromBE(k[8:]))
		}
		return nil
	})
	return out, err
}

// Naming returns the entries that name an entry: releases and expungements of it, in no order.
func (s *Store) Naming(origin ledger.Origin, target ledger.Index) ([]ledger.Index, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.naming(origin, target)
}

// mayExpunge says whether an expungement of a partner's ledger holds as far as this replica can see: its own ledger judged it
// from the entry it names, which may be here only as a hash.
func (s *Store) mayExpunge(g *ledger.Governance, origin ledger.Origin, rec *ledger.Record) (bool, error) {
	leaf, err := s.leafLocked(origin, rec.Target)
	if err != nil || len(leaf) == 0 {
		return err == nil, err
	}
	target, _, err := ledger.OpenLeaf(leaf)
	if err != nil || target.Kind != ledger.KindSealed {
		return false, nil
	}
	return target.Author == rec.Author || g != nil && len(g.Decided(ledger.KindExpungement, rec.Target, ledger.LeafHash(leaf), rec.Author)) > 0, nil
}

// purge overwrites what has been expunged and still lies in a segment, and forgets where it lay.
func purge(db *bbolt.DB, segs *segments) (err error) {
	defer onFault(&err)()
	type lies struct {
		origin []byte
		key    []byte
		at     place
	}
	var due []lies
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(origin []byte, b *bbolt.Bucket) error {
			expunged, payloads := b.Bucket(bucketExpunged), b.Bucket(bucketPayloads)
			if expunged == nil || payloads == nil {
				return nil
			}
			return expunged.ForEach(func(k, _ []byte) error {
				raw, err := opened(bucketPayloads, k, payloads.Get(k))
				if err != nil || raw == nil {
					return err
				}
				p, err := decodePlace(raw)
				due = append(due, lies{append([]byte{}, origin...), append([]byte{}, k...), p})
				return err
			})
		})
	})
	if err != nil || len(due) == 0 {
		return err
	}
	for _, x := range due {
		if err := segs.overwrite(x.at); err != nil {
			return err
		}
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for _, x := range due {
			if err := tx.Bucket(x.origin).Bucket(bucketPayloads).Delete(x.key); err != nil {
				return err
			}
		}
		return nil
	})
}

// overwrite replaces a payload by zeros, synced.
func (s *segments) overwrite(p place) error {
	f, err := os.OpenFile(segmentPath(s.dir, p.number), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%w: segment %d: %w", ErrDamaged, p.number, err)
	}
	_, err = f.WriteAt(make([]byte, p.length), int64(p.offset))
	return errors.Join(err, f.Sync(), f.Close())
}
