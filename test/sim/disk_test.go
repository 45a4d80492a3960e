package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// disk is what a node has on its disk: a directory, which a crash replaces by an image of it as it was at that moment.
//
// What a crash takes: everything that was only in memory, among it what the store had not flushed; what was not synced of the
// board's write-ahead log, of which an end of any length is cut off; and bytes that the store had appended to a segment and
// named nowhere get noise behind them. What it does not: bbolt's pages, which are synced before anything is told, are never
// torn here (test/crash and test/cluster do that to real files). A write that is delayed may be caught before or after it.
type disk struct {
	root string

	mu     sync.Mutex
	number int           // guarded by mu; of the image in use
	delay  time.Duration // guarded by mu; of every write to the raft log, half before and half after it
}

func (d *disk) dir() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return filepath.Join(d.root, fmt.Sprint(d.number))
}

func (d *disk) setDelay(to time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = to
}

func (d *disk) wait() {
	d.mu.Lock()
	delay := d.delay / 2
	d.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
}

// image copies what is on disk now; nothing may be running.
func (d *disk) image(to string, rng *rand.Rand) error {
	if err := os.CopyFS(to, os.DirFS(d.dir())); err != nil {
		return err
	}
	return lose(to, rng)
}

// crash makes an image the disk; the old one goes.
func (d *disk) crash(image string) error {
	old := d.dir()
	d.mu.Lock()
	d.number++
	d.delay = 0
	d.mu.Unlock()
	if err := os.Rename(image, d.dir()); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// lose takes from an image what nobody had synced.
func lose(dir string, rng *rand.Rand) error {
	if err := loseTail(filepath.Join(dir, "board", "board.db"), rng); err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "ledger", "current", "payload-*"))
	if err != nil || len(segments) == 0 || rng.IntN(2) == 0 {
		return err
	}
	f, err := os.OpenFile(segments[len(segments)-1], os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	noise := make([]byte, rng.IntN(4096))
	for i := 0; i+8 <= len(noise); i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], rng.Uint64())
	}
	if _, err := f.Write(noise); err != nil {
		return err
	}
	return f.Close()
}

// loseTail cuts the write-ahead log of an SQLite file somewhere behind what a checkpoint has begun to copy: that much was
// synced. How much it is stands in the shared index (nBackfillAttempted, 128 bytes in), which itself is lost.
func loseTail(db string, rng *rand.Rand) error {
	index, err := os.ReadFile(db + "-shm")
	if err != nil || len(index) < 132 {
		return nil // it was closed, or never opened
	}
	const header, frame = 32, 24 + 4096
	synced := header + int64(binary.NativeEndian.Uint32(index[128:]))*frame
	if info, err := os.Stat(db + "-wal"); err == nil && info.Size() > synced {
		if err := os.Truncate(db+"-wal", synced+rng.Int64N(info.Size()-synced+1)); err != nil {
			return err
		}
	}
	return os.Remove(db + "-shm")
}

// slowLog is the raft log on a disk that takes its time.
type slowLog struct {
	raft.LogStore
	d *disk
}

// StoreLog implements raft.LogStore.
func (s slowLog) StoreLog(e *raft.Log) error { return s.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore.
func (s slowLog) StoreLogs(e []*raft.Log) error {
	s.d.wait()
	err := s.LogStore.StoreLogs(e)
	s.d.wait()
	return err
}
