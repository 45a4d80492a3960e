package cluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"vigil/node/durable"
	"vigil/node/store"
)

// snapshots is raft's snapshot store. Our own snapshots are references: one small file that says up to which raft index
// the ledger on disk goes. A follower too far behind gets the ledger's journal, folds it itself and only then lists the
// snapshot; what was received and not folded is never listed.
type snapshots struct {
	dir   string
	store *store.Store

	mu       sync.Mutex
	received map[string]*snapshotMeta // guarded by mu; complete, waiting for Restore
	begun    time.Time                // guarded by mu; when a journal began to come; zero where none does
	file     fs.FileInfo              // guarded by mu; what reach has read; nil for nothing
	reached  *snapshotMeta            // guarded by mu; what stood in it
}

type snapshotMeta struct {
	raft.SnapshotMeta
	// State is the raft index of the last command in the ledger when the snapshot was taken.
	State uint64
}

const referenceFile = "snapshot.json"

var errSnapshot = errors.New("cluster: snapshot")

func newSnapshots(dir string, s *store.Store) (*snapshots, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	incoming, err := filepath.Glob(filepath.Join(dir, "incoming-*"))
	if err != nil {
		return nil, err
	}
	for _, path := range incoming { // half received before the last stop
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return &snapshots{dir: dir, store: s, received: map[string]*snapshotMeta{}}, nil
}

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	id := fmt.Sprintf("%d-%d", term, index)
	return &snapshotSink{s: s, meta: snapshotMeta{SnapshotMeta: raft.SnapshotMeta{
		Version: version, ID: id, Index: index, Term: term, Configuration: c, ConfigurationIndex: configurationIndex,
	}}}, nil
}

// List implements raft.SnapshotStore. A reference to more than the ledger holds is refused: the ledger was lost.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	m, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if have, _ := s.store.Applied(); have < m.State {
		return nil, fmt.Errorf("%w: it goes up to raft index %d, the ledger on disk to %d: the ledger was lost or rolled back; replace this node", errSnapshot, m.State, have)
	}
	return []*raft.SnapshotMeta{&m.SnapshotMeta}, nil
}

func (s *snapshots) read() (*snapshotMeta, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, referenceFile))
	if err != nil {
		return nil, err
	}
	m := &snapshotMeta{}
	if err := decodeSummed(b, m); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errSnapshot, referenceFile, err)
	}
	return m, nil
}

// reach is up to which entry of raft's log the snapshot goes. Every word of this node and every one about it asks, so that the file is
// read again only where it is another, or was written.
func (s *snapshots) reach() (term, index uint64, err error) {
	file, err := os.Stat(filepath.Join(s.dir, referenceFile))
	if err != nil {
		return 0, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.file; was == nil || !os.SameFile(was, file) || was.Size() != file.Size() || !was.ModTime().Equal(file.ModTime()) {
		m, err := s.read()
		if err != nil {
			return 0, 0, err
		}
		s.file, s.reached = file, m
	}
	return s.reached.Term, s.reached.Index, nil
}

func (s *snapshots) write(m *snapshotMeta) error {
	b, err := encodeSummed(m)
	if err != nil {
		return err
	}
	err = durable.WriteFile(filepath.Join(s.dir, referenceFile), b, 0o600)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = nil
	return err
}

// Open implements raft.SnapshotStore: the journal of the ledger as it is now, which may be newer than the reference
// (raft's replay skips what is there), or what was just received.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	m := s.received[id]
	s.mu.Unlock()
	if m != nil {
		f, err := os.Open(s.path(id))
		if err != nil {
			return nil, nil, err
		}
		return &m.SnapshotMeta, &receivedReader{File: f, s: s, meta: m}, nil
	}
	m, err := s.read()
	if err != nil {
		return nil, nil, err
	}
	if m.ID != id {
		return nil, nil, fmt.Errorf("%w: %s is not here", errSnapshot, id)
	}
	journal, err := s.store.Journal()
	if err != nil {
		return nil, nil, err
	}
	meta := m.SnapshotMeta
	meta.Size = journal.Size()
	r, w := io.Pipe()
	go func() {
		_, err := journal.WriteTo(w)
		w.CloseWithError(err) // ends when the reader closes, too
	}()
	return &meta, r, nil
}

func (s *snapshots) path(id string) string {
	return filepath.Join(s.dir, "incoming-"+filepath.Base(id))
}

func (s *snapshots) comes(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun = (time.Time{}); yes {
		s.begun = time.Now()
	}
}

// coming says whether a journal is being received or folded, and has not been for longer than one may take.
func (s *snapshots) coming() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.begun.IsZero() && time.Since(s.begun) < snapshotTakes
}

// receivedReader reads a received journal; commit lists it once it has been folded, drop forgets it where it cannot be.
type receivedReader struct {
	*os.File
	s    *snapshots
	meta *snapshotMeta
}

func (r *receivedReader) commit(state uint64) error {
	r.meta.State = state
	return errors.Join(r.s.write(r.meta), r.drop())
}

func (r *receivedReader) drop() error {
	r.s.mu.Lock()
	r.s.begun = time.Time{}
	delete(r.s.received, r.meta.ID)
	r.s.mu.Unlock()
	return os.Remove(r.s.path(r.meta.ID))
}

// snapshotSink takes either nothing (our own reference) or a journal.
type snapshotSink struct {
	s      *snapshots
	meta   snapshotMeta
	file   *os.File
	closed bool
}

// ID implements raft.SnapshotSink.
func (k *snapshotSink) ID() string { return k.meta.ID }

// Write implements raft.SnapshotSink.
func (k *snapshotSink) Write(b []byte) (int, error) {
	if k.file == nil {
		f, err := os.OpenFile(k.s.path(k.meta.ID), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return 0, err
		}
		k.file = f
		k.s.comes(true)
	}
	n, err := k.file.Write(b)
	k.meta.Size += int64(n)
	return n, err
}

// Close implements raft.SnapshotSink; raft may call it twice.
func (k *snapshotSink) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	if k.file == nil {
		return k.s.write(&k.meta)
	}
	if err := errors.Join(k.file.Sync(), k.file.Close()); err != nil {
		k.s.comes(false)
		return err
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.received[k.meta.ID] = &k.meta
	return nil
}

// Cancel implements raft.SnapshotSink.
func (k *snapshotSink) Cancel() error {
	if k.closed || k.file == nil {
		k.closed = true
		return nil
	}
	k.closed = true
	k.s.comes(false)
	return errors.Join(k.file.Close(), os.Remove(k.s.path(k.meta.ID)))
}
