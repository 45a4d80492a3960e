package store

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// kept is what is on disk of one of our entries, apart from the payload's bytes.
type kept struct {
	leaf     []byte // checked against the tree; nil where that is for Leaf to judge
	place    place  // of the payload; the zero place where there is none
	gone     bool
	boundary bool // the size with this entry is one
}

// stretch reads what is on disk of our entries from one index to before another in one transaction.
func (s *Store) stretch(from, to uint64) ([]kept, error) {
	out := make([]kept, to-from)
	err := s.view(func(tx *bbolt.Tx) error {
		own, all := tx.Bucket(bucketOwn), tx.Bucket([]byte(s.id.Origin))
		if own == nil || all == nil {
			return nil
		}
		get := func(in *bbolt.Bucket, bucket []byte, key uint64) ([]byte, error) {
			sub := in.Bucket(bucket)
			if sub == nil {
				return nil, nil
			}
			k := be64(key)
			return opened(bucket, k, sub.Get(k))
		}
		for i := range out {
			index, k := from+uint64(i), &out[i]
			leaf, err := get(all, bucketLeaves, index)
			if err != nil {
				return err
			}
			hash, err := get(all, bucketHashes, uint64(tlog.StoredHashIndex(0, int64(index))))
			if err != nil {
				return err
			}
			if h := ledger.LeafHash(leaf); len(leaf) > 0 && len(hash) >= tlog.HashSize && bytes.Equal(h[:], hash[:tlog.HashSize]) {
				k.leaf = slices.Clone(leaf)
			}
			gone, err := get(all, bucketExpunged, index)
			if err != nil {
				return err
			}
			k.gone = len(gone) == 8
			where, err := get(all, bucketPayloads, index)
			if err == nil && where != nil {
				k.place, err = decodePlace(where)
			}
			if err != nil {
				return err
			}
			line, err := get(own, bucketBoundaries, index+1)
			if err != nil {
				return err
			}
			k.boundary = len(line) > 0
		}
		return nil
	})
	return out, err
}

// payloadAt reads the payload of an entry where stretch has found it, unless it was expunged since.
func (s *Store) payloadAt(origin ledger.Origin, index uint64, rec *ledger.Record, at place) ([]byte, error) {
	s.mu.RLock()
	gone := s.each(origin, func(l *ledgerOverlay) bool { _, gone := l.expunged[index]; return gone })
	b, err := s.segments.read(at)
	s.mu.RUnlock()
	if gone || err != nil || rec.CheckPayload(b) != nil {
		return s.payload(origin, index, rec) // that says what is amiss
	}
	return b, nil
}
