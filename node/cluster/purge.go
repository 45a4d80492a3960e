package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"vigil/node/durable"
	"vigil/node/store"
)

// What an expungement takes from the ledger lies in raft's log as well, and in pages of its file that nothing names any more.
// So raft takes a snapshot (a reference), the log is cut behind the entry that expunged, and the file is written anew with what
// is left. purgedFile says how far that has been done: 8 bytes raft index, big endian, and their CRC-32C.
const (
	purgedFile = "purged"
	logFile    = "raft.db"
)

// rewritable is raft's log and its term and vote. Its file can be replaced while raft goes on: whoever reads or writes waits.
type rewritable struct {
	path string

	mu   sync.RWMutex
	bolt *raftboltdb.BoltStore // guarded by mu; nil after Close, or where it could not be opened again
}

var errLogClosed = errors.New("cluster: the raft log is closed")

func openLog(path string) (*rewritable, error) {
	bolt, err := openBolt(path)
	return &rewritable{path: path, bolt: bolt}, err
}

func openBolt(path string) (_ *raftboltdb.BoltStore, err error) {
	defer faults(&err)()
	if err := store.CheckPages(path, nestedBuckets, true); errors.Is(err, store.ErrPages) {
		return nil, fmt.Errorf("%w: %w", ErrLog, err)
	}
	return raftboltdb.New(raftboltdb.Options{Path: path, MsgpackUseNewTimeFormat: true, BoltOptions: boltOptions()})
}

func boltOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType}
}

// with lends the store.
func with[T any](r *rewritable, f func(*raftboltdb.BoltStore) (T, error)) (_ T, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	defer faults(&err)()
	if r.bolt == nil {
		var none T
		return none, errLogClosed
	}
	return f(r.bolt)
}

func (r *rewritable) do(f func(*raftboltdb.BoltStore) error) error {
	_, err := with(r, func(b *raftboltdb.BoltStore) (struct{}, error) { return struct{}{}, f(b) })
	return err
}

// FirstIndex implements raft.LogStore.
func (r *rewritable) FirstIndex() (uint64, error) { return with(r, (*raftboltdb.BoltStore).FirstIndex) }

// LastIndex implements raft.LogStore.
func (r *rewritable) LastIndex() (uint64, error) { return with(r, (*raftboltdb.BoltStore).LastIndex) }

// GetLog implements raft.LogStore.
func (r *rewritable) GetLog(index uint64, e *raft.Log) error {
	return r.do(func(b *raftboltdb.BoltStore) error { return b.GetLog(index, e) })
}

// StoreLog implements raft.LogStore.
func (r *rewritable) StoreLog(e *raft.Log) error {
	return r.do(func(b *raftboltdb.BoltStore) error { return b.StoreLog(e) })
}

// StoreLogs implements raft.LogStore.
func (r *rewritable) StoreLogs(e []*raft.Log) error {
	return r.do(func(b *raftboltdb.BoltStore) error { return b.StoreLogs(e) })
}

