package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/hashicorp/raft"
)

// faults turns a memory fault in the mapped raft log, and whatever bbolt makes of a damaged page, into an error. It works for the
// goroutine that defers what it returns.
func faults(err *error) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			*err = fmt.Errorf("%w: %v", ErrLog, r)
		}
	}
}

// LogDamage is one thing of raft's on disk that is not what was written. Index is 0 where it is no entry of the log.
type LogDamage struct {
	Index uint64
	Err   error
}

// ScrubLog reads raft's log from an index on, until about so many bytes are read, and returns where to go on, 0 at the end; there it
// reads term and vote and the reference to the snapshot, too.
func (c *Cluster) ScrubLog(from uint64, most int) (next, read uint64, found []LogDamage) {
	if c.disk == nil {
		return 0, 0, []LogDamage{{0, ErrLog}}
	}
	first, err := c.disk.FirstIndex()
	last := uint64(0)
	if err == nil {
		last, err = c.disk.LastIndex()
	}
	if err != nil {
		return 0, 0, []LogDamage{{0, err}}
	}
	for i := max(first, from); i <= last && i > 0; i++ {
		if read >= uint64(most) {
			return i, read, found
		}
		var e raft.Log
		err := c.disk.LogStore.GetLog(i, &e)
		if err == nil && e.Index != i {
			err = fmt.Errorf("%w: entry %d where %d should be", ErrLog, e.Index, i)
		}
		if err == nil {
			err = verifyLog(&e)
		}
		if errors.Is(err, raft.ErrLogNotFound) {
			if now, firstErr := c.disk.FirstIndex(); firstErr == nil && now > i {
				continue // it was cut meanwhile
			}
		}
		if err != nil {
			found = append(found, LogDamage{i, err})
		}
		read += uint64(len(e.Data)) + logHead
	}
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		if _, err := c.stable.Get([]byte(key)); errors.Is(err, errStable) || errors.Is(err, ErrLog) {
			found = append(found, LogDamage{0, fmt.Errorf("%s: %w", key, err)})
		}
	}
	if _, err := c.snapshots.List(); err != nil {
		found = append(found, LogDamage{0, err})
	}
	return 0, read, found
}

// MendLog takes a damaged entry that is in the ledger already out of raft's log: a snapshot stands for it and for all before.
func (c *Cluster) MendLog(index uint64) error {
	if c.Halted() || index == 0 || index > c.raft.AppliedIndex() {
		return ErrLog
	}
	return c.purge(index)
}

const logHead = 64 // bytes that an entry takes beside what it carries, about

// summed is a small JSON file of raft's with the SHA-256 of what it says: raft believes its numbers.
type summed struct {
	Meta json.RawMessage
	Sum  string
}

func encodeSummed(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return json.Marshal(summed{Meta: b, Sum: hex.EncodeToString(sum[:])})
}

func decodeSummed(b []byte, into any) error {
	var s summed
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	sum := sha256.Sum256(s.Meta)
	if s.Sum != hex.EncodeToString(sum[:]) {
		return errors.New("its checksum is of something else")
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, b) { // a name in other letters, which the decoder would take
		return errors.New("it is not as it was written")
	}
	return json.Unmarshal(s.Meta, into)
}

// encodePurged is 8 bytes raft index and 4 bytes CRC-32C over them.
func encodePurged(index uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, index)
	return binary.BigEndian.AppendUint32(b, checksum(b))
}
