package cluster

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestTheLogHasNoGap: entries that do not follow are refused, and nobody stops for it; what raft writes where a log begins anew, behind a
// snapshot, is not.
func TestTheLogHasNoGap(t *testing.T) {
	disk, snapshot := raft.NewInmemStore(), uint64(0)
	die := func(err error) { t.Errorf("fatal: %v", err) }
	open := func() *checkedLog {
		return &checkedLog{LogStore: disk, stable: &checkedStable{StableStore: disk, fatal: die}, fatal: die, hung: time.Minute, reach: func() (uint64, uint64, error) {
			if snapshot == 0 {
				return 0, 0, fs.ErrNotExist
			}
			return 1, snapshot, nil
		}}
	}
	l := open()
	if err := l.stable.SetUint64(currentTerm, 1); err != nil {
		t.Fatal(err)
	}
	writes := func(when string, ok bool, indices ...uint64) {
		t.Helper()
		var entries []*raft.Log
		for _, i := range indices {
			entries = append(entries, &raft.Log{Index: i, Term: 1})
		}
		if err := l.StoreLogs(entries); (err == nil) != ok || err != nil && !errors.Is(err, errGap) {
			t.Errorf("%s: %v", when, err)
		}
		if err := l.verifyAll(); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	takes := func(first, last uint64) {
		t.Helper()
		if err := l.DeleteRange(first, last); err != nil {
			t.Fatal(err)
		}
	}
	writes("not the first", false, 2)
	writes("the first", true, 1, 2, 3)
	writes("a gap", false, 5)
	writes("a gap inside", false, 4, 6)
	writes("one that is there", false, 3)
	writes("the next", true, 4, 5)
	l = open()
	writes("a gap, after a start", false, 7)
	writes("the next, after a start", true, 6)
	takes(5, 6)
	writes("where the end gave way", true, 5, 6)
	snapshot = 6
	takes(1, 6)
	writes("below our own snapshot", false, 6)
	writes("behind our own snapshot", true, 7, 8)
	snapshot = 100
	takes(7, 8)
	writes("below one that was received", false, 1)
	writes("behind one that was received", true, 101)
	snapshot = 200 // and a crash before the log was taken away
	l = open()
	if err := l.overtaken(); err != nil {
		t.Fatal(err)
	}
	writes("behind one over which there was a crash", true, 201)
	if err := l.overtaken(); err != nil {
		t.Fatal(err)
	}
	writes("the next", true, 202)
}
