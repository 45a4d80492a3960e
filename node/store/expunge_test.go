package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

// holding returns the files under a directory that hold any of the payloads' bytes.
func holding(t *testing.T, dir string, payloads ...[]byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, p := range payloads {
			if bytes.Contains(b, p[len(p)/2:len(p)/2+64]) {
				files = append(files, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// expunged is a ledger with a target, two releases and an expungement of it, its partner's the same; it is committed as far as
// the entry, and the mirror after it.
type expungedLedger struct {
	in, uk                   *ledgertest.Jurisdiction
	target, first, second    ledger.Index // the target, and what expunged it: in part, and again
	foreign, foreignExpunged ledger.Index
	gone                     [][]byte // payloads that must not be anywhere
}

func expunge(t *testing.T) expungedLedger {
	t.Helper()
	in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 1)
	ledgertest.Link(t, in, uk)
	home, both := []ledger.AudienceName{"in/*"}, []ledger.AudienceName{"in/*", "uk/*"}
	x := expungedLedger{in: in, uk: uk}
	in.Seal(t, 0, home, ledgertest.Event("before"))
	in.Seal(t, 1, home, ledgertest.Event("to be expunged"), ledgertest.Event("second"), ledgertest.Event("third"))
	x.target = in.State.Size() - 1
	p := in.Opened(t, 1, x.target)
	release := in.Naming(t, 1, ledger.KindRelease, x.target, p, []int{0, 1, 2}, both).Index
	in.Seal(t, 2, home, ledgertest.Event("between"))
	x.first = in.Naming(t, 1, ledger.KindExpungement, x.target, p, []int{1, 2}, both).Index
	late := in.Naming(t, 1, ledger.KindRelease, x.target, p, []int{1}, both).Index
	x.second = in.Naming(t, 1, ledger.KindExpungement, x.target, p, []int{2}, both).Index
	in.Seal(t, 0, home, ledgertest.Event("after"))
	for _, i := range []ledger.Index{x.target, release, x.first, late} {
		x.gone = append(x.gone, in.Entries[i].Payload)
	}
	uk.Seal(t, 0, both, ledgertest.Event("from abroad"))
	x.foreign = uk.State.Size() - 1
	x.foreignExpunged = uk.Naming(t, 0, ledger.KindExpungement, x.foreign, nil, nil, both, ledgertest.Event("order")).Index
	x.gone = append(x.gone, uk.Entries[x.foreign].Payload)
	return x
}

// commit puts everything into a store, a raft entry each; at stops before that entry of ours.
func (x *expungedLedger) commit(t *testing.T, s *store.Store) {
	t.Helper()
	var state *ledger.State
	for i, e := range x.in.Entries {
		next, a, err := store.ApplyOwn(state, e, x.in.Earlier)
		if err != nil {
			t.Fatal(err)
		}
		state = next
		if err := s.Commit(store.Batch{Index: uint64(i + 1), Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
			t.Fatal(err)
		}
		if p := state.Partners[x.uk.Origin()]; p != nil && p.Mirror.Size() == 0 {
			state = x.mirror(t, s, state, uint64(i+1))
		}
		if i == int(x.target) || i == int(x.first) { // they are on disk before they are taken
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	x.in.State = state
	if err := s.PutCheckpoint(x.in.Origin(), x.in.Checkpoint(t)); err != nil {
		t.Fatal(err)
	}
}

// mirror commits all of the partner's ledger.
func (x *expungedLedger) mirror(t *testing.T, s *store.Store, state *ledger.State, raft uint64) *ledger.State {
	t.Helper()
	x.in.State = state
	batch := x.uk.Batch(t, x.in)
	next, r := state.ApplyMirror(batch)
	if r.Verdict != ledger.MirrorApplied {
		t.Fatal(r.Reason)
	}
	if err := s.Commit(store.Batch{Index: raft, Term: 1, State: next, Mirrors: []store.Mirrored{{Batch: batch, At: next.Size()}}}); err != nil {
		t.Fatal(err)
	}
	return next
}

func (x *expungedLedger) check(t *testing.T, s *store.Store) {
	t.Helper()
	if s.State().Line() != x.in.State.Line() || s.State().Root() != x.in.State.Root() {
		t.Fatal("another state")
	}
	for _, i := range []ledger.Index{x.target, x.first} {
		e, bare, _, err := s.Entry(x.in.Origin(), i)
		if !errors.Is(err, store.ErrExpunged) || bare || len(e.Payload) > 0 || !bytes.Equal(e.Leaf, x.in.Entries[i].Leaf) {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	if by, gone, err := s.Gone(x.in.Origin(), x.first); err != nil || !gone || by != x.second {
		t.Fatalf("%d %v %v", by, gone, err)
	}
	if by, gone, err := s.Gone(x.uk.Origin(), x.foreign); err != nil || !gone || by != x.foreignExpunged {
		t.Fatalf("the mirror: %d %v %v", by, gone, err)
	}
	for _, i := range []ledger.Index{x.target - 1, x.second, x.second + 1} {
		if e, _, _, err := s.Entry(x.in.Origin(), i); err != nil || !bytes.Equal(e.Payload, x.in.Entries[i].Payload) {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	out, err := s.Outgoing("uk", 0)
	if err != nil || out == nil {
		t.Fatal(err)
	}
	if len(out.Items[x.first].Payload) > 0 || len(out.Items[x.first].Leaf) == 0 || len(out.Items[x.second].Payload) == 0 {
		t.Fatal("what goes to a partner is not what is here")
	}
	var findings []store.Finding
	if err := s.Verify(t.Context(), func(ledger.Origin, uint64, uint64) {}, func(f store.Finding) { findings = append(findings, f) }); err != nil || len(findings) > 0 {
		t.Fatalf("verify: %v %v", err, findings)
	}
}

// TestWhatIsExpungedIsNowhere: neither in memory nor in a file, now, after a start, and in what others are sent; the tree is
// the same, and everything verifies.
func TestWhatIsExpungedIsNowhere(t *testing.T) {
	x := expunge(t)
	dir := t.TempDir()
	s := open(t, dir, x.in.Origin())
	x.commit(t, s)
	x.check(t, s) // before the flush
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	x.check(t, s)
	if found := holding(t, dir, x.gone...); len(found) > 0 {
		t.Fatalf("still in %v", found)
	}
	if s.PurgeIndex() != x.second+1 {
		t.Errorf("what raft keeps is to be purged up to %d", s.PurgeIndex())
	}

	// A follower that is sent the ledger gets it without.
	j, err := s.Journal()
	if err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	if _, err := j.WriteTo(&sent); err != nil || int64(sent.Len()) != j.Size() {
		t.Fatalf("%d bytes, announced %d: %v", sent.Len(), j.Size(), err)
	}
	for _, p := range x.gone {
		if bytes.Contains(sent.Bytes(), p[len(p)/2:len(p)/2+64]) {
			t.Fatal("it is sent to followers")
		}
	}
	fresh := open(t, t.TempDir(), x.in.Origin())
	defer fresh.Close()
	if err := fresh.Receive(bytes.NewReader(sent.Bytes())); err != nil {
		t.Fatal(err)
	}
	x.check(t, fresh)
	if fresh.PurgeIndex() == 0 {
		t.Error("what its raft kept of before stays")
	}

	// A sender that withholds a payload which nothing expunged is found out.
	keep := sent.Bytes()
	cut := bytes.Index(keep, append([]byte{'X'}, be32(len(x.in.Entries[x.target].Leaf))...))
	if cut < 0 {
		t.Fatal("no frame without a payload")
	}
	e := x.in.Entries[x.second+1]
	full := append(append([]byte{'E'}, be32(len(ledger.Marshal(e)))...), ledger.Marshal(e)...)
	bare := append(append([]byte{'X'}, be32(len(e.Leaf))...), e.Leaf...)
	if !bytes.Contains(keep, full) {
		t.Fatal("no such frame")
	}
	liar := open(t, t.TempDir(), x.in.Origin())
	defer liar.Close()
	if err := liar.Receive(bytes.NewReader(bytes.Replace(keep, full, bare, 1))); err == nil || !strings.Contains(err.Error(), "nothing expunged") {
		t.Errorf("a payload was withheld: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, x.in.Origin())
	defer s.Close()
	x.check(t, s)
}

// TestAnInterruptedPurgeIsFinished: the transaction that says so is on disk, and the bytes are still there.
func TestAnInterruptedPurgeIsFinished(t *testing.T) {
	x := expunge(t)
	dir := t.TempDir()
	s := open(t, dir, x.in.Origin())
	store.SkipPurge(func() { x.commit(t, s); _ = s.Close() })
	if found := holding(t, dir, x.gone...); len(found) == 0 {
		t.Fatal("nothing was interrupted")
	}
	s = open(t, dir, x.in.Origin())
	defer s.Close()
	if found := holding(t, dir, x.gone...); len(found) > 0 {
		t.Fatalf("still in %v", found)
	}
	x.check(t, s)
}

// TestAPartnersExpungementByAThirdPartyTakesNothing: its own ledger would have refused it; a partner that sends it all the same
// is not believed where the entry is here.
func TestAPartnersExpungementByAThirdPartyTakesNothing(t *testing.T) {
	x := expunge(t)
	s := open(t, t.TempDir(), x.in.Origin())
	defer s.Close()
	x.commit(t, s)
	own, err := x.uk.Entries[x.foreignExpunged].Open()
	if err != nil {
		t.Fatal(err)
	}
	if may, err := s.MayExpunge(x.uk.State.Governance, x.uk.Origin(), own); err != nil || !may {
		t.Errorf("its author may: %v", err)
	}
	third := *own
	third.Author = "uk/third"
	if may, err := s.MayExpunge(x.uk.State.Governance, x.uk.Origin(), &third); err != nil || may {
		t.Errorf("a third party expunged: %v", err)
	}
}

func be32(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }

// TestAJournalSendsNothingThatWasExpungedMeanwhile: also before the expungement is on disk.
func TestAJournalSendsNothingThatWasExpungedMeanwhile(t *testing.T) {
	x := expunge(t)
	s := open(t, t.TempDir(), x.in.Origin())
	defer s.Close()
	var state *ledger.State
	commit := func(i ledger.Index) {
		t.Helper()
		next, a, err := store.ApplyOwn(state, x.in.Entries[i], x.in.Earlier)
		if err != nil {
			t.Fatal(err)
		}
		state = next
		if err := s.Commit(store.Batch{Index: i + 1, Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
			t.Fatal(err)
		}
		if p := state.Partners[x.uk.Origin()]; p != nil && p.Mirror.Size() == 0 {
			state = x.mirror(t, s, state, i+1)
		}
	}
	for i := range x.first {
		commit(i)
	}
	j, err := s.Journal()
	if err != nil {
		t.Fatal(err)
	}
	commit(x.first)
	var sent bytes.Buffer
	if _, err := j.WriteTo(&sent); !errors.Is(err, store.ErrExpunged) || bytes.Contains(sent.Bytes(), x.in.Entries[x.target].Payload) {
		t.Errorf("%d bytes are sent, %v", sent.Len(), err)
	}
}
