package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// A log gets shorter where its end gives way to the entries of another leader. Between the two writes, that take and that
// add, a crash would leave a node that is behind what it has signed, as one whose disk was rolled back is. So it is noted,
// beside raft's term, in which term the end gave way: of a log that is shorter for that, the node says that it is of that
// term, and is behind nothing it has said. Under keyGaveWay lie 25 bytes: the term before, the term, the index of the last
// entry that stays (8 bytes each, big endian), and 1 once the rest is taken.
var keyGaveWay = []byte("VigilGaveWay")

const gaveWayBytes = 25

type gaveWay struct {
	before, term, index uint64
	done                bool
}

// since returns the term in which the end of a log that goes up to last gave way latest; 0 is never.
func (g gaveWay) since(last uint64) uint64 {
	if g.done || last <= g.index {
		return g.term
	}
	return g.before // a crash came before anything was taken
}

func (g gaveWay) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, g.before)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, g.term), g.index)
	if g.done {
		return append(b, 1)
	}
	return append(b, 0)
}

// errGiving says that the end of the log gives way just now.
var errGiving = errors.New("cluster: the end of the raft log gives way just now")

func (l *checkedLog) gaveWay() (g gaveWay, err error) {
	b, err := l.stable.Get(keyGaveWay)
	if err != nil && err.Error() != "not found" { // as raft itself compares it
		return g, err
	}
	if len(b) == 0 {
		return g, nil
	}
	if len(b) != gaveWayBytes {
		return g, errStable
	}
	return gaveWay{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), b[24] == 1}, nil
}

// end returns the term and the index of the last entry, the term being the one in which the end gave way where that is later.
func (l *checkedLog) end() (term, last uint64, err error) {
	turn := l.turns.Load()
	g, err := l.gaveWay()
	if err != nil {
		return 0, 0, err
	}
	if last, err = l.LastIndex(); err != nil {
		return 0, 0, err
	}
	if last > 0 {
		var e raft.Log
		if err := l.GetLog(last, &e); err != nil {
			return 0, 0, err
		}
		term = e.Term
	}
	if turn%2 == 1 || l.turns.Load() != turn {
		return 0, 0, errGiving
	}
	return max(term, g.since(last)), last, nil
}

// giveWay takes what lies behind an index. Nobody is told where the log ends meanwhile. A crash before the note leaves the log
// as it was; one before the taking, a note without effect; one after it, a log that is known to have given way.
func (l *checkedLog) giveWay(first, last uint64) error {
	l.turns.Add(1)
	defer l.turns.Add(1)
	g, err := l.gaveWay()
	if err != nil {
		return err
	}
	term, err := l.stable.GetUint64([]byte("CurrentTerm"))
	if err != nil {
		return fmt.Errorf("cluster: raft's term: %w", err)
	}
	g = gaveWay{before: g.since(last), term: term, index: first - 1}
	if err := l.stable.Set(keyGaveWay, g.encode()); err != nil {
		return err
	}
	if err := l.LogStore.DeleteRange(first, last); err != nil {
		return err
	}
	g.done = true
	return l.stable.Set(keyGaveWay, g.encode())
}

// settle ends what a crash left half done, at the start of a node.
func (l *checkedLog) settle() error {
	g, err := l.gaveWay()
	if err != nil || g.done || g == (gaveWay{}) {
		return err
	}
	last, err := l.LastIndex()
	if err != nil {
		return err
	}
	g.term, g.done = g.since(last), true
	return l.stable.Set(keyGaveWay, g.encode())
}

// isEnd says whether what is taken goes up to the end of the log, as it does where entries give way to a leader's or to its
// snapshot; what is compacted does not.
func (l *checkedLog) isEnd(last uint64) (bool, error) {
	ends, err := l.LastIndex()
	return err == nil && last >= ends, err
}
