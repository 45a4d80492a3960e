package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// ErrLog says that the raft log on disk is not what was written to it.
var ErrLog = errors.New("cluster: the raft log is damaged")

// errGap refuses entries that do not follow: raft would panic over the gap, and the log never verify again.
var errGap = errors.New("cluster: these entries do not follow the raft log")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkedLog puts a checksum and a chain around raft's log store, which has neither: a flipped bit would come back as
// good data. Each entry carries, in its extension field, the sum of the entry before and its own (4 bytes each,
// CRC-32C, big endian). A failed or hung write is fatal and never retried.
type checkedLog struct {
	raft.LogStore
	stable *checkedStable // where it is noted that the end gave way
	turns  atomic.Uint64  // odd while it does
	fatal  func(error)
	hung   time.Duration
	reach  func() (term, index uint64, err error) // of the snapshot; nil where there is none

	mu   sync.Mutex
	last uint64 // guarded by mu; index of sum
	sum  uint32 // guarded by mu; of the entry last written
}

const sumBytes = 8

// IsMonotonic keeps raft from leaving a gap behind a snapshot, in which it would be stuck (hashicorp/raft issue 697).
func (l *checkedLog) IsMonotonic() bool { return true }

// StoreLog implements raft.LogStore.
func (l *checkedLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore.
func (l *checkedLog) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	watchdog := time.AfterFunc(l.hung, func() {
		l.fatal(fmt.Errorf("cluster: a write to the raft log has taken %s: the disk hangs", l.hung))
	})
	defer watchdog.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.follow(entries); err != nil {
		return err
	}
	before, err := l.sumOf(entries[0].Index - 1)
	if err != nil {
		return l.fail(err)
	}
	stored := make([]*raft.Log, len(entries))
	for i, e := range entries {
		c := *e // raft's own copy is shared with its cache and its replication
		own := logSum(before, e)
		c.Extensions = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, before), own)
		stored[i], before = &c, own
	}
	if err := l.LogStore.StoreLogs(stored); err != nil {
		return l.fail(err)
	}
	l.last, l.sum = entries[len(entries)-1].Index, before
	return nil
}

// follow refuses entries that do not begin behind the last or, where there is none, behind the snapshot. Raft takes away what lies there
// before it writes.
func (l *checkedLog) follow(entries []*raft.Log) error {
	last := l.last
	if last == 0 {
		var err error
		if last, err = l.LastIndex(); err != nil {
			return l.fail(err)
		}
	}
	if last == 0 {
		var err error
		if last, err = l.behindSnapshot(); err != nil {
			return err
		}
	}
	for i, e := range entries {
		if next := last + 1 + uint64(i); e.Index != next {
			return fmt.Errorf("%w: entry %d where %d should be", errGap, e.Index, next)
		}
	}
	return nil
}

// behindSnapshot is up to which entry the snapshot goes; 0 where there is none.
func (l *checkedLog) behindSnapshot() (uint64, error) {
	if l.reach == nil {
		return 0, nil
	}
	_, index, err := l.reach()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return index, err
}

// overtaken takes away, at the start of a node, a log that ends before the snapshot: a crash came between a snapshot that was received
// and the removal of the log before it, behind which raft would leave a gap.
func (l *checkedLog) overtaken() error {
	snapshot, err := l.behindSnapshot()
	if err != nil {
		return err
	}
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil || last == 0 || last >= snapshot {
		return err
	}
	return l.DeleteRange(first, last)
}

func (l *checkedLog) fail(err error) error {
	l.fatal(fmt.Errorf("cluster: write the raft log: %w", err))
	return err
}

