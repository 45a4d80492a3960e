package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// A journal is everything a follower needs to fold the ledger itself: our entries and the mirror batches, in the order
// in which they were applied. It is a stream of frames, each a letter, a 4-byte big-endian length and a body:
//
//	V  "vigil journal 1", then raft index and term (8 bytes each)
//	E  CBOR entry of our ledger
//	M  CBOR mirror batch
//	B  the size of our ledger here is a boundary (8 bytes)
//	C  signed checkpoint of our ledger
//	Z  size (8 bytes) and state line (32 bytes) at the end, raft index and term again
//
// State never comes over the wire: the receiver applies every frame and compares the state line.
const journalMagic = "vigil journal 1"

var errJournal = errors.New("store: journal")

// Journal is a fixed stretch of the ledger to be sent. It reads immutable entries and holds no transaction open.
type Journal struct {
	s       *Store
	applied position
	size    uint64
	mirrors uint64
	line    tlog.Hash
	latest  []byte
	bytes   int64
}

// Journal flushes and returns what the ledger is now. Size is exact.
func (s *Store) Journal() (*Journal, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	j := &Journal{s: s}
	state := s.written
	s.mu.RUnlock()
	if state == nil {
		return nil, fmt.Errorf("%w: nothing to send yet", ErrAbsent)
	}
	j.size, j.line = state.Size(), state.Line()
	err := s.view(func(tx *bbolt.Tx) error {
		var err error
		var stored *ledger.State
		if stored, j.applied, _, err = readMeta(tx); err != nil {
			return err
		}
		j.size, j.line = stored.Size(), stored.Line()
		if b := tx.Bucket(bucketOwn).Bucket(bucketJournal); b != nil {
			j.mirrors = b.Sequence()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if j.latest, err = s.Latest(s.id.Origin); err != nil {
		return nil, err
	}
	count := &counter{}
	if err := j.frames(count); err != nil {
		return nil, err
	}
	j.bytes = count.n
	return j, nil
}

func (s *Store) view(f func(tx *bbolt.Tx) error) (err error) {
	defer onFault(&err)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.db.View(f)
}

// Size returns the exact number of bytes WriteTo writes.
func (j *Journal) Size() int64 { return j.bytes }

// Applied returns the raft index and term the journal goes up to.
func (j *Journal) Applied() (index, term uint64) { return j.applied.Index, j.applied.Term }

// WriteTo writes the journal.
func (j *Journal) WriteTo(w io.Writer) (int64, error) {
	b := bufio.NewWriterSize(w, 256<<10)
	err := j.frames(writerSink{b})
	if err == nil {
		err = b.Flush()
	}
	return j.bytes, err
}

// sink takes frames; the counter only counts them, so that a payload need not be read to know a journal's size.
type sink interface {
	frame(kind byte, length int, body func() ([]byte, error)) error
}

type counter struct{ n int64 }

func (c *counter) frame(_ byte, length int, _ func() ([]byte, error)) error {
	c.n += 5 + int64(length)
	return nil
}

type writerSink struct{ w io.Writer }

func (s writerSink) frame(kind byte, length int, body func() ([]byte, error)) error {
	b, err := body()
	if err != nil {
		return err
	}
	if len(b) != length {
		return fmt.Errorf("%w: a frame of %d bytes was announced with %d", errJournal, len(b), length)
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(length))
	if _, err := s.w.Write(head); err != nil {
		return err
	}
	_, err = s.w.Write(b)
	return err
}

func fixed(b []byte) (int, func() ([]byte, error)) {
	return len(b), func() ([]byte, error) { return b, nil }
}

// frames walks the journal in order: before our entry n come the mirror batches applied when we had n entries.
func (j *Journal) frames(to sink) error {
	head := append([]byte(journalMagic), be64(j.applied.Index)...)
	n, body := fixed(append(head, be64(j.applied.Term)...))
	if err := to.frame('V', n, body); err != nil {
		return err
	}
	next := uint64(1)
	for i := uint64(0); i <= j.size; i++ {
		var err error
		if next, err = j.mirrorsAt(to, next, i); err != nil {
			return err
		}
		if i == j.size {
			break
		}
		if err := j.entry(to, i); err != nil {
			return err
		}
	}
	if j.latest != nil {
		n, body := fixed(j.latest)
		if err := to.frame('C', n, body); err != nil {
			return err
		}
	}
	end := append(append(be64(j.size), j.line[:]...), be64(j.applied.Index)...)
	n, body = fixed(append(end, be64(j.applied.Term)...))
	return to.frame('Z', n, body)
}

func (j *Journal) entry(to sink, index uint64) error {
	origin := j.s.id.Origin
	leaf, err := j.s.Leaf(origin, index)
	if err != nil {
		return err
	}
	rec, _, err := ledger.OpenLeaf(leaf)
	if err != nil {
		return fmt.Errorf("%w: leaf %d", ErrDamaged, index)
	}
	empty := ledger.Marshal(ledger.Entry{Leaf: leaf, Payload: []byte{}})
	length := len(empty) - 1 + stringBytes(int(rec.PayloadLength))
	err = to.frame('E', length, func() ([]byte, error) {
		e, _, _, err := j.s.Entry(origin, index)
		return ledger.Marshal(e), err
	})
	if err != nil {
		return err
	}
	if _, _, ok, err := j.s.Boundary(index + 1); err != nil || !ok {
		return err
	}
	n, body := fixed(be64(index + 1))
	return to.frame('B', n, body)
}

// stringBytes is the length of a CBOR byte string of n bytes.
func stringBytes(n int) int {
	switch {
	case n < 24:
		return n + 1
	case n < 1<<8:
		return n + 2
	case n < 1<<16:
		return n + 3
	}
	return n + 5
}

func (j *Journal) mirrorsAt(to sink, next, size uint64) (uint64, error) {
	for ; next <= j.mirrors; next++ {
		m, err := j.s.journalMirror(next)
		if err != nil || m.At > size {
			return next, err
		}
		batch, err := j.s.mirrorBatch(m)
		if err != nil {
			return next, err
		}
		n, body := fixed(batch.Encode())
		if err := to.frame('M', n, body); err != nil {
			return next, err
		}
	}
	return next, nil
}

func (s *Store) journalMirror(number uint64) (m journalMirror, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	raw, err := s.ownValue(bucketJournal, be64(number))
	if err != nil {
		return m, err
	}
	return m, ledger.Unmarshal(raw, &m, maxFrameBytes)
}

// mirrorBatch puts a mirror batch together again from what was kept of it.
func (s *Store) mirrorBatch(m journalMirror) (*ledger.MirrorBatch, error) {
	b := &ledger.MirrorBatch{Origin: m.Origin, From: m.From, Checkpoint: m.Checkpoint, Evidence: m.Evidence}
	for i := m.From; i < m.From+m.Count; i++ {
		e, bare, hash, err := s.Entry(m.Origin, i)
		if err != nil {
			return nil, err
		}
		if bare {
			b.Items = append(b.Items, ledger.Bare(hash))
		} else {
			b.Items = append(b.Items, ledger.Full(e))
		}
	}
	return b, nil
}

// Receive folds a journal into a fresh ledger and swaps it in. A damaged or lying stream changes nothing. A crash
// leaves the old ledger or the new one.
func (s *Store) Receive(r io.Reader) error {
	incoming := filepath.Join(s.dir, incomingDir)
	if err := os.RemoveAll(incoming); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	if err := s.build(incoming, r); err != nil {
		return errors.Join(err, os.RemoveAll(incoming))
	}
	return s.swap(incoming)
}

// build folds a journal in a directory of its own.
func (s *Store) build(dir string, r io.Reader) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	db, err := openDB(dir)
	if err != nil {
		return err
	}
	segs, err := openSegments(dir, segmentEnd{})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	scratch := &Store{dir: dir, id: s.id, db: db, segments: segs, pending: newOverlay(), changed: make(chan struct{})}
	err = (&builder{s: scratch}).run(bufio.NewReaderSize(r, 256<<10))
	if err == nil {
		err = scratch.Flush()
	}
	return errors.Join(err, scratch.segments.close(), db.Close(), syncDir(dir))
}

func (s *Store) swap(incoming string) error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.segments.close(), s.db.Close())
	if err == nil {
		err = os.Rename(incoming, filepath.Join(s.dir, readyDir))
	}
	if err == nil {
		err = errors.Join(syncDir(s.dir), finishSwap(s.dir))
	}
	if err == nil {
		err = s.openCurrent()
	}
	if err != nil {
		s.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		return s.failed
	}
	s.flushing = nil
	s.wake()
	return nil
}

