package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"vigil/ledger"
	"vigil/ledger/ledgertest"
	"vigil/node/store"
)

func open(t testing.TB, dir string, origin ledger.Origin) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Identity{Origin: origin, Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled returns a store that holds a jurisdiction's entries, one batch an entry, and a mirror of a partner.
func filled(t testing.TB, dir string) (*store.Store, *ledgertest.Jurisdiction, *ledgertest.Jurisdiction) {
	t.Helper()
	return filledWith(t, dir, 20)
}

func filledWith(t testing.TB, dir string, entries int) (*store.Store, *ledgertest.Jurisdiction, *ledgertest.Jurisdiction) {
	t.Helper()
	in, uk := ledgertest.Found(t, "in", 3), ledgertest.Found(t, "uk", 3)
	ledgertest.Link(t, in, uk)
	for range entries {
		in.Seal(t, 0, []ledger.AudienceName{"in/*"}, ledgertest.Event("row"))
	}
	uk.Seal(t, 1, []ledger.AudienceName{"in/*", "uk/*"}, ledgertest.Event("from abroad"))
	s := open(t, dir, in.Origin())
	var state *ledger.State
	for i, e := range in.Entries {
		next, a, err := store.ApplyOwn(state, e, nil)
		if err != nil {
			t.Fatal(err)
		}
		state = next
		if err := s.Commit(store.Batch{Index: uint64(i + 1), Term: 1, State: state, Own: []store.Appended{a}}); err != nil {
			t.Fatal(err)
		}
	}
	in.State = state
	batch := uk.Batch(t, in)
	state, r := state.ApplyMirror(batch)
	if r.Verdict != ledger.MirrorApplied {
		t.Fatal(r.Reason)
	}
	in.State = state
	b := store.Batch{Index: uint64(len(in.Entries) + 1), Term: 1, State: state, Mirrors: []store.Mirrored{{Batch: batch, At: state.Size()}}}
	if err := s.Commit(b); err != nil {
		t.Fatal(err)
	}
	if err := s.PutCheckpoint(in.Origin(), in.Checkpoint(t)); err != nil {
		t.Fatal(err)
	}
	return s, in, uk
}

func check(t *testing.T, s *store.Store, in, uk *ledgertest.Jurisdiction) {
	t.Helper()
	if s.State().Line() != in.State.Line() || s.Size(uk.Origin()) != uk.State.Size() {
		t.Fatal("another state")
	}
	for i, want := range in.Entries {
		got, bare, _, err := s.Entry(in.Origin(), uint64(i))
		if err != nil || bare || !bytes.Equal(got.Payload, want.Payload) || !bytes.Equal(got.Leaf, want.Leaf) {
			t.Fatalf("entry %d: %v", i, err)
		}
		rec, _ := want.Open()
		if index, _, ok, err := s.BySequence(rec.Writer, rec.Sequence); err != nil || !ok || index != uint64(i) {
			t.Fatalf("sequence of entry %d: %d %v %v", i, index, ok, err)
		}
	}
	for _, j := range []*ledgertest.Jurisdiction{in, uk} {
		root, err := tlog.TreeHash(int64(j.State.Size()), s.HashReader(j.Origin()))
		if err != nil || root != j.State.Root() {
			t.Fatalf("root of %s: %v", j.Origin(), err)
		}
	}
	var findings []store.Finding
	err := s.Verify(t.Context(), func(ledger.Origin, uint64, uint64) {}, func(f store.Finding) { findings = append(findings, f) })
	if err != nil || len(findings) > 0 {
		t.Fatalf("verify: %v %v", err, findings)
	}
}

func TestWhatIsCommittedIsReadBack(t *testing.T) {
	dir := t.TempDir()
	s, in, uk := filled(t, dir)
	check(t, s, in, uk) // before the flush, from memory
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	check(t, s, in, uk)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, in.Origin())
	defer s.Close()
	check(t, s, in, uk)
	if index, term := s.Applied(); index != uint64(len(in.Entries)+1) || term != 1 {
		t.Fatal(index, term)
	}
}

