package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/durable"
)

// Damage is one thing on disk that is not what was written: an entry with what leads to it, or one value of ledger.db.
type Damage struct {
	Origin ledger.Origin
	Index  ledger.Index
	What   string

	bucket []byte // of the value; nil where an entry or what leads to it is meant
	key    []byte
	path   [][]byte
}

// Slice is one stretch of a scrub.
type Slice struct {
	Next  []byte // where to go on; nil at the end
	Bytes uint64 // read
	Found []Damage
}

// scrubCursor is CBOR [stage, number of the bucket, key after which to go on, number of the ledger, index].
type scrubCursor struct {
	_      struct{} `cbor:",toarray"`
	Stage  uint64
	Bucket uint64
	Key    []byte
	Ledger uint64
	Index  uint64
}

const (
	stageValues  = 0
	stageEntries = 1
)

// Scrub reads on from a cursor until about so many bytes are read, and says what of it is damaged: first every value against its
// checksum, then every entry with its payload, the nodes of the tree that it completes and what leads to it. An empty cursor is the
// beginning. What is committed meanwhile is read as it comes.
func (s *Store) Scrub(ctx context.Context, cursor []byte, most int) (Slice, error) {
	var c scrubCursor
	if len(cursor) > 0 {
		if err := ledger.Unmarshal(cursor, &c, maxCursorBytes); err != nil {
			c = scrubCursor{} // of another binary: from the beginning
		}
	}
	r := &scrub{s: s, c: c, most: uint64(most)}
	for r.out.Bytes < r.most && !r.done {
		if err := ctx.Err(); err != nil {
			return r.out, err
		}
		switch r.c.Stage {
		case stageValues:
			r.values()
		case stageEntries:
			r.entries(ctx)
		default:
			r.done = true
		}
	}
	if !r.done {
		r.out.Next = ledger.Marshal(r.c)
	}
	return r.out, nil
}

type scrub struct {
	s    *Store
	c    scrubCursor
	most uint64
	out  Slice
	done bool
}

func (r *scrub) found(d Damage) { r.out.Found = append(r.out.Found, d) }

// buckets lists every bucket of the file.
func (s *Store) buckets() (paths [][][]byte, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			name = bytes.Clone(name)
			paths = append(paths, [][]byte{name})
			return b.ForEachBucket(func(sub []byte) error {
				paths = append(paths, [][]byte{name, bytes.Clone(sub)})
				return nil
			})
		})
	})
	return paths, err
}

// values reads on in one bucket.
func (r *scrub) values() {
	paths, err := r.s.buckets()
	if err != nil || r.c.Bucket >= uint64(len(paths)) {
		if err != nil {
			r.found(Damage{Origin: r.s.id.Origin, What: err.Error(), bucket: bucketMeta})
		}
		r.c = scrubCursor{Stage: stageEntries}
		return
	}
	path := paths[r.c.Bucket]
	last, err := r.some(path)
	if err == nil && last != nil && bytes.Compare(last, r.c.Key) <= 0 {
		err = fmt.Errorf("%w: ledger.db: keys of %s out of order", ErrDamaged, path[len(path)-1])
	}
	if err != nil {
		r.found(Damage{Origin: r.s.id.Origin, What: err.Error(), bucket: bucketMeta})
	}
	if err != nil || last == nil {
		r.c.Bucket, r.c.Key = r.c.Bucket+1, nil
		return
	}
	r.c.Key = last
}

// some checks values behind the cursor's key and returns the last key read; nil when there are no more.
func (r *scrub) some(path [][]byte) (last []byte, err error) {
	err = r.s.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(path[0])
		for _, name := range path[1:] {
			if b != nil {
				b = b.Bucket(name)
			}
		}
		if b == nil {
			return nil
		}
		name, c, n := path[len(path)-1], b.Cursor(), 0
		k, value := c.Seek(r.c.Key)
		if len(r.c.Key) > 0 && bytes.Equal(k, r.c.Key) {
			k, value = c.Next()
		}
		for ; k != nil && n < valuesAtOnce && r.out.Bytes < r.most; k, value = c.Next() {
			n, last = n+1, bytes.Clone(k)
			if value == nil {
				continue // a bucket
			}
			r.out.Bytes += uint64(len(k) + len(value))
			if _, err := opened(name, k, value); err != nil {
				r.found(Damage{Origin: r.origin(path), Index: fromBE(k), What: err.Error(), bucket: name, key: last, path: path})
			}
		}
		return nil
	})
	return last, err
}

func (r *scrub) origin(path [][]byte) ledger.Origin {
	if len(path) == 2 && !bytes.Equal(path[0], bucketOwn) {
		return ledger.Origin(path[0])
	}
	return r.s.id.Origin
}

