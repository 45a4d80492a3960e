package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/node/durable"
)

// Errors of the store.
var (
	// ErrOther refuses the directory of another node or ledger.
	ErrOther = errors.New("store: the directory belongs to another node or ledger")
	// ErrInUse refuses a directory that another process has open.
	ErrInUse = errors.New("store: the directory is in use by another process")
	// ErrUnusable says that the directory cannot be written.
	ErrUnusable = errors.New("store: the directory cannot be used")
	// ErrDamaged says that what is on disk is not what was written. Nothing of it is ever returned.
	ErrDamaged = errors.New("store: damaged")
	// ErrAbsent says that the entry is not here: not yet, only as a hash, or expunged.
	ErrAbsent = ledger.ErrAbsent
	// ErrFailed says that a write failed: nothing more is written until the node is started again.
	ErrFailed = errors.New("store: nothing more is written; reads go on")
	// ErrSigned refuses to sign a smaller size than before, or another root for the same size.
	ErrSigned = errors.New("store: another checkpoint was signed before")
)

// Identity is whose store it is.
type Identity struct {
	Origin ledger.Origin `json:"origin"`
	Node   string        `json:"node"`
}

// Store is safe for concurrent use by many readers and one committer.
type Store struct {
	dir  string
	id   Identity
	lock *flock.Flock

	mu       sync.RWMutex
	db       *bbolt.DB     // guarded by mu: swapped by Replace
	segments *segments     // guarded by mu
	state    *ledger.State // guarded by mu; what readers see
	applied  position      // guarded by mu
	pending  *overlay      // guarded by mu; committed, not yet flushing
	flushing *overlay      // guarded by mu; being written
	changed  chan struct{} // guarded by mu; closed and replaced at every change
	failed   error         // guarded by mu; latched
	purge    uint64        // guarded by mu; see PurgeIndex
	counts   counts        // guarded by mu; of what is on disk and in pending and flushing

	signMu sync.Mutex
	signed map[ledger.Origin]signedSize // guarded by signMu, which is held while it is written: readers do not wait for that

	flushMu sync.Mutex // one flush at a time
	written *ledger.State
	kick    chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

type position struct{ Index, Term uint64 }

type signedSize struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
}

const (
	currentDir  = "current"
	incomingDir = "incoming"
	readyDir    = "ready"
	identity    = "store.json"
	signedFile  = "signed.json"
)

// Open opens or makes the store of one node. Another node's or ledger's directory is refused.
func Open(dir string, id Identity) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("%w: %w; is the file system read-only?", ErrUnusable, err)
	} else if !ok {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	s := &Store{dir: dir, id: id, lock: lock, changed: make(chan struct{}), kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if err := s.open(); err != nil {
		_ = lock.Unlock() // the first error is the one to tell
		return nil, err
	}
	go s.flushLoop()
	return s, nil
}

func (s *Store) open() error {
	if err := checkIdentity(s.dir, s.id); err != nil {
		return err
	}
	if err := finishSwap(s.dir); err != nil {
		return err
	}
	if err := s.loadSigned(); err != nil {
		return err
	}
	return s.openCurrent()
}

func checkIdentity(dir string, id Identity) error {
	path := filepath.Join(dir, identity)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, _ = json.Marshal(id)
		if err := durable.WriteFile(path, b, 0o600); err != nil {
			return fmt.Errorf("%w: %w", ErrUnusable, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var have Identity
	if err := json.Unmarshal(b, &have); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, identity, err)
	}
	if have != id {
		return fmt.Errorf("%w: %s is of %s, node %.8s; this is %s, node %.8s", ErrOther, dir, have.Origin, have.Node, id.Origin, id.Node)
	}
	return nil
}

func (s *Store) openCurrent() (err error) {
	dir := filepath.Join(s.dir, currentDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	db, err := openDB(dir)
	if err != nil {
		return err
	}
	end := segmentEnd{}
	if err := s.readState(db, &end); err != nil {
		return errors.Join(err, db.Close())
	}
	segs, err := openSegments(dir, end)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if err := errors.Join(durable.SyncDir(dir), durable.SyncDir(s.dir)); err != nil { // for what was made just now
		return errors.Join(fmt.Errorf("%w: %w", ErrUnusable, err), segs.close(), db.Close())
	}
	if err := purge(db, segs); err != nil { // a crash came before it was done
		return errors.Join(err, segs.close(), db.Close())
	}
	s.db, s.segments, s.pending, s.written = db, segs, newOverlay(), s.state
	return nil
}

func (s *Store) readState(db *bbolt.DB, end *segmentEnd) (err error) {
	defer onFault(&err)()
	return db.View(func(tx *bbolt.Tx) error {
		var err error
		s.state, s.applied, *end, err = readMeta(tx)
		if meta := tx.Bucket(bucketMeta); err == nil && meta != nil {
			var b []byte
			b, err = opened(bucketMeta, keyPurge, meta.Get(keyPurge))
			s.purge = fromBE(b)
		}
		if err == nil {
			s.counts, err = readCounts(tx)
		}
		return err
	})
}

// openDB keeps the free list in the file: without it bbolt walks every page at each start, in a goroutine whose panic
// over a damaged page nobody can catch.
func openDB(dir string) (db *bbolt.DB, err error) {
	defer onFault(&err)()
	if err := CheckPages(filepath.Join(dir, "ledger.db"), nestedBuckets, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	db, err = bbolt.Open(filepath.Join(dir, "ledger.db"), 0o600, &bbolt.Options{
		Timeout: lockWait, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: ledger.db: %w", ErrUnusable, err)
	}
	return db, nil
}

// Close flushes and closes. A failed store closes without flushing.
func (s *Store) Close() error {
	close(s.stop)
	<-s.done
	err := s.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.segments.close(), s.db.Close(), s.lock.Unlock())
}

// Origin returns our ledger's.
func (s *Store) Origin() ledger.Origin { return s.id.Origin }

// State returns the state after the last commit; nil before the first.
func (s *Store) State() *ledger.State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state
}

// Applied returns the raft index and term of the last commit.
func (s *Store) Applied() (index, term uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.applied.Index, s.applied.Term
}

// Failed returns the error that stopped writing, nil while all is well.
func (s *Store) Failed() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.failed
}

// Stop ends writing for good, for a reason found elsewhere; reads go on.
func (s *Store) Stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(why)
}