// builder applies the frames of a journal.
type builder struct {
	s       *Store
	applied position
	state   *ledger.State
	own     []Appended
	bytes   int
	checked bool
}

func (b *builder) run(r io.Reader) error {
	for !b.checked {
		kind, body, err := readFrame(r)
		if err != nil {
			return err
		}
		if (kind == 'V') != (b.applied.Index == 0) {
			return fmt.Errorf("%w: it begins with its header, once", errJournal)
		}
		if err := b.take(kind, body); err != nil {
			return err
		}
		if b.bytes += len(body); b.bytes > rebuildBatch {
			b.bytes = 0
			if err := b.s.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func readFrame(r io.Reader) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("%w: cut off: %w", errJournal, err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrameBytes {
		return 0, nil, fmt.Errorf("%w: a frame of %d bytes, at most %d", errJournal, n, maxFrameBytes)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("%w: cut off: %w", errJournal, err)
	}
	return head[0], body, nil
}

func (b *builder) take(kind byte, body []byte) error {
	switch kind {
	case 'V':
		return b.header(body)
	case 'E':
		return b.entry(body)
	case 'M':
		return b.mirror(body)
	case 'B':
		return b.commit(nil)
	case 'C':
		return b.s.PutCheckpoint(b.s.id.Origin, body)
	case 'Z':
		return b.end(body)
	}
	return fmt.Errorf("%w: unknown frame", errJournal)
}

func (b *builder) header(body []byte) error {
	n := len(journalMagic)
	if len(body) != n+16 || string(body[:n]) != journalMagic {
		return fmt.Errorf("%w: not one, or of another version", errJournal)
	}
	b.applied = position{fromBE(body[n : n+8]), fromBE(body[n+8:])}
	if b.applied.Index == 0 {
		return fmt.Errorf("%w: raft index 0", errJournal)
	}
	return nil
}

func (b *builder) entry(body []byte) error {
	var e ledger.Entry
	if err := ledger.Unmarshal(body, &e, maxFrameBytes); err != nil {
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	state, appended, err := ApplyOwn(b.state, e)
	if err != nil {
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	if state.Governance.Origin != b.s.id.Origin {
		return fmt.Errorf("%w: of %s, not of %s", ErrOther, state.Governance.Origin, b.s.id.Origin)
	}
	b.state, b.own = state, append(b.own, appended)
	return nil
}

// ApplyOwn applies an entry that must be accepted, the first one as the genesis.
func ApplyOwn(state *ledger.State, e ledger.Entry) (*ledger.State, Appended, error) {
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return nil, Appended{}, err
	}
	a := Appended{Leaf: ledger.LeafHash(e.Leaf), Writer: rec.Writer, Sequence: rec.Sequence, Kind: rec.Kind, Entry: e}
	if state == nil {
		next, err := ledger.Found(e)
		return next, a, err
	}
	next, result := state.Apply(e)
	if result.Verdict != ledger.Accepted {
		return nil, a, fmt.Errorf("entry %d is %s: %w", state.Size(), result.Verdict, errors.Join(reason(result)))
	}
	a.Index = result.Index
	return next, a, nil
}

func reason(r ledger.Result) error {
	if r.Reason == nil {
		return nil
	}
	return r.Reason
}

func (b *builder) mirror(body []byte) error {
	batch, err := ledger.DecodeMirrorBatch(body)
	if err != nil {
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	if b.state == nil {
		return fmt.Errorf("%w: a mirror before the genesis", errJournal)
	}
	at := b.state.Size()
	next, result := b.state.ApplyMirror(batch)
	if result.Verdict != ledger.MirrorApplied {
		return fmt.Errorf("%w: a mirror batch of %s does not hold: %w", errJournal, batch.Origin, result.Reason)
	}
	b.state = next
	return b.commit([]Mirrored{{Batch: batch, At: at}})
}

func (b *builder) commit(mirrors []Mirrored) error {
	if b.state == nil {
		return fmt.Errorf("%w: nothing before the boundary", errJournal)
	}
	own := b.own
	b.own = nil
	return b.s.Commit(Batch{Index: b.applied.Index, Term: b.applied.Term, State: b.state, Own: own, Mirrors: mirrors})
}

// end compares the folded state with the sender's.
func (b *builder) end(body []byte) error {
	if b.state == nil || len(body) != 8+tlog.HashSize+16 {
		return fmt.Errorf("%w: no end", errJournal)
	}
	if (position{fromBE(body[40:48]), fromBE(body[48:])}) != b.applied {
		return fmt.Errorf("%w: header and end name different raft entries", errJournal)
	}
	if fromBE(body[:8]) != b.state.Size() || tlog.Hash(body[8:40]) != b.state.Line() {
		return fmt.Errorf("%w: it folds to another state than the sender's", errJournal)
	}
	b.checked = true
	return b.commit(nil)
}
