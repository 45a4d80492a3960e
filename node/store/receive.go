package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/node/durable"
)

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

// Rebuild makes the ledger of a directory anew from another member's journal, in place of one that is damaged. Nobody may have the
// directory open. Whose it is and what this node has signed stay; a journal of a ledger that ends before that, or begins with another
// genesis, is refused. Until a checkpoint covers its end, that is the other member's word, as with a raft snapshot. Backups that
// begin where another ended come as further journals, in order.
func Rebuild(dir string, id Identity, genesis string, journals ...io.Reader) error {
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil || !ok {
		return errors.Join(fmt.Errorf("%w: %s", ErrInUse, dir), err)
	}
	s := &Store{dir: dir, id: id, lock: lock}
	return errors.Join(s.rebuild(genesis, journals), lock.Unlock())
}

func (s *Store) rebuild(genesis string, journals []io.Reader) error {
	if err := checkIdentity(s.dir, s.id); err != nil {
		return err
	}
	if err := s.loadSigned(); err != nil {
		return err
	}
	incoming := filepath.Join(s.dir, incomingDir)
	if err := os.RemoveAll(incoming); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	state, err := s.buildState(incoming, journals)
	switch {
	case err != nil:
	case genesis != "" && state.Governance.Genesis.String() != genesis:
		err = fmt.Errorf("%w: it begins with another genesis", ErrOther)
	case state.Size() < s.signed[s.id.Origin].Size:
		err = fmt.Errorf("%w: it has %d entries, and this node has signed for %d; ask another member", ErrSigned, state.Size(), s.signed[s.id.Origin].Size)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(incoming))
	}
	if err := os.Rename(incoming, filepath.Join(s.dir, readyDir)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return errors.Join(durable.SyncDir(s.dir), finishSwap(s.dir))
}

// build folds a journal in a directory of its own.
func (s *Store) build(dir string, r io.Reader) error {
	_, err := s.buildState(dir, []io.Reader{r})
	return err
}

func (s *Store) buildState(dir string, journals []io.Reader) (*ledger.State, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	db, err := openDB(dir)
	if err != nil {
		return nil, err
	}
	segs, err := openSegments(dir, segmentEnd{})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	scratch := &Store{dir: dir, id: s.id, db: db, segments: segs, pending: newOverlay(), counts: counts{}, changed: make(chan struct{})}
	b := &builder{s: scratch}
	for i := 0; i < len(journals) && err == nil; i++ {
		err = b.run(bufio.NewReaderSize(journals[i], 256<<10))
	}
	if err == nil {
		err = scratch.Flush()
	}
	return scratch.state, errors.Join(err, scratch.segments.close(), db.Close(), durable.SyncDir(dir))
}

func (s *Store) swap(incoming string) error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.segments.close(), s.db.Close())
	if err == nil {
		err = durable.Rename(incoming, filepath.Join(s.dir, readyDir))
	}
	if err == nil {
		err = finishSwap(s.dir)
	}
	if err == nil {
		err = s.openCurrent()
	}
	if err != nil {
		return s.fail(err)
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
	without pledges
}

// run applies one journal, whose first frame is its header.
func (b *builder) run(r io.Reader) error {
	b.applied, b.checked = position{}, false
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
		var e ledger.Entry
		if err := ledger.Unmarshal(body, &e, maxFrameBytes); err != nil {
			return fmt.Errorf("%w: %w", errJournal, err)
		}
		return b.entry(e, false)
	case 'X':
		return b.entry(ledger.Entry{Leaf: body}, true)
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

func (b *builder) entry(e ledger.Entry, gone bool) error {
	state, appended, err := b.without.apply(b.state, e, b.earlier, gone)
	if err != nil {
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	if state.Governance.Origin != b.s.id.Origin {
		return fmt.Errorf("%w: of %s, not of %s", ErrOther, state.Governance.Origin, b.s.id.Origin)
	}
	b.state, b.own = state, append(b.own, appended)
	return nil
}

// earlier finds a leaf among what has been folded so far.
func (b *builder) earlier(index ledger.Index) ([]byte, error) {
	for _, a := range b.own {
		if a.Index == index {
			return a.Entry.Leaf, nil
		}
	}
	return b.s.Leaf(b.s.id.Origin, index)
}

// pledges are entries that came without their payload, by what they name (sealed entries name themselves): until the end there
// must have come an expungement of each.
type pledges map[ledger.Index]ledger.Index

// apply applies an entry that must be accepted, with its payload or without.
func (p *pledges) apply(state *ledger.State, e ledger.Entry, earlier ledger.Earlier, gone bool) (*ledger.State, Appended, error) {
	var next *ledger.State
	var a Appended
	var err error
	if gone {
		next, a, err = applyGone(state, e.Leaf, earlier)
	} else {
		next, a, err = ApplyOwn(state, e, earlier)
	}
	if err != nil || a.Kind == ledger.KindGovernance {
		return next, a, err
	}
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return nil, a, err
	}
	named := rec.Target
	if a.Kind == ledger.KindSealed {
		named = a.Index
	}
	if a.Kind == ledger.KindExpungement {
		maps.DeleteFunc(*p, func(_, x ledger.Index) bool { return x == named })
	}
	if gone {
		if *p == nil {
			*p = pledges{}
		}
		(*p)[a.Index] = named
	}
	return next, a, nil
}

func (p pledges) kept() error {
	if len(p) > 0 {
		return fmt.Errorf("%w: %d payloads are missing that nothing expunged", errJournal, len(p))
	}
	return nil
}

func applyGone(state *ledger.State, leaf []byte, earlier ledger.Earlier) (*ledger.State, Appended, error) {
	rec, _, err := ledger.OpenLeaf(leaf)
	if err != nil || state == nil {
		return nil, Appended{}, errors.Join(errJournal, err)
	}
	a := Appended{Leaf: ledger.LeafHash(leaf), Writer: rec.Writer, Sequence: rec.Sequence, Kind: rec.Kind, Entry: ledger.Entry{Leaf: leaf}}
	next, result := state.ApplyGone(leaf, earlier)
	if result.Verdict != ledger.Accepted {
		return nil, a, fmt.Errorf("entry %d is %s: %w", state.Size(), result.Verdict, errors.Join(reason(result)))
	}
	a.Index = result.Index
	return next, a, nil
}

// ApplyOwn applies an entry that must be accepted, the first one as the genesis.
func ApplyOwn(state *ledger.State, e ledger.Entry, earlier ledger.Earlier) (*ledger.State, Appended, error) {
	rec, _, err := ledger.OpenLeaf(e.Leaf)
	if err != nil {
		return nil, Appended{}, err
	}
	a := Appended{Leaf: ledger.LeafHash(e.Leaf), Writer: rec.Writer, Sequence: rec.Sequence, Kind: rec.Kind, Entry: e}
	if state == nil {
		next, err := ledger.Found(e)
		return next, a, err
	}
	next, result := state.Apply(e, earlier)
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
	if err := b.without.kept(); err != nil {
		return err
	}
	b.checked = true
	return b.commit(nil)
}