// DeleteRange implements raft.LogStore. Where the file is mostly what was deleted, it is written anew: bbolt never gives a page
// back, and writes the list of those that are free with everything it commits, megabytes behind a large import.
func (r *rewritable) DeleteRange(first, last uint64) error {
	var stats bbolt.Stats
	err := r.do(func(b *raftboltdb.BoltStore) error {
		err := b.DeleteRange(first, last)
		stats = b.Stats()
		return err
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(r.path)
	if err != nil {
		return err
	}
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(os.Getpagesize())
	if free < leastFreed || info.Size()-free > mostTidied {
		return nil
	}
	if err := r.rewrite(); err != nil && r.closed() {
		return err
	}
	return nil // as it was, until more is deleted
}

// Set implements raft.StableStore.
func (r *rewritable) Set(key, value []byte) error {
	return r.do(func(b *raftboltdb.BoltStore) error { return b.Set(key, value) })
}

// Get implements raft.StableStore.
func (r *rewritable) Get(key []byte) ([]byte, error) {
	return with(r, func(b *raftboltdb.BoltStore) ([]byte, error) { return b.Get(key) })
}

// SetUint64 implements raft.StableStore.
func (r *rewritable) SetUint64(key []byte, value uint64) error {
	return r.do(func(b *raftboltdb.BoltStore) error { return b.SetUint64(key, value) })
}

// GetUint64 implements raft.StableStore.
func (r *rewritable) GetUint64(key []byte) (uint64, error) {
	return with(r, func(b *raftboltdb.BoltStore) (uint64, error) { return b.GetUint64(key) })
}

// Close closes the file.
func (r *rewritable) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bolt == nil {
		return nil
	}
	err := r.bolt.Close()
	r.bolt = nil
	return err
}

// rewrite replaces the file by one that holds what is there and nothing that was. A crash leaves the old one or the new one. An
// error leaves the log closed where it cannot be opened again.
func (r *rewritable) rewrite() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bolt == nil {
		return errLogClosed
	}
	if err := r.bolt.Close(); err != nil {
		return err
	}
	r.bolt = nil
	err := compact(r.path)
	bolt, openErr := openBolt(r.path)
	if openErr == nil {
		r.bolt = bolt
	}
	return errors.Join(err, openErr)
}

func compact(path string) (err error) {
	defer faults(&err)()
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	readOnly := boltOptions()
	readOnly.ReadOnly = true
	from, err := bbolt.Open(path, 0o600, readOnly)
	if err != nil {
		return err
	}
	to, err := bbolt.Open(fresh, 0o600, boltOptions())
	if err != nil {
		return errors.Join(err, from.Close())
	}
	err = bbolt.Compact(to, from, compactBytes)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close(), from.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return durable.Rename(fresh, path)
}

// Purged returns the raft index up to which nothing that was expunged is left in raft's log here.
func (c *Cluster) Purged() uint64 { return c.purged.Load() }

func (c *Cluster) loadPurged() error {
	b, err := os.ReadFile(filepath.Join(c.cfg.Dir, purgedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) == 12 && bytes.Equal(b, encodePurged(binary.BigEndian.Uint64(b))) { // anything else is done again
		c.purged.Store(binary.BigEndian.Uint64(b))
	}
	return nil
}

// purgeLoop purges raft's log of what was expunged, until ctx ends. What fails is tried again: until then the agency does not
// say that it is gone.
func (c *Cluster) purgeLoop(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := c.cfg.Store.Changed()
		var again <-chan time.Time
		if due := c.cfg.Store.PurgeIndex(); due > c.purged.Load() && !c.Halted() {
			if err := c.purge(due); err != nil && ctx.Err() == nil {
				c.cfg.Log.Warn("raft's log still holds what was expunged; it is tried again", "error", err)
				again = time.After(purgeAgain)
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again:
		}
	}
	return nil
}

func (c *Cluster) purge(due uint64) error {
	if err := c.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot: %w", err)
	}
	listed, err := c.snapshots.List()
	if err != nil {
		return err
	}
	if len(listed) == 0 || listed[0].Index < due {
		return fmt.Errorf("no snapshot goes up to entry %d yet", due)
	}
	first, err := c.logs.FirstIndex()
	if err == nil && first > 0 && first <= due {
		err = c.logs.DeleteRange(first, due) // as raft itself does behind a snapshot
	}
	if err == nil {
		err = c.bolt.rewrite()
	}
	if errors.Is(err, errLogClosed) || err != nil && c.bolt.closed() {
		c.cfg.Fatal(fmt.Errorf("cluster: write the raft log anew: %w", err))
		return err
	}
	if err == nil {
		err = durable.WriteFile(filepath.Join(c.cfg.Dir, purgedFile), encodePurged(due), 0o600)
	}
	if err == nil {
		c.purged.Store(due)
	}
	return err
}

func (r *rewritable) closed() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.bolt == nil
}
