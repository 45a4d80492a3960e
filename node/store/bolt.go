package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// The bbolt file: bucket "meta", bucket "own" with what only our ledger has, and one bucket a ledger, named by its
// origin. Keys are 8-byte big-endian numbers unless said otherwise. bbolt itself checks none of it, so every value ends
// with 4 bytes CRC-32C, big endian, over bucket name, key and value.
//
//	meta         rosters, moving (the two parts of State), raft (index, term), segment (number, offset), purge (raft index),
//	             counts (see counts.go)
//	own/sequences   node id ‖ sequence → index
//	own/boundaries  size → boundary
//	own/journal     running number → journalMirror
//	<origin>/leaves, /hashes (tlog storage index → 32 bytes; of a leaf, 1 byte more: what else of it is here), /payloads (index → place), /governance, /checkpoints,
//	         /naming (index named ‖ index of the entry that names it), /expunged (index → index of the entry that did it)
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
	bucketNaming      = []byte("naming")
	bucketExpunged    = []byte("expunged")

	keyRosters = []byte("rosters")
	keyMoving  = []byte("moving")
	keyRaft    = []byte("raft")
	keySegment = []byte("segment")
	keyPurge   = []byte("purge")
	keyCounts  = []byte("counts")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sumBytes = 4

func sumOf(bucket, key, body []byte) uint32 {
	return crc32.Update(crc32.Update(crc32.Checksum(bucket, castagnoli), castagnoli, key), castagnoli, body)
}

// put writes a value with its checksum into the bucket of that name.
func put(b *bbolt.Bucket, name, key, body []byte) error {
	return b.Put(key, binary.BigEndian.AppendUint32(bytes.Clone(body), sumOf(name, key, body)))
}

// opened takes the checksum off a stored value; nil is none.
func opened(name, key, raw []byte) ([]byte, error) {
	if raw == nil {
		return nil, nil
	}
	n := len(raw) - sumBytes
	if n < 0 || sumOf(name, key, raw[:n]) != binary.BigEndian.Uint32(raw[n:]) {
		return nil, fmt.Errorf("%w: ledger.db: %s %x", ErrDamaged, name, key)
	}
	return raw[:n:n], nil
}

func readMeta(tx *bbolt.Tx) (state *ledger.State, applied position, end segmentEnd, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return nil, applied, end, nil
	}
	values := map[string][]byte{}
	for _, key := range [][]byte{keyRaft, keySegment, keyRosters, keyMoving} {
		if values[string(key)], err = opened(bucketMeta, key, meta.Get(key)); err != nil {
			return nil, applied, end, err
		}
	}
	raft, segment, rosters, moving := values[string(keyRaft)], values[string(keySegment)], values[string(keyRosters)], values[string(keyMoving)]
	if raft == nil && segment == nil && rosters == nil && moving == nil {
		return nil, applied, end, nil
	}
	if len(raft) != 16 || len(segment) != 12 || rosters == nil || moving == nil {
		return nil, applied, end, fmt.Errorf("%w: ledger.db: meta", ErrDamaged)
	}
	applied = position{binary.BigEndian.Uint64(raft), binary.BigEndian.Uint64(raft[8:])}
	end = segmentEnd{binary.BigEndian.Uint32(segment), binary.BigEndian.Uint64(segment[4:])}
	state, err = ledger.DecodeState(rosters, moving)
	if err != nil {
		err = fmt.Errorf("%w: state: %w", ErrDamaged, err)
	}
	return state, applied, end, err
}

func writeMeta(tx *bbolt.Tx, o *overlay, end segmentEnd, before *ledger.State) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err == nil && o.counts != nil {
		err = put(meta, bucketMeta, keyCounts, o.counts.encode())
	}
	if err != nil || o.state == nil {
		return err
	}
	if !o.state.SameRosters(before) {
		if err := put(meta, bucketMeta, keyRosters, o.state.EncodeRosters()); err != nil {
			return err
		}
	}
	if err := put(meta, bucketMeta, keyMoving, o.state.EncodeMoving()); err != nil {
		return err
	}
	if o.purge > 0 {
		if err := put(meta, bucketMeta, keyPurge, be64(o.purge)); err != nil {
			return err
		}
	}
	if err := put(meta, bucketMeta, keyRaft, append(be64(o.applied.Index), be64(o.applied.Term)...)); err != nil {
		return err
	}
	return writeEnd(meta, end)
}