func TestJournalFoldsToTheSameLedger(t *testing.T) {
	s, in, uk := filled(t, t.TempDir())
	defer s.Close()
	j, err := s.Journal()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := j.WriteTo(&b); err != nil || int64(b.Len()) != j.Size() {
		t.Fatalf("journal of %d bytes, announced %d: %v", b.Len(), j.Size(), err)
	}
	other := open(t, t.TempDir(), in.Origin())
	defer other.Close()
	for _, flip := range []int{3, 30, b.Len() / 2, b.Len() - 3} {
		bad := bytes.Clone(b.Bytes())
		bad[flip] ^= 4
		if err := other.Receive(bytes.NewReader(bad)); err == nil {
			t.Fatalf("a journal with a flipped bit at %d was accepted", flip)
		}
		if other.State() != nil {
			t.Fatal("a refused journal changed something")
		}
	}
	if err := other.Receive(bytes.NewReader(b.Bytes()[:b.Len()-9])); err == nil {
		t.Fatal("a journal cut short was accepted")
	}
	if err := other.Receive(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	check(t, other, in, uk)
}

// FuzzReceive: a journal that is not the ledger's own changes nothing, whatever is in it.
func FuzzReceive(f *testing.F) {
	s, in, _ := filled(f, f.TempDir())
	j, err := s.Journal()
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := j.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()/2])
	other := open(f, f.TempDir(), in.Origin())
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := other.State()
		if err := other.Receive(bytes.NewReader(raw)); err != nil {
			if other.State() != before {
				t.Fatal("a journal that was refused changed the state")
			}
			return
		}
		size := other.State().Size()
		if root, err := tlog.TreeHash(int64(min(size, s.State().Size())), s.HashReader(in.Origin())); err != nil || root != other.State().Root() {
			t.Fatalf("another ledger came out: %v", err)
		}
	})
}

func TestUnflushedIsLostAndReplayable(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	s, in, _ := filled(t, dir)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	before := s.State()
	e, err := in.SealAs(0, in.Record(0, ledger.KindSealed), []ledger.AudienceName{"in/*"}, ledgertest.Event("later"))
	if err != nil {
		t.Fatal(err)
	}
	next, a, err := store.ApplyOwn(before, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(store.Batch{Index: 1000, Term: 2, State: next, Own: []store.Appended{a}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	crashed := open(t, copied, in.Origin()) // what a crash before the flush would leave
	defer crashed.Close()
	if index, _ := crashed.Applied(); index >= 1000 || crashed.State().Line() != before.Line() {
		t.Fatal("the copy made before the flush knows what came after")
	}
	if err := crashed.Commit(store.Batch{Index: 1000, Term: 2, State: next, Own: []store.Appended{a}}); err != nil {
		t.Fatal(err)
	}
}

func TestBitFlipsAreFoundOrHarmless(t *testing.T) {
	dir := t.TempDir()
	s, in, uk := filled(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"current/ledger.db", "current/payload-00000000"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for k := range 40 {
			bad := bytes.Clone(raw)
			bad[(k*7919+13)%len(bad)] ^= 1 << (k % 8)
			victim := t.TempDir()
			if err := os.CopyFS(victim, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(victim, name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			readAll(t, victim, in, uk)
		}
	}
}

// readAll reads everything from a damaged store: each entry is right or an error.
func readAll(t *testing.T, dir string, in, uk *ledgertest.Jurisdiction) {
	t.Helper()
	s, err := store.Open(dir, store.Identity{Origin: in.Origin(), Node: "n"})
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	for _, j := range []*ledgertest.Jurisdiction{in, uk} {
		for i, want := range j.Entries {
			got, bare, hash, err := s.Entry(j.Origin(), uint64(i))
			if err != nil || bare {
				continue
			}
			if hash != ledger.LeafHash(want.Leaf) || !bytes.Equal(got.Payload, want.Payload) {
				t.Fatalf("damage was served as entry %d of %s", i, j.Origin())
			}
		}
	}
}

func TestWrongDirectoriesAreRefused(t *testing.T) {
	dir := t.TempDir()
	s, in, uk := filled(t, dir)
	if _, err := store.Open(dir, store.Identity{Origin: in.Origin(), Node: "n"}); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, store.Identity{Origin: uk.Origin(), Node: "n"}); !errors.Is(err, store.ErrOther) {
		t.Fatalf("another ledger: %v", err)
	}
	if _, err := store.Open(dir, store.Identity{Origin: in.Origin(), Node: "m"}); !errors.Is(err, store.ErrOther) {
		t.Fatalf("another node: %v", err)
	}
}

func TestSigningNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	origin := ledger.NewOrigin("in", [16]byte{})
	s := open(t, dir, origin)
	a, b := tlog.Hash{1}, tlog.Hash{2}
	steps := []struct {
		size uint64
		root tlog.Hash
		ok   bool
	}{{5, a, true}, {5, a, true}, {5, b, false}, {4, a, false}, {6, b, true}}
	for _, step := range steps {
		if err := s.SetLastSigned(origin, step.size, step.root); (err == nil) != step.ok {
			t.Fatalf("%+v: %v", step, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, origin)
	defer s.Close()
	if err := s.SetLastSigned(origin, 6, a); !errors.Is(err, store.ErrSigned) {
		t.Fatalf("forgotten over a restart: %v", err)
	}
}

func TestWaitWakes(t *testing.T) {
	s, in, _ := filled(t, t.TempDir())
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx, in.Origin(), in.State.Size()+1); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := s.Wait(t.Context(), in.Origin(), in.State.Size()); err != nil {
		t.Fatal(err)
	}
}
