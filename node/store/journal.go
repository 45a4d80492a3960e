package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
)

// A journal is everything a follower needs to fold the ledger itself: our entries and the mirror batches, in the order
// in which they were applied. It is a stream of frames, each a letter, a 4-byte big-endian length and a body:
//
//	V  "vigil journal 1", then raft index and term (8 bytes each)
//	E  CBOR entry of our ledger
//	X  leaf of an entry of our ledger whose payload was expunged by a later one
//	M  CBOR mirror batch
//	B  the size of our ledger here is a boundary (8 bytes)
//	C  signed checkpoint of our ledger
//	Z  size (8 bytes) and state line (32 bytes) at the end, raft index and term again
//
// A backup may begin where an earlier one ended: a journal of its own with what came after, which folds only behind that one.
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
	state   *ledger.State // as it is on disk
	latest  []byte
	all     bool // every checkpoint of our ledger from after.Sealed on, not the latest only
	after   Mark
	bytes   int64
}

// Mark is how far a backup goes. The zero Mark is before everything.
type Mark struct {
	Size    uint64 // entries of our ledger
	Root    tlog.Hash
	Mirrors uint64 // mirror batches that were applied
	Sealed  uint64 // size of the newest checkpoint of our ledger
}

// Journal flushes and returns what the ledger is now. Size is exact.
func (s *Store) Journal() (*Journal, error) {
	if err := s.Flush(); err != nil {
		return nil, err
	}
	j, err := s.onDisk()
	if err != nil {
		return nil, err
	}
	count := &counter{}
	if err := j.frames(count); err != nil {
		return nil, err
	}
	j.bytes = count.n
	return j, nil
}

// Backup returns what came after an earlier backup's end, with every checkpoint that is kept of our ledger, which say when its
// entries were there. Its size is not counted. A mark that this ledger does not go on from is ErrOther.
func (s *Store) Backup(after Mark) (*Journal, error) {
	if err := s.Flush(); err != nil && !errors.Is(err, ErrFailed) { // a store that failed is still read
		return nil, err
	}
	j, err := s.onDisk()
	if err != nil {
		return nil, err
	}
	j.all, j.after = true, after
	if after == (Mark{}) {
		return j, nil
	}
	if after.Size > j.size || after.Mirrors > j.mirrors {
		return nil, fmt.Errorf("%w: it ends at %d entries and %d batches of mirrors, and here are %d and %d", ErrOther, after.Size, after.Mirrors, j.size, j.mirrors)
	}
	root, err := ledger.RootAt(after.Size, s.HashReader(s.id.Origin))
	if err == nil && root != after.Root {
		err = fmt.Errorf("%w: its %d entries have another root than those here", ErrOther, after.Size)
	}
	return j, err
}

// End returns how far the journal goes.
func (j *Journal) End() (Mark, error) {
	m := Mark{Size: j.size, Root: j.state.Root(), Mirrors: j.mirrors}
	err := j.kept(func(size uint64) error {
		m.Sealed = size
		return nil
	})
	return m, err
}

// onDisk returns a journal of what is on disk now, before its bytes are counted.
func (s *Store) onDisk() (*Journal, error) {
	j := &Journal{s: s}
	err := s.view(func(tx *bbolt.Tx) error {
		var err error
		if j.state, j.applied, _, err = readMeta(tx); err != nil {
			return err
		}
		if j.state == nil {
			return fmt.Errorf("%w: nothing to send yet", ErrAbsent)
		}
		j.size = j.state.Size()
		j.mirrors = journalEnd(tx)
		return nil
	})
	if err != nil {
		return nil, err
	}
	j.latest, err = s.Latest(s.id.Origin)
	return j, err
}

