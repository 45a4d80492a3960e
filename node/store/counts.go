package store

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// A key that changed on disk is not found any more, and what is not found looks as if it had never been there. So a leaf's hash
// says what else of the entry is here, and counts say how many keys there are of what nothing else counts.

// What follows the hash of a leaf: one byte, 0 where nothing follows.
const (
	leafHere    = 1
	payloadHere = 2 // unless it was expunged
)

// present is what a hash of this overlay is written with.
func (l *ledgerOverlay) present(stored int64) (p byte) {
	level, index := tlog.SplitStoredHashIndex(stored)
	if level != 0 || l.leaves[uint64(index)] == nil {
		return 0
	}
	p = leafHere
	if l.payloads[uint64(index)] != nil {
		p |= payloadHere
	}
	return p
}

// presence says what of an entry is on disk; 0 where that was not noted. mu is held.
func (s *Store) presence(origin ledger.Origin, index uint64) (byte, error) {
	b, err := s.value(origin, bucketHashes, uint64(tlog.StoredHashIndex(0, int64(index))))
	if err != nil || len(b) != tlog.HashSize+1 {
		return 0, err
	}
	return b[tlog.HashSize], nil
}

// counts are kept for every ledger; nil in a directory of a binary before them.
type counts map[ledger.Origin]*count

// count is CBOR [origin, governance entries, entries that name another, expunged payloads, greatest checkpoint, mirror batches,
// boundaries, checkpoints]; mirror batches and boundaries are kept for the empty origin, the others for ledgers.
type count struct {
	_          struct{} `cbor:",toarray"`
	Origin     ledger.Origin
	Governance uint64
	Naming     uint64
	Expunged   uint64
	Latest     uint64
	Journal    uint64
	Boundaries uint64 // with the journal; like checkpoints, they are counted by the scrub only
	Marks      uint64 // checkpoints
}

func (c counts) of(origin ledger.Origin) *count {
	if c[origin] == nil {
		c[origin] = &count{Origin: origin}
	}
	return c[origin]
}

func (c *count) checkpoint(size uint64) { c.Latest = max(c.Latest, size) }

func (c counts) clone() counts {
	out := counts{}
	for k, v := range c {
		x := *v
		out[k] = &x
	}
	return out
}

func (c counts) encode() []byte {
	all := []count{}
	for _, k := range sortedKeys(c) {
		all = append(all, *c[k])
	}
	return ledger.Marshal(all)
}

// readCounts reads the counts and compares them with the keys that are there, of what is few.
func readCounts(tx *bbolt.Tx) (counts, error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return counts{}, nil
	}
	raw, err := opened(bucketMeta, keyCounts, meta.Get(keyCounts))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return countAll(tx)
	}
	var all []count
	if err := ledger.Unmarshal(raw, &all, maxFrameBytes); err != nil {
		return nil, fmt.Errorf("%w: ledger.db: meta: counts", ErrDamaged)
	}
	out := counts{}
	for i := range all {
		c := &all[i]
		out[c.Origin] = c
		for _, x := range []struct {
			bucket []byte
			want   uint64
		}{{bucketGovernance, c.Governance}, {bucketNaming, c.Naming}, {bucketExpunged, c.Expunged}} {
			have, err := countKeys(tx.Bucket([]byte(c.Origin)), x.bucket)
			if err == nil && have != x.want {
				err = fmt.Errorf("%w: ledger.db: %d of %d keys of %s of %s are there", ErrDamaged, have, x.want, x.bucket, c.Origin)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	if want := out.of("").Journal; want != journalEnd(tx) {
		return nil, fmt.Errorf("%w: ledger.db: %d mirror batches were noted, %d are counted", ErrDamaged, want, journalEnd(tx))
	}
	return out, nil
}

// checkMany compares what is much with its counts, in one look at the disk. It takes long, and nobody waits for it: only a store that is
// closed, or put in place of another.
func (s *Store) checkMany() (err error) {
	defer onFault(&err)()
	s.mu.RLock()
	tx, err := s.db.Begin(false)
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of what only read
	c, err := readCounts(tx)
	if err != nil {
		return err
	}
	for origin, x := range c {
		bucket, name, want := tx.Bucket([]byte(origin)), bucketCheckpoints, x.Marks
		if origin == "" {
			bucket, name, want = tx.Bucket(bucketOwn), bucketBoundaries, x.Boundaries
		}
		if have, err := countKeys(bucket, name); err != nil || have != want {
			return errors.Join(fmt.Errorf("%w: ledger.db: %d of %d keys of %s of %s are there", ErrDamaged, have, want, name, origin), err)
		}
	}
	return nil
}

// countAll counts what a binary before the counts wrote.
func countAll(tx *bbolt.Tx) (counts, error) {
	out := counts{}
	out.of("").Journal = journalEnd(tx)
	boundaries, err := countKeys(tx.Bucket(bucketOwn), bucketBoundaries)
	if err != nil {
		return nil, err
	}
	out.of("").Boundaries = boundaries
	err = tx.ForEach(func(name []byte, b *bbolt.Bucket) (err error) {
		if bytes.Equal(name, bucketMeta) || bytes.Equal(name, bucketOwn) {
			return nil
		}
		c := out.of(ledger.Origin(name))
		for into, bucket := range map[*uint64][]byte{&c.Governance: bucketGovernance, &c.Naming: bucketNaming, &c.Expunged: bucketExpunged, &c.Marks: bucketCheckpoints} {
			if err == nil {
				*into, err = countKeys(b, bucket)
			}
		}
		if sub := b.Bucket(bucketCheckpoints); err == nil && sub != nil {
			last, _ := sub.Cursor().Last()
			c.Latest = fromBE(last)
		}
		return err
	})
	return out, err
}

// journalEnd is the number of the last mirror batch, as bbolt counts them.
func journalEnd(tx *bbolt.Tx) uint64 {
	own := tx.Bucket(bucketOwn)
	if own == nil || own.Bucket(bucketJournal) == nil {
		return 0
	}
	return own.Bucket(bucketJournal).Sequence()
}

// countKeys reads every value of a bucket in a ledger's bucket.
func countKeys(b *bbolt.Bucket, name []byte) (n uint64, err error) {
	if b == nil || b.Bucket(name) == nil {
		return 0, nil
	}
	var before []byte
	err = b.Bucket(name).ForEach(func(k, v []byte) error {
		if n > 0 && bytes.Compare(k, before) <= 0 {
			return fmt.Errorf("%w: ledger.db: keys of %s out of order", ErrDamaged, name)
		}
		n, before = n+1, bytes.Clone(k)
		_, err := opened(name, k, v)
		return err
	})
	return n, err
}
