package cluster

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// holds says whether any file of a node has the middle of a payload in it.
func (w *network) holds(i int, payload []byte) (path string) {
	w.t.Helper()
	err := filepath.WalkDir(w.dirs[i], func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if bytes.Contains(b, payload[len(payload)/2:len(payload)/2+64]) {
			path = p
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// TestRaftForgetsWhatWasExpunged: no file of any node holds it, those that were away when it happened included; and raft goes
// on over a log that was cut and written anew, also after a start.
func TestRaftForgetsWhatWasExpunged(t *testing.T) {
	w := newNetwork(t, 4)
	w.found()
	home := []ledger.AudienceName{"in/*"}
	for range 5 {
		w.propose(0, w.seal(0))
	}
	target := w.seal(1)
	w.propose(1, target)
	index := w.j.State.Size() - 1
	w.until("every node has it", w.equal)
	if w.holds(2, target.Payload) == "" {
		t.Fatal("the search finds nothing")
	}
	w.stop(3) // it has it on disk, and sleeps through the expungement
	for range 5 {
		w.propose(0, w.seal(0))
	}
	by := w.j.Naming(t, 1, ledger.KindExpungement, index, nil, nil, home, ledgertest.Event("order")).Index
	w.propose(2, w.j.Entries[by])
	w.until("all that run are equal", w.equal)
	purged := func(nodes ...int) func() bool {
		return func() bool {
			for _, i := range nodes {
				n := w.nodes[i]
				if due := n.store.PurgeIndex(); due == 0 || n.Purged() < due {
					return false
				}
			}
			return true
		}
	}
	w.until("they have purged their logs", purged(0, 1, 2))
	for i := range 3 {
		if path := w.holds(i, target.Payload); path != "" {
			t.Errorf("node %d still has it in %s", i, path)
		}
	}
	w.start(3)
	w.until("the sleeper has caught up", w.equal)
	w.until("it has purged, too", purged(3))
	if path := w.holds(3, target.Payload); path != "" {
		t.Errorf("the sleeper still has it in %s", path)
	}
	for i := range 4 {
		w.propose(i, w.seal(i))
	}
	w.until("they go on", w.equal)
	for i := range w.nodes {
		w.stop(i)
	}
	for i := range w.nodes {
		w.start(i)
	}
	w.propose(2, w.seal(2))
	w.until("all are back from their own disks", w.equal)
	for i, n := range w.nodes {
		if n.Purged() == 0 {
			t.Errorf("node %d has forgotten that it purged", i)
		}
		if path := w.holds(i, target.Payload); path != "" {
			t.Errorf("node %d has it again, in %s", i, path)
		}
	}

	// Who proposes it again puts it back into raft's log, and no further.
	if results, err := w.nodes[w.leader()].Propose(t.Context(), []ledger.Entry{target}); err != nil || results[0].Verdict != ledger.Repeat {
		t.Fatalf("%+v %v", results, err)
	}
	w.propose(0, w.seal(0))
	w.until("it is everywhere", w.equal)
	w.until("they have purged their logs again", purged(0, 1, 2, 3))
	for i := range w.nodes {
		if path := w.holds(i, target.Payload); path != "" {
			t.Errorf("node %d has it again, proposed again, in %s", i, path)
		}
	}

	// A third party's expungement is refused by every replica.
	w.propose(0, w.seal(0))
	last := w.j.State.Size() - 1
	forged := w.j.Named(t, 2, ledger.KindExpungement, last, nil, nil, home, ledgertest.Event("order"))
	results, err := w.nodes[w.leader()].Propose(t.Context(), []ledger.Entry{forged})
	if err != nil || results[0].Reason != ledger.ErrNotAuthor {
		t.Fatalf("%+v %v", results, err)
	}
	for i, n := range w.nodes {
		if _, gone, err := n.store.Gone(w.j.Origin(), last); err != nil || gone {
			t.Errorf("node %d: it took effect: %v", i, err)
		}
	}
}

// TestTheLogIsWrittenAnew: what was deleted is not in the file any more, what was not is.
func TestTheLogIsWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), logFile)
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte("secret payload "), 500)
	for i := range uint64(20) {
		data := []byte("harmless")
		if i == 7 {
			data = secret
		}
		if err := l.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Set([]byte("term"), []byte("value")); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRange(1, 10); err != nil {
		t.Fatal(err)
	}
	has := func() bool {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(b, secret[:64])
	}
	if !has() {
		t.Fatal("deleting alone would do")
	}
	if err := l.rewrite(); err != nil {
		t.Fatal(err)
	}
	if has() {
		t.Error("it is still in the file")
	}
	var e raft.Log
	if err := l.GetLog(11, &e); err != nil || string(e.Data) != "harmless" {
		t.Errorf("%v", err)
	}
	if v, err := l.Get([]byte("term")); err != nil || string(v) != "value" {
		t.Errorf("%s %v", v, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.LastIndex(); err == nil {
		t.Error("a closed log answers")
	}
}

// TestALogThatShrankTakesLessRoom: what a large import leaves behind is not carried along, in the file and in every later write.
func TestALogThatShrankTakesLessRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), logFile)
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	large := bytes.Repeat([]byte{7}, 1<<20)
	const imported, left = 80, 2
	for i := range uint64(imported) {
		if err := l.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: large}); err != nil {
			t.Fatal(err)
		}
	}
	full := size()
	if err := l.DeleteRange(1, 40); err != nil { // half of it stays: more than is worth the wait
		t.Fatal(err)
	}
	if size() < full {
		t.Errorf("%d bytes are left of %d: everything waited for what is still in use", size(), full)
	}
	if err := l.DeleteRange(41, imported-left); err != nil {
		t.Fatal(err)
	}
	if most := int64(left+2) << 20; size() > most {
		t.Errorf("%d bytes are left of %d, more than %d", size(), full, most)
	}
	var e raft.Log
	for i := range uint64(left) {
		if err := l.GetLog(imported-i, &e); err != nil || !bytes.Equal(e.Data, large) {
			t.Errorf("entry %d: %v", imported-i, err)
		}
	}
	if err := l.StoreLog(&raft.Log{Index: imported + 1, Term: 1, Data: large}); err != nil {
		t.Errorf("it takes no more: %v", err)
	}
}