// sumOf returns the sum of an entry, 0 where there is none (the first, or the first behind a snapshot).
func (l *checkedLog) sumOf(index uint64) (uint32, error) {
	if index == l.last {
		return l.sum, nil
	}
	var e raft.Log
	switch err := l.LogStore.GetLog(index, &e); {
	case errors.Is(err, raft.ErrLogNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	if err := verifyLog(&e); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(e.Extensions[4:]), nil
}

// GetLog implements raft.LogStore. What does not verify is an error, over which raft stops the node.
func (l *checkedLog) GetLog(index uint64, e *raft.Log) error {
	if err := l.LogStore.GetLog(index, e); err != nil {
		return err // ErrLogNotFound is compared, not unwrapped
	}
	if e.Index != index {
		return fmt.Errorf("%w: entry %d where %d should be", ErrLog, e.Index, index)
	}
	if err := verifyLog(e); err != nil {
		return err
	}
	e.Extensions = nil
	return nil
}

// DeleteRange implements raft.LogStore.
func (l *checkedLog) DeleteRange(first, last uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last >= first && l.last <= last {
		l.last, l.sum = 0, 0
	}
	end, err := l.isEnd(last)
	switch {
	case err != nil:
	case end && l.stable != nil:
		err = l.giveWay(first, last)
	default:
		err = l.LogStore.DeleteRange(first, last)
	}
	if err != nil {
		return l.fail(err)
	}
	return nil
}

func verifyLog(e *raft.Log) error {
	if len(e.Extensions) != sumBytes {
		return fmt.Errorf("%w: entry %d has no checksum", ErrLog, e.Index)
	}
	if logSum(binary.BigEndian.Uint32(e.Extensions), e) != binary.BigEndian.Uint32(e.Extensions[4:]) {
		return fmt.Errorf("%w: checksum of entry %d", ErrLog, e.Index)
	}
	return nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func logSum(before uint32, e *raft.Log) uint32 {
	head := binary.BigEndian.AppendUint32(nil, before)
	head = binary.BigEndian.AppendUint64(head, e.Index)
	head = binary.BigEndian.AppendUint64(head, e.Term)
	head = binary.BigEndian.AppendUint64(append(head, byte(e.Type)), uint64(len(e.Data)))
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, e.Data)
}

// verifyAll checks every entry and the chain between them, at the start of a node.
func (l *checkedLog) verifyAll() error {
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil || last == 0 {
		return err
	}
	var before uint32
	for i := first; i <= last; i++ {
		var e raft.Log
		if err := l.LogStore.GetLog(i, &e); err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrLog, i, err)
		}
		if err := verifyLog(&e); err != nil {
			return err
		}
		if i > first && binary.BigEndian.Uint32(e.Extensions) != before {
			return fmt.Errorf("%w: entry %d does not follow entry %d", ErrLog, i, i-1)
		}
		before = binary.BigEndian.Uint32(e.Extensions[4:])
	}
	return nil
}

// checkedStable puts a checksum behind every value of raft's stable store: its term and its vote.
type checkedStable struct {
	raft.StableStore
	fatal func(error)
}

var errStable = errors.New("cluster: raft's term or vote on disk is damaged; replace this node")

// Set implements raft.StableStore. Where the disk fails it never returns: raft would go on with a term that is not kept,
// or panic, and what is here would not be readable any more.
func (s *checkedStable) Set(key, value []byte) error {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	if err := s.StableStore.Set(key, binary.BigEndian.AppendUint32(append([]byte{}, value...), sum)); err != nil {
		s.fatal(fmt.Errorf("cluster: write raft's term or vote: %w", err))
		select {}
	}
	return nil
}

// Get implements raft.StableStore. A missing key keeps the library's own error, which raft compares by its text.
func (s *checkedStable) Get(key []byte) ([]byte, error) {
	b, err := s.StableStore.Get(key)
	if err != nil || len(b) == 0 {
		return b, err
	}
	if len(b) < 4 {
		return nil, errStable
	}
	value, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value) != sum {
		return nil, errStable
	}
	return value, nil
}

// SetUint64 implements raft.StableStore.
func (s *checkedStable) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 implements raft.StableStore.
func (s *checkedStable) GetUint64(key []byte) (uint64, error) {
	b, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, errStable
	}
	return binary.BigEndian.Uint64(b), nil
}
