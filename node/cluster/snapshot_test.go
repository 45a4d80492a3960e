package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"vigil/node/store"
)

// TestHowFarASnapshotReaches: the reference is read again where this process or anybody else wrote it.
func TestHowFarASnapshotReaches(t *testing.T) {
	s, err := newSnapshots(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	reaches := func(want uint64) {
		t.Helper()
		for range 2 {
			if term, index, err := s.reach(); term != 2 || index != want || err != nil {
				t.Fatalf("term %d, index %d, %v; want %d", term, index, err, want)
			}
		}
	}
	if _, _, err := s.reach(); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, index := range []uint64{7, 8, 9} { // of one length, at once
		if err := s.write(&snapshotMeta{SnapshotMeta: raft.SnapshotMeta{Term: 2, Index: index}}); err != nil {
			t.Fatal(err)
		}
		reaches(index)
	}
	b, err := encodeSummed(&snapshotMeta{SnapshotMeta: raft.SnapshotMeta{Term: 2, Index: 1}})
	if err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older")
	if err := errors.Join(os.WriteFile(older, b, 0o600), os.Rename(older, filepath.Join(s.dir, referenceFile))); err != nil {
		t.Fatal(err)
	}
	reaches(1)
	if err := os.WriteFile(filepath.Join(s.dir, referenceFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.reach(); !errors.Is(err, errSnapshot) {
		t.Fatal(err)
	}
}

// TestSnapshotsOfJunk leave nothing behind, and are not those out of which raft comes by a start only.
func TestSnapshotsOfJunk(t *testing.T) {
	ledgers, err := store.Open(filepath.Join(t.TempDir(), "ledger"), store.Identity{Origin: "in", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	defer ledgers.Close()
	s, err := newSnapshots(t.TempDir(), ledgers)
	if err != nil {
		t.Fatal(err)
	}
	f := &fsm{store: ledgers, stuck: func() { t.Error("it would start again") }}
	for i := range uint64(2 * maxSnapshots) {
		sink, err := s.Create(1, 9+i, 2, raft.Configuration{}, 1, nil)
		if err == nil {
			_, err = sink.Write([]byte("junk"))
		}
		if err == nil {
			err = sink.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, r, err := s.Open(sink.ID())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Restore(r); err == nil {
			t.Error("it is taken")
		}
		if left, err := filepath.Glob(s.path("*")); err != nil || len(left)+len(s.received) > 0 || s.coming() {
			t.Errorf("%v and %d are kept, it comes: %v, %v", left, len(s.received), s.coming(), err)
		}
	}
}

// TestAJournalThatComes is why a node is behind, until it is folded, given up, or has taken for too long.
func TestAJournalThatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newSnapshots(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		begins := func() raft.SnapshotSink {
			t.Helper()
			sink, err := s.Create(1, 9, 2, raft.Configuration{}, 1, nil)
			if err == nil {
				_, err = sink.Write([]byte("journal"))
			}
			if err != nil || !s.coming() {
				t.Fatalf("it has begun to come: %v, %v", s.coming(), err)
			}
			return sink
		}
		if s.coming() {
			t.Error("nothing comes")
		}
		if err := begins().Cancel(); err != nil || s.coming() {
			t.Errorf("it was given up: %v, %v", s.coming(), err)
		}
		sink := begins()
		if err := sink.Close(); err != nil || !s.coming() {
			t.Errorf("it is to be folded: %v, %v", s.coming(), err)
		}
		_, r, err := s.Open(sink.ID())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.(*receivedReader).commit(9); err != nil || s.coming() {
			t.Errorf("it was folded: %v, %v", s.coming(), err)
		}
		sink = begins()
		time.Sleep(snapshotTakes)
		if s.coming() {
			t.Error("it has taken too long")
		}
		if err := sink.Cancel(); err != nil {
			t.Fatal(err)
		}
	})
}