// entries reads on in one ledger.
func (r *scrub) entries(ctx context.Context) {
	origins := r.s.Origins()
	if r.c.Ledger >= uint64(len(origins)) {
		if err := r.s.checkMany(); err != nil {
			r.found(Damage{Origin: r.s.id.Origin, What: err.Error(), bucket: bucketMeta})
		}
		r.done = true
		return
	}
	origin := origins[r.c.Ledger]
	governance, err := r.s.Governance(origin, r.c.Index)
	if err != nil {
		r.found(Damage{Origin: origin, What: err.Error(), bucket: bucketMeta})
	}
	listed := map[uint64]bool{}
	for _, i := range governance {
		listed[i] = true
	}
	for r.out.Bytes < r.most && r.c.Index < r.s.Size(origin) && ctx.Err() == nil {
		r.entry(origin, r.c.Index, listed[r.c.Index])
		r.c.Index++
	}
	if r.c.Index < r.s.Size(origin) {
		return
	}
	if err := r.s.checkRoot(origin); err != nil {
		r.found(Damage{Origin: origin, Index: r.c.Index, What: err.Error(), bucket: bucketMeta})
	}
	r.c.Ledger, r.c.Index = r.c.Ledger+1, 0
}

// entry checks one entry; one damage is found for all that is wrong with it.
func (r *scrub) entry(origin ledger.Origin, index uint64, listed bool) {
	e, err := r.s.checkEntry(origin, index, listed)
	r.out.Bytes += uint64(len(e.Leaf) + len(e.Payload) + tlog.HashSize)
	if err != nil {
		r.found(Damage{Origin: origin, Index: index, What: err.Error()})
	}
}

// checkEntry checks an entry, the tree's nodes that it completes, and what leads to it.
func (s *Store) checkEntry(origin ledger.Origin, index uint64, listed bool) (ledger.Entry, error) {
	own := origin == s.id.Origin
	if err := s.checkNodes(origin, index); err != nil {
		return ledger.Entry{}, err
	}
	e, bare, leaf, err := s.Entry(origin, index)
	switch {
	case err != nil && !errors.Is(err, ErrExpunged) && (own || !errors.Is(err, ErrAbsent)):
		return e, err
	case bare && own:
		return e, fmt.Errorf("%w: entry %d of %s: only its hash is here", ErrDamaged, index, origin)
	case bare:
		return e, nil
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return e, err
	}
	if listed != (rec.Kind == ledger.KindGovernance) {
		return e, fmt.Errorf("%w: the list of governance entries is wrong about entry %d of %s", ErrDamaged, index, origin)
	}
	if !own {
		return e, nil
	}
	if rec.Kind == ledger.KindRelease || rec.Kind == ledger.KindExpungement {
		if named, err := s.Naming(origin, rec.Target); err != nil || !slices.Contains(named, index) {
			return e, errors.Join(fmt.Errorf("%w: it is not noted that entry %d of %s names entry %d", ErrDamaged, index, origin, rec.Target), err)
		}
	}
	at, have, ok, err := s.BySequence(rec.Writer, rec.Sequence)
	if err != nil || !ok || at != index || have != leaf {
		return e, errors.Join(fmt.Errorf("%w: the index of sequences does not lead to entry %d", ErrDamaged, index), err)
	}
	return e, nil
}

// checkNodes checks each inner node that a leaf completes against the two below it.
func (s *Store) checkNodes(origin ledger.Origin, index uint64) error {
	r := s.HashReader(origin)
	for level, n := 1, int64(index); n&1 == 1; level, n = level+1, n>>1 {
		h, err := r.ReadHashes([]int64{tlog.StoredHashIndex(level-1, n-1), tlog.StoredHashIndex(level-1, n), tlog.StoredHashIndex(level, n>>1)})
		if err != nil {
			return err
		}
		if tlog.NodeHash(h[0], h[1]) != h[2] {
			return fmt.Errorf("%w: the tree of %s does not follow from its leaves at entry %d, level %d", ErrDamaged, origin, index, level)
		}
	}
	return nil
}

// checkRoot compares the tree on disk with the state.
func (s *Store) checkRoot(origin ledger.Origin) error {
	state := s.State()
	size, want := sizeOf(state, origin), tlog.Hash{}
	if size == 0 {
		return nil
	}
	if want = state.Root(); origin != s.id.Origin {
		want = state.Partners[origin].Mirror.Tree.Root()
	}
	root, err := tlog.TreeHash(int64(size), s.HashReader(origin))
	if err == nil && root != want {
		err = fmt.Errorf("%w: the tree of %s has another root than the state", ErrDamaged, origin)
	}
	return err
}

// Bytes is about how many bytes a scrub reads.
func (s *Store) Bytes() (sum uint64) {
	entries, err := os.ReadDir(filepath.Join(s.dir, currentDir))
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += uint64(info.Size())
		}
	}
	return sum
}

// CheckSigned compares the file of what this node signed last with memory.
func (s *Store) CheckSigned() error {
	s.signMu.Lock()
	defer s.signMu.Unlock()
	want, err := encodeSigned(s.signed)
	if err != nil || len(s.signed) == 0 {
		return err
	}
	if have, err := os.ReadFile(filepath.Join(s.dir, signedFile)); err != nil || !bytes.Equal(have, want) {
		return errors.Join(fmt.Errorf("%w: %s", ErrDamaged, signedFile), err)
	}
	return nil
}

// RewriteSigned writes that file again from memory.
func (s *Store) RewriteSigned() error {
	s.signMu.Lock()
	defer s.signMu.Unlock()
	b, err := encodeSigned(s.signed)
	if err == nil {
		err = durable.WriteFile(filepath.Join(s.dir, signedFile), b, 0o600)
	}
	return err
}