func writeEnd(meta *bbolt.Bucket, end segmentEnd) error {
	segment := binary.BigEndian.AppendUint32(nil, end.Number)
	return put(meta, bucketMeta, keySegment, binary.BigEndian.AppendUint64(segment, end.Offset))
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
	for _, s := range slices.SortedFunc(maps.Keys(o.sequences), sequence.compare) {
		if err := put(sequences, bucketSequences, sequenceKey(s.writer, s.number), be64(o.sequences[s])); err != nil {
			return err
		}
	}
	boundaries, err := own.CreateBucketIfNotExists(bucketBoundaries)
	if err != nil {
		return err
	}
	for _, size := range sortedKeys(o.boundaries) {
		if err := put(boundaries, bucketBoundaries, be64(size), ledger.Marshal(o.boundaries[size])); err != nil {
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
		if err := put(journal, bucketJournal, be64(n), ledger.Marshal(m)); err != nil {
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
	var sub *bbolt.Bucket
	var in []byte // whose bucket sub is
	add := func(bucket []byte, key uint64, value []byte) {
		if err != nil {
			return
		}
		if !bytes.Equal(in, bucket) {
			if sub, err = b.CreateBucketIfNotExists(bucket); err != nil {
				return
			}
			in, sub.FillPercent = bucket, 0.9 // keys only grow
		}
		err = put(sub, bucket, be64(key), value)
	}
	for _, i := range sortedKeys(l.leaves) {
		add(bucketLeaves, i, l.leaves[i])
	}
	for _, i := range sortedKeys(l.hashes) {
		h := l.hashes[i]
		value := h[:]
		if p := l.present(i); p != 0 {
			value = append(value, p)
		}
		add(bucketHashes, uint64(i), value)
	}
	for _, i := range sortedKeys(places) {
		add(bucketPayloads, i, places[i].encode())
	}
	for _, size := range sortedKeys(l.checkpoints) {
		add(bucketCheckpoints, size, l.checkpoints[size])
	}
	for _, i := range l.governance {
		add(bucketGovernance, i, []byte{1})
	}
	for _, i := range sortedKeys(l.expunged) {
		add(bucketExpunged, i, be64(l.expunged[i]))
	}
	for n := range l.naming {
		if err != nil {
			return err
		}
		var sub *bbolt.Bucket
		if sub, err = b.CreateBucketIfNotExists(bucketNaming); err == nil {
			err = put(sub, bucketNaming, append(be64(n.target), be64(n.index)...), []byte{1})
		}
	}
	return err
}

// value reads one value of a ledger's bucket; nil where there is none.
func (s *Store) value(origin ledger.Origin, bucket []byte, key uint64) (out []byte, err error) {
	defer onFault(&err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(origin)); b != nil {
			if sub := b.Bucket(bucket); sub != nil {
				out, err = opened(bucket, be64(key), sub.Get(be64(key)))
				out = bytes.Clone(out)
			}
		}
		return err
	})
	return out, err
}

// ownValue reads one value of the bucket for what only our ledger has.
func (s *Store) ownValue(bucket, key []byte) (out []byte, err error) {
	defer onFault(&err)()
	err = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucketOwn); b != nil {
			if sub := b.Bucket(bucket); sub != nil {
				out, err = opened(bucket, key, sub.Get(key))
				out = bytes.Clone(out)
			}
		}
		return err
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
		if len(b) != tlog.HashSize && len(b) != tlog.HashSize+1 {
			return nil, fmt.Errorf("%w: tree hash %d of %s", ErrDamaged, index, r.origin)
		}
		out[i] = tlog.Hash(b[:tlog.HashSize])
	}
	return out, nil
}

func fromBE(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
