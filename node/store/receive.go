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
	"sync/atomic"

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
	folded  atomic.Pointer[ledger.State] // state after the last piece
	flushed chan error                   // gets one value when the flush that was begun last is done; nil before the first
}

// run folds one journal, whose first frame is its header: what comes is read and prepared, what is folded is written, while the next is folded.
func (b *builder) run(r io.Reader) (err error) {
	b.applied, b.checked = position{}, false
	stop := make(chan struct{})
	defer close(stop)
	defer func() { err = errors.Join(err, b.written()) }()
	for piece := range readAhead(r, b.folded.Load, stop) {
		for i := range piece {
			if err := b.frame(&piece[i]); err != nil {
				return err
			}
		}
		b.folded.Store(b.state)
	}
	return nil
}

func (b *builder) frame(f *frame) error {
	if f.err != nil && !errors.Is(f.err, errJournal) {
		f.err = fmt.Errorf("%w: %w", errJournal, f.err)
	}
	if f.err != nil {
		return f.err
	}
	if (f.kind == 'V') != (b.applied.Index == 0) {
		return fmt.Errorf("%w: it begins with its header, once", errJournal)
	}
	if err := b.take(f); err != nil {
		return err
	}
	if b.bytes += len(f.body); b.bytes > rebuildBatch {
		b.bytes = 0
		return b.write()
	}
	return nil
}

// write begins to write what is folded, when what was before it is written.
func (b *builder) write() error {
	err := b.written()
	done := make(chan error, 1)
	b.flushed = done
	go func() { done <- b.s.Flush() }()
	return err
}

// written waits for the flush that was begun last.
func (b *builder) written() error {
	if b.flushed == nil {
		return nil
	}
	err := <-b.flushed
	b.flushed = nil
	return err
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

func (b *builder) take(f *frame) error {
	switch f.kind {
	case 'V':
		return b.header(f.body)
	case 'E':
		return b.entry(f.entry, false)
	case 'X':
		return b.entry(f.entry, true)
	case 'M':
		return b.mirror(f.batch, f.items)
	case 'B':
		return b.commit(nil)
	case 'C':
		return b.checkpoint(f.body)
	case 'Z':
		return b.end(f.body)
	}
	return fmt.Errorf("%w: unknown frame", errJournal)
}

// checkpoint keeps a checkpoint of what was folded: its signatures were verified by whoever kept it, under the roster of that time, and
// its root is compared here. One that goes further came while the journal was made.
func (b *builder) checkpoint(signed []byte) error {
	cp, _, err := ledger.ParseSigned(signed)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errJournal, err)
	case cp.Origin != b.s.id.Origin || b.state == nil:
		return fmt.Errorf("%w: a checkpoint of another ledger", errJournal)
	}
	if cp.Size > b.state.Size() {
		return nil
	}
	if len(b.own) > 0 {
		if err := b.commit(nil); err != nil {
			return err
		}
	}
	root, err := ledger.RootAt(cp.Size, b.s.HashReader(cp.Origin))
	if err != nil {
		return err
	}
	line, _, noted, err := b.s.Boundary(cp.Size)
	if err == nil && (root != cp.Root || noted && line != cp.State) {
		err = fmt.Errorf("%w: a checkpoint of another history", errJournal)
	}
	if err != nil {
		return err
	}
	return b.s.PutCheckpoint(cp.Origin, signed)
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

func (b *builder) entry(e *ledger.Prepared, gone bool) error {
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
func (p *pledges) apply(state *ledger.State, e *ledger.Prepared, earlier ledger.Earlier, gone bool) (*ledger.State, Appended, error) {
	var next *ledger.State
	var a Appended
	var err error
	if gone {
		next, a, err = applyGone(state, e, earlier)
	} else {
		next, a, err = applyOwn(state, e, earlier)
	}
	if err != nil || a.Kind == ledger.KindGovernance {
		return next, a, err
	}
	named := e.Record().Target
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

func applyGone(state *ledger.State, p *ledger.Prepared, earlier ledger.Earlier) (*ledger.State, Appended, error) {
	if p.Record() == nil || state == nil {
		return nil, Appended{}, errors.Join(errJournal, ledger.ErrMalformedEntry)
	}
	next, result := state.ApplyGonePrepared(p, earlier)
	if result.Verdict != ledger.Accepted {
		return nil, AppendedOf(p, 0), fmt.Errorf("entry %d is %s: %w", state.Size(), result.Verdict, errors.Join(reason(result)))
	}
	return next, AppendedOf(p, result.Index), nil
}

// ApplyOwn applies an entry that must be accepted, the first one as the genesis.
func ApplyOwn(state *ledger.State, e ledger.Entry, earlier ledger.Earlier) (*ledger.State, Appended, error) {
	return applyOwn(state, ledger.Prepare(e, nil), earlier)
}

func applyOwn(state *ledger.State, p *ledger.Prepared, earlier ledger.Earlier) (*ledger.State, Appended, error) {
	if p.Record() == nil {
		return nil, Appended{}, ledger.ErrMalformedEntry
	}
	if state == nil {
		next, err := ledger.Found(p.Entry())
		return next, AppendedOf(p, 0), err
	}
	next, result := state.ApplyPrepared(p, earlier)
	if result.Verdict != ledger.Accepted {
		return nil, AppendedOf(p, 0), fmt.Errorf("entry %d is %s: %w", state.Size(), result.Verdict, errors.Join(reason(result)))
	}
	return next, AppendedOf(p, result.Index), nil
}

// AppendedOf returns what the store keeps of an entry that was accepted at an index.
func AppendedOf(p *ledger.Prepared, index ledger.Index) Appended {
	rec := p.Record()
	return Appended{Index: index, Leaf: p.LeafHash(), Writer: rec.Writer, Sequence: rec.Sequence, Kind: rec.Kind, Entry: p.Entry()}
}

func reason(r ledger.Result) error {
	if r.Reason == nil {
		return nil
	}
	return r.Reason
}

func (b *builder) mirror(batch *ledger.MirrorBatch, items []*ledger.Prepared) error {
	if b.state == nil {
		return fmt.Errorf("%w: a mirror before the genesis", errJournal)
	}
	at := b.state.Size()
	next, result := b.state.ApplyMirrorPrepared(batch, items)
	if result.Verdict != ledger.MirrorApplied {
		return fmt.Errorf("%w: a mirror batch of %s does not hold: %w", errJournal, batch.Origin, result.Reason)
	}
	b.state = next
	return b.commit([]Mirrored{{Batch: batch, Items: items, At: at}})
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
