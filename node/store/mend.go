package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// ErrRebuild says that damage cannot be mended value by value: the ledger has to be built anew from another member's.
var ErrRebuild = errors.New("store: the ledger must be built anew from another member's")

// Fetch asks another member for an entry of a ledger, or for its hash where it has no more. What it returns is checked here: anybody
// may answer.
type Fetch func(ctx context.Context, origin ledger.Origin, index ledger.Index) (ledger.Entry, tlog.Hash, error)

// Mend repairs what a scrub found: from what else is here where that says it, or from another member. It returns in words what it
// did. ErrRebuild says that it cannot.
func (s *Store) Mend(ctx context.Context, d Damage, fetch Fetch) (done string, err error) {
	s.flushMu.Lock() // one writer at a time
	defer s.flushMu.Unlock()
	if failed := s.Failed(); failed != nil {
		return "", failed
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWait) // nothing is flushed meanwhile
	defer cancel()
	m := &mending{s: s, ctx: ctx, fetch: fetch}
	if d.bucket == nil {
		return m.entry(d.Origin, d.Index)
	}
	return m.value(d)
}

type mending struct {
	s     *Store
	ctx   context.Context
	fetch Fetch
	asked bool // another member

	appended bool // a payload, behind the end of the segments
}

// value mends one value of ledger.db by its bucket: what cannot be made again from entries needs a rebuild.
func (m *mending) value(d Damage) (string, error) {
	own := len(d.path) == 2 && bytes.Equal(d.path[0], bucketOwn)
	switch name := string(d.bucket); {
	case name == string(bucketLeaves) || name == string(bucketPayloads) || name == string(bucketGovernance):
		if len(d.key) == 8 && d.Index < m.s.Size(d.Origin) {
			return m.entry(d.Origin, d.Index)
		}
	case name == string(bucketHashes):
		level, n := tlog.SplitStoredHashIndex(int64(d.Index & (1<<62 - 1)))
		if index := uint64(n)<<level | (1<<level - 1); len(d.key) == 8 && level < 62 && index < m.s.Size(d.Origin) {
			return m.entry(d.Origin, index)
		}
	case own && name == string(bucketSequences), name == string(bucketNaming):
	default:
		return "", ErrRebuild
	}
	// The key is not one that could be there, or what it says follows from the entries: those that it should lead to are found by
	// themselves.
	err := m.s.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(d.path[0])
		for _, n := range d.path[1:] {
			b = b.Bucket(n)
		}
		return b.Delete(d.key)
	})
	return "removed; what it should say is written again", err
}

func (s *Store) update(f func(*bbolt.Tx) error) (err error) {
	defer onFault(&err)()
	return s.db.Update(f)
}

// entry mends an entry: its hash, its leaf, its payload, the nodes of the tree it completes and what leads to it.
func (m *mending) entry(origin ledger.Origin, index uint64) (string, error) {
	e, bare, hash, err := m.good(origin, index)
	if err != nil {
		return "", err
	}
	var at *place
	if len(e.Payload) > 0 {
		if at, err = m.payload(origin, index, e.Payload); err != nil {
			return "", err
		}
	}
	err = m.s.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(origin))
		if b == nil {
			return ErrRebuild
		}
		if at != nil && m.appended { // or the next start would cut it off
			if err := writeEnd(tx.Bucket(bucketMeta), m.s.segments.end); err != nil {
				return err
			}
		}
		return m.write(tx, b, origin, index, e, bare, hash, at)
	})
	if err != nil {
		return "", err
	}
	if m.asked {
		return "fetched from another member", nil
	}
	return "made again from what else is here", nil
}

