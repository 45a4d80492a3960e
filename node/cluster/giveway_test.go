package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// stopping is a log in memory over which its node is killed when entries are taken from it: before, or after.
type stopping struct {
	*raft.InmemStore
	before, after bool
}

var errKilled = errors.New("killed")

func (s *stopping) DeleteRange(first, last uint64) error {
	if s.before {
		return errKilled
	}
	if err := s.InmemStore.DeleteRange(first, last); err != nil || !s.after {
		return err
	}
	return errKilled
}

// TestALogThatGivesWayIsNotRolledBack: whatever moment a node is killed at while the end of its log gives way to another
// leader's entries, it is not behind what it has signed.
func TestALogThatGivesWayIsNotRolledBack(t *testing.T) {
	for name, kill := range map[string]*stopping{"never": {}, "before": {before: true}, "after": {after: true}} {
		for what, from := range map[string]uint64{"its end": 3, "all of it, for a snapshot": 1} {
			t.Run(name+", "+what, func(t *testing.T) { giveWay(t, kill, from) })
		}
	}
}

func giveWay(t *testing.T, kill *stopping, from uint64) {
	disk := &stopping{InmemStore: raft.NewInmemStore()}
	open := func() *checkedLog {
		t.Helper()
		l := &checkedLog{LogStore: disk, stable: &checkedStable{StableStore: disk, fatal: func(err error) { t.Error(err) }}, fatal: func(error) {}, hung: time.Minute}
		if err := l.settle(); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	var said standing
	say := func() {
		t.Helper()
		term, last, err := l.end()
		if err != nil {
			t.Fatal(err)
		}
		now := standing{LogTerm: term, Last: last}
		if now.behind(said) {
			t.Fatalf("at entry %d of term %d after entry %d of term %d was signed", now.Last, now.LogTerm, said.Last, said.LogTerm)
		}
		said = now
	}
	store := func(index, term uint64) {
		t.Helper()
		if err := l.StoreLogs([]*raft.Log{{Index: index, Term: term}}); err != nil {
			t.Fatal(err)
		}
		say()
	}
	lead := func(term uint64) {
		t.Helper()
		if err := l.stable.SetUint64([]byte("CurrentTerm"), term); err != nil {
			t.Fatal(err)
		}
		say()
	}
	lead(1)
	for i := uint64(1); i <= 4; i++ {
		store(i, 1)
	}
	lead(2)
	disk.before, disk.after = kill.before, kill.after
	if err := l.DeleteRange(from, 4); errors.Is(err, errKilled) != (kill.before || kill.after) {
		t.Fatal(err)
	}
	disk.before, disk.after = false, false
	l = open()
	say()
	if last, err := l.LastIndex(); err == nil && last >= from { // killed before: it is asked again
		if err := l.DeleteRange(from, last); err != nil {
			t.Fatal(err)
		}
	}
	say()
	lead(3) // whose log is the old one, at first
	store(from, 1)
	l = open()
	say()
	lead(4)
	if err := l.DeleteRange(from, from); err != nil {
		t.Fatal(err)
	}
	say()
	store(from, 4)
}
