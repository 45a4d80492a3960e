package store

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// The bbolt file: bucket "meta", bucket "own" with what only our ledger has, and one bucket a ledger, named by its
// origin. Keys are 8-byte big-endian numbers unless said otherwise.
//
//	meta         rosters, moving (the two parts of State), raft (index, term), segment (number, offset)
//	own/sequences   node id ‖ sequence → index
//	own/boundaries  size → boundary
//	own/journal     running number → journalMirror
//	<origin>/leaves, /hashes (tlog storage index → 32 bytes), /payloads (index → place), /governance, /checkpoints
var (
	bucketMeta = []byte("meta")
	bucketOwn  = []byte("own")

	bucketSequences  = []byte("sequences")
	bucketBoundaries = []byte("boundaries")
	bucketJournal    = []byte("journal")

	bucketLeaves      = []byte("leaves")
	bucketHashes      = []byte("hashes")
	bucketPayloads    = []byte("payloads")
	bucketGovernance  = []byte("governance")
	bucketCheckpoints = []byte("checkpoints")

	keyRosters = []byte("rosters")
	keyMoving  = []byte("moving")
	keyRaft    = []byte("raft")
	keySegment = []byte("segment")
)

func readMeta(tx *bbolt.Tx) (state *ledger.State, applied position, end segmentEnd, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return nil, applied, end, nil
	}
	if b := meta.Get(keyRaft); len(b) == 16 {
		applied = position{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
	}
	if b := meta.Get(keySegment); len(b) == 12 {
		end = segmentEnd{binary.BigEndian.Uint32(b), binary.BigEndian.Uint64(b[4:])}
	}
	rosters, moving := meta.Get(keyRosters), meta.Get(keyMoving)
	if rosters == nil || moving == nil {
		return nil, applied, end, nil
	}
	state, err = ledger.DecodeState(rosters, moving)
	if err != nil {
		err = fmt.Errorf("%w: state: %w", ErrDamaged, err)
	}
	return state, applied, end, err
}

func writeMeta(tx *bbolt.Tx, o *overlay, end segmentEnd, before *ledger.State) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil || o.state == nil {
		return err
	}
	if !o.state.SameRosters(before) {
		if err := meta.Put(keyRosters, o.state.EncodeRosters()); err != nil {
			return err
		}
	}
	if err := meta.Put(keyMoving, o.state.EncodeMoving()); err != nil {
		return err
	}
	if err := meta.Put(keyRaft, append(be64(o.applied.Index), be64(o.applied.Term)...)); err != nil {
		return err
	}
	segment := binary.BigEndian.AppendUint32(nil, end.Number)
	return meta.Put(keySegment, binary.BigEndian.AppendUint64(segment, end.Offset))
}

func writeOwn(tx *bbolt.Tx, o *overlay) error {
	own, err := tx.CreateBucketIfNotExists(bucketOwn)
	if err != nil {
		return err
	}
	sequences, err := own.CreateBucketIfNotExists(bucketSequences)
	if err != nil {
		return err
	}
	for s, index := range o.sequences {
		if err := sequences.Put(sequenceKey(s.writer, s.number), be64(index)); err != nil {
			return err
		}
	}
	boundaries, err := own.CreateBucketIfNotExists(bucketBoundaries)
	if err != nil {
		return err
	}
	for _, size := range sortedKeys(o.boundaries) {
		if err := boundaries.Put(be64(size), ledger.Marshal(o.boundaries[size])); err != nil {
			return err
		}
	}
	journal, err := own.CreateBucketIfNotExists(bucketJournal)
	if err != nil {
		return err
	}
	for _, m := range o.journal {
		n, err := journal.NextSequence()
		if err != nil {
			return err
		}
		if err := journal.Put(be64(n), ledger.Marshal(m)); err != nil {
			return err
		}
	}
	return nil
}

func writeLedger(tx *bbolt.Tx, origin ledger.Origin, l *ledgerOverlay, places map[uint64]place) error {
	b, err := tx.CreateBucketIfNotExists([]byte(origin))
	if err != nil {
		return err
	}
	put := func(bucket []byte, key uint64, value []byte) {
		if err != nil {
			return
		}
		var sub *bbolt.Bucket
		if sub, err = b.CreateBucketIfNotExists(bucket); err == nil {
			sub.FillPercent = 0.9 // keys only grow
			err = sub.Put(be64(key), value)
		}
	}
	for _, i := range sortedKeys(l.leaves) {
		put(bucketLeaves, i, l.leaves[i])
	}
	for _, i := range sortedKeys(l.hashes) {
		h := l.hashes[i]
		put(bucketHashes, uint64(i), h[:])
	}
	for _, i := range sortedKeys(places) {
		put(bucketPayloads, i, places[i].encode())
	}
	for _, size := range sortedKeys(l.checkpoints) {
		put(bucketCheckpoints, size, l.checkpoints[size])
	}
	for _, i := range l.governance {
		put(bucketGovernance, i, []byte{1})
	}
	return err
}

// value reads one value of a ledger's bucket; nil where there is none.
func (s *Store) value(origin ledger.Origin, bucket []byte, key uint64) (out []byte, err error) {
	defer onFault(&err)
	err = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(origin)); b != nil {
			if sub := b.Bucket(bucket); sub != nil {
				out = append([]byte(nil), sub.Get(be64(key))...)
			}
		}
		return nil
	})
	return out, err
}

// ownValue reads one value of the bucket for what only our ledger has.
func (s *Store) ownValue(bucket, key []byte) (out []byte, err error) {
	defer onFault(&err)
	err = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucketOwn); b != nil {
			if sub := b.Bucket(bucket); sub != nil {
				out = append([]byte(nil), sub.Get(key)...)
			}
		}
		return nil
	})
	return out, err
}

// lockedReader reads tree hashes while mu is held.
type lockedReader struct {
	s      *Store
	origin ledger.Origin
}

// ReadHashes implements tlog.HashReader.
func (r lockedReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if r.s.each(r.origin, func(l *ledgerOverlay) bool { h, ok := l.hashes[index]; out[i] = h; return ok }) {
			continue
		}
		b, err := r.s.value(r.origin, bucketHashes, uint64(index))
		if err != nil {
			return nil, err
		}
		if len(b) != tlog.HashSize {
			return nil, fmt.Errorf("%w: tree hash %d of %s", ErrDamaged, index, r.origin)
		}
		out[i] = tlog.Hash(b)
	}
	return out, nil
}

func fromBE(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