// good returns an entry that hashes into the tree, from here or from another member. Of what was expunged or is not released to us
// there is less.
func (m *mending) good(origin ledger.Origin, index uint64) (e ledger.Entry, bare bool, hash tlog.Hash, err error) {
	leaf, leafErr := m.s.leafBytes(origin, index)
	if leafErr == nil && len(leaf) > 0 && m.proves(origin, index, ledger.LeafHash(leaf)) {
		e.Leaf = leaf
	}
	stored, hashErr := m.s.Hash(origin, index)
	if e.Leaf == nil && leafErr == nil && len(leaf) == 0 && hashErr == nil && m.proves(origin, index, stored) {
		return e, true, stored, nil // only its hash is here, and rightly so
	}
	if e.Leaf != nil {
		rec, _, err := ledger.OpenLeaf(e.Leaf)
		if err != nil {
			return e, false, hash, err
		}
		if _, gone, err := m.s.Gone(origin, index); err == nil && gone || rec.PayloadLength == 0 {
			return e, false, ledger.LeafHash(e.Leaf), nil
		}
		payload, err := m.s.payloadBytes(origin, index)
		if err == nil && rec.CheckPayload(payload) == nil {
			e.Payload = payload
			return e, false, ledger.LeafHash(e.Leaf), nil
		}
		if errors.Is(err, ErrAbsent) {
			return e, false, ledger.LeafHash(e.Leaf), nil
		}
	}
	e, hash, err = m.fetched(origin, index)
	return e, len(e.Leaf) == 0, hash, err
}

// fetched asks another member and checks what it says.
func (m *mending) fetched(origin ledger.Origin, index uint64) (ledger.Entry, tlog.Hash, error) {
	if m.fetch == nil {
		return ledger.Entry{}, tlog.Hash{}, fmt.Errorf("%w: entry %d of %s, and nobody else was asked", ErrDamaged, index, origin)
	}
	e, hash, err := m.fetch(m.ctx, origin, index)
	if err != nil {
		return e, hash, err
	}
	m.asked = true
	if len(e.Leaf) == 0 && origin != m.s.id.Origin && m.proves(origin, index, hash) {
		if p, err := m.s.presence(origin, index); err == nil && p != 0 {
			return e, hash, fmt.Errorf("%w: the other member has only the hash of entry %d of %s", ErrAbsent, index, origin)
		}
		return ledger.Entry{}, hash, nil
	}
	hash = ledger.LeafHash(e.Leaf)
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err == nil && len(e.Payload) > 0 {
		err = rec.CheckPayload(e.Payload)
	}
	if err == nil && !m.proves(origin, index, hash) {
		err = fmt.Errorf("%w: entry %d of %s as another member sent it is not in the tree", ErrDamaged, index, origin)
	}
	if err == nil && len(e.Payload) == 0 && rec.PayloadLength > 0 {
		if _, gone, goneErr := m.s.Gone(origin, index); goneErr != nil || !gone {
			err = fmt.Errorf("%w: the other member has no payload of entry %d of %s", ErrAbsent, index, origin)
		}
	}
	return e, hash, err
}

// proves says whether a leaf hash leads to the root of the state, by what is stored of the tree beside its own path.
func (m *mending) proves(origin ledger.Origin, index uint64, leaf tlog.Hash) bool {
	state := m.s.State()
	size, root := sizeOf(state, origin), state.Root()
	if origin != m.s.id.Origin {
		root = state.Partners[origin].Mirror.Tree.Root()
	}
	path, err := ledger.ProveInclusion(size, index, m.s.HashReader(origin))
	return err == nil && ledger.CheckInclusion(path, size, root, index, leaf) == nil
}