func (s *Store) view(f func(tx *bbolt.Tx) error) (err error) {
	defer onFault(&err)()
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
	mirrors := mirrorWalk{j: j, next: j.after.Mirrors + 1}
	for from := j.after.Size; from < j.size; from += stretchEntries {
		stretch, err := j.s.stretch(from, min(from+stretchEntries, j.size))
		if err != nil {
			return err
		}
		for i, k := range stretch {
			index := from + uint64(i)
			if err := mirrors.at(to, index); err != nil {
				return err
			}
			if err := j.entry(to, index, k); err != nil {
				return err
			}
		}
	}
	if err := mirrors.at(to, j.size); err != nil {
		return err
	}
	if err := j.checkpoints(to); err != nil {
		return err
	}
	line := j.state.Line()
	end := append(append(be64(j.size), line[:]...), be64(j.applied.Index)...)
	n, body = fixed(append(end, be64(j.applied.Term)...))
	return to.frame('Z', n, body)
}

// kept calls f with the size of each checkpoint of our ledger that the journal has, in order: once more the one with which an
// earlier backup ended, which may have more signatures now.
func (j *Journal) kept(f func(size uint64) error) error {
	for last := max(j.after.Sealed, 1) - 1; ; {
		sizes, err := j.s.Checkpoints(j.s.id.Origin, last)
		if err != nil || len(sizes) == 0 {
			return err
		}
		for _, last = range sizes {
			if last > j.size {
				return nil
			}
			if err := f(last); err != nil {
				return err
			}
		}
	}
}

func (j *Journal) checkpoints(to sink) error {
	if j.all {
		return j.kept(func(size uint64) error {
			signed, err := j.s.Checkpoint(j.s.id.Origin, size)
			if err != nil {
				return err
			}
			n, body := fixed(signed)
			return to.frame('C', n, body)
		})
	}
	if j.latest == nil {
		return nil
	}
	n, body := fixed(j.latest)
	return to.frame('C', n, body)
}

func (j *Journal) entry(to sink, index uint64, k kept) error {
	origin := j.s.id.Origin
	if k.leaf == nil {
		var err error
		if k.leaf, err = j.s.Leaf(origin, index); err != nil {
			return err
		}
	}
	n, body := fixed(k.leaf)
	kind := byte('X')
	if !k.gone {
		kind, n = 'E', 1+stringBytes(len(k.leaf))+stringBytes(int(k.place.length)) // a CBOR array of two
		body = func() ([]byte, error) {
			rec, _, err := ledger.OpenLeaf(k.leaf)
			if err != nil {
				return nil, fmt.Errorf("%w: leaf %d", ErrDamaged, index)
			}
			payload, err := j.s.payloadAt(origin, index, rec, k.place)
			return ledger.Marshal(ledger.Entry{Leaf: k.leaf, Payload: payload}), err
		}
	}
	if err := to.frame(kind, n, body); err != nil || !k.boundary {
		return err
	}
	n, body = fixed(be64(index + 1))
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

// mirrorWalk goes through the mirror batches beside our entries.
type mirrorWalk struct {
	j      *Journal
	next   uint64
	waits  journalMirror // number next, where it was read
	isRead bool
}

// at sends the batches that were applied when our ledger had size entries.
func (w *mirrorWalk) at(to sink, size uint64) error {
	for ; w.next <= w.j.mirrors; w.next, w.isRead = w.next+1, false {
		if !w.isRead {
			m, err := w.j.s.journalMirror(w.next)
			if err != nil {
				return err
			}
			w.waits, w.isRead = m, true
		}
		if w.waits.At > size {
			return nil
		}
		batch, err := w.j.s.mirrorBatch(w.waits)
		if err != nil {
			return err
		}
		n, body := fixed(batch.Encode())
		if err := to.frame('M', n, body); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) journalMirror(number uint64) (m journalMirror, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	raw, err := s.ownValue(bucketJournal, be64(number))
	if err != nil {
		return m, err
	}
	err = ledger.Unmarshal(raw, &m, maxFrameBytes)
	return m, err
}

// mirrorBatch puts a mirror batch together again from what was kept of it.
func (s *Store) mirrorBatch(m journalMirror) (*ledger.MirrorBatch, error) {
	b := &ledger.MirrorBatch{Origin: m.Origin, From: m.From, Checkpoint: m.Checkpoint, Evidence: m.Evidence}
	for i := m.From; i < m.From+m.Count; i++ {
		e, bare, hash, err := s.Entry(m.Origin, i)
		if err != nil && !errors.Is(err, ErrAbsent) || err != nil && len(e.Leaf) == 0 {
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