// fail latches; mu is held.
func (s *Store) fail(why error) error {
	if s.failed == nil {
		s.failed = fmt.Errorf("%w: %w", ErrFailed, why)
	}
	return s.failed
}

// Size returns how many entries of a ledger are here.
func (s *Store) Size(origin ledger.Origin) uint64 {
	return sizeOf(s.State(), origin)
}

func sizeOf(state *ledger.State, origin ledger.Origin) uint64 {
	switch {
	case state == nil:
		return 0
	case origin == state.Governance.Origin:
		return state.Size()
	case state.Partners[origin] == nil:
		return 0
	}
	return state.Partners[origin].Mirror.Size()
}

// Origins returns our ledger, the one that it continues, and every mirror.
func (s *Store) Origins() []ledger.Origin {
	state := s.State()
	if state == nil {
		return nil
	}
	out := []ledger.Origin{state.Governance.Origin}
	for _, c := range state.Governance.Predecessor {
		out = append(out, c.Origin)
	}
	for _, p := range state.Governance.Partners {
		out = append(out, p.Card.Origin)
	}
	return out
}

// Wait returns when a ledger has size entries. It carries no data: read the log afterwards.
func (s *Store) Wait(ctx context.Context, origin ledger.Origin, size uint64) error {
	for {
		s.mu.RLock()
		changed, have := s.changed, sizeOf(s.state, origin)
		s.mu.RUnlock()
		if have >= size {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Changed returns a channel that is closed at the next change.
func (s *Store) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

func (s *Store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// signedFileJSON is what this node signed last of each ledger, with the SHA-256 of that: a flipped bit must not let it sign
// another.
type signedFileJSON struct {
	Signed map[ledger.Origin]signedSize `json:"signed"`
	Sum    string                       `json:"sum"`
}

func encodeSigned(signed map[ledger.Origin]signedSize) ([]byte, error) {
	b, err := json.Marshal(signed)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return json.Marshal(signedFileJSON{Signed: signed, Sum: hex.EncodeToString(sum[:])})
}

func (s *Store) loadSigned() error {
	s.signed = map[ledger.Origin]signedSize{}
	b, err := os.ReadFile(filepath.Join(s.dir, signedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var have signedFileJSON
	err = json.Unmarshal(b, &have)
	if again, encodeErr := encodeSigned(have.Signed); err != nil || encodeErr != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: %s; this node must not sign again: replace it", ErrDamaged, signedFile)
	}
	s.signed = have.Signed
	return nil
}

// SetLastSigned notes, synced to disk before it returns, that this node signs size and root of a ledger. A smaller
// size than before, or another root for the same size, is refused.
func (s *Store) SetLastSigned(origin ledger.Origin, size uint64, root tlog.Hash) error {
	s.signMu.Lock()
	defer s.signMu.Unlock()
	last := s.signed[origin]
	next := signedSize{Size: size, Root: root.String()}
	switch failed := s.Failed(); {
	case failed != nil:
		return failed
	case last == next:
		return nil
	case size <= last.Size && last.Root != "":
		return fmt.Errorf("%w: size %d of %s, asked for %d", ErrSigned, last.Size, origin, size)
	}
	s.signed[origin] = next
	b, err := encodeSigned(s.signed)
	if err == nil {
		err = durable.WriteFile(filepath.Join(s.dir, signedFile), b, 0o600)
	}
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.fail(fmt.Errorf("%s: %w", signedFile, err))
	}
	return nil
}

// LastSigned returns the size that this node signed last of its own ledger.
func (s *Store) LastSigned() uint64 {
	s.signMu.Lock()
	defer s.signMu.Unlock()
	return s.signed[s.id.Origin].Size
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func sequenceKey(writer crypto.NodeID, sequence uint64) []byte {
	return append(append([]byte{}, writer[:]...), be64(sequence)...)
}