// payload writes a payload where it lay; it lies somewhere else only where it is not known any more where that was, and nothing of
// it is left in any segment.
func (m *mending) payload(origin ledger.Origin, index uint64, payload []byte) (*place, error) {
	m.s.mu.RLock()
	segs := m.s.segments
	raw, err := m.s.value(origin, bucketPayloads, index)
	m.s.mu.RUnlock()
	if p, decodeErr := decodePlace(raw); err == nil && decodeErr == nil && int(p.length) == len(payload) {
		if have, err := segs.read(p); err == nil && bytes.Equal(have, payload) {
			return &p, nil
		}
		return &p, segs.writeAt(p, payload)
	}
	for n := uint32(0); n <= segs.end.Number; n++ {
		b, err := os.ReadFile(segmentPath(segs.dir, n))
		if err != nil {
			continue
		}
		if at := bytes.Index(b, payload); at >= 0 {
			return &place{number: n, offset: uint64(at), length: uint32(len(payload))}, nil
		}
	}
	p, err := segs.append(payload)
	m.appended = true
	if err == nil {
		err = segs.sync()
	}
	return &p, err
}

// writeAt writes a payload over what is in its place, synced.
func (s *segments) writeAt(p place, payload []byte) error {
	f, err := os.OpenFile(segmentPath(s.dir, p.number), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: segment %d: %w", ErrDamaged, p.number, err)
	}
	_, err = f.WriteAt(payload, int64(p.offset))
	return errors.Join(err, f.Sync(), f.Close())
}

// write puts an entry and what leads to it back.
func (m *mending) write(tx *bbolt.Tx, b *bbolt.Bucket, origin ledger.Origin, index uint64, e ledger.Entry, bare bool, hash tlog.Hash, at *place) error {
	set := func(name, key, value []byte) error {
		sub, err := b.CreateBucketIfNotExists(name)
		if err == nil {
			err = put(sub, name, key, value)
		}
		return err
	}
	value := hash[:]
	if !bare {
		flags := byte(leafHere)
		if at != nil {
			flags |= payloadHere
		}
		value = append(value, flags)
	}
	err := set(bucketHashes, be64(uint64(tlog.StoredHashIndex(0, int64(index)))), value)
	if err == nil {
		err = m.nodes(set, origin, index, hash)
	}
	if err != nil || bare {
		return err
	}
	if err = set(bucketLeaves, be64(index), e.Leaf); err == nil && at != nil {
		err = set(bucketPayloads, be64(index), at.encode())
	}
	rec, _, openErr := ledger.OpenLeaf(e.Leaf)
	if err = errors.Join(err, openErr); err != nil {
		return err
	}
	if rec.Kind == ledger.KindGovernance {
		return errors.Join(set(bucketGovernance, be64(index), []byte{1}), m.sequence(tx, origin, index, rec))
	}
	if sub := b.Bucket(bucketGovernance); sub != nil {
		err = sub.Delete(be64(index))
	}
	if err == nil && (rec.Kind == ledger.KindRelease || rec.Kind == ledger.KindExpungement) {
		err = set(bucketNaming, append(be64(rec.Target), be64(index)...), []byte{1})
	}
	return errors.Join(err, m.sequence(tx, origin, index, rec))
}

func (m *mending) sequence(tx *bbolt.Tx, origin ledger.Origin, index uint64, rec *ledger.Record) error {
	if origin != m.s.id.Origin {
		return nil
	}
	own, err := tx.CreateBucketIfNotExists(bucketOwn)
	if err != nil {
		return err
	}
	b, err := own.CreateBucketIfNotExists(bucketSequences)
	if err != nil {
		return err
	}
	return put(b, bucketSequences, sequenceKey(rec.Writer, rec.Sequence), be64(index))
}

// nodes writes the inner nodes that a leaf completes, from the two below each.
func (m *mending) nodes(set func(name, key, value []byte) error, origin ledger.Origin, index uint64, leaf tlog.Hash) error {
	r := m.s.HashReader(origin)
	for level, n := 1, int64(index); n&1 == 1; level, n = level+1, n>>1 {
		left, err := r.ReadHashes([]int64{tlog.StoredHashIndex(level-1, n-1)})
		if err != nil {
			return err
		}
		leaf = tlog.NodeHash(left[0], leaf)
		if err := set(bucketHashes, be64(uint64(tlog.StoredHashIndex(level, n>>1))), leaf[:]); err != nil {
			return err
		}
	}
	return nil
}
